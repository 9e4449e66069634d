/** A row for each event, in the order of the log: who has it, how long after the log, and what is wrong with it. */

import { type Signal, signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { Ledger as Data, LedgerCells, Mark } from "./contract";
import { type Opened, selected } from "./opened";
import { type CellProps, type Place, Rows } from "./rows";
import type { Range } from "./timeline/chart";
import { look } from "./timeline/timeline";
import { count, many, MARKS, moment, signed } from "./words";

const ROW_PX = 28;

interface Props {
  opened: Opened;
  brush: Signal<Range | null>;
  onlyTrouble: Signal<boolean>;
  narrow: boolean;
}

export function Ledger({ opened, brush, onlyTrouble, narrow }: Props) {
  const { ledger, records } = opened.trial;
  const active = useMemo(() => signal<Place>({ row: 0, column: 0 }), [opened]);
  const proving = useMemo(() => new Set(opened.evidence.map((record) => records.event[record]!)), [opened, records]);
  const troubled = useMemo(() => troubles(ledger, proving), [ledger, proving]);
  const rows = useMemo(
    () => shown(opened, brush.value, onlyTrouble.value ? troubled : null),
    [opened, brush.value, onlyTrouble.value, troubled],
  );
  const inTrouble = useMemo(() => troubled.reduce((sum, one) => sum + one, 0), [troubled]);

  const event = selected.value < 0 ? -1 : records.event[selected.value]!;
  const all = useMemo(() => columnsOf(ledger, proving, narrow), [ledger, proving, narrow]);
  const open = (at: number, column: number) => {
    const row = rows[at]!;
    const address = all[column]!.witness?.address[row];
    const record = address ? records.address.indexOf(address) : records.event.indexOf(row);
    if (record >= 0) look(opened, record);
  };
  return (
    <div class="tpx-ledger">
      <div class="tpx-bar">
        <label class="tpx-check">
          <input type="checkbox" checked={onlyTrouble.value} onChange={(change) => (onlyTrouble.value = change.currentTarget.checked)} /> only trouble
          <span class="tpx-count">{count(inTrouble)}</span>
        </label>
        <p class="tpx-found" role="status">
          {rows.length === ledger.id.length ? many(rows.length, "event") : `${count(rows.length)} of ${many(ledger.id.length, "event")}`}
          {brush.value ? `, ${moment(brush.value[0])} to ${moment(brush.value[1])}` : ""}
        </p>
      </div>
      <p class="tpx-aside">
        In the order of the log. Stamped: by the log itself, from its first event. First seen: by a reader, on the trial's clock; servers may
        tell of events in another order. Then: how much later each reader had it.
      </p>
      {rows.length ? (
        <Rows
          id="tpx-ledger"
          label={`Events of ${opened.trial.called} in the order of the log. Enter shows the record in the timeline.`}
          columns={all}
          template={all.map(({ least, share }) => (share ? `minmax(${least}px, ${share}fr)` : `${least}px`)).join(" ")}
          leastWidth={all.reduce((sum, { least }) => sum + least, 0)}
          rows={rows.length}
          rowHeight={ROW_PX}
          headHeight={30}
          stickyWidth={all[0]!.least}
          active={active}
          cell={(at, column) => all[column]!.cell(rows[at]!)}
          rowClass={(at) => `${troubled[rows[at]!] ? "tpx-troubled" : ""} ${rows[at] === event ? "tpx-current" : ""} ${leftOut(ledger, rows[at]!) ? "tpx-gap" : ""}`}
          open={open}
          show={event < 0 ? -1 : rows.indexOf(event)}
        />
      ) : (
        <p class="tpx-nothing">{ledger.id.length ? "No event is left: clear the selection or show all." : "This trial has no event."}</p>
      )}
    </div>
  );
}

interface Column {
  key: string;
  head: string;
  className: string;
  /** Width in pixels, and its share of what is left. */
  least: number;
  share: number;
  cell: (row: number) => CellProps;
  witness?: LedgerCells;
}

/** A narrow screen shows who has an event before what it is. */
function columnsOf(ledger: Data, proving: ReadonlySet<number>, narrow: boolean): Column[] {
  const { id, kind, cause, stamp, at, place, columns, cells } = ledger;
  const event = { key: "id", head: "event", className: "tpx-name tpx-mono", least: narrow ? 92 : 132, share: 0, cell: (row: number) => named(id[row], proving.has(row)) };
  const what = [
    { key: "kind", head: "kind", className: "", least: narrow ? 130 : 150, share: 1.4, cell: (row: number) => ({ children: kind[row] }) },
    { key: "cause", head: "cause", className: "", least: 110, share: 1, cell: (row: number) => ({ children: cause[row] }) },
  ];
  const who = [
    { key: "place", head: "#", className: "tpx-number tpx-faint", least: 56, share: 0, cell: (row: number) => ({ children: place[row] ? count(place[row]) : "–" }) },
    { key: "stamp", head: "stamped", className: "tpx-number", least: 84, share: 0, cell: (row: number) => stamped(stamp[row], place[row]) },
    { key: "at", head: "first seen", className: "tpx-number", least: 84, share: 0, cell: (row: number) => first(at[row]) },
    ...columns.map((column, i) => ({
      key: `seen ${column.id}`,
      head: column.title,
      className: "tpx-number",
      least: narrow ? 92 : 104,
      share: 1,
      cell: (row: number) => witnessed(column.title, cells[i]!, row),
      witness: cells[i]!,
    })),
  ];
  return narrow ? [event, ...who, ...what] : [event, ...what, ...who];
}

/** A ring, as in the timeline, where a record of this event is evidence of a violation. */
function named(id: string | undefined, proves: boolean): CellProps {
  if (!proves) return { children: id };
  return {
    label: `${id ?? ""}, evidence of a violation`,
    children: (
      <>
        <span class="tpx-ring" aria-hidden="true" />
        {id}
      </>
    ),
  };
}

function stamped(stamp: number | null | undefined, place: number | undefined): CellProps {
  if (typeof stamp === "number") return { children: `+${moment(stamp)}` };
  return { className: "tpx-faint", children: place ? "–" : "not in the log" };
}

/** What stood in the log before anybody listened was seen live by nobody. */
function first(at: number | null | undefined): CellProps {
  return typeof at === "number" ? { children: moment(at) } : { className: "tpx-faint", children: "not live" };
}

function witnessed(who: string, { mark, after, address }: LedgerCells, row: number): CellProps {
  const { sign, says, trouble } = MARKS[mark[row] as Mark] ?? MARKS["."];
  const later = after[row];
  if (mark[row] === ".") return { label: `${who}: ${says}`, className: "tpx-faint", children: "·" };
  const when = typeof later === "number" ? signed(later) : "";
  if (!trouble) return { label: `${who}: ${says} ${when}`, children: when || says };
  return {
    label: `${who}: ${says} ${when} ${address[row] ?? ""}`,
    className: `tpx-mark tpx-mark-${mark[row]}`,
    children: (
      <>
        <span class="tpx-sign" aria-hidden="true">{sign}</span> {says} {mark[row] === "d" && <span class="tpx-faint">{when}</span>}
      </>
    ),
  };
}

/** Whether rows between this one and the one before it in the log are not in the page. */
function leftOut({ place }: Data, row: number): boolean {
  return row > 0 && place[row]! > place[row - 1]! + 1;
}

/** For each row: 1 if it proves a violation, or if somebody lost it, has it twice, late, out of order or changed. */
function troubles({ id, cells }: Data, proving: ReadonlySet<number>): Uint8Array {
  const found = new Uint8Array(id.length);
  for (const row of proving) if (row >= 0) found[row] = 1;
  for (const { mark } of cells) {
    for (let row = 0; row < found.length; row++) if (MARKS[mark[row] as Mark]?.trouble) found[row] = 1;
  }
  return found;
}

function shown({ rowTimes }: Opened, brush: Range | null, troubled: Uint8Array | null): Int32Array {
  const rows = new Int32Array(rowTimes.length);
  let size = 0;
  for (let row = 0; row < rowTimes.length; row++) {
    if (troubled && !troubled[row]) continue;
    if (brush && !(rowTimes[row]! >= brush[0] && rowTimes[row]! <= brush[1])) continue;
    rows[size++] = row;
  }
  return rows.subarray(0, size);
}
