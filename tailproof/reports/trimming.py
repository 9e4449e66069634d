"""Shortens long rows: what is looked for is at an end, or was marked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def ends_of(items: Sequence[T], most: int, *, always: Callable[[T], bool]) -> list[T]:
    """At most `most` of the items in their order: those that are wanted `always` (of too many of them the ends, too), then as many of
    the first and of the last as there is room for."""
    if len(items) <= most:
        return list(items)
    wanted = [index for index, item in enumerate(items) if always(item)]
    kept = set(_both_ends(wanted, most))
    rest = [index for index in range(len(items)) if index not in kept]
    kept.update(_both_ends(rest, most - len(kept)))
    return [items[index] for index in sorted(kept)]


def _both_ends(indexes: Sequence[int], most: int) -> Sequence[int]:
    if len(indexes) <= most:
        return indexes
    last = most // 2
    return [*indexes[: most - last], *(indexes[-last:] if last else ())]
