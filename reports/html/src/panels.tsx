/** What is not on a clock: the faults with their proof, and the verdicts. */

import type { Fault, Index, TrialEntry, Violation, Word } from "./contract";
import { type Opened } from "./opened";
import { lasted } from "./timeline/scene";
import { look } from "./timeline/timeline";
import { many, saysOf, signOf, WORDS } from "./words";

export function Faults({ faults }: { faults: Fault[] }) {
  if (!faults.length) return <p class="tpx-nothing">Nothing was done to this trial: no fault, no act.</p>;
  return (
    <>
      {faults.map((fault) => (
        <section key={fault.fault} class="tpx-card" aria-label={`${fault.act ? "act" : "fault"} ${fault.fault}`}>
          <h4>
            {fault.name} <span class="tpx-aside">{fault.act ? "act" : "fault"} {fault.fault}</span>
            <span class={`tpx-proof ${fault.proven ? "tpx-holds" : "tpx-inconclusive"}`}>{fault.proven ? "✓ proven" : "? not proven"}</span>
          </h4>
          <p>{fault.says}</p>
          <dl>
            {fault.planned && <><dt>planned at</dt><dd><code>{fault.planned}</code></dd></>}
            <dt>lasted</dt><dd>{lasted(fault)}</dd>
            {fault.scope && <><dt>scope</dt><dd>{fault.scope}</dd></>}
          </dl>
          {fault.proof.length > 0 && (
            <div class="tpx-scroll" tabIndex={0} role="region" aria-label={`Counters of ${fault.fault}`}>
              <table>
                <thead><tr><th scope="col">counter</th><th scope="col">before</th><th scope="col">after</th><th scope="col">owner</th></tr></thead>
                <tbody>
                  {fault.proof.map((counter) => (
                    <tr key={counter.name}>
                      <th scope="row">{counter.name}</th>
                      <td>{counter.before || "–"}</td>
                      <td>{counter.after}</td>
                      <td>{counter.owner}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )}
        </section>
      ))}
    </>
  );
}

export function Verdicts({ opened, index, entry }: { opened: Opened; index: Index; entry: TrialEntry }) {
  const idle = entry.cells.filter(([, word]) => word === IDLE);
  return (
    <>
      {opened.trial.violations.map((violation, i) => (
        <section key={i} class="tpx-card" aria-label={`Violation of ${violation.guarantee}`}>
          <h4>
            <span class={`tpx-${wordOf(index, entry, violation)}`}>{signOf(wordOf(index, entry, violation))} {violation.guarantee}</span>{" "}
            <code>{violation.signature}</code>
          </h4>
          <p>{violation.says}</p>
          {violation.known && <p class="tpx-faint">Known: {violation.known}</p>}
          <div class="tpx-pair">
            <Said title="expected" lines={violation.expected} />
            <Said title="seen" lines={violation.seen} />
          </div>
          <Addresses opened={opened} violation={violation} />
        </section>
      ))}
      <section class="tpx-card" aria-label="All verdicts">
        <h4>All verdicts <span class="tpx-aside">{many(entry.cells.length, "guarantee")}</span></h4>
        <ul class="tpx-verdicts">
          {WORDS.flatMap(({ word }) => entry.cells.filter((cell) => cell[1] === word && word !== IDLE)).map(([row, word, signature]) => (
            <li key={row}>
              <span class={`tpx-word tpx-${word}`}>{signOf(word)} {saysOf(word)}</span>
              <span>
                <b>{index.guarantees[row]!.id}</b> {signature && <code>{signature}</code>} <span class="tpx-faint">{index.guarantees[row]!.promise}</span>
              </span>
            </li>
          ))}
        </ul>
        {idle.length > 0 && (
          <p class="tpx-idle">
            <span class={`tpx-word tpx-${IDLE}`}>{signOf(IDLE)} {saysOf(IDLE)}</span> {idle.map(([row]) => index.guarantees[row]!.id).join(", ")}
          </p>
        )}
      </section>
    </>
  );
}

/** What a violation means for the gate: a known one is none of those that close it. */
export function wordOf(index: Index, entry: TrialEntry, { guarantee }: Violation): Word {
  return entry.cells.find(([row]) => index.guarantees[row]?.id === guarantee)?.[1] ?? "violated";
}

const IDLE: Word = "not-applicable";
const MOST_ADDRESSES = 24;

/** The records that prove it; a press shows one in the timeline. */
export function Addresses({ opened, violation, most = MOST_ADDRESSES }: { opened: Opened; violation: Violation; most?: number }) {
  const { addresses } = violation;
  if (!addresses.length) return null;
  const all = opened.trial.records.address;
  // "and 1 more" takes as much room as the one.
  const shown = addresses.length === most + 1 ? addresses.length : most;
  return (
    <p class="tpx-addresses">
      {addresses.slice(0, shown).map((address) => {
        const record = all.indexOf(address);
        if (record < 0) return <code key={address} title="this record is not in the page">{address}</code>;
        return (
          <button key={address} type="button" class="tpx-address" onClick={() => look(opened, record)}>{address}</button>
        );
      })}
      {addresses.length > shown && <span class="tpx-faint">and {addresses.length - shown} more</span>}
    </p>
  );
}

function Said({ title, lines }: { title: string; lines: string[] }) {
  return (
    <div>
      <h5>{title}</h5>
      {lines.length ? <ul>{lines.map((line, i) => <li key={i}>{line}</li>)}</ul> : <p class="tpx-faint">nothing</p>}
    </div>
  );
}
