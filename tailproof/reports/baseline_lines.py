"""Changes a baseline line by line, so that comments, order and style of everything else stay as a person wrote them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from tailproof.reports.baseline import BaselineFile
from tailproof.yamlfile import BadFile, Document

_DASH = re.compile(r"(\s*)-(\s+)\S")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 ._()/,;'`=+-]*|\d+\.\d+\.[\w.+-]+|\d{4}-\d\d-\d\d|https?://[^\s#,\[\]{}]+")
_WORDS = re.compile(r"true|false|null", re.IGNORECASE)
_LAST_SEEN = re.compile(r"(\s*(?:-\s+)?last_seen:\s+)(\"[^\"]*\"|'[^']*'|[^\s#]+)")


class Lines:
    """The lines of a baseline, by the entries that stand in them. Entries are counted from 0 as they were read, whatever was removed."""

    def __init__(self, document: Document, text: str) -> None:
        self._path = document.path
        self._end = "\r\n" if "\r\n" in text else "\n"
        self._lines = text.replace("\r\n", "\n").split("\n")
        self._document = document
        self._file = document.parse(BaselineFile)
        self._starts = [self._start(index) for index in range(len(self._file.known))]
        if sorted(set(self._starts)) != self._starts:
            raise BadFile(self._path, document.line("known"), "has two entries in one line: give each its own")
        self._removed: set[int] = set()
        self._before: dict[int, list[str]] = {}
        self._instead: dict[int, str] = {}
        self._added: list[list[str]] = []

    def remove(self, entry: int) -> None:
        """The entry and the comments within it; what stands above it stays."""
        self._removed.update(range(self._starts[entry], self._stop(entry)))

    def set_last_seen(self, release: str, entry: int | None = None) -> None:
        """Of an entry, or of the file."""
        place = ("last_seen",) if entry is None else ("known", entry, "last_seen")
        if (self._file.last_seen if entry is None else self._file.known[entry].last_seen) is not None:
            line = self._document.line(*place) - 1
            said = scalar(release).replace("\\", r"\\")
            self._instead[line] = _LAST_SEEN.sub(rf"\g<1>{said}", self._lines[line], count=1)
        elif entry is not None:
            above = self._document.line("known", entry, "reason") - 1
            if above == self._starts[entry]:
                above = self._stop(entry)
            self._before.setdefault(above, []).append(f"{' ' * self._columns[1]}last_seen: {scalar(release)}")

    def add(self, entry: Mapping[str, str | float]) -> None:
        """One more behind the last."""
        dash, key = self._columns
        first, *others = (
            f"{name}: {value if isinstance(value, float) else scalar(value)}" for name, value in entry.items()
        )
        lead = " " * dash + "-" + " " * (key - dash - 1)
        self._added.append([lead + first, *(" " * key + other for other in others)])

    def text(self) -> str:
        """The file as it is now."""
        known = self._document.line("known") - 1
        left = len(self._file.known) - len([start for start in self._starts if start in self._removed])
        last = self._stop(len(self._starts) - 1) if self._starts else known + 1
        out: list[str] = []
        for number, line in enumerate([*self._lines, ""]):
            if number == last:
                out += [one for block in self._added for one in block]
            out += self._before.get(number, [])
            if number < len(self._lines) and number not in self._removed:
                out.append(self._instead.get(number, line))
            if number == known and not left:
                out[-1] = self._head(out[-1], empty=not self._added)
        return self._end.join(out)

    @property
    def _columns(self) -> tuple[int, int]:
        """Where the dash and the keys of an entry stand."""
        found = _DASH.match(self._lines[self._starts[-1]]) if self._starts else None
        return (len(found[1]), len(found[1]) + 1 + len(found[2])) if found else (2, 4)

    def _head(self, line: str, *, empty: bool) -> str:
        """`known:` where a list follows, `known: []` where none does."""
        bare = re.sub(r"(known:)\s*\[\s*\]", r"\1", line)
        return re.sub(r"(known:)", r"\1 []", bare, count=1) if empty else bare

    def _start(self, entry: int) -> int:
        """The line of the dash, which may stand alone above the first key."""
        line = self._document.line("known", entry) - 1
        while line > 0 and not self._lines[line].lstrip().startswith("-"):
            line -= 1
        return line

    def _stop(self, entry: int) -> int:
        """Behind the last line of an entry. Blank lines and comments before the next thing belong to that."""
        if entry + 1 < len(self._starts):
            line = self._starts[entry + 1]
        else:
            tops = (self._document.line(key) - 1 for key in self._document.data if key != "known")
            line = min((top for top in tops if top > self._starts[entry]), default=len(self._lines))
        while line > self._starts[entry] + 1 and self._lines[line - 1].lstrip()[:1] in ("", "#"):
            line -= 1
        return line


def scalar(text: str) -> str:
    """A text as YAML has it: plain where that can be nothing else, else in double quotes."""
    plain = _PLAIN.fullmatch(text) and ": " not in text and not text.endswith((" ", ":")) and not _WORDS.fullmatch(text)
    return text if plain else json.dumps(text, ensure_ascii=False)
