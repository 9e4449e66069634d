/** Guarantee × scenario: a row for each trial, a column for each guarantee, a sign for each verdict. */

import { signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { go } from "./address";
import { say } from "./aloud";
import type { Cell, Index, TrialEntry, Word } from "./contract";
import { filtered } from "./filter";
import { type CellProps, type Place, Rows } from "./rows";
import { count, many, NARROW_PX, saysOf, signOf, WORDS } from "./words";

export const GRID_ID = "tpx-grid";

const filter = signal("");
const active = signal<Place>({ row: 0, column: 0 });
const pointed = signal<Place | null>(null);

const ROW_PX = 24;
const LETTER_PX = 6.4;
const CELL_PX = { least: 19, most: 24 };
const NAME_PX = { least: 120, most: 260, share: 0.4 };
const FAMILY_PX = 72;

export function Grid({ index, width }: { index: Index; width: number }) {

  const shown = useMemo(() => filtered(index, filter.value), [index, filter.value]);
  const cells = useMemo(() => new Map(index.trials.map((trial) => [trial, byGuarantee(trial)])), [index]);
  const { trials } = shown;
  const guarantees = useMemo(
    () => (width < NARROW_PX && !filter.value ? loud(trials, shown.guarantees) : shown.guarantees),
    [width < NARROW_PX, filter.value, shown],
  );
  const quiet = shown.guarantees.length - guarantees.length;
  const letters = Math.max(14, ...guarantees.map((row) => index.guarantees[row]!.id.length));
  const widths = widthsOf(trials, guarantees.length, letters, width);
  const { worded } = widths;

  const cell = (row: number, column: number): CellProps => {
    const trial = trials[row]!;
    if (!column) return { children: <TrialName trial={trial} family={widths.family} /> };
    const found = cells.get(trial)?.get(guarantees[column - 1]!);
    const id = index.guarantees[guarantees[column - 1]!]!.id;
    if (!found) return { label: `${id}: not judged`, className: "tpx-empty" };
    return {
      label: `${id}: ${saysOf(found[1])}${found[2] ? `, ${found[2]}` : ""}`,
      className: `tpx-sign tpx-${found[1]} ${shown.matches(trial, found) ? "" : "tpx-dim"}`,
      children: worded ? `${signOf(found[1])} ${saysOf(found[1])}` : signOf(found[1]),
    };
  };
  const open = (row: number, column: number) => {
    const found = column ? cells.get(trials[row]!)?.get(guarantees[column - 1]!) : undefined;
    go(trials[row]!.key, found?.[3] ?? "");
  };
  return (
    <section class={`tpx-grid ${worded ? "tpx-worded" : ""}`} aria-labelledby="tpx-grid-title">
      <h2 id="tpx-grid-title">
        Every verdict <span class="tpx-aside">{many(index.trials.length, "trial")} × {many(index.guarantees.length, "guarantee")}</span>
      </h2>
      <Filter index={index} />
      <p class="tpx-found" role="status">
        {shown.idle ? `${many(shown.idle, "guarantee")} that ${shown.idle === 1 ? "applies" : "apply"} to none of these trials ${shown.idle === 1 ? "is" : "are"} not listed` : ""}
        {quiet ? `${shown.idle ? "; " : ""}${many(quiet, "guarantee")} that ${quiet === 1 ? "holds" : "hold"} wherever judged: see the filter “holds”` : ""}
        {filter.value ? `${count(trials.length)} of ${many(index.trials.length, "trial")}, ${count(guarantees.length)} of ${many(index.guarantees.length, "guarantee")}` : ""}
      </p>
      {trials.length ? (
        <>
          <Rows
            id={GRID_ID}
            label="A row for each trial, a column for each guarantee. Enter opens the trial."
            columns={[
              { key: "name", className: "tpx-name", head: widths.family ? "trial, family" : "trial" },
              ...guarantees.map((row, i) => ({
                key: String(row),
                className: family(index, row) !== family(index, guarantees[i - 1]) ? "tpx-first" : "",
                head: <span class={worded ? "" : "tpx-upright"}>{index.guarantees[row]!.id}</span>,
              })),
            ]}
            template={`${widths.name}px repeat(${guarantees.length}, ${widths.cell}px) 1fr`}
            leastWidth={widths.name + guarantees.length * widths.cell}
            rows={trials.length}
            rowHeight={ROW_PX}
            headHeight={worded ? 30 : Math.ceil(letters * LETTER_PX) + 16}
            stickyWidth={widths.name}
            active={active}
            cell={cell}
            open={open}
            pointed={(place) => (pointed.value = place)}
          />
          <Pointed index={index} trials={trials} guarantees={guarantees} cells={cells} />
        </>
      ) : (
        <p class="tpx-nothing">
          {index.trials.length
            ? `No verdict matches “${filter.value}”. It looks at guarantees, scenarios, families, faults, words and signatures.`
            : "No trial was run."}
        </p>
      )}
    </section>
  );
}

const CALM: ReadonlySet<Word> = new Set(["holds", "not-applicable"]);

/** The guarantees of which some verdict is no calm one, as a narrow screen shows them, the worst first; all of them if there is none. */
function loud(trials: TrialEntry[], guarantees: number[]): number[] {
  const rows = new Set(
    WORDS.filter(({ word }) => !CALM.has(word)).flatMap(({ word }) =>
      trials.flatMap(({ cells }) => cells.filter((cell) => cell[1] === word).map(([row]) => row)),
    ),
  );
  return rows.size ? [...rows].filter((row) => guarantees.includes(row)) : guarantees;
}

interface Widths {
  name: number;
  cell: number;
  /** The family stands beside the name. */
  family: boolean;
  /** The word stands beside its sign. */
  worded: boolean;
}

/** What fits: words beside signs if there is room for them, families beside names, and at least every name. */
function widthsOf(trials: TrialEntry[], columns: number, letters: number, width: number): Widths {
  const longest = Math.max(0, ...trials.map(({ called, error }) => called.length + (error ? 17 : 0)));
  const most = Math.min(NAME_PX.most, NAME_PX.share * width);
  const name = Math.round(Math.max(NAME_PX.least, Math.min(most, longest * 7.4 + 20)));
  const word = Math.ceil(letters * LETTER_PX) + 24;
  const room = width - 2 - name;
  const worded = columns * word <= room;
  const cell = worded ? word : Math.max(CELL_PX.least, Math.min(CELL_PX.most, Math.floor(room / Math.max(1, columns))));
  const family = width >= NARROW_PX && columns * cell + FAMILY_PX <= room;
  return { name: name + (family ? FAMILY_PX : 0), cell, family, worded };
}

function Filter({ index }: { index: Index }) {
  const counts = useMemo(() => {
    const found = new Map<Word, number>();
    for (const trial of index.trials) for (const cell of trial.cells) found.set(cell[1], (found.get(cell[1]) ?? 0) + 1);
    return found;
  }, [index]);
  const put = (text: string) => {
    filter.value = text;
    active.value = { row: 0, column: 0 };
    pointed.value = null;
  };
  return (
    <div class="tpx-filter">
      <input
        type="search"
        aria-label="Filter by guarantee, scenario, family, fault or word"
        placeholder="Filter: violated, events.tail, stream …"
        value={filter.value}
        onInput={(event) => put(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Escape" || !filter.value) return;
          event.preventDefault();
          put("");
        }}
      />
      <div class="tpx-words" role="group" aria-label="Show only">
        {WORDS.filter(({ word }) => counts.has(word)).map(({ word, sign, says }) => (
          <button
            key={word}
            type="button"
            class={`tpx-chip tpx-${word}`}
            aria-pressed={filter.value === says}
            onClick={() => {
              put(filter.value === says ? "" : says);
              say(filter.value ? `only ${says}` : "all verdicts");
            }}
          >
            <span class="tpx-sign" aria-hidden="true">{sign}</span> {says} <span class="tpx-count">{count(counts.get(word) ?? 0)}</span>
          </button>
        ))}
      </div>
    </div>
  );
}

function TrialName({ trial, family }: { trial: TrialEntry; family: boolean }) {
  return (
    <span class="tpx-trial-name">
      <span class="tpx-called">{trial.called}</span>
      {trial.error ? <span class="tpx-error">✗ harness failed</span> : family && <span class="tpx-family">{trial.family}</span>}
    </span>
  );
}

interface PointedProps {
  index: Index;
  trials: TrialEntry[];
  guarantees: number[];
  cells: Map<TrialEntry, Map<number, Cell>>;
}

/** The words behind the sign that the pointer or the focus is on. A screen reader has them from the cell itself. */
function Pointed({ index, trials, guarantees, cells }: PointedProps) {
  const place = pointed.value;
  const trial = place && trials[place.row];
  if (!trial) return <p class="tpx-pointed" aria-hidden="true"><span class="tpx-how">Arrow keys move, Enter opens the trial.</span></p>;
  const guarantee = place.column ? index.guarantees[guarantees[place.column - 1]!] : undefined;
  if (!guarantee) {
    return (
      <p class="tpx-pointed" aria-hidden="true">
        <b>{trial.called}</b> {trial.error || trial.summary}
      </p>
    );
  }
  const cell = cells.get(trial)?.get(guarantees[place.column - 1]!);
  return (
    <p class="tpx-pointed" aria-hidden="true">
      <span class={cell ? `tpx-${cell[1]}` : ""}>{cell ? `${signOf(cell[1])} ${saysOf(cell[1])}` : "not judged"}</span>{" "}
      {cell?.[2] && <code>{cell[2]}</code>} <b>{guarantee.id}</b> in <b>{trial.called}</b>
      <span class="tpx-promise">{guarantee.level} {guarantee.promise}</span>
    </p>
  );
}

function byGuarantee(trial: TrialEntry): Map<number, Cell> {
  return new Map(trial.cells.map((cell) => [cell[0], cell]));
}

function family(index: Index, row: number | undefined): string {
  return row === undefined ? "" : index.guarantees[row]!.id.split(".", 1)[0]!;
}
