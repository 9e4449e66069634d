/** What is under the pointer, and in words. */

import type { Opened } from "../opened";
import { many, moment, span } from "../words";
import type { Chart } from "./chart";
import { ends, firstFrom, middle } from "./folding";
import { lasted, type Strip } from "./scene";

export interface Pointed {
  x: number;
  y: number;
  /** Indexes of records; empty for something that lasts. */
  records: number[];
  lines: string[];
}

const REACH_PX = 8;
const MOST_LINES = 6;

export function pointedAt(opened: Opened, chart: Chart, x: number, y: number): Pointed | null {
  const strip = chart.scene.strips.find((one) => y >= one.y && y < one.y + one.height);
  if (!strip) return null;
  if (strip.kind !== "lane") {
    const lines = lasting(strip, chart.x.peek().invert(x), chart.scene.until);
    return lines.length ? { x, y: strip.y + strip.height, records: [], lines } : null;
  }
  const scale = chart.x.peek();
  const all = chart.folded.peek()[strip.number]!;
  const near = firstFrom(strip.lane, all, scale.invert(x));
  let best = -1;
  for (const mark of [near - 2, near - 1, near, near + 1]) {
    if (mark < 0 || mark >= all.count) continue;
    const away = Math.abs(scale(middle(strip.lane, all, mark)) - x);
    if (away <= REACH_PX && (best < 0 || away < Math.abs(scale(middle(strip.lane, all, best)) - x))) best = mark;
  }
  if (best < 0) return null;
  const [a, b] = ends(strip.lane, all, best);
  const records = Array.from(strip.lane.records.subarray(a, b + 1));
  return { x: scale(middle(strip.lane, all, best)), y: strip.y + strip.height, records, lines: linesOf(opened, records) };
}

/** The record of a mark that matters most: evidence, else trouble, else the first. */
export function loudest({ trial }: Opened, records: number[]): number {
  const flagged = (flag: number) => records.find((record) => trial.records.flag[record] === flag);
  return flagged(1) ?? flagged(2) ?? records[0] ?? -1;
}

/** A record in one line. */
export function lineOf({ trial }: Opened, record: number): string {
  const { t, address, kind, says } = trial.records;
  return `${moment(t[record]!)} · ${address[record]} · ${kind[record]}${says[record] ? ` · ${says[record]}` : ""}`;
}

function linesOf(opened: Opened, records: number[]): string[] {
  const lines = records.slice(0, MOST_LINES).map((record) => lineOf(opened, record));
  if (records.length === 1) return lines;
  const { t } = opened.trial.records;
  const within = span(t[records.at(-1)!]! - t[records[0]!]!);
  const more = records.length - lines.length;
  return [`${many(records.length, "record")} within ${within}`, ...lines, ...(more ? [`and ${many(more, "more record")}: zoom in`] : [])];
}

function lasting(strip: Strip, t: number, until: number): string[] {
  switch (strip.kind) {
    case "phases":
      return strip.phases.filter(({ from, to }) => t >= from && t < to).map(({ name, from, to }) => `${name}: ${moment(from)} to ${moment(to)}, ${span(to - from)}`);
    case "fault": {
      const { fault } = strip;
      const proof = fault.proven ? "proven" : "not proven";
      return [`${fault.name}: ${fault.says}`, `${lasted(fault)} · ${proof}`, fault.planned && `planned at ${fault.planned}`].filter(Boolean);
    }
    case "lives":
      return strip.lives
        .filter(({ started, ready, ended }) => t >= (started ?? ready ?? 0) && t < (ended ?? until))
        .map(({ epoch, ready, end }) => `life ${epoch}: ${ready === null ? "never ready" : `ready at ${moment(ready)}`}${end ? `, ${end}` : ""}`);
    case "statuses": {
      const now = strip.steps.findLast(([since]) => since <= t);
      return now ? [`${strip.label}: ${now[1]} since ${moment(now[0])}`] : [];
    }
    case "lane":
      return [];
  }
}
