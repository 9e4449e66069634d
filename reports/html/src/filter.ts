/** Which verdicts a filter leaves: each of its words is in the trial's names, the guarantee's id, the verdict's word or its signature. */

import type { Cell, Index, TrialEntry } from "./contract";
import { saysOf } from "./words";

export interface Shown {
  trials: TrialEntry[];
  /** Indexes into the index's guarantees. */
  guarantees: number[];
  /** How many guarantees are left out because they apply to none of the trials. */
  idle: number;
  matches: (trial: TrialEntry, cell: Cell) => boolean;
}

export function filtered(index: Index, text: string): Shown {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const all = index.guarantees.map((_, row) => row);
  if (!words.length) {
    const apply = new Set(index.trials.flatMap(({ cells }) => cells.filter(([, word]) => word !== "not-applicable").map(([row]) => row)));
    const guarantees = all.filter((row) => apply.has(row));
    return { trials: index.trials, guarantees, idle: all.length - guarantees.length, matches: () => true };
  }
  const matches = (trial: TrialEntry, cell: Cell): boolean => {
    const left = words.filter((word) => !names(trial).includes(word));
    if (!left.length) return true;
    const said = `${index.guarantees[cell[0]]?.id ?? ""}\n${cell[1]}\n${saysOf(cell[1])}\n${cell[2]}`.toLowerCase();
    return left.every((word) => said.includes(word));
  };
  const guarantees = new Set<number>();
  const trials = index.trials.filter((trial) => {
    const found = trial.cells.filter((cell) => matches(trial, cell));
    for (const [row] of found) guarantees.add(row);
    return found.length > 0 || (!trial.cells.length && words.every((word) => names(trial).includes(word)));
  });
  return { trials, guarantees: all.filter((row) => guarantees.has(row)), idle: 0, matches };
}

const NAMES = new WeakMap<TrialEntry, string>();

function names(trial: TrialEntry): string {
  let text = NAMES.get(trial);
  if (text === undefined) {
    text = [trial.key, trial.called, trial.family, trial.tier, ...trial.faults, trial.error && "harness failed"].join("\n").toLowerCase();
    NAMES.set(trial, text);
  }
  return text;
}
