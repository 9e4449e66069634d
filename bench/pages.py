"""Words of the pages that the tables of `bench/` write."""

from __future__ import annotations

from collections.abc import Sequence

MOST_CHARS = 160


def span(days: Sequence[str]) -> str:
    """The days on which the lines of a page were played, oldest first, as the rest of a sentence."""
    return f"on {days[0]}" if days[0] == days[-1] else f"from {days[0]} to {days[-1]}"


def shown(says: str) -> str:
    """What a gate said, for a cell of a table."""
    whole = " ".join(says.replace("|", "\\|").replace("<", "&lt;").split())
    return whole if len(whole) <= MOST_CHARS else f"{whole[:MOST_CHARS].rstrip()} …"
