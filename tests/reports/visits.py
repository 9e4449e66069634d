"""A page that is looked at in a browser, and where the sources of its script are. Not in `conftest.py`: there are several of that name."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import BrowserContext, Page

from tailproof.resources import folder

HERE = folder("reports") / "html"
SOURCES = ("package.json", "package-lock.json", "tsconfig.json", "build.js")


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


def run(place: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
