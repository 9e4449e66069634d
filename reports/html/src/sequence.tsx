/** Who said what to whom: client, server, model and tools, with the quiet stretches folded. */

import { signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { Message, Party } from "./contract";
import { type Opened, selected } from "./opened";
import { type CellProps, type Place, Rows } from "./rows";
import { look } from "./timeline/timeline";
import { many, moment, span } from "./words";

const PARTIES: readonly Party[] = ["trial", "client", "server", "model", "tool"];
const ROW_PX = 28;
const QUIET = 3;

/** Indexes of messages: one that is drawn, or quiet ones that are folded. */
interface Step {
  first: number;
  last: number;
}

export function Sequence({ opened, narrow }: { opened: Opened; narrow: boolean }) {
  const { sequence, records } = opened.trial;
  const unfolded = useMemo(() => signal<ReadonlySet<number>>(new Set()), [opened]);
  const active = useMemo(() => signal<Place>({ row: 0, column: 0 }), [opened]);
  const steps = useMemo(() => folded(sequence, unfolded.value), [sequence, unfolded.value]);
  const parties = useMemo(() => PARTIES.filter((party) => sequence.some(({ from, to }) => from === party || to === party)), [sequence]);
  const lane = narrow ? 18 : 104;
  const wide = parties.length * lane;
  const [time, says] = narrow ? [84, 160] : [96, 260];
  const address = records.address[selected.value];
  const chosen = useMemo(
    () => (address ? steps.findIndex(({ first, last }) => sequence.slice(first, last + 1).some((message) => message.address === address)) : -1),
    [address, steps, sequence],
  );
  const x = (party: Party) => (parties.indexOf(party) + 0.5) * lane;

  const cell = (row: number, column: number): CellProps => {
    const { first, last } = steps[row]!;
    const message = sequence[first]!;
    const quiet = last - first + 1;
    if (column === 0) return { className: "tpx-number", children: moment(message.t) };
    if (column === 1) {
      const label = quiet > 1 ? `${many(quiet, "message")} folded` : `${message.from} to ${message.to}`;
      return { label, children: <Arrow parties={parties} x={x} wide={wide} message={message} quiet={quiet > 1} /> };
    }
    if (quiet > 1) return { className: "tpx-faint", children: `${many(quiet, "quiet message")} within ${span(sequence[last]!.t - message.t)}: Enter shows them` };
    return {
      className: message.flag === 1 ? "tpx-violated" : message.flag === 2 ? "tpx-advisory" : "",
      children: (
        <>
          {message.flag ? <span aria-hidden="true">{message.flag === 1 ? "✗ " : "◆ "}</span> : null}
          {message.says} {!narrow && <span class="tpx-faint tpx-mono">{message.address}</span>}
        </>
      ),
    };
  };
  return (
    <>
    <p class="tpx-aside">What client and server say through the wire, and the server to model and tools. Of what the trial itself asks only what proves a violation.</p>
    <Rows
      id="tpx-sequence"
      label={`Messages between ${parties.join(", ")}. Enter shows the record in the timeline.`}
      columns={[
        { key: "t", className: "tpx-name", head: "time" },
        { key: "arrow", className: "tpx-arrow", head: <Heads parties={parties} lane={lane} narrow={narrow} /> },
        { key: "says", head: "message" },
      ]}
      template={`${time}px ${wide}px minmax(${says}px, 1fr)`}
      leastWidth={time + wide + says}
      rows={steps.length}
      rowHeight={ROW_PX}
      headHeight={narrow ? 54 : 30}
      stickyWidth={time}
      active={active}
      cell={cell}
      rowClass={(row) => (row === chosen ? "tpx-current" : "")}
      show={chosen}
      open={(row) => {
        const { first, last } = steps[row]!;
        if (first < last) unfolded.value = new Set([...unfolded.value, first]);
        else {
          const record = records.address.indexOf(sequence[first]!.address);
          if (record >= 0) look(opened, record);
        }
      }}
    />
    </>
  );
}

function Heads({ parties, lane, narrow }: { parties: Party[]; lane: number; narrow: boolean }) {
  return (
    <span class="tpx-parties">
      {parties.map((party) => (
        <span key={party} style={{ width: `${lane}px` }}><span class={narrow ? "tpx-upright" : ""}>{party}</span></span>
      ))}
    </span>
  );
}

interface ArrowProps {
  parties: Party[];
  x: (party: Party) => number;
  wide: number;
  message: Message;
  quiet: boolean;
}

function Arrow({ parties, x, wide, message, quiet }: ArrowProps) {
  const [from, to, y] = [x(message.from), x(message.to), ROW_PX / 2];
  const point = to > from ? -7 : 7;
  return (
    <svg width={wide} height={ROW_PX} aria-hidden="true" class={message.flag === 1 ? "tpx-violated" : message.flag === 2 ? "tpx-advisory" : ""}>
      {parties.map((party) => (
        <line key={party} class="tpx-life" x1={x(party)} x2={x(party)} y1={0} y2={ROW_PX} />
      ))}
      {quiet ? (
        <text x={(from + to) / 2} y={y + 4} text-anchor="middle">⋯</text>
      ) : from === to ? (
        <circle cx={from} cy={y} r={4} />
      ) : (
        <>
          <line class="tpx-shaft" x1={from} x2={to + point / 2} y1={y} y2={y} />
          <polygon points={`${to},${y} ${to + point},${y - 4} ${to + point},${y + 4}`} />
        </>
      )}
    </svg>
  );
}

/** Three or more plain messages in a row between the same two are one step, until somebody looks into it. */
function folded(sequence: Message[], unfolded: ReadonlySet<number>): Step[] {
  const steps: Step[] = [];
  let first = 0;
  while (first < sequence.length) {
    let last = first;
    while (last + 1 < sequence.length && alike(sequence[first]!, sequence[last + 1]!)) last++;
    if (last - first + 1 >= QUIET && !unfolded.has(first + 1)) {
      // What begins a stretch says what it is about.
      steps.push({ first, last: first }, { first: first + 1, last });
    } else for (let i = first; i <= last; i++) steps.push({ first: i, last: i });
    first = last + 1;
  }
  return steps;
}

function alike(a: Message, b: Message): boolean {
  return !a.flag && !b.flag && a.from === b.from && a.to === b.to;
}
