"""Replays the orders of cells on the recorded table: how many trials it takes until the first conviction."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from bench.explore_table import HONEST, TUNING, Line, meets
from tailproof.explore.cells import Cell
from tailproof.explore.deck import Deck

BY_WEIGHT = 0.6
"""The part of draws that a policy with feedback makes by weight."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """The cells that were played with every variant, and what each showed."""

    cells: tuple[Cell, ...]
    proven: Mapping[tuple[str, Cell], bool]
    convicts: frozenset[tuple[str, Cell]]
    features: Mapping[tuple[str, Cell], tuple[str, ...]]

    @property
    def variants(self) -> list[str]:
        """Those that some cell convicts: of the others no order can tell anything."""
        return [name for name in TUNING if any((name, cell) in self.convicts for cell in self.cells)]

    def cells_of(self, variant: str) -> tuple[Cell, ...]:
        """Those that were played with it."""
        return tuple(cell for cell in self.cells if meets(variant, cell))


def table_of(recorded: Iterable[Line]) -> Recorded:
    """Lines of cells that there are no more are left out."""
    found: dict[tuple[str, Cell], Line] = {}
    for line in recorded:
        if line.error or len(line.cells) != 1:
            continue
        try:
            found[line.variant, Cell.read(line.cells[0])] = line
        except ValueError:
            continue
    cells = sorted({cell for _, cell in found})
    whole = tuple(
        cell for cell in cells if all((name, cell) in found for name in (HONEST, *TUNING) if meets(name, cell))
    )
    return Recorded(
        cells=whole,
        proven={which: line.proven for which, line in found.items()},
        convicts=frozenset(which for which, line in found.items() if line.convicted),
        features={which: line.features for which, line in found.items()},
    )


Draw = tuple[Cell, ...]
Policy = Callable[[Recorded, str, int], Iterator[Draw]]
"""The cells of one trial after the other, for a variant and a seed."""


def with_replacement(table: Recorded, variant: str, seed: int) -> Iterator[Draw]:
    chance = random.Random(seed)
    while True:
        yield (chance.choice(table.cells_of(variant)),)


def without_replacement(table: Recorded, variant: str, seed: int) -> Iterator[Draw]:
    cells = table.cells_of(variant)
    for cell in random.Random(seed).sample(cells, len(cells)):
        yield (cell,)


def cover(table: Recorded, variant: str, seed: int) -> Iterator[Draw]:
    yield from _dealt(table, variant, Deck(table.cells_of(variant), seed, packed=False))


def packed(table: Recorded, variant: str, seed: int) -> Iterator[Draw]:
    yield from _dealt(table, variant, Deck(table.cells_of(variant), seed))


def feedback(table: Recorded, variant: str, seed: int) -> Iterator[Draw]:
    """The cover; three of five draws go to a cell that shares most with those that showed something new."""
    chance = random.Random(f"feedback {seed}")
    cells = table.cells_of(variant)
    deck = Deck(cells, seed, packed=False)
    weights = dict.fromkeys(cells, 0.0)
    seen: set[str] = set()
    while left := [cell for cell in cells if cell not in deck.drawn and not deck.hopeless(cell)]:
        weighted = [weights[cell] for cell in left]
        if any(weighted) and chance.random() < BY_WEIGHT:
            cell = chance.choices(left, weighted)[0]
            deck.take((cell,))
        else:
            (cell,) = deck.draw()
        yield (cell,)
        showed = set(table.features.get((variant, cell), table.features.get((HONEST, cell), ())))
        if new := showed - seen:
            for other in cells:
                shared = len(set(other.pairs) & set(cell.pairs))
                weights[other] += shared * len(new)
        seen |= showed
        deck.tell(cell, proven=table.proven.get((variant, cell), True), why="recorded")


def _dealt(table: Recorded, variant: str, deck: Deck) -> Iterator[Draw]:
    while (deal := deck.deal()).cells:
        yield deal.cells
        for cell in deal.cells:
            proven = table.proven.get((variant, cell), True)
            if proven or deal.again:
                deck.tell(cell, proven=proven, why="recorded")
            else:
                deck.miss(cell)


POLICIES: Mapping[str, Policy] = {
    "random, with replacement": with_replacement,
    "random, without": without_replacement,
    "cover": cover,
    "cover, with packing": packed,
    "cover, with feedback": feedback,
}
BASE = "random, without"


def trials_until(table: Recorded, policy: Policy, variant: str, seed: int) -> int:
    """Trials up to the first conviction. As many as there are cells when none convicts."""
    most = len(table.cells_of(variant))
    for spent, cells in enumerate(islice(policy(table, variant, seed), most), 1):
        if any((variant, cell) in table.convicts for cell in cells):
            return spent
    return most


def replayed(table: Recorded, policy: Policy, variant: str, seeds: Sequence[int]) -> list[int]:
    """The same for many seeds."""
    return [trials_until(table, policy, variant, seed) for seed in seeds]


def wilcoxon(one: Sequence[int], other: Sequence[int]) -> float:
    """The two-sided p of the signed-rank test over pairs, exact, with ties in their middle rank and equal pairs left out; 1 when none is
    left."""
    differences = [a - b for a, b in zip(one, other, strict=True) if a != b]
    sizes = sorted(map(abs, differences))
    # Twice the rank: the middle of two neighbours is no whole number.
    twice = {size: 2 * sizes.index(size) + 1 + sizes.count(size) for size in sizes}
    ranks = [twice[abs(one)] for one in differences]
    ways = Counter({0: 1})
    for rank in ranks:
        ways += Counter({total + rank: count for total, count in ways.items()})
    above = sum(rank for rank, one in zip(ranks, differences, strict=True) if one > 0)
    extreme = min(above, sum(ranks) - above)
    return min(1.0, 2 * sum(count for total, count in ways.items() if total <= extreme) / 2 ** len(ranks))


def ranked(one: Sequence[int], other: Sequence[int]) -> float:
    """A12: how likely the first needs more trials than the second; 0.5 when there is no difference."""
    more = sum((a > b) + (a == b) / 2 for a in one for b in other)
    return more / (len(one) * len(other))
