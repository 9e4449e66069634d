/** A table of many rows of which only those in sight are in the document, driven by arrow keys: one cell takes the focus. */

import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from "@tanstack/virtual-core";
import { defaultRangeExtractor } from "@tanstack/virtual-core";
import type { ComponentChildren, RefObject } from "preact";
import { useEffect, useLayoutEffect, useReducer, useRef } from "preact/hooks";
import type { Signal } from "@preact/signals";

/** The cell that takes the focus. */
export interface Place {
  row: number;
  column: number;
}

export interface CellProps {
  /** What a screen reader reads where the text of the cell is not enough. */
  label?: string;
  className?: string;
  children?: ComponentChildren;
}

interface Props {
  id: string;
  label: string;
  columns: { key: string; className?: string; head: ComponentChildren }[];
  /** Widths, as in `grid-template-columns`. */
  template: string;
  /** Below this width the table scrolls sideways. */
  leastWidth: number;
  rows: number;
  rowHeight: number;
  headHeight: number;
  /** Width of the first column, which stays where it is. */
  stickyWidth: number;
  active: Signal<Place>;
  cell: (row: number, column: number) => CellProps;
  rowClass?: (row: number) => string;
  /** Enter, or a click. */
  open: (row: number, column: number) => void;
  /** The pointer or the focus is on this cell, or has left. */
  pointed?: (place: Place | null) => void;
  /** A row to bring into sight when it changes; -1 for none. */
  show?: number;
}

export function Rows(props: Props) {
  const { active, rows, columns } = props;
  const box = useRef<HTMLDivElement>(null);
  const virtual = useRows(box, props);
  const focusNext = useRef(false);
  const place = within(active.value, rows, columns.length);

  useLayoutEffect(() => {
    if (!focusNext.current) return;
    const cell = cellAt(box.current, place);
    if (!cell) return;
    focusNext.current = false;
    cell.focus();
  });
  useEffect(() => {
    const { show = -1 } = props;
    const { startIndex, endIndex } = virtual.range ?? { startIndex: 0, endIndex: -1 };
    if (show >= 0 && (show <= startIndex || show >= endIndex)) virtual.scrollToIndex(show, { align: "center" });
  }, [props.show, virtual]);

  const move = (event: KeyboardEvent) => {
    const next = moved(event, place, rows, columns.length, Math.floor((box.current?.clientHeight ?? 0) / props.rowHeight) - 2);
    if (!next) return;
    event.preventDefault();
    active.value = next;
    focusNext.current = true;
    virtual.scrollToIndex(next.row, { align: "auto" });
  };
  const at = (event: Event): Place | null => {
    const cell = (event.target as HTMLElement).closest<HTMLElement>("[data-column]");
    if (!cell) return null;
    return { row: Number(cell.dataset["row"]), column: Number(cell.dataset["column"]) };
  };
  return (
    <div
      ref={box}
      id={props.id}
      class="tpx-rows"
      role="grid"
      aria-label={props.label}
      aria-rowcount={rows + 1}
      aria-colcount={columns.length}
      style={{ scrollPaddingLeft: `${props.stickyWidth}px`, scrollPaddingTop: `${props.headHeight}px` }}
      onKeyDown={(event) => {
        if (event.key === "Enter" || event.key === " ") {
          const found = at(event);
          if (!found) return;
          event.preventDefault();
          props.open(found.row, found.column);
        } else move(event);
      }}
      onClick={(event) => {
        const found = at(event);
        if (!found) return;
        active.value = found;
        props.open(found.row, found.column);
      }}
      onFocusIn={(event) => {
        const found = at(event);
        if (!found) return;
        active.value = found;
        props.pointed?.(found);
      }}
      onMouseOver={(event) => props.pointed?.(at(event))}
      onMouseLeave={() => props.pointed?.(null)}
    >
      <div class="tpx-head" role="rowgroup" style={{ height: `${props.headHeight}px`, minWidth: `${props.leastWidth}px` }}>
        <div class="tpx-row" role="row" aria-rowindex={1} style={{ gridTemplateColumns: props.template }}>
          {columns.map(({ key, className, head }, column) => (
            <div key={key} role="columnheader" aria-colindex={column + 1} class={className ?? ""}>
              {head}
            </div>
          ))}
        </div>
      </div>
      <div class="tpx-body" role="rowgroup" style={{ height: `${virtual.getTotalSize()}px`, minWidth: `${props.leastWidth}px` }}>
        {virtual.getVirtualItems().map(({ index, start }) => (
          <div
            key={index}
            class={`tpx-row ${props.rowClass?.(index) ?? ""}`}
            role="row"
            aria-rowindex={index + 2}
            style={{
              gridTemplateColumns: props.template,
              height: `${props.rowHeight}px`,
              transform: `translateY(${start - props.headHeight}px)`,
            }}
          >
            {columns.map(({ key, className }, column) => {
              const { label, className: own, children } = props.cell(index, column);
              return (
                <div
                  key={key}
                  role={column ? "gridcell" : "rowheader"}
                  aria-colindex={column + 1}
                  aria-label={label}
                  class={`${className ?? ""} ${own ?? ""}`}
                  data-row={index}
                  data-column={column}
                  tabIndex={index === place.row && column === place.column ? 0 : -1}
                >
                  {children}
                </div>
              );
            })}
          </div>
        ))}
      </div>
    </div>
  );
}

function useRows(box: RefObject<HTMLDivElement | null>, { rows, rowHeight, headHeight, active }: Props): Virtualizer<HTMLDivElement, Element> {
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  const kept = useRef<Virtualizer<HTMLDivElement, Element> | null>(null);
  const activeRow = Math.min(active.value.row, rows - 1);
  const options = {
    count: rows,
    getScrollElement: () => box.current,
    estimateSize: () => rowHeight,
    overscan: 6,
    scrollMargin: headHeight,
    scrollPaddingStart: headHeight,
    initialRect: { width: 0, height: 600 },
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    onChange: () => redraw(undefined),
    // The row of the cell that takes the focus is always there: the key Tab must find it.
    rangeExtractor: (range: Parameters<typeof defaultRangeExtractor>[0]) => {
      const indexes = defaultRangeExtractor(range);
      if (activeRow < 0 || indexes.includes(activeRow)) return indexes;
      return [...indexes, activeRow].sort((a, b) => a - b);
    },
  };
  const virtual = (kept.current ??= new Virtualizer<HTMLDivElement, Element>(options));
  virtual.setOptions(options);
  useLayoutEffect(() => virtual._didMount(), [virtual]);
  useLayoutEffect(() => virtual._willUpdate());
  return virtual;
}

function cellAt(box: HTMLElement | null, { row, column }: Place): HTMLElement | null {
  return box?.querySelector<HTMLElement>(`[data-row="${row}"][data-column="${column}"]`) ?? null;
}

/** Put the focus on the cell that takes it. */
export function focusActive(id: string): void {
  document.getElementById(id)?.querySelector<HTMLElement>('[tabindex="0"]')?.focus();
}

function within({ row, column }: Place, rows: number, columns: number): Place {
  return { row: Math.max(0, Math.min(row, rows - 1)), column: Math.max(0, Math.min(column, columns - 1)) };
}

function moved(event: KeyboardEvent, from: Place, rows: number, columns: number, page: number): Place | null {
  if (event.altKey || event.metaKey || !rows) return null;
  const { row, column } = from;
  const steps: Record<string, Place> = {
    ArrowUp: { row: row - 1, column },
    ArrowDown: { row: row + 1, column },
    ArrowLeft: { row, column: column - 1 },
    ArrowRight: { row, column: column + 1 },
    Home: { row: event.ctrlKey ? 0 : row, column: 0 },
    End: { row: event.ctrlKey ? rows - 1 : row, column: columns - 1 },
    PageUp: { row: row - Math.max(1, page), column },
    PageDown: { row: row + Math.max(1, page), column },
  };
  const next = steps[event.key];
  return next ? within(next, rows, columns) : null;
}
