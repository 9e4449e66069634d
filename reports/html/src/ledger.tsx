/** A row for each event, in the order of the log: who has it, how long after the log, and what is wrong with it. */

import { type Signal, signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { Ledger as Data, Mark } from "./contract";
import { type Opened, selected } from "./opened";
import { type CellProps, type Place, Rows } from "./rows";
import type { Range } from "./timeline/chart";
import { look } from "./timeline/timeline";
import { count, many, MARKS, ms, signed } from "./words";

const ROW_PX = 28;
const FIXED = 4;

interface Props {
  opened: Opened;
  brush: Signal<Range | null>;
  onlyTrouble: Signal<boolean>;
  narrow: boolean;
}

export function Ledger({ opened, brush, onlyTrouble, narrow }: Props) {
  const { ledger, records } = opened.trial;
  const active = useMemo(() => signal<Place>({ row: 0, column: 0 }), [opened]);
  const troubled = useMemo(() => troubles(ledger), [ledger]);
  const rows = useMemo(
    () => shown(opened, brush.value, onlyTrouble.value ? troubled : null),
    [opened, brush.value, onlyTrouble.value, troubled],
  );
  const event = selected.value < 0 ? -1 : records.event[selected.value]!;
  const inTrouble = useMemo(() => troubled.reduce((sum, one) => sum + one, 0), [troubled]);

  const cell = (at: number, column: number): CellProps => {
    const row = rows[at]!;
    if (column === 0) return { children: ledger.id[row] ?? "" };
    if (column === 1) return { children: ledger.kind[row] ?? "" };
    if (column === 2) return { children: ledger.cause[row] ?? "" };
    if (column === 3) {
      const when = ledger.at[row];
      return typeof when === "number" ? { children: ms(when) } : { className: "tpx-faint", children: "not in the log" };
    }
    return witnessed(ledger, row, column - FIXED);
  };
  const open = (at: number, column: number) => {
    const row = rows[at]!;
    const address = column >= FIXED ? ledger.cells[column - FIXED]?.address[row] : "";
    const record = address ? records.address.indexOf(address) : records.event.indexOf(row);
    if (record >= 0) look(opened, record);
  };
  const wide = narrow ? 112 : 168;
  return (
    <div class="tpx-ledger">
      <div class="tpx-bar">
        <label class="tpx-check">
          <input type="checkbox" checked={onlyTrouble.value} onChange={(change) => (onlyTrouble.value = change.currentTarget.checked)} /> only trouble
          <span class="tpx-count">{count(inTrouble)}</span>
        </label>
        <p class="tpx-found" role="status">
          {rows.length === ledger.id.length ? many(rows.length, "event") : `${count(rows.length)} of ${many(ledger.id.length, "event")}`}
          {brush.value ? `, ${ms(brush.value[0])} to ${ms(brush.value[1])}` : ""}
        </p>
      </div>
      {rows.length ? (
        <Rows
          id="tpx-ledger"
          label={`Events of ${opened.trial.called} in the order of the log. Enter shows the record in the timeline.`}
          columns={[
            { key: "id", className: "tpx-name tpx-mono", head: "event" },
            { key: "kind", head: "kind" },
            { key: "cause", head: "cause" },
            { key: "at", className: "tpx-number", head: "in the log" },
            ...ledger.columns.map(({ id, title }) => ({ key: `seen ${id}`, className: "tpx-number", head: title })),
          ]}
          template={`${wide}px minmax(130px, 1.4fr) minmax(110px, 1fr) 96px repeat(${ledger.columns.length}, minmax(112px, 1fr))`}
          rows={rows.length}
          rowHeight={ROW_PX}
          headHeight={30}
          stickyWidth={wide}
          active={active}
          cell={cell}
          rowClass={(at) => `${troubled[rows[at]!] ? "tpx-troubled" : ""} ${rows[at] === event ? "tpx-current" : ""}`}
          open={open}
          show={event < 0 ? -1 : rows.indexOf(event)}
        />
      ) : (
        <p class="tpx-nothing">{ledger.id.length ? "No event is left: clear the selection or show all." : "This trial has no event."}</p>
      )}
    </div>
  );
}

function witnessed({ cells, columns }: Data, row: number, column: number): CellProps {
  const { mark, after, address } = cells[column]!;
  const { sign, says, trouble } = MARKS[mark[row] as Mark] ?? MARKS["."];
  const later = after[row];
  const who = columns[column]!.title;
  if (mark[row] === ".") return { label: `${who}: ${says}`, className: "tpx-faint", children: "·" };
  const when = typeof later === "number" ? signed(later) : "";
  if (!trouble) return { label: `${who}: ${says} ${when}`, children: when || says };
  return {
    label: `${who}: ${says} ${when} ${address[row] ?? ""}`,
    className: `tpx-mark tpx-mark-${mark[row]}`,
    children: (
      <>
        <span class="tpx-sign" aria-hidden="true">{sign}</span> {says} {when && <span class="tpx-faint">{when}</span>}
      </>
    ),
  };
}

/** For each row: 1 if somebody lost it, has it twice, late, out of order or changed. */
function troubles({ id, cells }: Data): Uint8Array {
  const found = new Uint8Array(id.length);
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
