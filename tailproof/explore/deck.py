"""The order in which cells are drawn: first every value once, then every pair of values, then the rest; no cell twice."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tailproof.explore.cells import Cell, Value
from tailproof.explore.packing import MOST, arranged, may_share

LOOKED_AT = 300
"""So many of the cells that are left are compared for each draw: enough that the best of them is nearly the best of all."""
UNREACHABLE = 3
"""A value that could not be proven in so many cells, and in none could, is not drawn any more."""

Pair = tuple[Value, Value]


@dataclass(frozen=True, slots=True)
class Deal:
    """The cells of a trial; `again`: it is one that could not be proven, once more."""

    cells: tuple[Cell, ...]
    again: bool = False


@dataclass(slots=True)
class Deck:
    """The cells of a space that are left. What is drawn follows from the seed and from what became of the cells drawn before."""

    cells: Sequence[Cell]
    seed: int
    packed: bool = True
    """Several cells may share a trial."""
    one_client: bool = False
    """All of them are played with the plain client."""
    draws: int = 0
    brings_values: bool = True
    """What was drawn last had a value that was not drawn before, or one has been lost since: the next draw may bring one."""
    values: Counter[Value] = field(default_factory=Counter)
    """How often each value was drawn and not found unreachable."""
    pairs: Counter[Pair] = field(default_factory=Counter)
    drawn: set[Cell] = field(default_factory=set)
    proven: set[Cell] = field(default_factory=set)
    unreachable: dict[Cell, str] = field(default_factory=dict)
    """Cell -> why its fault could not be proven, twice."""
    waiting: list[Cell] = field(default_factory=list)
    """Cells that could not be proven, and are to be tried once more, alone. They wait until what is drawn brings no new value: most of
    them cannot be proven at all, and a trial of other cells proves more."""
    tried_again: set[Cell] = field(default_factory=set)
    _there_are: frozenset[Pair] = frozenset()
    _values: frozenset[Value] = frozenset()
    _left: list[Cell] = field(default_factory=list)
    _aside: list[Cell] = field(default_factory=list)
    """Hopeless ones: they come back when what is hopeless in them is proven."""
    _vain: Counter[tuple[Value, ...]] = field(default_factory=Counter)
    _hopeful: set[tuple[Value, ...]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._left = sorted(self.cells)
        random.Random(self.seed).shuffle(self._left)
        self._there_are = frozenset(pair for cell in self.cells for pair in cell.pairs)
        self._values = frozenset(value for cell in self.cells for value in cell.values)

    def deal(self) -> Deal:
        """What the next trial is of. No cell when all were drawn, and none is to be tried once more."""
        cells = () if self.waiting and not self.brings_values else self.draw()
        if cells or not self.waiting:
            return Deal(cells)
        # One of which there is some hope; one without any when there is no other.
        cell = next((one for one in self.waiting if not self.hopeless(one)), self.waiting[0])
        self.waiting.remove(cell)
        self.tried_again.add(cell)
        return Deal((cell,), again=True)

    def draw(self) -> tuple[Cell, ...]:
        """The cells of the next trial, of those that were never drawn; none when all were."""
        chance = random.Random(f"{self.seed}:{self.draws}")
        self.draws += 1
        first = self._next(chance)
        if first is None:
            return ()
        some = self._shared(first, chance) if self.packed else (first,)
        self.take(some)
        return some

    def take(self, cells: Collection[Cell]) -> None:
        """These are drawn, by whomever."""
        self.brings_values = any(self.news(cell)[0] for cell in cells)
        for cell in cells:
            self.drawn.add(cell)
            self.values.update(cell.values)
            self.pairs.update(cell.pairs)

    def tell(self, cell: Cell, *, proven: bool, why: str = "", sound: Collection[str] = ()) -> None:
        """What became of a cell: all that it plans was proven, or could not be, `why` says so. Then what is `sound` (its `fault`, its
        `act`) was proven all the same, and is not to blame."""
        blamed = {"fault", "act"}.difference(sound)
        singles: list[tuple[Value, ...]] = [(value,) for value in cell.values if value[0] in blamed]
        kinds = [*singles, *(pair for pair in cell.pairs if not blamed.isdisjoint(axis for axis, _ in pair))]
        if proven:
            self.proven.add(cell)
            if not self._hopeful.issuperset(kinds):
                self._hopeful.update(kinds)
                self._left += self._aside
                self._aside.clear()
            return
        self.unreachable[cell] = why
        self._vain.update(kinds)
        self.values.subtract(cell.values)
        self.pairs.subtract(cell.pairs)
        self.brings_values = self.brings_values or self.news(cell)[0] > 0

    def miss(self, cell: Cell) -> None:
        """It could not be proven. That is no news of it before it was tried once more."""
        if cell not in self.tried_again and cell not in self.waiting:
            self.waiting.append(cell)

    def hopeless(self, cell: Cell) -> bool:
        """Something in it was never proven, often enough."""
        return any(self._in_vain(some) for some in (*((value,) for value in cell.values), *cell.pairs))

    def _in_vain(self, some: tuple[Value, ...]) -> bool:
        return self._vain[some] >= UNREACHABLE and some not in self._hopeful

    def news(self, cell: Cell) -> tuple[int, int]:
        """How many values and pairs it has that were not drawn yet."""
        return sum(not self.values[value] for value in cell.values), sum(not self.pairs[pair] for pair in cell.pairs)

    @property
    def covered(self) -> float:
        """The part of all pairs of values that was drawn and not found unreachable."""
        return sum(self.pairs[pair] > 0 for pair in self._there_are) / max(1, len(self._there_are))

    @property
    def rest(self) -> tuple[int, Literal["value", "pair", "cell"]]:
        """What is drawn for now, and how many of them there are: values that were not drawn yet, then pairs of values, then the cells
        that are left. 0 cells: nothing is drawn any more."""
        values, pairs, cells = set[Value](), set[Pair](), 0
        for cell in self._left:
            if cell in self.drawn or self.hopeless(cell):
                continue
            cells += 1
            values.update(value for value in cell.values if not self.values[value])
            pairs.update(pair for pair in cell.pairs if not self.pairs[pair])
        if values:
            return len(values), "value"
        return (len(pairs), "pair") if pairs else (cells, "cell")

    def _next(self, chance: random.Random) -> Cell | None:
        some: list[Cell] = []
        while self._left and len(some) < LOOKED_AT:
            at = chance.randrange(len(self._left))
            cell = self._left[at]
            self._left[at] = self._left[-1]
            self._left.pop()
            if cell in self.drawn:
                continue
            (self._aside if self.hopeless(cell) else some).append(cell)
        if not some:
            return None
        best = max(some, key=self.news)  # the first of equals, and they come in no order
        self._left += some
        rare = self._rare() if not self.news(best)[0] else []
        if rare:
            best = max(chance.sample(rare, min(len(rare), LOOKED_AT)), key=self.news)
        self._left.remove(best)
        return best

    def _rare(self) -> list[Cell]:
        """Cells that are left of values that were not drawn yet: those that few cells have are in none of those looked at."""
        wanted = {value for value in self._values if not self.values[value] and not self._in_vain((value,))}
        if not wanted:
            return []
        return [
            cell
            for cell in self._left
            if not wanted.isdisjoint(cell.values) and cell not in self.drawn and not self.hopeless(cell)
        ]

    def _shared(self, first: Cell, chance: random.Random) -> tuple[Cell, ...]:
        """More cells for the same trial, those that bring most first."""
        some: tuple[Cell, ...] = (first,)
        pool = [
            cell
            for cell in chance.sample(self._left, min(len(self._left), LOOKED_AT * MOST))
            if cell.shape == first.shape and cell not in self.drawn and not self.hopeless(cell)
        ]
        pool.sort(key=self.news, reverse=True)
        for cell in pool:
            wider = arranged((*some, cell))
            if may_share(wider, one_client=self.one_client):
                some = wider
            if len(some) == MOST:
                break
        return some
