"""A trial that an earlier session played is not played again, unless it failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tailproof.explore import playing
from tailproof.explore.allowance import Allowance
from tailproof.explore.cells import Cell
from tailproof.explore.compose import plan_of
from tailproof.explore.likeness import Likeness
from tailproof.explore.playing import Played, Player
from tailproof.guarantees.verdict import Level, Outcome
from tailproof.reports.result import TrialResult, VerdictResult
from tailproof.runner.judging import VERDICTS
from tests.explore.pretended import on_reference

PLAN = plan_of([Cell("wire.delay/2s", "tool-running", "steps")])
LOST = ("events.tail", "missing-tail")


@dataclass(slots=True, kw_only=True)
class Counting(Player):
    """Whatever it plays holds."""

    played: list[int] = field(default_factory=list)

    def play(self, plan: Mapping[str, Any], *, repetition: int = 0, below: str = "") -> Played:
        self.played.append(repetition)
        return Played(None, 0.1)


@pytest.mark.parametrize(("error", "played", "violated"), [("", [], {LOST}), ("no room", [3], set())])
def test_a_stored_trial_is_taken_as_it_is_unless_it_failed(
    error: str, played: list[int], violated: set[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    player = Counting(
        address="", matrix=on_reference(), seed=1, out=tmp_path, allowance=Allowance(trials=9), likeness=Likeness(()),
    )  # fmt: skip
    order = player.order(PLAN, repetition=3, below="found")
    order.directory.mkdir(parents=True)
    (order.directory / VERDICTS).touch()
    monkeypatch.setattr(playing, "judged_once", lambda directory, **_: _stored(error))
    assert player.ask(PLAN, repetition=3, below="found").violated == violated
    assert player.played == played


def _stored(error: str) -> TrialResult:
    lost = VerdictResult(
        guarantee=LOST[0], level=Level.MUST, promise="", source="", outcome=Outcome.VIOLATED, says="", signature=LOST[1],
    )  # fmt: skip
    return TrialResult(
        trial=f"{PLAN['name']}.4", scenario=str(PLAN["name"]), summary="", family="", tier="deep", client="plain",
        target="reference", seed=1, duration_s=0.1, history="", faults=(), verdicts=(lost,), error=error,
    )  # fmt: skip
