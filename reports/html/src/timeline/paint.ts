/** Draws a scene on a canvas. Colours are those of the page, read when it is drawn. */

import type { ScaleLinear } from "d3-scale";
import type { Fault, Life } from "../contract";
import { count, tick } from "../words";
import { ends, firstFrom, type Folds, middle } from "./folding";
import { AXIS_PX, type Scene, type Strip } from "./scene";

export interface Looks {
  fg: string;
  muted: string;
  line: string;
  sunken: string;
  ground: string;
  accent: string;
  fault: string;
  violated: string;
  trouble: string;
  holds: string;
  font: string;
}

export interface View {
  scene: Scene;
  x: ScaleLinear<number, number>;
  width: number;
  folds: Folds[];
  /** The time that is chosen for the ledger. */
  brush: readonly [number, number] | null;
  /** The record that is looked at: its lane and its time. */
  selected: { lane: number; t: number } | null;
  looks: Looks;
}

type Pen = CanvasRenderingContext2D;

export function looksOf(element: Element): Looks {
  const style = getComputedStyle(element);
  const token = (name: string, other: string) => style.getPropertyValue(name).trim() || other;
  const fg = token("--tp-fg", "#1b1f24");
  return {
    fg,
    muted: token("--tp-muted", fg),
    line: token("--tp-line", fg),
    sunken: token("--tp-surface", "transparent"),
    ground: token("--tp-bg", "#fff"),
    accent: token("--tp-accent", fg),
    fault: token("--tp-fault", token("--tp-advisory", fg)),
    violated: token("--tp-violated", fg),
    trouble: token("--tp-advisory", fg),
    holds: token("--tp-holds", fg),
    font: token("--tp-sans", "sans-serif"),
  };
}

export function paint(pen: Pen, view: View): void {
  const { scene, width, looks } = view;
  pen.clearRect(0, 0, width, scene.height);
  pen.textBaseline = "middle";
  pen.lineWidth = 1;
  for (const strip of scene.strips) ground(pen, view, strip);
  axis(pen, view);
  for (const { from, to } of scene.windows) shade(pen, view, from, to);
  for (const strip of scene.strips) drawn(pen, view, strip);
  if (view.brush) {
    const [from, to] = [view.x(view.brush[0]), view.x(view.brush[1])];
    pen.globalAlpha = 0.55;
    pen.fillStyle = looks.ground;
    pen.fillRect(0, AXIS_PX, from, scene.height);
    pen.fillRect(to, AXIS_PX, width - to, scene.height);
    pen.globalAlpha = 1;
    pen.fillStyle = looks.accent;
    pen.fillRect(from - 0.5, 0, 1, scene.height);
    pen.fillRect(to - 0.5, 0, 1, scene.height);
  }
  if (view.selected) cursor(pen, view, view.selected);
}

function ground(pen: Pen, { width, looks }: View, { y, height, kind }: Strip): void {
  if (kind === "lane") {
    pen.fillStyle = looks.sunken;
    pen.fillRect(0, y + 2, width, height - 4);
  }
}

function axis(pen: Pen, { x, width, scene, looks }: View): void {
  const ticks = x.ticks(Math.max(2, Math.floor(width / 110)));
  const step = ticks.length > 1 ? ticks[1]! - ticks[0]! : 1;
  pen.font = `11px ${looks.font}`;
  for (const value of ticks) {
    const at = Math.round(x(value));
    pen.fillStyle = looks.line;
    pen.fillRect(at, AXIS_PX - 4, 1, scene.height);
    pen.fillStyle = looks.muted;
    const text = tick(value, step);
    const wide = pen.measureText(text).width;
    if (at + wide / 2 <= width) pen.fillText(text, Math.max(0, at - wide / 2), AXIS_PX / 2 - 1);
  }
}

function shade(pen: Pen, { x, scene, looks }: View, from: number, to: number): void {
  const [a, b] = [x(from), Math.max(x(to), x(from) + 1)];
  pen.fillStyle = looks.fault;
  pen.globalAlpha = 0.13;
  pen.fillRect(a, AXIS_PX, b - a, scene.height);
  pen.globalAlpha = 0.5;
  pen.fillRect(a, AXIS_PX, 1, scene.height);
  pen.fillRect(b - 1, AXIS_PX, 1, scene.height);
  pen.globalAlpha = 1;
}

function drawn(pen: Pen, view: View, strip: Strip): void {
  switch (strip.kind) {
    case "phases":
      strip.phases.forEach(({ name, from, to }) => bar(pen, view, strip, { from, to, text: name, colour: view.looks.muted, fill: 0.1 }));
      break;
    case "fault":
      fault(pen, view, strip, strip.fault);
      break;
    case "lives":
      strip.lives.forEach((life) => lived(pen, view, strip, life));
      break;
    case "statuses":
      steps(pen, view, strip);
      break;
    case "lane":
      marks(pen, view, strip);
      break;
  }
}

interface Bar {
  from: number;
  to: number;
  text: string;
  colour: string;
  fill: number;
  dashed?: boolean;
  border?: boolean;
}

function bar(pen: Pen, { x, width, looks }: View, { y, height }: Strip, it: Bar): void {
  const from = Math.max(-2, x(it.from));
  const to = Math.min(width + 2, Math.max(x(it.to), x(it.from) + 2));
  if (to < 0 || from > width) return;
  const [top, tall] = [y + 3, height - 6];
  pen.fillStyle = pen.strokeStyle = it.colour;
  pen.globalAlpha = it.fill;
  pen.fillRect(from + 0.5, top, Math.max(1, to - from - 1), tall);
  pen.globalAlpha = 1;
  if (it.border) {
    pen.setLineDash(it.dashed ? [3, 3] : []);
    pen.strokeRect(from + 0.5, top + 0.5, Math.max(1, to - from - 1), tall - 1);
    pen.setLineDash([]);
  }
  inside(pen, looks, it.text, Math.max(from, 0) + 5, Math.min(to, width) - 4, y + height / 2);
}

/** A text, if it fits between two places. */
function inside(pen: Pen, looks: Looks, text: string, from: number, to: number, y: number): void {
  pen.font = `11px ${looks.font}`;
  if (!text || pen.measureText(text).width > to - from) return;
  pen.fillStyle = looks.fg;
  pen.fillText(text, from, y);
}

function fault(pen: Pen, view: View, strip: Strip, it: Fault): void {
  const { x, scene, looks } = view;
  const colour = it.act ? looks.accent : looks.fault;
  if (it.injected === null) {
    const text = it.planned ? `never injected (${it.planned})` : "never injected";
    bar(pen, view, strip, { from: it.reached ?? 0, to: scene.until, text, colour, fill: 0, dashed: true, border: true });
    return;
  }
  const ended = it.healed ?? (it.act ? it.injected : scene.until);
  if (typeof it.reached === "number" && it.reached < it.injected) {
    bar(pen, view, strip, { from: it.reached, to: ended, text: "", colour, fill: 0, dashed: true, border: true });
  }
  bar(pen, view, strip, { from: it.injected, to: ended, text: it.name, colour, fill: 0.35, border: true });
  if (it.healed !== null && !it.act) diamond(pen, x(it.healed), strip.y + strip.height / 2, looks.holds);
}

function lived(pen: Pen, view: View, strip: Strip, life: Life): void {
  const { scene, looks, x } = view;
  if (life.started === null && life.ready === null) return;
  const from = life.started ?? life.ready ?? 0;
  const to = life.ended ?? scene.until;
  if (life.ready !== null) {
    bar(pen, view, strip, { from, to: life.ready, text: "", colour: looks.muted, fill: 0, dashed: true, border: true });
    bar(pen, view, strip, { from: life.ready, to, text: `life ${life.epoch}${life.end ? `, ${life.end}` : ""}`, colour: looks.holds, fill: 0.18 });
  } else bar(pen, view, strip, { from, to, text: `life ${life.epoch}, never ready`, colour: looks.muted, fill: 0, dashed: true, border: true });
  if (life.ended !== null && life.end && life.end !== "stopped") cross(pen, x(life.ended), strip.y + strip.height / 2, looks.violated);
}

function steps(pen: Pen, { x, width, scene, looks }: View, strip: Strip & { kind: "statuses" }): void {
  const top = strip.y + 7;
  const each = strip.levels.length > 1 ? (strip.height - 14) / (strip.levels.length - 1) : 0;
  const level = (status: string) => top + each * strip.levels.indexOf(status);
  pen.font = `10px ${looks.font}`;
  strip.steps.forEach(([t, status], i) => {
    const next = strip.steps[i + 1];
    const [from, to, y] = [x(t), x(next ? next[0] : scene.until), level(status)];
    if (to < 0 || from > width) return;
    pen.fillStyle = looks.accent;
    pen.fillRect(from, y - 0.75, Math.max(1, to - from), 1.5);
    if (next) {
      const other = level(next[1]);
      pen.fillRect(to - 0.75, Math.min(y, other) - 0.75, 1.5, Math.abs(other - y) + 1.5);
    }
    const begin = Math.max(from, 0) + 4;
    const wide = pen.measureText(status).width;
    if (wide > Math.min(to, width) - begin - 4) return;
    pen.fillStyle = looks.ground;
    pen.fillRect(begin - 2, y - 6, wide + 4, 12);
    pen.fillStyle = looks.fg;
    pen.fillText(status, begin, y + 0.5);
  });
}

const CROWDED_PX = 6;

function marks(pen: Pen, view: View, strip: Strip & { kind: "lane" }): void {
  const { lane, number } = strip;
  const { x, width, looks } = view;
  const all = view.folds[number]!;
  const y = strip.y + strip.height / 2;
  const [from, to] = [x.invert(-8), x.invert(width + 8)];
  const loud: { at: number; flag: number }[] = [];
  pen.font = `10px ${looks.font}`;
  for (let mark = Math.max(0, firstFrom(lane, all, from) - 1); mark < all.count; mark++) {
    const [a, b] = ends(lane, all, mark);
    if (lane.t[a]! > to) break;
    const at = x(middle(lane, all, mark));
    const flag = all.flag[mark]!;
    const held = b - a + 1;
    const tall = held === 1 ? 10 : Math.min(18, 12 + 2 * Math.log10(held));
    const room = mark + 1 < all.count ? x(lane.t[all.first[mark + 1]!]!) - at : width - at;
    pen.fillStyle = looks.fg;
    // Marks that stand shoulder to shoulder would be a black wall.
    pen.globalAlpha = held === 1 ? 0.6 : room < CROWDED_PX ? 0.45 : 0.85;
    if (flag !== 2) pen.fillRect(at - 1, y - tall / 2, 2, tall);
    if (held > 1) {
      const text = count(held);
      pen.globalAlpha = 0.85;
      if (pen.measureText(text).width + 8 < room) pen.fillText(text, at + (flag ? 9 : 4), y);
    }
    pen.globalAlpha = 1;
    if (flag) loud.push({ at, flag });
  }
  for (const { at, flag } of loud) if (flag === 2) diamond(pen, at, y, looks.trouble);
  rings(pen, loud.filter(({ flag }) => flag === 1).map(({ at }) => at), y, looks.violated);
}

const RING_PX = 7;

/** A ring around each; those that would touch are in one. */
function rings(pen: Pen, all: number[], y: number, colour: string): void {
  pen.strokeStyle = colour;
  pen.lineWidth = 2;
  for (let i = 0; i < all.length; i++) {
    const from = all[i]!;
    while (i + 1 < all.length && all[i + 1]! - all[i]! <= 2 * RING_PX + 2) i++;
    pen.beginPath();
    pen.roundRect(from - RING_PX, y - RING_PX, all[i]! - from + 2 * RING_PX, 2 * RING_PX, RING_PX);
    pen.stroke();
  }
  pen.lineWidth = 1;
}

function diamond(pen: Pen, x: number, y: number, colour: string): void {
  pen.fillStyle = colour;
  pen.beginPath();
  pen.moveTo(x, y - 5);
  pen.lineTo(x + 4, y);
  pen.lineTo(x, y + 5);
  pen.lineTo(x - 4, y);
  pen.closePath();
  pen.fill();
}

function cross(pen: Pen, x: number, y: number, colour: string): void {
  pen.strokeStyle = colour;
  pen.lineWidth = 2;
  pen.beginPath();
  pen.moveTo(x - 4, y - 4);
  pen.lineTo(x + 4, y + 4);
  pen.moveTo(x + 4, y - 4);
  pen.lineTo(x - 4, y + 4);
  pen.stroke();
  pen.lineWidth = 1;
}

function cursor(pen: Pen, { x, scene, looks }: View, { lane, t }: { lane: number; t: number }): void {
  const at = x(t);
  pen.fillStyle = looks.accent;
  pen.globalAlpha = 0.7;
  pen.fillRect(at - 0.5, AXIS_PX, 1, scene.height);
  pen.globalAlpha = 1;
  const strip = scene.strips.find((one) => one.kind === "lane" && one.number === lane);
  if (!strip) return;
  const y = strip.y + strip.height / 2;
  pen.fillRect(at - 2, y - 9, 4, 18);
  pen.beginPath();
  pen.moveTo(at - 5, AXIS_PX - 6);
  pen.lineTo(at + 5, AXIS_PX - 6);
  pen.lineTo(at, AXIS_PX);
  pen.fill();
}
