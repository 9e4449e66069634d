"""A trial that is open in the browser, and where things are in it."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Locator, Page
from visits import Visit, Visiting

TIMELINE = "#tpx-timeline"
LEDGER = "#tpx-ledger"
SPOKEN = "[aria-live=polite]"
MARGIN_PX = 10  # as in chart.ts


def opened(visit: Visiting, fragment: str = "#t=stream-lag", **how: Any) -> tuple[Visit, Page]:
    seen = visit(**how)
    page = seen.open(fragment)
    page.locator(f"{TIMELINE}[data-drawn]").wait_for()
    return seen, page


def place(page: Page, lane: str, t: float, until: float) -> dict[str, float]:
    """Where a moment of a lane is on the canvas, when all of the time is in sight."""
    box = page.locator(TIMELINE).bounding_box()
    label = page.locator(".tpx-lanes span", has_text=re.compile(f"^{lane}$")).bounding_box()
    assert box is not None
    assert label is not None
    x = MARGIN_PX + t / until * (box["width"] - 2 * MARGIN_PX)
    return {"x": x, "y": label["y"] + label["height"] / 2 - box["y"]}


def events(page: Page) -> Locator:
    return page.locator(f"{LEDGER} [role=rowheader]")
