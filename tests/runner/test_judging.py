"""Which guarantees a history is judged by."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailproof.history.header import Header
from tailproof.history.recorder import Recorder
from tailproof.reports.baseline import Baseline
from tailproof.runner.judging import judge_directory


@pytest.mark.parametrize(
    ("about", "asked", "judged"),
    [
        (["loop.once", "stream.*"], ("*",), {"loop.once", "stream.apart", "stream.resumed"}),
        (["loop.once", "stream.*"], ("stream.*", "cost.*"), {"stream.apart", "stream.resumed"}),
        ([], ("stream.*",), {"stream.apart", "stream.resumed"}),
    ],
)
def test_a_trial_is_judged_by_what_its_scenario_is_about(
    tmp_path: Path, about: list[str], asked: tuple[str, ...], judged: set[str]
) -> None:
    plan = {"guarantees": about} if about else {}
    header = Header(trial="t", scenario="calm", seed=0, target="reference", client="plain", plan=plan)
    Recorder(tmp_path / "history", header).close()
    trial = judge_directory(tmp_path / "history", baseline=Baseline(), history_path="history", globs=asked)
    assert {verdict.guarantee for verdict in trial.verdicts} == judged
