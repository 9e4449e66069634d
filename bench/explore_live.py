"""What only a live exploration tells: whether faults that share a trial hide each other, and how soon a variant is convicted that nothing
was tuned on."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from bench.explore_table import HERE, Line, line_of, lines, meets, order_of, recorded, reference_space
from bench.kept import Kept
from bench.trials import played_by
from tailproof.explore.cells import Cell
from tailproof.explore.deck import Deal, Deck
from tailproof.explore.packing import MOST, arranged, may_share
from tailproof.explore.playing import proven_of
from tailproof.history.directory import remove_history
from tailproof.runner.supervisor_process import SupervisorProcess

ATTEMPTS = 3
"""So often is a trial tried that the machine has failed."""
MOST_CONVICT = 1 / 3
"""Of a variant that more of the recorded cells convict, nobody could tell which cell of a pack did."""
HELD_OUT = (
    "forgets-the-first",
    "rewrites-at-end",
    "hides-errors",
    "refuses-after-the-crash",
    "acts-twice-when-spoken-to",
    "deaf-while-a-tool-runs",
    "goes-on-one-late",
    "joins-late",
    "finds-nothing-at-first",
    "hook-drops-what-failed",
    "skips-callbacks-of-the-repair",
    "closes-one-of-two",
)
"""Variants that are not in the recorded table."""
Order = Literal["random", "drawn"]
ORDERS: tuple[Order, ...] = ("random", "drawn")


class Pack(msgspec.Struct, frozen=True, kw_only=True, tag_field="what", tag="masking"):
    """A cell that convicts a variant alone was played with others in one trial."""

    variant: str
    convicting: str
    cells: tuple[str, ...]
    proven: bool
    convicts: bool


class Explored(msgspec.Struct, frozen=True, kw_only=True, tag_field="what", tag="live"):
    """How many trials it took until a conviction that came back in the next trial of the same cells; `most` when there was none. What
    could not be proven is played once more, alone, when an exploration would do it, and by the random order behind everything else: those
    trials count, too."""

    variant: str
    order: Order
    seed: int
    trials: int
    most: int
    convicted: bool
    cells: int
    """So many could have been drawn."""


KEPT: Kept[Pack | Explored] = Kept(HERE / "explore_live.jsonl", msgspec.json.Decoder(Pack | Explored))


class Dealer(Protocol):
    """An order of cells."""

    def deal(self) -> Deal: ...

    def tell(self, cell: Cell, *, proven: bool, why: str = "") -> None: ...

    def miss(self, cell: Cell) -> None: ...


class Shuffled:
    """All cells at random, one after the other, and behind all of them once more what could not be proven."""

    def __init__(self, cells: Iterable[Cell], seed: int) -> None:
        self._left = list(cells)
        random.Random(seed).shuffle(self._left)
        self._missed: deque[Cell] = deque()

    def deal(self) -> Deal:
        if self._left:
            return Deal((self._left.pop(),))
        return Deal((self._missed.popleft(),), again=True) if self._missed else Deal(())

    def tell(self, cell: Cell, *, proven: bool, why: str = "") -> None:
        """It makes no difference."""

    def miss(self, cell: Cell) -> None:
        self._missed.append(cell)


def masking(packs: int, out: Path, parallel: int) -> None:
    """Convicting cells of the path, each with two others that they can share a trial with, drawn at random."""
    chance = random.Random(14)
    told = [line for line in lines() if not line.error and _is_cell(line)]
    rare = {line.variant for line in told if share_that_convicts(line.variant) <= MOST_CONVICT}
    alone = [(line.variant, Cell.read(line.cells[0])) for line in told if line.convicts and line.variant in rare]
    alone = [
        (variant, cell) for variant, cell in alone if cell.fault_choice.of_the_path and not cell.act_choice.ends_run
    ]
    chance.shuffle(alone)
    space = list(reference_space())
    known = {(one.variant, one.cells) for one in KEPT.told() if isinstance(one, Pack)}
    wanted = {}
    for variant, cell in alone[:packs]:
        some = _with_others(cell, space, chance)
        if len(some) > 1 and meets(variant, *some):
            wanted[variant, some] = cell
    asked = [which for which in wanted if (which[0], tuple(map(str, which[1]))) not in known]
    for line in recorded(asked, out / "masking", parallel=parallel):
        if line.error:
            continue  # it says nothing, and is asked for again
        cells = tuple(map(Cell.read, line.cells))
        convicting = str(wanted[line.variant, cells])
        KEPT.write(
            Pack(
                variant=line.variant, convicting=convicting, cells=line.cells, proven=line.proven,
                convicts=line.convicted,
            )
        )  # fmt: skip


@cache
def share_that_convicts(variant: str) -> float:
    """The part of the recorded cells that convict it alone."""
    told = [line.convicts for line in lines() if line.variant == variant and not line.error and _is_cell(line)]
    return sum(told) / max(1, len(told))


def live(seeds: int, most: int, out: Path, parallel: int) -> None:
    """Every held-out variant by both orders, seed by seed. Raises SystemExit: a trial failed again and again."""
    known = {
        (one.variant, one.order, one.seed) for one in KEPT.told() if isinstance(one, Explored) and one.most == most
    }
    wanted = [
        (variant, order, seed)
        for seed in range(1, seeds + 1)
        for variant in HELD_OUT
        for order in ORDERS
        if (variant, order, seed) not in known
    ]
    log = out / "live" / "supervisor.log"
    with SupervisorProcess(parallel=parallel, log=log) as supervisor, ThreadPoolExecutor(parallel) as pool:
        play = partial(_played, supervisor.address, out / "live")
        asked = [pool.submit(_explored, *which, most, play) for which in wanted]
        try:
            for done in as_completed(asked):
                KEPT.write(done.result())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _explored(variant: str, order: Order, seed: int, most: int, play: Callable[..., Seen]) -> Explored:
    cells = [cell for cell in reference_space() if meets(variant, cell)]
    # Of its own for each variant: two of them are two explorations.
    chance = random.Random(f"{seed}:{variant}").randrange(1 << 32)
    dealer: Dealer = Shuffled(cells, chance) if order == "random" else Deck(cells, chance)
    trials = 0
    while trials < most and (deal := dealer.deal()).cells:
        some = deal.cells
        trials += 1
        place = f"{variant}-{order}-{seed}/{trials}"
        seen = play(place, variant, some)
        if seen.convicted and play(f"{place}-again", variant, some).convicted:
            return Explored(
                variant=variant, order=order, seed=seed, trials=trials, most=most, convicted=True, cells=len(cells)
            )
        for cell in some:
            if cell in seen.proven or deal.again:
                dealer.tell(cell, proven=cell in seen.proven, why="measured")
            else:
                dealer.miss(cell)
    return Explored(variant=variant, order=order, seed=seed, trials=most, most=most, convicted=False, cells=len(cells))


@dataclass(frozen=True, slots=True)
class Seen:
    """What a trial showed."""

    convicted: bool
    proven: tuple[Cell, ...]


def _played(address: str, out: Path, place: str, variant: str, cells: tuple[Cell, ...]) -> Seen:
    """Raises SystemExit: it failed whenever it was tried, and a trial that failed says nothing of a variant."""
    for attempt in range(1, ATTEMPTS + 1):
        asked = order_of(variant, cells, out / f"{place}.{attempt}")
        ((_, done, judged),) = played_by(address, [asked])
        remove_history(asked.directory)
        if judged is not None and not done.error:
            convicted = line_of(variant, cells, done, judged).convicted
            return Seen(convicted=convicted, proven=proven_of(cells, judged.faults))
    raise SystemExit(f"{variant or 'honest'} with {'; '.join(map(str, cells))} failed {ATTEMPTS} times: {done.error}")


def _with_others(cell: Cell, space: list[Cell], chance: random.Random) -> tuple[Cell, ...]:
    some: tuple[Cell, ...] = (cell,)
    same = [other for other in space if other.shape == cell.shape and other.fault_choice.of_the_path]
    for other in chance.sample(same, min(len(same), 200)):
        wider = arranged((*some, other))
        if may_share(wider):
            some = wider
        if len(some) == MOST:
            break
    return some


def _is_cell(line: Line) -> bool:
    try:
        Cell.read(line.cells[0])
    except ValueError:
        return False
    return len(line.cells) == 1
