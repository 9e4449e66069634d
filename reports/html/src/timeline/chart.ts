/** The canvas of a timeline: which part of time it shows, and how that is moved. */

import { computed, effect, type Signal, signal } from "@preact/signals";
import { scaleLinear } from "d3-scale";
import { select } from "d3-selection";
import { type D3ZoomEvent, zoom, zoomIdentity, type ZoomTransform } from "d3-zoom";
import type { Opened } from "../opened";
import { type Folds, folds } from "./folding";
import { looksOf, paint } from "./paint";
import { sceneOf } from "./scene";

/** From when to when, in milliseconds. */
export type Range = readonly [from: number, to: number];

export type Chart = ReturnType<typeof chartOf>;

/** Marks closer than this are one. */
const FOLD_PX = 3;
const MARGIN_PX = 10;
const MOVE_MS = 160;

const STILL = matchMedia("(prefers-reduced-motion: reduce)");

export function chartOf(opened: Opened, brush: Signal<Range | null>, selected: Signal<number>) {
  const scene = sceneOf(opened);
  const width = signal(0);
  const transform = signal<ZoomTransform>(zoomIdentity);
  /** Changes when colours may have. */
  const theme = signal(0);
  const base = computed(() => scaleLinear([0, scene.until], [MARGIN_PX, Math.max(MARGIN_PX + 1, width.value - MARGIN_PX)]));
  const x = computed(() => transform.value.rescaleX(base.value));
  const visible = computed<Range>(() => [x.value.invert(0), x.value.invert(width.value)]);
  let kept: Folds[] = [];
  const apart = computed(() => FOLD_PX / ((x.value(1) - x.value(0)) || 1));
  const folded = computed(() => (kept = opened.lanes.map((lane, i) => folds(lane, apart.value, kept[i]))));

  const zooms = zoom<HTMLCanvasElement, unknown>()
    .clickDistance(4)
    .filter((event: MouseEvent | TouchEvent) => {
      // A wheel without Ctrl scrolls the page, one finger does too, and Shift draws a selection.
      if (event.type === "wheel") return event.ctrlKey || event.metaKey;
      if ("touches" in event) return event.touches.length > 1;
      return !event.shiftKey && !event.ctrlKey && event.button === 0;
    })
    .on("zoom", (event: D3ZoomEvent<HTMLCanvasElement, unknown>) => (transform.value = event.transform));
  let canvas: HTMLCanvasElement | null = null;

  let moving = 0;

  const target = () => select(canvas!);
  /** Go there, in steps unless motion is unwanted. */
  const goTo = (end: ZoomTransform) => {
    if (!canvas) return;
    cancelAnimationFrame(moving);
    const begin = transform.peek();
    const edges = ({ k, x: left }: ZoomTransform): Range => [-left / k, (width.peek() - left) / k];
    const [[a0, b0], [a1, b1]] = [edges(begin), edges(end)];
    const began = performance.now();
    const step = () => {
      const share = STILL.matches ? 1 : Math.min(1, (performance.now() - began) / MOVE_MS);
      if (share < 1) {
        const a = a0 + (a1 - a0) * share;
        const k = width.peek() / (b0 + (b1 - b0) * share - a);
        zooms.transform(target(), zoomIdentity.scale(k).translate(-a, 0));
        moving = requestAnimationFrame(step);
      } else zooms.transform(target(), end);
    };
    step();
  };
  /** The part of time that has this place of the base at this pixel, or as near to it as it can be. */
  const around = (place: number, k: number, pixel = width.peek() / 2) => {
    const at = Math.max(1, Math.min(mostZoom(), k));
    const left = Math.min(Math.max(place - pixel / at, 0), width.peek() - width.peek() / at);
    return zoomIdentity.scale(at).translate(-left, 0);
  };
  /** Zooming keeps the record that is looked at where it is, if it is in sight, and the middle otherwise. */
  const zoomBy = (factor: number) => {
    const record = selected.peek();
    const at = record < 0 ? -1 : x.peek()(opened.trial.records.t[record]!);
    const pixel = at >= 0 && at <= width.peek() ? at : width.peek() / 2;
    goTo(around(transform.peek().invertX(pixel), transform.peek().k * factor, pixel));
  };

  return {
    scene,
    x,
    width,
    transform,
    visible,
    folded,
    theme,
    zoomBy,
    fit: () => goTo(zoomIdentity),
    panBy(pixels: number): void {
      cancelAnimationFrame(moving);
      if (canvas) zooms.translateBy(target(), pixels / transform.peek().k, 0);
    },
    /** Bring a moment into sight, if it is not. */
    reveal(t: number): void {
      const at = x.peek()(t) / width.peek();
      if (at < 0.04 || at > 0.96) goTo(around(base.peek()(t), transform.peek().k));
    },
    /** Show this much of time and no more. */
    show([from, to]: Range): void {
      const [a, b] = [base.peek()(from), base.peek()(to)];
      goTo(around((a + b) / 2, width.peek() / Math.max(b - a, 1e-6)));
    },
    /** Show this much of time from the start. */
    begin([from, to]: Range): void {
      const [a, b] = [base.peek()(from), base.peek()(to)];
      if (canvas && from > 0) zooms.transform(target(), around((a + b) / 2, width.peek() / Math.max(b - a, 1e-6)));
    },
    /** Draw on this canvas until the answer is called. */
    drawOn(element: HTMLCanvasElement): () => void {
      canvas = element;
      target().call(zooms).on("dblclick.zoom", null);
      const sizes = new ResizeObserver(([entry]) => resize(entry!.contentRect.width));
      sizes.observe(element.parentElement!);
      resize(element.parentElement!.clientWidth);
      const repaint = () => theme.value++;
      const dark = matchMedia("(prefers-color-scheme: dark)");
      dark.addEventListener("change", repaint);
      const themes = new MutationObserver(repaint);
      themes.observe(document.documentElement, { attributes: true });
      let frame = 0;
      const stop = effect(() => {
        const view = {
          scene,
          x: x.value,
          width: width.value,
          folds: folded.value,
          brush: brush.value,
          selected: positionOf(opened, selected.value),
        };
        void theme.value;
        cancelAnimationFrame(frame);
        frame = requestAnimationFrame(() => {
          if (!view.width) return;
          paint(sized(element, view.width, scene.height), { ...view, looks: looksOf(element) });
          element.dataset["drawn"] = "yes";
        });
      });
      return () => {
        stop();
        cancelAnimationFrame(frame);
        cancelAnimationFrame(moving);
        sizes.disconnect();
        themes.disconnect();
        dark.removeEventListener("change", repaint);
        canvas = null;
      };
    },
  };

  /** Down to a millisecond for all of the width. */
  function mostZoom(): number {
    return Math.max(1, scene.until);
  }

  function resize(now: number): void {
    const before = width.peek();
    if (!canvas || !now || now === before) return;
    width.value = now;
    zooms.extent([[0, 0], [now, scene.height]]).translateExtent([[0, 0], [now, scene.height]]).scaleExtent([1, mostZoom()]);
    const { k, x: left } = transform.peek();
    if (before) zooms.transform(target(), zoomIdentity.translate((left * now) / before, 0).scale(k));
  }
}

function positionOf({ trial }: Opened, record: number): { lane: number; t: number } | null {
  return record < 0 ? null : { lane: trial.records.lane[record]!, t: trial.records.t[record]! };
}

/** A pen for a canvas of this size, sharp on every screen. */
export function sized(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const ratio = devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const pen = canvas.getContext("2d")!;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  return pen;
}
