"""A machine that runs no trial says nothing of the cells."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from tailproof.explore.allowance import Allowance
from tailproof.explore.cells import Cell
from tailproof.explore.exploration import FAILED
from tailproof.explore.journal import Drawn, Ended, Journal
from tailproof.explore.likeness import Likeness
from tailproof.explore.playing import Played, Player
from tests.explore.pretended import exploration, on_reference, pretending


class OnABrokenMachine(Player):
    """No trial comes to its end."""

    def play(self, plan: Mapping[str, Any], *, repetition: int = 0, below: str = "") -> Played:
        return Played(None, 0.1, "no interpreter")


def test_an_exploration_of_failures_ends_and_loses_no_cell(tmp_path: Path) -> None:
    allowance = Allowance(trials=50)
    player = OnABrokenMachine(
        address="", matrix=on_reference(), seed=1, out=tmp_path, allowance=allowance, likeness=Likeness(()),
    )  # fmt: skip
    with closing(Journal(tmp_path)) as journal:
        first = exploration(player, journal)
        first.run(1)
        assert first.broken == f"{FAILED} trials in a row failed, the last one: no interpreter"
        assert allowance.over == first.broken
        drawn = {cell for line in journal.of(Drawn) for cell in line.cells}
    with closing(Journal(tmp_path)) as journal:
        again = exploration(pretending(tmp_path, lambda plan, number: [], trials=len(drawn)), journal)
        again.run(1)
        assert again.deck.unreachable == {}
        assert {str(cell) for cell in again.deck.proven} >= drawn


def test_a_trial_that_fails_once_costs_its_cells_nothing(tmp_path: Path) -> None:
    player = pretending(tmp_path, lambda plan, number: [], trials=6)
    player.fails = lambda plan, number: "no room" if number == 1 else ""
    with closing(Journal(tmp_path)) as journal:
        going = exploration(player, journal, [Cell("wire.delay/2s", "tool-running", "steps")])
        going.run(1)
        assert [(line.error, bool(line.proven)) for line in journal.of(Ended)] == [("no room", False), ("", True)]
        assert [line.attempt for line in journal.of(Drawn)] == [1, 2]
        assert (len(going.deck.proven), going.deck.unreachable) == (1, {})
