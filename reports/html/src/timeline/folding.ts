/** Marks that would stand closer together than can be told apart become one. */

import type { Lane } from "../opened";

export interface Folds {
  count: number;
  /** For each mark: its first record, as an index into the lane. Its last is the one before the first of the next mark. */
  first: Int32Array;
  /** For each mark: 1 if it holds evidence, else 2 if it holds trouble, else 0. */
  flag: Uint8Array;
}

/** Fold what is less than `apart` milliseconds after the first of its mark. The same wherever the lane is looked at from. */
export function folds(lane: Lane, apart: number, into?: Folds): Folds {
  const size = lane.t.length;
  const first = into && into.first.length === size ? into.first : new Int32Array(size);
  const flag = into && into.flag.length === size ? into.flag : new Uint8Array(size);
  let count = -1;
  let until = -Infinity;
  for (let i = 0; i < size; i++) {
    const t = lane.t[i]!;
    const raised = lane.flag[i]!;
    if (t >= until) {
      count++;
      first[count] = i;
      flag[count] = raised;
      until = t + apart;
    } else if (raised === 1 || (raised && !flag[count])) flag[count] = raised;
  }
  return { count: count + 1, first, flag };
}

/** The first and the last record of a mark, as indexes into the lane. */
export function ends(lane: Lane, { first, count }: Folds, mark: number): [number, number] {
  return [first[mark]!, (mark + 1 < count ? first[mark + 1]! : lane.t.length) - 1];
}

/** Where a mark stands: between its first and its last record. */
export function middle(lane: Lane, all: Folds, mark: number): number {
  const [a, b] = ends(lane, all, mark);
  return (lane.t[a]! + lane.t[b]!) / 2;
}

/** The first mark that begins at or after `t`. */
export function firstFrom(lane: Lane, { first, count }: Folds, t: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const between = (low + high) >>> 1;
    if (lane.t[first[between]!]! < t) low = between + 1;
    else high = between;
  }
  return low;
}
