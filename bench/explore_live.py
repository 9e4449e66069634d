"""What only a live exploration tells: whether faults that share a trial hide each other, and how soon a variant is convicted that nothing
was tuned on."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec

from bench.explore_table import HERE, Line, line_of, lines, meets, order_of, recorded, reference_space
from bench.trials import played_by
from tailproof.explore.cells import Cell
from tailproof.explore.deck import Deck
from tailproof.explore.packing import MOST, arranged, may_share
from tailproof.history.directory import remove_history
from tailproof.runner.supervisor_process import SupervisorProcess

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
    """How many trials it took until a conviction that came back in the next trial of the same cells; `most` when there was none."""

    variant: str
    order: Order
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
    log = out / "live" / "supervisor.log"
    with SupervisorProcess(parallel=parallel, log=log) as supervisor, ThreadPoolExecutor(parallel) as pool:
        asked = [
            pool.submit(_explored, *which, most, partial(_convicted, supervisor.address, out / "live"))
            for which in wanted
        ]
        for done in as_completed(asked):
            _write(done.result())


def _explored(variant: str, order: Order, seed: int, most: int, convicted: Callable[..., bool]) -> Explored:
    place = f"{variant}-{order}-{seed}"
    for trials, cells in enumerate(_dealt(variant, order, seed), 1):
        if trials > most:
            break
        if all(convicted(f"{place}/{again}", variant, cells) for again in (f"{trials}", f"{trials}-again")):
            return Explored(variant=variant, order=order, seed=seed, trials=trials, most=most, convicted=True)
    return Explored(variant=variant, order=order, seed=seed, trials=most, most=most, convicted=False)


def _convicted(address: str, out: Path, place: str, variant: str, cells: tuple[Cell, ...]) -> bool:
    asked = order_of(variant, cells, out / place)
    ((_, done, judged),) = played_by(address, [asked])
    remove_history(asked.directory)
    return line_of(variant, cells, done, judged).convicted


def _dealt(variant: str, order: str, seed: int) -> Iterator[tuple[Cell, ...]]:
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
