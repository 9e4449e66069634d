/** What stands where in a timeline: a strip for each thing that lasts, then one for each lane of records. */

import type { Fault, Life, Trial } from "../contract";
import type { Lane, Opened } from "../opened";
import { moment, span } from "../words";

export type Strip = { label: string; title: string; y: number; height: number } & (
  | { kind: "phases"; phases: Trial["phases"] }
  | { kind: "fault"; fault: Fault }
  | { kind: "lives"; lives: Life[] }
  | { kind: "statuses"; steps: Trial["statuses"][number]["steps"]; levels: string[] }
  | { kind: "lane"; lane: Lane; number: number }
);

export interface Scene {
  strips: Strip[];
  height: number;
  until: number;
  /** When a fault was on. A fault that was not healed lasts to the end. */
  windows: { from: number; to: number }[];
}

export const AXIS_PX = 22;

export function sceneOf({ trial, lanes, until }: Opened): Scene {
  const strips: Strip[] = [];
  let y = AXIS_PX;
  const add = (height: number, strip: Unplaced) => {
    strips.push({ ...strip, y, height } as Strip);
    y += height;
  };
  if (trial.phases.length) add(22, { kind: "phases", label: "Phases", title: "", phases: trial.phases });
  for (const fault of trial.faults) {
    add(22, { kind: "fault", label: fault.name, title: `${fault.act ? "act" : "fault"} ${fault.fault}: ${fault.says}`, fault });
  }
  if (trial.lives.length) add(22, { kind: "lives", label: "Server lives", title: "", lives: trial.lives });
  const levels = [...new Set(trial.statuses.flatMap(({ steps }) => steps.map(([, status]) => status)))];
  for (const { witness, steps } of trial.statuses) {
    add(Math.min(52, 22 + 6 * levels.length), { kind: "statuses", label: `${witness[0]?.toUpperCase() ?? ""}${witness.slice(1)} status`, title: levels.join(", "), steps, levels });
  }
  lanes.forEach((lane, number) => add(28, { kind: "lane", label: lane.title, title: lane.title, lane, number }));
  const windows = trial.faults
    .filter((fault) => !fault.act && fault.injected !== null)
    .map((fault) => ({ from: fault.injected!, to: fault.healed ?? until }));
  return { strips, height: y + 2, until, windows };
}

type Unplaced = Strip extends infer S ? (S extends Strip ? Omit<S, "y" | "height"> : never) : never;

/** When a fault was on, in words. */
export function lasted({ injected, healed }: Fault): string {
  if (injected === null) return "never injected";
  if (healed === null) return `from ${moment(injected)}, not healed`;
  return `${moment(injected)} to ${moment(healed)}, ${span(healed - injected)} long`;
}
