"""What could not be proven has one more trial, alone, and waits for it."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path

from tailproof.explore.cells import Cell
from tailproof.explore.journal import Drawn, Ended, Journal
from tests.explore.pretended import SOME, Plan, exploration, pretending

VALUES = {value for cell in SOME for value in cell.values}


def misses(plan: Plan, number: int) -> bool:
    """No trial with a fault of the wire proves anything."""
    return any(str(fault["fault"]).startswith("wire.") for fault in plan.get("faults") or ())


def explored(out: Path, *trials: int) -> list[Drawn]:
    """What sessions of so many trials, one behind the other, have drawn."""
    lines: list[Drawn] = []
    for number in trials:
        with closing(Journal(out)) as journal:
            player = pretending(out, lambda plan, number: [], trials=number)
            player.misses = misses
            exploration(player, journal).run(1)
            lines = list(journal.of(Drawn))
    return lines


def test_it_waits_until_no_new_value_is_drawn(tmp_path: Path) -> None:
    lines = explored(tmp_path, 2000)
    first = next(place for place, line in enumerate(lines) if line.again)
    seen = {value for line in lines[:first] for cell in line.cells for value in Cell.read(cell).values}
    assert seen == VALUES
    assert any(not line.again for line in lines[first:]), "what is drawn goes on behind it"


def test_each_has_it_once_also_where_a_session_ended_before(tmp_path: Path) -> None:
    lines = explored(tmp_path, 10, 30, 2000)
    alone = Counter(cell for line in lines if line.again for cell in line.cells)
    drawn = Counter(cell for line in lines if not line.again for cell in line.cells)
    of_the_wire = {
        cell for line in lines if not line.again and any(map(_of_the_wire, line.cells)) for cell in line.cells
    }
    assert set(alone.values()) == {1}
    assert set(alone) == of_the_wire
    assert set(drawn.values()) == {1}
    assert set(drawn) <= set(map(str, SOME))


def test_what_waits_is_told(tmp_path: Path) -> None:
    with closing(Journal(tmp_path)) as journal:
        player = pretending(tmp_path, lambda plan, number: [], trials=10)
        player.misses = misses
        going = exploration(player, journal)
        going.run(1)
        ended = {line.number for line in journal.of(Ended)}
        played = [line for line in journal.of(Drawn) if line.number in ended]
        waiting = {cell for line in played for cell in line.cells if any(map(_of_the_wire, line.cells))}
    assert going.rest.endswith(f"left to draw, {len(waiting)} cells to be tried once more")


def _of_the_wire(cell: str) -> bool:
    return cell.startswith("wire.")
