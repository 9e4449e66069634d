"""A conversation that somebody deletes before the client can say anything, through the whole harness."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # `fixtures` is not installed under this name

from fixtures.broken.played import play  # noqa: E402
from fixtures.broken.situations import scenario  # noqa: E402
from tailproof.guarantees.catalogue import CATALOGUE, judge  # noqa: E402
from tailproof.guarantees.verdict import Outcome  # noqa: E402
from tailproof.history.reader import History  # noqa: E402


def outcomes(history: History) -> dict[str, Outcome]:
    return {name: verdict.outcome for name, verdict in judge(history, list(CATALOGUE)).items()}


def test_the_trial_comes_to_its_end(tmp_path: Path) -> None:
    history = play(scenario("asked-before-delete", ""), tmp_path)
    assert not history.break_offs
    assert [(one.verb, one.error_type) for one in history.client_errors] == [("send", "Refused")]
    found = outcomes(history)
    assert not {Outcome.VIOLATED, Outcome.INCONCLUSIVE} & set(found.values()), found
    assert found["server.works"] is Outcome.HOLDS


def test_nothing_more_is_said(tmp_path: Path) -> None:
    plan = scenario("asked-before-delete", "") | {"messages": ["go", "go on"]}
    history = play(plan, tmp_path)
    assert not history.break_offs
    assert len(history.client_errors) == 1


def test_who_is_told_something_else_has_a_finding(tmp_path: Path) -> None:
    plan = scenario("asked-before-delete", "")
    found = outcomes(play(plan, tmp_path, target="reference:takes-what-is-gone-for-wrong"))
    assert [name for name, outcome in found.items() if outcome is Outcome.VIOLATED] == ["server.works"]
    assert found["loop.terminates"] is Outcome.INCONCLUSIVE
