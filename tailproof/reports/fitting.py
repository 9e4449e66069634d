"""Fits a report into a limit: what is left out is left out whole, and the report says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SMALLEST = 8_192
"""A limit below this many bytes leaves no room for a report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading, items that are shown whole or not at all, and a foot."""

    head: str
    items: Sequence[str] = ()
    foot: str = ""
    between: str = "\n\n"
    """What stands before each item: a blank line between cards, a line break between rows of a table."""
    noun: str = "items"
    importance: int = 9
    """The lowest number gets its room first."""


def fit(sections: Sequence[Section], limit: int, *, whole: str = "result.json") -> str:
    """The sections in their order, in at most `limit` bytes of UTF-8 (never fewer than characters or UTF-16 units). `whole` is
    the file that holds what is left out.

    Raises:
        ValueError: the limit leaves no room even for the headings.
    """
    if limit < SMALLEST:
        raise ValueError(f"a report needs at least {SMALLEST} bytes, not {limit}")
    left = limit - sum(_size(_render(section, 0, limit, whole)) + 2 for section in sections)
    if left < 0:
        raise ValueError(f"the headings of the report alone exceed {limit} bytes")
    shown = [0] * len(sections)
    for index in sorted(range(len(sections)), key=lambda index: sections[index].importance):
        for item in sections[index].items:
            cost = _size(sections[index].between + item)
            if cost > left:
                break
            left -= cost
            shown[index] += 1
    parts = (_render(section, count, limit, whole) for section, count in zip(sections, shown, strict=True))
    return "\n\n".join(parts) + "\n"


def _render(section: Section, shown: int, limit: int, whole: str) -> str:
    text = section.between.join((section.head, *section.items[:shown]))
    missing = len(section.items) - shown
    if missing:
        text += (
            f"\n\n**{missing} {'more ' if shown else ''}{section.noun} not shown**: "
            f"this report ends at {limit:,} bytes; `{whole}` holds everything."
        )
    return f"{text}\n\n{section.foot}" if section.foot else text


def _size(text: str) -> int:
    return len(text.encode())
