/** One trial: what is wrong, the timeline, and beside it the ledger, the messages, the faults and the verdicts. */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { GRID, go, route } from "./address";
import { copy } from "./aloud";
import type { Index, TrialEntry } from "./contract";
import { Ledger } from "./ledger";
import { type Opened, type Opening, selected } from "./opened";
import { Addresses, Faults, Verdicts, wordOf } from "./panels";
import { Sequence } from "./sequence";
import type { Range } from "./timeline/chart";
import { lineOf } from "./timeline/pointing";
import { jump, look, Timeline, TIMELINE_ID } from "./timeline/timeline";
import { count, saysOf, signOf, span, WORDS } from "./words";

interface Props {
  index: Index;
  entry: TrialEntry | undefined;
  opening: Opening;
  narrow: boolean;
}

export function TrialView({ index, entry, opening, narrow }: Props) {
  const heading = useRef<HTMLHeadingElement>(null);
  const opened = opening.state === "open" && opening.key === entry?.key ? opening.opened : null;
  // Who asked for a record is put there; who asked for a trial begins at its name.
  useEffect(() => {
    if (!route.peek().record) heading.current?.focus({ preventScroll: true });
  }, []);
  useEffect(() => {
    if (!opened || !route.peek().record) return;
    if (selected.peek() >= 0) {
      look(opened, selected.peek());
      document.getElementById(TIMELINE_ID)?.focus({ preventScroll: true });
    } else heading.current?.focus({ preventScroll: true });
  }, [opened]);
  useJumps(opened);
  return (
    <section class="tpx-trial" aria-labelledby="tpx-trial-title">
      <p class="tpx-back">
        <a
          href={GRID}
          onClick={(event) => {
            event.preventDefault();
            go("");
          }}
        >
          ← Every verdict
        </a>
        <kbd aria-hidden="true">Esc</kbd>
      </p>
      <h2 id="tpx-trial-title" ref={heading} tabIndex={-1}>{entry?.called ?? route.value.trial}</h2>
      {entry && <Summary entry={entry} />}
      {opened && entry ? (
        <Whole index={index} entry={entry} opened={opened} narrow={narrow} />
      ) : (
        <Unopened entry={entry} opening={opening} />
      )}
    </section>
  );
}

function Unopened({ entry, opening }: { entry: TrialEntry | undefined; opening: Opening }) {
  if (!entry) return <p class="tpx-nothing" role="status">This report has no trial “{route.value.trial}”. The list of every verdict has those it has.</p>;
  if (opening.state === "broken") return <p class="tpx-nothing" role="status">The data of this trial cannot be read here: {opening.why}</p>;
  if (opening.state === "absent") {
    return (
      <div class="tpx-nothing" role="status">
        <p>The records of this trial are not in this page.</p>
        <Command text={`tailproof show ${entry.history}${route.value.record ? ` ${route.value.record}` : ""}`} />
      </div>
    );
  }
  return <p class="tpx-nothing" role="status">opening …</p>;
}

function Summary({ entry }: { entry: TrialEntry }) {
  const words = WORDS.map(({ word }) => ({ word, all: entry.cells.filter((cell) => cell[1] === word).length })).filter(({ all }) => all);
  return (
    <>
      {entry.summary && <p class="tpx-summary"><b>Scenario:</b> {entry.summary}</p>}
      <p class="tpx-facts">
        {words.map(({ word, all }) => (
          <span key={word} class={`tpx-${word}`}>{signOf(word)} {count(all)} {saysOf(word)}</span>
        ))}
        <span>{entry.family}, {entry.tier}</span>
        <span>{span(entry.duration_ms)}</span>
        {entry.faults.length > 0 && <span>{entry.faults.join(", ")}</span>}
      </p>
      {entry.error && <p class="tpx-notice tpx-violated">✗ the harness failed: {entry.error}</p>}
    </>
  );
}

function Whole({ index, entry, opened, narrow }: { index: Index; entry: TrialEntry; opened: Opened; narrow: boolean }) {
  const brush = useSignal<Range | null>(null);
  const onlyTrouble = useSignal(false);
  const { trial } = opened;
  return (
    <>
      {trial.cut && <p class="tpx-notice">{trial.cut}</p>}
      {trial.violations.length > 0 && (
        <ul class="tpx-violations">
          {trial.violations.map((violation, i) => (
            <li key={i} class={`tpx-is-${wordOf(index, entry, violation)}`}>
              <b class={`tpx-${wordOf(index, entry, violation)}`}>{signOf(wordOf(index, entry, violation))} {violation.guarantee}</b>
              <span>{violation.says}{violation.known && <span class="tpx-faint"> Known: {violation.known}</span>}</span>
              <Addresses opened={opened} violation={violation} most={narrow ? 4 : 8} />
            </li>
          ))}
        </ul>
      )}
      <Timeline opened={opened} brush={brush} />
      <Looked opened={opened} />
      <Tabs
        first={tellingTab(opened)}
        tabs={[
          { id: "ledger", title: "Ledger", size: trial.ledger.id.length, body: () => <Ledger opened={opened} brush={brush} onlyTrouble={onlyTrouble} narrow={narrow} /> },
          ...(trial.sequence.length ? [{ id: "sequence", title: "Sequence", size: trial.sequence.length, body: () => <Sequence opened={opened} narrow={narrow} /> }] : []),
          { id: "faults", title: "Faults, acts", size: trial.faults.length, body: () => <Faults faults={trial.faults} /> },
          { id: "verdicts", title: "Verdicts", size: entry.cells.length, body: () => <Verdicts opened={opened} index={index} entry={entry} /> },
        ]}
      />
    </>
  );
}

/** Where the evidence is to be seen: a violation that no event proves is not explained by the ledger. */
function tellingTab({ evidence, trial: { violations, records, sequence } }: Opened): string {
  if (!violations.length || evidence.some((record) => records.event[record]! >= 0)) return "ledger";
  return sequence.some(({ flag }) => flag === 1) ? "sequence" : "verdicts";
}

/** The record that is looked at, and how to get it on the command line. */
function Looked({ opened }: { opened: Opened }) {
  const { record } = route.value;
  if (!record) return <p class="tpx-looked tpx-faint">No record chosen: click a mark{opened.evidence.length > 0 && <span class="tpx-how">, or press n for the first evidence</span>}.</p>;
  const command = `tailproof show ${opened.trial.history} ${record}`;
  const at = selected.value;
  return (
    <div class="tpx-looked">
      {at < 0 ? (
        <p role="status">The record <code>{record}</code> is not in this page.</p>
      ) : (
        <p>
          <b>{opened.lanes[opened.trial.records.lane[at]!]?.title}</b> {lineOf(opened, at)}
        </p>
      )}
      <Command text={command} />
    </div>
  );
}

function Command({ text }: { text: string }) {
  return (
    <p class="tpx-command">
      <code>{text}</code>
      <button type="button" onClick={(event) => void copy(text, event.currentTarget)}>Copy</button>
    </p>
  );
}

interface Tab {
  id: string;
  title: string;
  size: number;
  body: () => ComponentChildren;
}

function Tabs({ tabs, first }: { tabs: Tab[]; first: string }) {
  const chosen = useSignal(first);
  const list = useRef<HTMLDivElement>(null);
  const now = tabs.find(({ id }) => id === chosen.value) ?? tabs[0]!;
  const move = (event: KeyboardEvent) => {
    const at = tabs.indexOf(now);
    const steps: Record<string, number> = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: tabs.length - 1 };
    const next = steps[event.key];
    if (next === undefined) return;
    event.preventDefault();
    chosen.value = tabs[(next + tabs.length) % tabs.length]!.id;
    list.current?.querySelector<HTMLElement>(`#tpx-tab-${chosen.value}`)?.focus();
  };
  return (
    <div class="tpx-tabs">
      <div role="tablist" aria-label="More of this trial" ref={list} onKeyDown={move}>
        {tabs.map(({ id, title, size }) => (
          <button
            key={id}
            type="button"
            role="tab"
            id={`tpx-tab-${id}`}
            aria-selected={id === now.id}
            aria-controls="tpx-panel"
            tabIndex={id === now.id ? 0 : -1}
            onClick={() => (chosen.value = id)}
          >
            {title} <span class="tpx-count">{count(size)}</span>
          </button>
        ))}
      </div>
      <div role="tabpanel" id="tpx-panel" aria-labelledby={`tpx-tab-${now.id}`}>{now.body()}</div>
    </div>
  );
}

/** `n` and `p`, wherever the focus is in the page, except where letters are typed. */
function useJumps(opened: Opened | null): void {
  useEffect(() => {
    if (!opened) return;
    const pressed = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || (event.key !== "n" && event.key !== "p")) return;
      if (event.target instanceof Element && event.target.closest("input:not([type=checkbox]), textarea, select")) return;
      event.preventDefault();
      jump(opened, event.key === "n" ? 1 : -1);
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, [opened]);
}
