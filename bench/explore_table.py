"""What each cell shows of each broken variant, recorded once: `python -m bench.explore record [--cells N] [-n 1]`.

A line of `explore.jsonl` is one trial. Whatever is there already is not run again.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import msgspec

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.append(str(ROOT))  # `fixtures` is not installed under this name

from bench.explore_behaviour import features  # noqa: E402
from bench.trials import played  # noqa: E402
from fixtures.broken.clients import CLIENTS  # noqa: E402
from fixtures.broken.situations import SHORTER  # noqa: E402
from fixtures.broken.table import VARIANTS  # noqa: E402
from tailproof.explore.cells import Cell, Space  # noqa: E402
from tailproof.explore.compose import composed  # noqa: E402
from tailproof.guarantees.verdict import Outcome  # noqa: E402
from tailproof.history.reader import History  # noqa: E402
from tailproof.reports.result import TrialResult  # noqa: E402
from tailproof.runner.orders import Done  # noqa: E402
from tailproof.runner.pairs import meet  # noqa: E402
from tailproof.runner.playable import cannot  # noqa: E402
from tailproof.trial.order import Order  # noqa: E402

LINES = HERE / "explore.jsonl"
TUNING = (
    "loses-at-crash",
    "rewrites-at-start",
    "leaves-running",
    "runs-again",
    "never-comes-back",
    "idle-when-opened",
    "misses-the-last-message",
    "waits-when-spoken-to",
    "forgets-the-cursor",
    "waits-for-each-listener",
    "stays-running-on-a-full-disk",
    "holds-back-when-two-calls",
    "hook-leaves-a-full-batch",
    "never-repairs",
    "stays-silent",
    "doubles-callbacks",
)
"""Variants whose defect shows only in some situations."""
HONEST = ""
OF_CLIENTS = {variant.name for variant in CLIENTS}
CONVICTED_BY = {variant.name: variant.convicted_by for variant in VARIANTS}


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One trial: a cell (or several that shared it) and a variant; an empty name is the honest reference."""

    variant: str
    cells: tuple[str, ...]
    proven: bool = False
    violated: tuple[str, ...] = ()
    """Guarantees, each with its signature behind a colon."""
    features: tuple[str, ...] = ()
    seconds: float = 0.0
    error: str = ""

    @property
    def convicted(self) -> bool:
        """The guarantee of the variant is violated."""
        return any(one.partition(":")[0] == CONVICTED_BY.get(self.variant) for one in self.violated)

    @property
    def convicts(self) -> bool:
        """The same, and all that lands in it was proven."""
        return self.proven and self.convicted


def meets(variant: str, *cells: Cell) -> bool:
    """A broken client is not in trials of the plain one."""
    return variant not in OF_CLIENTS or not any(cell.plain for cell in cells)


def lines(path: Path = LINES) -> list[Line]:
    """What was recorded, a line that was cut off left out."""
    if not path.exists():
        return []
    return [msgspec.json.decode(line, type=Line) for line in path.read_bytes().split(b"\n")[:-1]]


@cache
def reference_space() -> tuple[Cell, ...]:
    """What the reference can play."""
    pairs = meet(["reference"], [], build=False)
    return tuple(
        Space.playable(lambda cell: cannot(composed([cell]), pairs.plain[0] if cell.plain else pairs.pairs[0]))
    )


def some_cells(number: int, seed: int) -> list[Cell]:
    """So many cells that the reference can play, all alike likely."""
    return random.Random(seed).sample(reference_space(), number)


def order_of(variant: str, cells: Sequence[Cell], out: Path, *, seed: int = 1) -> Order:
    """The trial of these cells with a variant: the server or the client is broken, the other one is honest."""
    of_client = variant in OF_CLIENTS
    scenario = composed(cells).model_dump(mode="json", by_alias=True)
    scenario["parameters"] = {**SHORTER, **scenario["parameters"]}
    plain = any(cell.plain for cell in cells)
    client = "plain" if plain else f"reference:{variant}" if of_client else "reference"
    target = f"reference:{variant}" if variant and not of_client else "reference"
    return Order(scenario=scenario, target=target, client=client, seed=seed, out=str(out / (variant or "honest")))


def recorded(wanted: Sequence[tuple[str, tuple[Cell, ...]]], out: Path, *, parallel: int) -> Iterator[Line]:
    """Play each variant with its cells."""
    orders = {(variant, cells): order_of(variant, cells, out) for variant, cells in wanted}
    asked = {order.key: which for which, order in orders.items()}
    for order, done, judged in played(list(orders.values()), parallel=parallel, log=out / "supervisor.log"):
        variant, cells = asked[order.key]
        line = line_of(variant, cells, done, judged)
        seen = () if judged is None else features(History.load(order.directory))
        yield msgspec.structs.replace(line, features=tuple(sorted(seen)))


def violated_in(judged: TrialResult | None) -> tuple[str, ...]:
    """Guarantees, each with its signature behind a colon; none of a trial that failed."""
    verdicts = judged.verdicts if judged else ()
    return tuple(f"{one.guarantee}:{one.signature}" for one in verdicts if one.outcome is Outcome.VIOLATED)


def line_of(variant: str, cells: Sequence[Cell], done: Done, judged: TrialResult | None) -> Line:
    """What a trial says, but for how it went."""
    faults = judged.faults if judged else ()
    return Line(
        variant=variant,
        cells=tuple(map(str, cells)),
        proven=bool(faults) and all(fault.proven for fault in faults),
        violated=violated_in(judged),
        seconds=round(done.seconds, 1),
        error=done.error,
    )
