"""Which cells can share a trial."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from tailproof.explore.cells import Cell

MOST = 3
"""So many faults of the path share a trial."""
_ONCE = {"created": 0, "final-reply": 2, "terminal": 3, "returned": 4}
"""Points that a run has once, before and behind those of its turns (1)."""


def may_share(cells: Sequence[Cell], *, one_client: bool = False) -> bool:
    """Whether these can land one after the other in one trial, in this order. Those of the path take turns; what is done to the server
    comes last, with one fault of the path before it. Nobody shares with an act that ends the run. What the plain client alone can play
    shares with what the chosen one is to be tried with only if both are the same (`one_client`)."""
    if len(cells) < 2:
        return True
    if len(cells) > MOST or len({cell.shape for cell in cells}) > 1 or cells[0].shape_choice.waits:
        return False
    if not one_client and len({cell.plain for cell in cells}) > 1:
        return False
    if any(cell.act_choice.ends_run for cell in cells) or len({cell.fault_choice.kind for cell in cells}) < len(cells):
        return False
    if not all(cell.fault_choice.of_the_path and not _lasts(cell) for cell in cells[:-1]):
        return False
    if len(cells) > 2 and not cells[-1].fault_choice.of_the_path:
        return False
    places = [_ONCE.get(cell.point, 1) for cell in cells]
    return places == sorted(places) and all(earlier < later or later == 1 for earlier, later in pairwise(places))


def arranged(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """The same in the order in which the loop gets there; of one turn what is done to the server last, and before it what nobody may
    heal."""

    def place(cell: Cell) -> tuple[bool, int, bool, str]:
        choice = cell.fault_choice
        return not choice.of_the_path, _ONCE.get(cell.point, 1), _lasts(cell), str(cell)

    return tuple(sorted(cells, key=place))


def _lasts(cell: Cell) -> bool:
    """It cannot be healed when the next one lands: its effect shows at the end of the run, or it has a time of its own."""
    return cell.fault_choice.late or cell.fault_choice.ends == "later"
