"""Whether an exploration accuses who is honest: the reference in the cells that it draws, and a release in the same cells without their
faults."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from bench.explore_table import HERE, violated_in
from bench.kept import Kept
from bench.trials import played
from tailproof.explore.acts import NOTHING
from tailproof.explore.cells import Cell, Space
from tailproof.explore.compose import composed
from tailproof.explore.deck import Deck
from tailproof.runner.pairs import Matrix, Pair, meet
from tailproof.runner.playable import cannot
from tailproof.trial.order import Order

AGAIN = 3
"""So often is a trial that accuses played again."""
REFERENCE = "reference"
SEED = 14


class Asked(msgspec.Struct, frozen=True, kw_only=True, tag="control", tag_field="what"):
    """A trial of a server that nobody broke."""

    target: str
    client: str
    calm: bool
    """The faults were taken out; the acts were not."""
    cells: tuple[str, ...]
    violated: tuple[str, ...] = ()
    """Guarantees, each with its signature behind a colon."""
    came_back: tuple[int, ...] = ()
    """Each of them in so many of `AGAIN` trials."""
    error: str = ""


KEPT: Kept[Asked] = Kept(HERE / "explore_control.jsonl", msgspec.json.Decoder(Asked))


def control(target: str, most: int, out: Path, parallel: int) -> None:
    """The reference as it is explored, then `target` in calm; so many trials of each."""
    for spec, calm in ((REFERENCE, False), (target, True)):
        _control(meet([spec], []), calm, most, out / "control" / ("calm" if calm else "faults"), parallel)


def _control(pairs: Matrix, calm: bool, most: int, out: Path, parallel: int) -> None:
    told = {(one.target, one.client, one.calm, one.cells) for one in KEPT.told() if not one.error}
    wanted = {}
    for cells in _drawn(pairs, calm, most):
        pair = _pair(pairs, cells)
        if (pair.target, pair.client, calm, tuple(map(str, cells))) not in told:
            order = _order(pair, cells, calm, out)
            wanted[order.key] = order, cells
    for order, done, judged in played(
        [order for order, _ in wanted.values()], parallel=parallel, log=out / "first.log"
    ):
        violated = violated_in(judged)
        KEPT.write(
            Asked(
                target=order.target,
                client=order.client,
                calm=calm,
                cells=tuple(map(str, wanted[order.key][1])),
                violated=violated,
                came_back=_came_back(order, violated, parallel),
                error=done.error,
            )
        )


def _drawn(pairs: Matrix, calm: bool, most: int) -> Iterator[tuple[Cell, ...]]:
    """As an exploration draws them when all is proven. In calm each has an act: nobody else opens the gate of a tool then."""
    space = Space.playable(lambda cell: cannot(composed([cell]), _pair(pairs, (cell,))))
    deck = Deck([cell for cell in space if not calm or cell.act != NOTHING.name], SEED)
    for _ in range(most):
        cells = deck.draw()
        yield cells
        for cell in cells:
            deck.tell(cell, proven=True)


def _pair(pairs: Matrix, cells: tuple[Cell, ...]) -> Pair:
    return pairs.plain[0] if any(cell.plain for cell in cells) else pairs.pairs[0]


def _order(pair: Pair, cells: tuple[Cell, ...], calm: bool, out: Path) -> Order:
    scenario = composed(cells).model_dump(mode="json", by_alias=True)
    without = {"faults": []} if calm else {}
    return Order(scenario={**scenario, **without}, target=pair.target, client=pair.client, seed=SEED, out=str(out))


def _came_back(order: Order, violated: tuple[str, ...], parallel: int) -> tuple[int, ...]:
    if not violated:
        return ()
    again = [msgspec.structs.replace(order, repetition=number) for number in range(1, AGAIN + 1)]
    log = Path(order.out) / "again.log"
    seen = [violated_in(judged) for _, _, judged in played(again, parallel=parallel, log=log)]
    return tuple(sum(one in some for some in seen) for one in violated)
