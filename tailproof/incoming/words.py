"""Words of others that are written down, compared and sent back: ids, cursors, statuses, names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tailproof.incoming.limits import WORD_CHARS, WORDS, Exceeded, Misshapen


def word(value: Any, what: str) -> str:
    """`value`, which is to be a short text in which every character shows. `what` begins the sentence: `the cursor`.

    Raises Misshapen, Exceeded.
    """
    if not isinstance(value, str):
        raise Misshapen(f"{what} is no text")
    if len(value) > WORD_CHARS:
        raise Exceeded(f"{what} is longer than {WORD_CHARS} characters")
    if not value.isprintable():
        raise Misshapen(f"{what} holds control characters")
    return value


def words(values: Iterable[Any], what: str) -> tuple[str, ...]:
    """A short list of words; `what` one of them is called. Raises Misshapen, Exceeded."""
    found = tuple(word(value, what) for value, _ in zip(values, range(WORDS + 1), strict=False))
    if len(found) > WORDS:
        raise Exceeded(f"a list has more than {WORDS} entries")
    return found


def number(value: Any, what: str) -> int:
    """`value`, which is to count something. Raises Misshapen."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 53:
        raise Misshapen(f"{what} is no count")
    return value
