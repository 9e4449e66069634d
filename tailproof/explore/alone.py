"""One trial for a test of somebody's own, in the process of that test."""

from __future__ import annotations

import threading
from pathlib import Path

from tailproof.guarantees.verdict import Outcome
from tailproof.ownership.scratch import workroom
from tailproof.reports.baseline import Baseline
from tailproof.runner.judging import judge_directory
from tailproof.runner.pairs import meet
from tailproof.runner.playable import cannot
from tailproof.scenario.schema import Scenario
from tailproof.trial.order import Order
from tailproof.trial.recorded import TrialFailed
from tailproof.trial.trial import Trial


def broken(scenario: Scenario, target: str, *, client: str = "", seed: int = 0, out: Path | None = None) -> list[str]:
    """Play a scenario once and say what it broke: `events.tail missing`. Nothing, when this target and client cannot play it. The history
    stays below `out`, if one is given.

    Raises BadTarget, BadClient, Unavailable; TrialFailed: the harness or the environment failed, or the target cannot be had.
    """
    matrix = meet([target], [client] if client else [])
    pair = matrix.pairs[0] if scenario.client == "chosen" else matrix.plain_of(matrix.pairs[0].target)
    if pair.failure:
        raise TrialFailed(pair.failure)
    if cannot(scenario, pair):
        return []
    with workroom() as room:
        order = Order(
            scenario=scenario.model_dump(mode="json", by_alias=True),
            target=pair.target,
            client=pair.client,
            seed=seed,
            out=str(out or room),
        )
        Trial(order, cancel=threading.Event(), tell=lambda phase, detail: None).run()
        judged = judge_directory(order.directory, baseline=Baseline(), history_path=order.name)
    return [f"{one.guarantee} {one.signature}" for one in judged.verdicts if one.outcome is Outcome.VIOLATED]
