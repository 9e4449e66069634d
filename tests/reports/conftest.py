"""A real browser for the tests of the page: Debian's Chromium, driven by Playwright, on pages from the disk."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from island_pages import Index, Trial, small_report, write
from playwright.sync_api import Browser, BrowserContext, sync_playwright
from visits import HERE, SOURCES, Visit, Visiting, run


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources in a directory of their own, with the packages that the lock file names."""
    place = tmp_path_factory.mktemp("island")
    for name in SOURCES:
        shutil.copy(HERE / name, place)
    shutil.copytree(HERE / "src", place / "src")
    run(place, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
    return place


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
