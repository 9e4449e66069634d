/** The timeline of a trial: everything on one clock. The ledger below it says the same in words. */

import { type Signal, signal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { go } from "../address";
import { say } from "../aloud";
import { type Opened, selected } from "../opened";
import { count, NARROW_PX, span } from "../words";
import { type Chart, chartOf, type Range } from "./chart";
import { Overview } from "./overview";
import { lineOf, loudest, type Pointed, pointedAt } from "./pointing";

export const TIMELINE_ID = "tpx-timeline";

const PAN_SHARE = 0.15;
const STEP = 1.6;

export function Timeline({ opened, brush }: { opened: Opened; brush: Signal<Range | null> }) {
  const chart = useMemo(() => chartOf(opened, brush, selected), [opened, brush]);
  const pointed = useMemo(() => signal<Pointed | null>(null), [opened]);
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const stop = chart.drawOn(canvas.current!);
    chart.begin(sinceDriving(opened, selected.peek()));
    return stop;
  }, [chart]);
  const record = selected.value;
  useEffect(() => {
    if (record >= 0) chart.reveal(opened.trial.records.t[record]!);
  }, [chart, opened, record]);
  const drag = useDrags(chart, brush, pointed);

  const at = (event: MouseEvent) => pointedAt(opened, chart, event.offsetX, event.offsetY);
  return (
    <section aria-labelledby="tpx-timeline-title">
      <div class="tpx-bar">
        <h3 id="tpx-timeline-title">Timeline <span class="tpx-aside">since the start of the trial</span></h3>
        <Evidence opened={opened} />
        <div class="tpx-buttons" role="group" aria-label="Zoom">
          <button type="button" aria-label="Zoom out" onClick={() => chart.zoomBy(1 / STEP)}>−</button>
          <button type="button" aria-label="Zoom in" onClick={() => chart.zoomBy(STEP)}>+</button>
          <button type="button" onClick={chart.fit}>Fit</button>
        </div>
      </div>
      <div class="tpx-timeline">
        <div class="tpx-lanes" aria-hidden="true" style={{ height: `${chart.scene.height}px` }}>
          {chart.scene.strips.map((strip) => (
            <span key={`${strip.y}`} title={strip.title} style={{ top: `${strip.y}px`, height: `${strip.height}px`, lineHeight: `${strip.height}px` }}>{strip.label}</span>
          ))}
        </div>
        <div class="tpx-canvas" style={{ height: `${chart.scene.height}px` }}>
          <canvas
            ref={canvas}
            id={TIMELINE_ID}
            tabIndex={0}
            role="application"
            aria-roledescription="timeline"
            aria-label={`Timeline of ${opened.trial.called}, ${span(opened.until)}. The ledger has the same in words.`}
            aria-describedby="tpx-keys"
            onKeyDown={(event) => steer(event, opened, chart)}
            onMouseMove={(event) => (pointed.value = event.buttons ? null : at(event))}
            onMouseLeave={() => (pointed.value = null)}
            onClick={(event) => {
              const found = at(event);
              if (found?.records.length && !event.shiftKey) look(opened, loudest(opened, found.records));
            }}
            onDblClick={() => chart.zoomBy(STEP * STEP)}
            onWheel={(event) => {
              if (event.ctrlKey || Math.abs(event.deltaX) <= Math.abs(event.deltaY)) return;
              event.preventDefault();
              chart.panBy(-event.deltaX);
            }}
            {...drag}
          />
          <Tip pointed={pointed} width={chart.width} />
        </div>
      </div>
      <Overview opened={opened} chart={chart} brush={brush} />
      <p class="tpx-keys" id="tpx-keys">
        <kbd>n</kbd> <kbd>p</kbd> evidence · <kbd>j</kbd> <kbd>k</kbd> records of a lane · <kbd>↑</kbd> <kbd>↓</kbd> lanes · <kbd>←</kbd> <kbd>→</kbd> move ·{" "}
        <kbd>+</kbd> <kbd>−</kbd> <kbd>0</kbd> zoom · Ctrl and wheel zooms · Shift and drag selects
      </p>
    </section>
  );
}

const STARTS_SHARE = 0.25;
const MARGIN_SHARE = 0.03;

/** From when the conversation is driven, if what comes before it, mostly the start of the server, takes much of the width and what is
 * looked at is not in it. */
function sinceDriving({ trial, until }: Opened, record: number): Range {
  const driving = trial.phases.find(({ name }) => name === "driving")?.from ?? 0;
  const from = driving - MARGIN_SHARE * (until - driving);
  const before = record >= 0 && trial.records.t[record]! < from;
  return driving > STARTS_SHARE * until && driving < until && !before ? [from, until] : [0, until];
}

/** Look at a record: in the address, in the timeline, and read aloud. */
export function look(opened: Opened, record: number): void {
  const { records } = opened.trial;
  const lane = opened.lanes[records.lane[record]!];
  if (!lane) return;
  const number = opened.evidence.indexOf(record);
  const which = number < 0 ? "" : `evidence ${number + 1} of ${opened.evidence.length}: `;
  go(opened.trial.key, records.address[record]);
  say(`${which}${lane.title}, ${lineOf(opened, record)}`);
}

/** The evidence after or before what is looked at; round and round. */
export function jump(opened: Opened, by: 1 | -1): void {
  const { evidence } = opened;
  if (!evidence.length) {
    say("no record of this trial is evidence of a violation");
    return;
  }
  const now = selected.peek();
  const at = evidence.indexOf(now);
  let next = at + by;
  if (at < 0) {
    const later = evidence.findIndex((record) => record > now);
    next = by > 0 ? (later < 0 ? 0 : later) : (later < 0 ? evidence.length : later) - 1;
  }
  look(opened, evidence[(next + evidence.length) % evidence.length]!);
  document.getElementById(TIMELINE_ID)?.focus({ preventScroll: false });
}

function steer(event: KeyboardEvent, opened: Opened, chart: Chart): void {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const keys: Record<string, () => void> = {
    ArrowLeft: () => chart.panBy(PAN_SHARE * chart.width.peek()),
    ArrowRight: () => chart.panBy(-PAN_SHARE * chart.width.peek()),
    ArrowUp: () => step(opened, 0, -1),
    ArrowDown: () => step(opened, 0, 1),
    j: () => step(opened, 1, 0),
    k: () => step(opened, -1, 0),
    "+": () => chart.zoomBy(STEP),
    "=": () => chart.zoomBy(STEP),
    "-": () => chart.zoomBy(1 / STEP),
    "0": () => chart.fit(),
  };
  const move = keys[event.key];
  if (!move) return;
  event.preventDefault();
  move();
}

/** To the next record of the lane, or to the nearest of the next lane. */
function step(opened: Opened, along: number, across: number): void {
  const now = selected.peek();
  const { records } = opened.trial;
  if (now < 0) {
    if (records.t.length) look(opened, 0);
    return;
  }
  const number = records.lane[now]! + across;
  const lane = opened.lanes[number];
  if (!lane) return;
  const at = across ? nearest(lane.t, records.t[now]!) : lane.records.indexOf(now) + along;
  const found = lane.records[at];
  if (found !== undefined) look(opened, found);
}

function nearest(times: Float64Array, t: number): number {
  let best = 0;
  for (let i = 1; i < times.length; i++) if (Math.abs(times[i]! - t) < Math.abs(times[best]! - t)) best = i;
  return best;
}

/** Shift and the mouse draw a selection; one finger moves the timeline sideways and scrolls the page up and down. */
function useDrags(chart: Chart, brush: Signal<Range | null>, pointed: Signal<Pointed | null>) {
  const began = useRef<{ x: number; finger: boolean } | null>(null);
  return {
    onPointerDown(event: PointerEvent & { currentTarget: HTMLCanvasElement }) {
      const finger = event.pointerType === "touch";
      if (!event.isPrimary || !(finger || (event.shiftKey && event.button === 0))) {
        began.current = null;
        return;
      }
      began.current = { x: event.offsetX, finger };
      if (!finger) event.currentTarget.setPointerCapture(event.pointerId);
    },
    onPointerMove(event: PointerEvent) {
      const from = began.current;
      if (!from || !event.isPrimary) return;
      pointed.value = null;
      if (from.finger) {
        chart.panBy(event.offsetX - from.x);
        began.current = { ...from, x: event.offsetX };
      } else brush.value = chosen(chart, from.x, event.offsetX);
    },
    onPointerUp() {
      began.current = null;
    },
    onPointerCancel() {
      began.current = null;
    },
  };
}

const LEAST_PX = 3;

function chosen({ x, scene }: Chart, a: number, b: number): Range | null {
  if (Math.abs(a - b) < LEAST_PX) return null;
  const at = (pixel: number) => Math.max(0, Math.min(scene.until, x.peek().invert(pixel)));
  return [at(Math.min(a, b)), at(Math.max(a, b))];
}

function Evidence({ opened }: { opened: Opened }) {
  const all = opened.evidence.length;
  if (!all) return <p class="tpx-aside">no evidence of a violation</p>;
  const at = opened.evidence.indexOf(selected.value);
  return (
    <div class="tpx-buttons" role="group" aria-label="Evidence">
      <button type="button" onClick={() => jump(opened, -1)} aria-label="Previous evidence" aria-keyshortcuts="p">‹</button>
      <span class="tpx-of"><span class="tpx-ring" aria-hidden="true" /> evidence {at < 0 ? count(all) : `${count(at + 1)} of ${count(all)}`}</span>
      <button type="button" onClick={() => jump(opened, 1)} aria-label="Next evidence" aria-keyshortcuts="n">›</button>
    </div>
  );
}

function Tip({ pointed, width }: { pointed: Signal<Pointed | null>; width: Signal<number> }) {
  const now = pointed.value;
  if (!now) return null;
  const top = `${now.y + 4}px`;
  const across = width.value < NARROW_PX ? { left: "4px", right: "4px" } : now.x > width.value / 2 ? { right: `${width.value - now.x}px` } : { left: `${now.x}px` };
  return (
    <div class="tpx-tip" style={{ top, ...across }} aria-hidden="true">
      {now.lines.map((line, i) => (
        <div key={i}>{line}</div>
      ))}
    </div>
  );
}

