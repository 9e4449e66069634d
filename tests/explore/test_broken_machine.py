"""A machine that runs no trial says nothing of the cells."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from tailproof.explore.allowance import Allowance
from tailproof.explore.exploration import FAILED
from tailproof.explore.journal import Drawn, Ended, Journal
from tailproof.explore.likeness import Likeness
from tailproof.explore.playing import Played, Player
from tests.explore.pretended import exploration, on_reference


class OnABrokenMachine(Player):
    """No trial comes to its end."""

    def play(self, plan: Mapping[str, Any], *, repetition: int = 0, below: str = "") -> Played:
        return Played(None, 0.1, "no interpreter")


def test_an_exploration_of_failures_ends_and_keeps_what_was_drawn(tmp_path: Path) -> None:
    allowance = Allowance(trials=50)
    player = OnABrokenMachine(
        address="", matrix=on_reference(), seed=1, out=tmp_path, allowance=allowance, likeness=Likeness(()),
    )  # fmt: skip
    with closing(Journal(tmp_path)) as journal:
        first = exploration(player, journal)
        first.run(1)
        assert first.broken == f"{FAILED} trials in a row failed, the last one: no interpreter"
        assert allowance.over == first.broken
        ended = {line.number for line in journal.of(Ended)}
        assert len(ended) == FAILED - 1
        left = [line for line in journal.of(Drawn) if line.number not in ended]
        again = exploration(player, journal)
        assert list(again._open) == left
