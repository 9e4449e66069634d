/** What the page brings: the index of all trials, and a compressed trial for each that has data. Times are milliseconds since the trial's first record. */

export type Word = "violated" | "known" | "advisory" | "holds" | "inconclusive" | "not-applicable";

export type Cell = readonly [row: number, word: Word, signature: string, firstAddress: string];

export interface Guarantee {
  id: string;
  level: "MUST" | "SHOULD" | "MAY";
  promise: string;
}

export interface TrialEntry {
  key: string;
  called: string;
  family: string;
  tier: string;
  summary: string;
  duration_ms: number;
  error: string;
  faults: string[];
  cells: Cell[];
  data: "whole" | "cut" | "none";
  history: string;
}

export interface Index {
  schema: 1;
  guarantees: Guarantee[];
  trials: TrialEntry[];
}

export interface Counter {
  name: string;
  before: string;
  after: string;
  owner: string;
}

export interface Fault {
  fault: string;
  name: string;
  act: boolean;
  says: string;
  scope: string;
  planned: string;
  reached?: number | null;
  injected: number | null;
  healed: number | null;
  proven: boolean;
  proof: Counter[];
}

export interface Life {
  epoch: number;
  started: number | null;
  ready: number | null;
  ended: number | null;
  end: string;
}

export interface Records {
  lane: number[];
  t: number[];
  address: string[];
  kind: string[];
  says: string[];
  flag: number[];
  event: number[];
}

/** A letter for each row: s seen, l lost, t twice, d late, u out of order, c changed, "." not expected to have it. */
export type Mark = "s" | "l" | "t" | "d" | "u" | "c" | ".";

export interface LedgerCells {
  mark: string;
  after: (number | null)[];
  address: string[];
}

export interface Ledger {
  columns: { id: string; title: string }[];
  id: string[];
  kind: string[];
  cause: string[];
  /** The log's own time of it, since the first that the log has; by the server's clock. */
  stamp: (number | null)[];
  /** When a reader first had it live, on the clock of the trial: later than it was stamped, and not in the order of the log. */
  at: (number | null)[];
  /** Its place in the log, from 1; 0 for an event that is in no log. Rows of a long log may be missing in between. */
  place: number[];
  cells: LedgerCells[];
}

export type Party = "trial" | "client" | "server" | "model" | "tool";

export interface Message {
  from: Party;
  to: Party;
  t: number;
  says: string;
  address: string;
  flag: number;
}

export interface Violation {
  guarantee: string;
  signature: string;
  says: string;
  expected: string[];
  seen: string[];
  addresses: string[];
  /** Why it is known; empty for one that is not. */
  known: string;
}

export interface Trial {
  key: string;
  called: string;
  history: string;
  duration_ms: number;
  cut: string;
  phases: { name: string; from: number; to: number }[];
  faults: Fault[];
  lives: Life[];
  lanes: { id: string; title: string }[];
  records: Records;
  statuses: { witness: string; steps: [t: number, status: string][] }[];
  ledger: Ledger;
  sequence: Message[];
  violations: Violation[];
}
