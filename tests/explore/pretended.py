"""An exploration whose trials are pretended: what each shows is worked out from its plan."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from every_cell import EVERY_CELL

from tailproof.explore.allowance import Allowance
from tailproof.explore.cells import Cell
from tailproof.explore.deck import Deck
from tailproof.explore.exploration import Exploration
from tailproof.explore.journal import Journal
from tailproof.explore.likeness import Likeness
from tailproof.explore.playing import Played, Player, Stopped
from tailproof.guarantees.verdict import Level, Outcome
from tailproof.reports.result import FaultResult, TrialResult, VerdictResult
from tailproof.runner.pairs import Matrix, meet

Plan = Mapping[str, Any]
Violation = tuple[str, str]
SOME = EVERY_CELL[::60]


def on_reference() -> Matrix:
    return meet(["reference"], [], build=False)


@dataclass(slots=True, kw_only=True)
class Pretending(Player):
    """Each trial shows what `shows` says, from its plan and its number among all; one of which `fails` gives a reason fails, and what
    `misses` says is never proven in it."""

    shows: Callable[[Plan, int], Iterable[Violation]]
    fails: Callable[[Plan, int], str] = lambda plan, number: ""
    misses: Callable[[Plan, int], bool] = lambda plan, number: False
    asked: list[tuple[str, str, int]] = field(default_factory=list)
    """Directory, scenario, repetition."""
    plans: list[Plan] = field(default_factory=list)
    played: dict[tuple[str, str, int], Played] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, plan: Plan, *, repetition: int, below: str = "") -> Played:
        order = below, str(plan["name"]), repetition
        if order not in self.played:
            self.played[order] = self.play(plan, repetition=repetition, below=below)
        return self.played[order]

    def play(self, plan: Plan, *, repetition: int = 0, below: str = "") -> Played:
        if not self.allowance.begin():
            raise Stopped(self.allowance.over)
        with self._guard:
            order = below, str(plan["name"]), repetition
            assert order not in self.asked, f"the supervisor would not play {order} once more"
            self.asked.append(order)
            self.plans.append(plan)
            number = len(self.asked)
        if error := self.fails(plan, number):
            return Played(None, 0.1, error)
        return Played(_trial(plan, self.shows(plan, number), proven=not self.misses(plan, number)), 0.1)


def pretending(out: Path, shows: Callable[[Plan, int], Iterable[Violation]], *, trials: int = 200) -> Pretending:
    return Pretending(
        address="",
        matrix=on_reference(),
        seed=1,
        out=out,
        allowance=Allowance(trials=trials),
        likeness=Likeness(()),
        shows=shows,
    )


def exploration(player: Player, journal: Journal, cells: Iterable[Cell] = SOME) -> Exploration:
    return Exploration(Deck(list(cells), 1), journal, player, lambda line: None)


def _trial(plan: Plan, shows: Iterable[Violation], *, proven: bool) -> TrialResult:
    landed = [(one, False) for one in plan.get("faults") or ()] + [(one, True) for one in plan.get("acts") or ()]
    faults = tuple(
        FaultResult(
            fault=one["id"], name=str(one.get("fault") or one.get("act")), act=act, says="", scope="", injected_at_s=1.0,
            healed_at_s=2.0, proven=proven,
        )
        for one, act in landed
    )  # fmt: skip
    verdicts = tuple(
        VerdictResult(
            guarantee=guarantee, level=Level.MUST, promise="", source="", outcome=Outcome.VIOLATED, says="", signature=signature,
        )
        for guarantee, signature in shows
    )  # fmt: skip
    return TrialResult(
        trial=str(plan["name"]), scenario=str(plan["name"]), summary="", family="", tier="deep", client="plain", target="reference",
        seed=1, duration_s=0.1, history="", faults=faults, verdicts=verdicts,
    )  # fmt: skip
