/** What a screen reader is told, and what is copied. */

import { signal } from "@preact/signals";

export const aloud = signal("");

export function say(text: string): void {
  // The same sentence twice is no change, and would not be read again.
  aloud.value = aloud.peek() === text ? `${text}\u00a0` : text;
}

const SHOWN_MS = 1500;

/** Copy a text, say so, and show it on the button. */
export async function copy(text: string, button: HTMLElement): Promise<void> {
  const done = await written(text);
  const says = done ? "Copied" : "Not copied";
  say(done ? "copied" : "the browser did not let this be copied");
  if (button.dataset["was"] !== undefined) return;
  button.dataset["was"] = button.textContent ?? "";
  button.textContent = says;
  setTimeout(() => {
    button.textContent = button.dataset["was"] ?? "";
    delete button.dataset["was"];
  }, SHOWN_MS);
}

async function written(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return byHand(text);
  }
}

/** Where a page from disk may not write to the clipboard, it may still copy what is selected. */
function byHand(text: string): boolean {
  const area = document.createElement("textarea");
  area.value = text;
  area.style.position = "fixed";
  area.style.opacity = "0";
  const before = document.activeElement;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (before instanceof HTMLElement) before.focus({ preventScroll: true });
  return done;
}
