"""How long the page takes to open a long trial in Chromium: `python -m bench.page [FILE#t=TRIAL]`.

Without an address, a trial of 60,000 events and 270,000 records is made. From the start of the navigation until the timeline is
drawn and the ledger has its rows; medians of several rounds, each in a new window.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tailproof.ownership.scratch import workroom
from tests.reports.island_pages import entry, index_of, trial_of, wide_index, write

ROUNDS = 5
BUDGET_MS = 2000.0
EVENTS = 60_000

DRAWN = """async (selector) => {
  while (!document.querySelector(selector)) await new Promise(requestAnimationFrame);
  return performance.now();
}"""
PAN = """async () => {
  const canvas = document.querySelector('#tpx-timeline');
  canvas.focus();
  const press = (key) => canvas.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
  const times = [];
  for (const key of [...Array(12).fill('+'), ...Array(20).fill('ArrowRight'), '0']) {
    const began = performance.now();
    press(key);
    await new Promise(requestAnimationFrame);
    await new Promise((done) => setTimeout(done));
    times.push(performance.now() - began);
  }
  return Math.max(...times);
}"""


def main() -> int:
    """Print a line for each page. Exit code 1 when one of them takes longer than its budget."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("address", nargs="?", help="a page, with #t=TRIAL for one of its trials")
    options.add_argument("--rounds", type=int, default=ROUNDS)
    chosen = options.parse_args()
    with workroom() as place, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        if chosen.address:
            name, _, fragment = chosen.address.partition("#")
            pages = [(chosen.address, f"{Path(name).resolve().as_uri()}#{fragment}")]
        else:
            pages = made(place)
        taken = [measured(browser, said, address, chosen.rounds) for said, address in pages]
        browser.close()
    return 0 if max(taken) <= BUDGET_MS else 1


def made(place: Path) -> list[tuple[str, str]]:
    """What is opened, and its address: the table of a deep run, and a long trial."""
    (place / "deep").mkdir()
    (place / "long").mkdir()
    trial = trial_of("long", events=EVENTS, losing=range(EVENTS - 10, EVENTS - 6))
    records = len(trial["records"]["t"])
    deep = write(place / "deep", wide_index(), [])
    long = write(place / "long", index_of([entry("long")]), [trial])
    return [
        ("230 trials x 49 guarantees", deep),
        (f"{EVENTS:,} events, {records:,} records", f"{long}#t=long&r=wire:119983"),
    ]


def measured(browser: Browser, said: str, address: str, rounds: int) -> float:
    """The median of how long it took to open, in milliseconds."""
    opened, moved = [], []
    selector = "#tpx-timeline[data-drawn]" if "#t=" in address else "#tpx-grid [role=row]"
    for _ in range(rounds):
        page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
        page.goto(address, wait_until="commit")
        opened.append(page.evaluate(DRAWN, selector))
        if "#t=" in address:
            moved.append(page.evaluate(PAN))
        page.close()
    taken = statistics.median(opened)
    slowest = f"; slowest of 33 moves {statistics.median(moved):.0f} ms" if moved else ""
    verdict = "reached" if taken <= BUDGET_MS else "MISSED"
    sys.stdout.write(f"{said}: opened in {taken:.0f} ms (at most {BUDGET_MS:.0f} ms: {verdict}){slowest}\n")
    return taken


if __name__ == "__main__":
    sys.exit(main())
