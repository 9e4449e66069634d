"""Plays scenarios for an exploration, one trial at a time, and judges them."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace

from tailproof.explore.allowance import Allowance
from tailproof.explore.likeness import Likeness, landed_in
from tailproof.guarantees.verdict import Outcome
from tailproof.history.archive import archive
from tailproof.history.directory import remove_history
from tailproof.history.lines import HistoryError
from tailproof.reports.baseline import Baseline
from tailproof.reports.result import FaultResult, TrialResult
from tailproof.runner.judging import VERDICTS, judged_once
from tailproof.runner.orders import Ask, SupervisorGone, ask
from tailproof.runner.pairs import Matrix, model_url_of
from tailproof.trial.order import Order

T = TypeVar("T")


class Stopped(Exception):
    """No more trials: the budget is spent, or somebody has ended the exploration."""


@dataclass(frozen=True, slots=True)
class Played:
    """A trial that has ended."""

    result: TrialResult | None
    """None when it left nothing that could be judged."""
    seconds: float
    error: str = ""

    @property
    def violated(self) -> set[tuple[str, str]]:
        """Guarantee and signature."""
        verdicts = self.result.verdicts if self.result else ()
        return {(one.guarantee, one.signature) for one in verdicts if one.outcome is Outcome.VIOLATED}

    @property
    def landed(self) -> tuple[str, ...]:
        """The ids of what landed."""
        return landed_in(self.result) if self.result else ()

    def tells(self, guarantee: str) -> bool:
        """Whether a violation of it would have shown: all that was to land did, and was proven, and it could be decided."""
        if self.result is None or self.error:
            return False
        undecided = any(
            one.guarantee == guarantee and one.outcome is Outcome.INCONCLUSIVE for one in self.result.verdicts
        )
        return all(one.proven for one in self.result.faults) and not undecided


@dataclass(slots=True, kw_only=True)
class Player:
    """Whom it is played with, and below which directory. Safe from several threads."""

    address: str
    matrix: Matrix
    seed: int
    out: Path
    allowance: Allowance
    likeness: Likeness
    model_url: str = ""
    _asking: dict[str, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))
    """By the key of an order."""
    _played: set[str] = field(default_factory=set)
    """Keys of orders: a supervisor plays none of them twice."""

    def ask(self, plan: Mapping[str, Any], *, repetition: int, below: str = "") -> Played:
        """As `play`, but a trial that was played and judged is the same trial for everybody, by an earlier session perhaps: several
        findings may come of one. One that failed then is played again. Raises Stopped."""
        order = self.order(plan, repetition=repetition, below=below)
        with self._asking[order.key]:
            if (order.directory / VERDICTS).exists():
                trial = judged_once(order.directory, baseline=Baseline(), out=self.out, error="")
                if not trial.error or order.key in self._played:
                    return Played(self.marked(trial, plan), 0.0, trial.error or "")
            return self.play(plan, repetition=repetition, below=below)

    def play(self, plan: Mapping[str, Any], *, repetition: int = 0, below: str = "") -> Played:
        """One trial, its history below `out`, or `below` it. A history that is there was of one that never ended, and is replaced. Raises
        Stopped."""
        if not self.allowance.begin():
            raise Stopped(self.allowance.over)
        order = self.order(plan, repetition=repetition, below=below)
        remove_history(order.directory)
        self._played.add(order.key)
        try:
            done = ask(self.address, Ask(submit=[order], wait=order.key))
        except SupervisorGone as gone:
            raise Stopped(str(gone)) from gone
        assert done is not None, "a question that waits is answered with the end of the trial"
        if done.error.startswith("cancelled"):
            raise Stopped(done.error)
        try:
            trial = judged_once(order.directory, baseline=Baseline(), out=self.out, error=done.error)
            archive(order.directory)
        except (HistoryError, FileNotFoundError):
            return Played(None, done.seconds, done.error or "it left no history")
        return Played(self.marked(trial, plan), done.seconds, done.error)

    def marked(self, trial: TrialResult, plan: Mapping[str, Any]) -> TrialResult:
        """The trial, each violation that is like a known one with the entry that knows it."""
        verdicts = (replace(one, known=self.likeness.known(trial, one, plan)) for one in trial.verdicts)
        return replace(trial, verdicts=tuple(verdicts))

    def order(self, plan: Mapping[str, Any], *, repetition: int, below: str) -> Order:
        """The order of a trial; only the plain client plays what says so."""
        pair = self.matrix.pairs[0]
        if plan.get("client") == "plain":
            pair = self.matrix.plain_of(pair.target)
        return Order(
            scenario=dict(plan),
            target=pair.target,
            client=pair.client,
            seed=self.seed,
            out=str(self.out / below if below else self.out),
            repetition=repetition,
            model_url=model_url_of(pair.target, self.model_url),
        )


def proven_of(cells: Sequence[T], faults: Iterable[FaultResult]) -> tuple[T, ...]:
    """Those of the cells of a trial of which all that lands was proven, from what the trial says of its faults and acts."""
    told = list(faults)
    mine = {number: [one for one in told if one.fault.endswith(f"-{number}")] for number in range(1, len(cells) + 1)}
    return tuple(
        cell for number, cell in enumerate(cells, 1) if mine[number] and all(one.proven for one in mine[number])
    )
