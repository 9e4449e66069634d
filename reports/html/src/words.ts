/** Signs, words and numbers, the same wherever they stand. */

import type { Mark, Word } from "./contract";

/** The loud ones first. Never a colour alone: each has its sign. */
export const WORDS: readonly { word: Word; sign: string; says: string }[] = [
  { word: "violated", sign: "✗", says: "violated" },
  { word: "advisory", sign: "△", says: "advisory" },
  { word: "inconclusive", sign: "?", says: "inconclusive" },
  { word: "known", sign: "◐", says: "known" },
  { word: "holds", sign: "✓", says: "holds" },
  { word: "not-applicable", sign: "·", says: "not applicable" },
];

const SIGNS = new Map(WORDS.map((one) => [one.word, one]));

export function signOf(word: Word): string {
  return SIGNS.get(word)?.sign ?? "?";
}

export function saysOf(word: Word): string {
  return SIGNS.get(word)?.says ?? word;
}

export const MARKS: Record<Mark, { sign: string; says: string; trouble: boolean }> = {
  s: { sign: "", says: "seen", trouble: false },
  l: { sign: "✗", says: "lost", trouble: true },
  t: { sign: "2×", says: "twice", trouble: true },
  d: { sign: "»", says: "late", trouble: true },
  u: { sign: "⇅", says: "out of order", trouble: true },
  c: { sign: "≠", says: "changed", trouble: true },
  ".": { sign: "", says: "not asked", trouble: false },
};

/** An explorer that is narrower than this is one column. */
export const NARROW_PX = 640;

const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const TENTHS = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

export function count(value: number): string {
  return NUMBER.format(value);
}

/** `1 record`, `12 records`. */
export function many(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** A moment, as everywhere in the report: `43.370 s` since the start of the trial. */
export function moment(value: number): string {
  return `${(value / 1000).toFixed(3)} s`;
}

/** `+12 ms`, `−3.2 ms`, `+2,001 ms`. */
export function signed(value: number): string {
  return `${value < 0 ? "−" : "+"}${ms(Math.abs(value))}`;
}

function ms(value: number): string {
  return `${value < 10 ? TENTHS.format(value) : NUMBER.format(value)} ms`;
}

/** How long something took: `840 ms`, `12.4 s`, `3 min 20 s`. */
export function span(value: number): string {
  if (value < 1000) return ms(value);
  const seconds = value / 1000;
  if (seconds < 120) return `${TENTHS.format(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}

/** What stands at a tick of an axis whose ticks are `step` milliseconds apart. */
export function tick(value: number, step: number): string {
  if (value === 0) return "0";
  return `${(value / 1000).toFixed(Math.max(0, Math.ceil(3 - Math.log10(step) - 1e-9)))} s`;
}
