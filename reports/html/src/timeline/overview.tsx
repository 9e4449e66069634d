/** All of the time in one line: where records are dense, what is in sight, and two handles that choose what the ledger lists. */

import type { Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Opened } from "../opened";
import { moment } from "../words";
import { type Chart, type Range, sized } from "./chart";
import { looksOf } from "./paint";

const HEIGHT_PX = 34;
const BIN_PX = 2;
const LEAST_PX = 3;

interface Props {
  opened: Opened;
  chart: Chart;
  brush: Signal<Range | null>;
}

export function Overview({ opened, chart, brush }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const began = useRef<number | null>(null);
  const { until } = opened;
  const width = chart.width.value;
  useEffect(() => {
    if (width) drawn(canvas.current!, opened, chart, width);
  }, [opened, chart, width, chart.theme.value]);
  const [from, to] = brush.value ?? [0, until];
  const [left, right] = chart.visible.value.map((t) => (100 * Math.max(0, Math.min(until, t))) / until) as [number, number];
  const at = (event: PointerEvent) => (Math.max(0, Math.min(width, event.offsetX)) * until) / Math.max(1, width);

  return (
    <div class="tpx-overview">
      <span class="tpx-overview-label" aria-hidden="true">Overview</span>
      <div
        class="tpx-strip"
        style={{ height: `${HEIGHT_PX}px` }}
        onPointerDown={(event) => {
          if ((event.target as HTMLElement).getAttribute("role") === "slider") return;
          began.current = at(event);
          event.currentTarget.setPointerCapture(event.pointerId);
        }}
        onPointerMove={(event) => {
          const start = began.current;
          if (start === null) return;
          const now = at(event);
          if (Math.abs(now - start) * width > LEAST_PX * until) brush.value = [Math.min(start, now), Math.max(start, now)];
        }}
        onPointerUp={() => (began.current = null)}
        onPointerCancel={() => (began.current = null)}
      >
        <canvas ref={canvas} aria-hidden="true" />
        {right - left < 99.5 && <div class="tpx-sight" style={{ left: `${left}%`, width: `${right - left}%` }} />}
        {brush.value && <div class="tpx-chosen" style={{ left: `${(100 * from) / until}%`, width: `${(100 * (to - from)) / until}%` }} />}
        <Handle label="Selection starts" value={from} least={0} most={to} until={until} put={(t) => (brush.value = whole(t, to, until))} />
        <Handle label="Selection ends" value={to} least={from} most={until} until={until} put={(t) => (brush.value = whole(from, t, until))} />
      </div>
      {brush.value && (
        <p class="tpx-selection">
          {moment(from)} to {moment(to)}
          <button type="button" onClick={() => chart.show([from, to])}>Zoom to it</button>
          <button type="button" onClick={() => (brush.value = null)}>Clear</button>
        </p>
      )}
    </div>
  );
}

/** All of the time is no selection. */
function whole(from: number, to: number, until: number): Range | null {
  return from <= 0 && to >= until ? null : [from, to];
}

interface HandleProps {
  label: string;
  value: number;
  least: number;
  most: number;
  until: number;
  put: (t: number) => void;
}

function Handle({ label, value, least, most, until, put }: HandleProps) {
  const held = useRef(false);
  const clamp = (t: number) => Math.max(least, Math.min(most, t));
  return (
    <div
      class="tpx-handle"
      role="slider"
      tabIndex={0}
      aria-label={label}
      aria-valuemin={Math.round(least)}
      aria-valuemax={Math.round(most)}
      aria-valuenow={Math.round(value)}
      aria-valuetext={moment(value)}
      style={{ left: `${(100 * value) / until}%` }}
      onPointerDown={(event) => {
        held.current = true;
        event.currentTarget.setPointerCapture(event.pointerId);
      }}
      onPointerMove={(event) => {
        if (!held.current) return;
        const box = event.currentTarget.parentElement!.getBoundingClientRect();
        put(clamp(((event.clientX - box.left) / box.width) * until));
      }}
      onPointerUp={() => (held.current = false)}
      onPointerCancel={() => (held.current = false)}
      onKeyDown={(event) => {
        const by = until * (event.shiftKey ? 0.1 : 0.01);
        const keys: Record<string, number> = {
          ArrowLeft: value - by,
          ArrowDown: value - by,
          ArrowRight: value + by,
          ArrowUp: value + by,
          PageDown: value - until * 0.1,
          PageUp: value + until * 0.1,
          Home: least,
          End: most,
        };
        const next = keys[event.key];
        if (next === undefined) return;
        event.preventDefault();
        put(clamp(next));
      }}
    />
  );
}

function drawn(canvas: HTMLCanvasElement, { trial, until, evidence }: Opened, chart: Chart, width: number): void {
  canvas.style.width = `${width}px`;
  canvas.style.height = `${HEIGHT_PX}px`;
  const pen = sized(canvas, width, HEIGHT_PX);
  const looks = looksOf(canvas);
  pen.clearRect(0, 0, width, HEIGHT_PX);
  pen.fillStyle = looks.sunken;
  pen.fillRect(0, 0, width, HEIGHT_PX);
  pen.globalAlpha = 0.2;
  pen.fillStyle = looks.fault;
  for (const { from, to } of chart.scene.windows) pen.fillRect((from / until) * width, 0, Math.max(1, ((to - from) / until) * width), HEIGHT_PX);
  const bins = new Uint32Array(Math.ceil(width / BIN_PX) + 1);
  for (const t of trial.records.t) bins[Math.max(0, Math.floor(((t / until) * width) / BIN_PX))]!++;
  const most = Math.log1p(Math.max(1, ...bins));
  pen.fillStyle = looks.fg;
  pen.globalAlpha = 0.45;
  bins.forEach((held, i) => {
    const tall = (Math.log1p(held) / most) * (HEIGHT_PX - 8);
    if (held) pen.fillRect(i * BIN_PX, HEIGHT_PX - tall, BIN_PX - 0.5, tall);
  });
  pen.globalAlpha = 1;
  pen.fillStyle = looks.violated;
  for (const record of evidence) pen.fillRect((trial.records.t[record]! / until) * width - 1, 0, 2, 6);
}
