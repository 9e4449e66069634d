"""A real browser for the tests of the page: Debian's Chromium, driven by Playwright, on pages from the disk."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from island_pages import Index, Trial, small_report, write
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def windows(browser: Browser) -> Callable[[int, str, str], BrowserContext]:
    """A window for each width, theme and wish for motion. A page from the disk keeps nothing in it."""

    @functools.cache
    def window(width: int, theme: Any, motion: Any) -> BrowserContext:
        # What is narrow is a phone.
        return browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion=motion, has_touch=width < 500
        )

    return window


class Visit:
    """A page that is looked at, and everything it did that no page may do."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.address = address
        self.page = context.new_page()
        self.page.set_default_timeout(10_000)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self.complaints.append(message.text))

    def open(self, fragment: str = "") -> Page:
        self.page.goto(self.address + fragment)
        return self.page

    def hash(self) -> str:
        said: str = self.page.evaluate("location.hash")
        return said

    def focused(self, what: str = "textContent") -> str:
        said: str = self.page.evaluate(f"document.activeElement.{what}")
        return said


Visiting = Callable[..., Visit]


@pytest.fixture
def visit(windows: Callable[[int, str, str], BrowserContext], tmp_path: Path) -> Iterator[Visiting]:
    """A page from the disk in a window of its own. A script that failed, a warning or a request to anywhere fails the test."""
    visits: list[Visit] = []

    def begin(
        index: Index | None = None,
        trials: list[Trial] | None = None,
        *,
        static: str = "",
        width: int = 1280,
        theme: str = "light",
        motion: str = "reduce",
    ) -> Visit:
        if index is None or trials is None:
            index, trials = small_report()
        visits.append(Visit(windows(width, theme, motion), write(tmp_path, index, trials, static=static)))
        return visits[-1]

    yield begin
    for one in visits:
        one.page.close()
        assert one.complaints == []
        assert {address.partition("#")[0] for address in one.requests} == {one.address}
