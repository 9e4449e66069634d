"""The page as a reader of HTML sees it, without a browser."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

from tailproof.reports.page.render import Island, render
from tailproof.reports.result import Result

ISLAND = Island(script="document.title", style=".tpx-x{color:var(--tp-fg)}")
VOID = {"meta", "br", "img", "link", "input", "hr"}
HOSTILE = "</script></style><!-- \u2028\u202e\x1b[31m\x00\"'<img src=x onerror=alert(1)>"


class Seen(HTMLParser):
    """What a reader of HTML makes of the page. Fails on elements that are not closed in their order."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.said: list[tuple[str, str]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_data(self, data: str) -> None:
        self.said.append((self.open[-1] if self.open else "", data))

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        return [attrs for tag, attrs in self.tags if tag in tags]

    def text(self) -> str:
        said = "".join(data for tag, data in self.said if tag not in ("script", "style"))
        return re.sub(r"\s+", " ", said)

    def inside(self, tag: str) -> list[str]:
        return [data for name, data in self.said if name == tag and data.strip()]


def page_of(result: Result, **asked: Any) -> str:
    return render(result, **{"root": None, "island": ISLAND, **asked})


def index_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="tp-index">(.*?)</script>', page)
    assert found is not None
    index: dict[str, Any] = json.loads(found[1])
    return index
