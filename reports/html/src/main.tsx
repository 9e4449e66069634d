/** The interactive part of a report. The page reads without it; what it adds is in #explorer. */

import { computed, effect, signal } from "@preact/signals";
import { render } from "preact";
import { follow, go, GRID, route } from "./address";
import { aloud, copy } from "./aloud";
import type { Index } from "./contract";
import { Grid, GRID_ID } from "./grid";
import { openWhatIsNamed, opening } from "./opened";
import { focusActive } from "./rows";
import "./style.css";
import { TrialView } from "./trial";
import { NARROW_PX } from "./words";

/** Of the explorer, in pixels. */
const width = signal(0);

/** What a trial was opened with; the focus returns to it. */
let opener: HTMLElement | null = null;

function App({ index }: { index: Index }) {
  const entry = index.trials.find(({ key }) => key === route.value.trial);
  return (
    <>
      {route.value.trial ? (
        <TrialView key={route.value.trial} index={index} entry={entry} opening={opening.value} narrow={width.value < NARROW_PX} />
      ) : (
        <Grid index={index} width={width.value} />
      )}
      <div class="tpx-aloud" aria-live="polite">{aloud.value}</div>
    </>
  );
}

function start(): void {
  const source = document.getElementById("tp-index");
  const place = document.getElementById("explorer");
  if (!source || !place) return;
  const index = JSON.parse(source.textContent ?? "") as Index;
  place.hidden = false;
  width.value = place.clientWidth;
  new ResizeObserver(() => (width.value = place.clientWidth)).observe(place);
  follow((id) => document.getElementById(decodeURIComponent(id))?.scrollIntoView());
  openWhatIsNamed(index);
  wireButtons();
  render(<App index={index} />, place);
  bringIntoSight(place);
}

/** Whoever opens a trial looks at it; whoever leaves it is where they came from. */
function bringIntoSight(place: HTMLElement): void {
  const trial = computed(() => route.value.trial);
  let before = "";
  effect(() => {
    const now = trial.value;
    const left = before;
    before = now;
    if (now) requestAnimationFrame(() => place.scrollIntoView({ block: "start" }));
    else if (left) requestAnimationFrame(goBack);
  });
}

function goBack(): void {
  const back = opener;
  opener = null;
  if (location.hash !== GRID && location.hash !== "") return;
  if (back?.isConnected) back.focus();
  else focusActive(GRID_ID);
}

function wireButtons(): void {
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const opens = event.target.closest<HTMLElement>("[data-open-trial]");
    if (opens) {
      event.preventDefault();
      opener = opens;
      go(opens.dataset["openTrial"] ?? "", opens.dataset["record"] ?? "");
      return;
    }
    const copies = event.target.closest<HTMLElement>("[data-copy]");
    if (copies) void copy(document.getElementById(copies.dataset["copy"] ?? "")?.textContent ?? "", copies);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || !route.peek().trial) return;
    event.preventDefault();
    go("");
  });
}

start();
