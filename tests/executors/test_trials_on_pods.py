"""Whole trials of executors on real pods: the incident's situation survived by the right one, and one broken one convicted."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # `fixtures` is not installed under this name

from bench.executors import line_of, played, wrongly  # noqa: E402
from tailproof.guarantees.catalogue import CATALOGUE, judge  # noqa: E402
from tailproof.guarantees.verdict import Outcome  # noqa: E402
from tailproof.guarantees.witnesses import blind  # noqa: E402

pytestmark = pytest.mark.cluster


def test_the_right_executor_survives_an_agent_that_the_kernel_kills(tmp_path: Path) -> None:
    history = played("", "executor-oom", tmp_path)
    found = judge(history)
    assert {name for name, one in CATALOGUE.items() if one.of_executors} == {
        name for name, verdict in found.items() if verdict.outcome is Outcome.HOLDS
    }, {name: verdict.says for name, verdict in found.items() if verdict.outcome is not Outcome.NOT_APPLICABLE}
    assert not blind(history)
    assert [fault.stage for fault in history.faults] == ["intent", "injected", "proven", "healed"]
    line = line_of(history, "", "executor-oom")
    assert (line.exit_code, line.reason) == (137, "OOMKilled")
    assert line.oom_kills == 1


def test_one_that_tells_no_exit_code_is_convicted_by_its_own_promise_alone(tmp_path: Path) -> None:
    history = played("reason-alone", "executor-oom", tmp_path)
    assert not wrongly(line_of(history, "reason-alone", "executor-oom"))
