"""What only a live exploration tells: whether faults that share a trial hide each other, and how soon a variant is convicted that nothing
was tuned on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import msgspec

from bench.explore_table import HERE, Line, lines, meets, recorded, reference_space
from tailproof.explore.cells import Cell
from tailproof.explore.deck import Deck
from tailproof.explore.packing import MOST, arranged, may_share

LIVE = HERE / "explore_live.jsonl"
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
ORDERS: tuple[Literal["random", "drawn"], ...] = ("random", "drawn")


class Pack(msgspec.Struct, frozen=True, kw_only=True, tag_field="what", tag="masking"):
    """A cell that convicts a variant alone was played with others in one trial."""

    variant: str
    convicting: str
    cells: tuple[str, ...]
    proven: bool
    convicts: bool


class Explored(msgspec.Struct, frozen=True, kw_only=True, tag_field="what", tag="live"):
    """How many trials it took until a conviction that came back in the next trial of the same cells; `most` when there was none."""

    variant: str
    order: Literal["random", "drawn"]
    seed: int
    trials: int
    most: int
    convicted: bool


def told() -> list[Pack | Explored]:
    """What was measured, a line that was cut off left out."""
    if not LIVE.exists():
        return []
    return [msgspec.json.decode(line, type=Pack | Explored) for line in LIVE.read_bytes().split(b"\n")[:-1]]


def masking(packs: int, out: Path, parallel: int) -> None:
    """Convicting cells of the path, each with two others that they can share a trial with, drawn at random."""
    chance = random.Random(14)
    alone = [(line.variant, Cell.read(line.cells[0])) for line in lines() if line.convicts and _is_cell(line)]
    alone = [
        (variant, cell) for variant, cell in alone if cell.fault_choice.of_the_path and not cell.act_choice.ends_run
    ]
    chance.shuffle(alone)
    space = list(reference_space())
    known = {(one.variant, one.cells) for one in told() if isinstance(one, Pack)}
    wanted = {}
    for variant, cell in alone[:packs]:
        some = _with_others(cell, space, chance)
        if len(some) > 1 and meets(variant, *some):
            wanted[variant, some] = cell
    asked = [which for which in wanted if (which[0], tuple(map(str, which[1]))) not in known]
    for line in recorded(asked, out / "masking", parallel=parallel):
        cells = tuple(map(Cell.read, line.cells))
        convicting = str(wanted[line.variant, cells])
        _write(
            Pack(
                variant=line.variant, convicting=convicting, cells=line.cells, proven=line.proven,
                convicts=line.convicted,
            )
        )  # fmt: skip


def live(seeds: int, most: int, out: Path, parallel: int) -> None:
    """Every held-out variant by both orders, seed by seed."""
    known = {(one.variant, one.order, one.seed) for one in told() if isinstance(one, Explored)}
    wanted = [
        (variant, order, seed)
        for seed in range(1, seeds + 1)
        for variant in HELD_OUT
        for order in ORDERS
        if (variant, order, seed) not in known
    ]
    with ThreadPoolExecutor(parallel) as pool:
        for done in pool.map(lambda which: _explored(*which, most, out / "live"), wanted):
            _write(done)


def _explored(variant: str, order: Literal["random", "drawn"], seed: int, most: int, out: Path) -> Explored:
    place = out / f"{variant}-{order}-{seed}"
    for trials, cells in enumerate(_dealt(variant, order, seed, place), 1):
        if trials > most:
            break
        (line,) = recorded([(variant, cells)], place / str(trials), parallel=1)
        if line.convicted:
            (again,) = recorded([(variant, cells)], place / f"{trials}-again", parallel=1)
            if again.convicted:
                return Explored(variant=variant, order=order, seed=seed, trials=trials, most=most, convicted=True)
    return Explored(variant=variant, order=order, seed=seed, trials=most, most=most, convicted=False)


def _dealt(variant: str, order: str, seed: int, place: Path) -> Iterator[tuple[Cell, ...]]:
    cells = [cell for cell in reference_space() if meets(variant, cell)]
    if order == "random":
        random.Random(seed).shuffle(cells)
        yield from ((cell,) for cell in cells)
        return
    deck = Deck(cells, seed)
    while drawn := deck.draw():
        yield drawn


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


def _write(one: Pack | Explored) -> None:
    with LIVE.open("ab") as file:
        file.write(msgspec.json.encode(one) + b"\n")
    print(one, flush=True)
