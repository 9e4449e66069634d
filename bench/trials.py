"""Runs orders outside the tests and hands over each trial as it ends: what the tables of this folder are made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tailproof.reports.baseline import Baseline
from tailproof.reports.result import TrialResult
from tailproof.runner.judging import judged_once
from tailproof.runner.orders import Done, ended
from tailproof.runner.supervisor_process import SupervisorProcess
from tailproof.trial.order import Order


def played(orders: Sequence[Order], *, parallel: int, log: Path) -> Iterator[tuple[Order, Done, TrialResult | None]]:
    """Each order with its end, in the order given; the result is None when the trial failed."""
    with SupervisorProcess(parallel=parallel, log=log) as supervisor:
        yield from played_by(supervisor.address, orders)


def played_by(address: str, orders: Sequence[Order]) -> Iterator[tuple[Order, Done, TrialResult | None]]:
    """The same on a supervisor that is there. Raises SupervisorGone."""
    for order, done in ended(address, orders):
        judged = None
        if not done.error:
            judged = judged_once(order.directory, baseline=Baseline(), out=Path(order.out), error="")
        yield order, done, judged
