"""Shortens long rows: what is looked for is at an end, or was marked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


def ends_of(items: Sequence[T], most: int, *, wanted: Iterable[int] = ()) -> list[T]:
    """At most `most` of the items, in their order: first those at the `wanted` places (of too many of them the first and the last),
    then as many of the first and of the last as there is room for."""
    if len(items) <= most:
        return list(items)
    places = sorted({place for place in wanted if 0 <= place < len(items)})
    kept = set(_both_ends(places, most))
    rest = [place for place in range(len(items)) if place not in kept]
    kept.update(_both_ends(rest, most - len(kept)))
    return [items[place] for place in sorted(kept)]


def shares(sizes: Sequence[int], most: int) -> list[int]:
    """How many of each there is room for when all of them share `most`: who needs little gets all of it, the others the same."""
    left, given = most, [0] * len(sizes)
    by_size = sorted(range(len(sizes)), key=lambda index: sizes[index])
    for number, index in enumerate(by_size):
        given[index] = min(sizes[index], left // (len(sizes) - number))
        left -= given[index]
    return given


def _both_ends(places: Sequence[int], most: int) -> Sequence[int]:
    if len(places) <= most:
        return places
    last = most // 2
    return [*places[: most - last], *(places[-last:] if last else ())]
