/** What is open, in the address of the page: `#t=TRIAL&r=RECORD`. The back button works, and a copied address opens the same. */

import { signal } from "@preact/signals";

export interface Route {
  /** Key of a trial, "" for the grid. */
  trial: string;
  /** Address of a record such as `wire:81`, "" for none. */
  record: string;
}

export const GRID = "#explorer";

export const route = signal<Route>(read());

export function read(): Route {
  const asked = new URLSearchParams(location.hash.slice(1));
  return { trial: asked.get("t") ?? "", record: asked.get("t") ? (asked.get("r") ?? "") : "" };
}

export function hashOf(trial: string, record = ""): string {
  if (!trial) return GRID;
  const quoted = (text: string) => encodeURIComponent(text).replaceAll("%3A", ":").replaceAll("%2F", "/");
  return `#t=${quoted(trial)}${record ? `&r=${quoted(record)}` : ""}`;
}

/** Open a trial, or the grid. A new entry of the browser's history, unless it is another record of the same trial. */
export function go(trial: string, record = ""): void {
  const same = trial === route.peek().trial;
  if (same && record === route.peek().record) return;
  route.value = { trial, record };
  const hash = hashOf(trial, record);
  if (same) location.replace(hash);
  else location.hash = hash;
}

/** Follow the address. `elsewhere` is told of a fragment that is a place in the page and not ours. */
export function follow(elsewhere: (id: string) => void): void {
  addEventListener("hashchange", () => {
    const { trial, record } = read();
    const now = route.peek();
    if (trial !== now.trial || record !== now.record) route.value = { trial, record };
    if (!trial && location.hash !== GRID && location.hash.length > 1) elsewhere(location.hash.slice(1));
  });
}
