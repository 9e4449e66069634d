/** A trial is decoded when it is opened, and only then. */

import { computed, effect, signal } from "@preact/signals";
import { route } from "./address";
import type { Index, Trial, TrialEntry } from "./contract";

export interface Lane {
  title: string;
  /** Indexes into the trial's records, in order of time. */
  records: Int32Array;
  t: Float64Array;
  flag: Uint8Array;
}

/** A trial and what is drawn of it. */
export interface Opened {
  trial: Trial;
  /** Where time ends: at the last thing that is known to have happened, never before 1 ms. */
  until: number;
  lanes: Lane[];
  /** Records that prove a violation, in order of time. */
  evidence: number[];
  /** When each row of the ledger happened; NaN if nobody knows. */
  rowTimes: Float64Array;
}

export type Opening =
  | { key: ""; state: "none" }
  | { key: string; state: "opening" }
  | { key: string; state: "absent" }
  | { key: string; state: "unknown" }
  | { key: string; state: "broken"; why: string }
  | { key: string; state: "open"; opened: Opened };

export const opening = signal<Opening>({ key: "", state: "none" });

export const selected = computed(() => {
  const now = opening.value;
  if (now.state !== "open" || !route.value.record) return -1;
  return now.opened.trial.records.address.indexOf(route.value.record);
});

/** Open what the address names, whenever it names another trial. */
export function openWhatIsNamed(index: Index): void {
  const entries = new Map(index.trials.map((entry) => [entry.key, entry]));
  const asked = computed(() => route.value.trial);
  effect(() => {
    const key = asked.value;
    void open(key, entries.get(key));
  });
}

async function open(key: string, entry: TrialEntry | undefined): Promise<void> {
  if (!key) {
    opening.value = { key: "", state: "none" };
    return;
  }
  const text = entry && packed(key);
  if (!entry || !text) {
    opening.value = { key, state: entry ? "absent" : "unknown" };
    return;
  }
  opening.value = { key, state: "opening" };
  let now: Opening;
  try {
    now = { key, state: "open", opened: prepared(await unpacked(text)) };
  } catch (error) {
    now = { key, state: "broken", why: String(error) };
  }
  if (route.peek().trial === key) opening.value = now;
}

function packed(key: string): string {
  for (const script of document.querySelectorAll<HTMLElement>("script.tp-trial")) {
    if (script.dataset["key"] === key) return script.textContent?.trim() ?? "";
  }
  return "";
}

async function unpacked(base64: string): Promise<Trial> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return (await new Response(stream).json()) as Trial;
}

function prepared(trial: Trial): Opened {
  const { records } = trial;
  const sizes = new Int32Array(trial.lanes.length);
  for (const lane of records.lane) sizes[lane]!++;
  const lanes = trial.lanes.map(({ title }, i) => ({
    title,
    records: new Int32Array(sizes[i]!),
    t: new Float64Array(sizes[i]!),
    flag: new Uint8Array(sizes[i]!),
  }));
  const filled = new Int32Array(lanes.length);
  const evidence: number[] = [];
  let until = Math.max(1, trial.duration_ms);
  for (let i = 0; i < records.t.length; i++) {
    const number = records.lane[i]!;
    const lane = lanes[number];
    if (!lane) continue;
    const at = filled[number]!++;
    lane.records[at] = i;
    lane.t[at] = records.t[i]!;
    lane.flag[at] = records.flag[i]!;
    if (records.flag[i] === 1) evidence.push(i);
    if (records.t[i]! > until) until = records.t[i]!;
  }
  return { trial, until, lanes, evidence, rowTimes: timesOfRows(trial) };
}

function timesOfRows({ ledger, records }: Trial): Float64Array {
  const times = Float64Array.from(ledger.at, (at) => at ?? NaN);
  for (let i = 0; i < records.event.length; i++) {
    const row = records.event[i]!;
    if (row >= 0 && Number.isNaN(times[row])) times[row] = records.t[i]!;
  }
  return times;
}
