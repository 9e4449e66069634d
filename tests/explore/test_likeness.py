"""What is drawn shows a known bug or a new one."""

from __future__ import annotations

import pytest

from tailproof.explore.likeness import Likeness, kinds_of
from tailproof.guarantees.verdict import Level, Outcome
from tailproof.reports.baseline import Baseline, Entry
from tailproof.reports.result import TrialResult, VerdictResult

ENTRY = Entry(
    target="pypi:*", release=">=1.50", guarantee="server.stops", scenario="stop-tool-running", signature="outlived-its-grace",
    reason="it waits for the tool", link="https://example.org/1",
)  # fmt: skip
STOP = {
    "faults": [{"fault": "process.restart", "at": "final-reply"}],
    "acts": [{"act": "user.fork", "at": "final-reply"}],
}


def known(plan: dict[str, list[dict[str, str]]], entry: Entry = ENTRY, **other: str) -> bool:
    told = {"guarantee": "server.stops", "signature": "outlived-its-grace", "release": "1.58.0", **other}
    verdict = VerdictResult(
        guarantee=told["guarantee"], level=Level.MUST, promise="", source="", outcome=Outcome.VIOLATED, says="",
        signature=told["signature"],
    )  # fmt: skip
    trial = TrialResult(
        trial="t", scenario="drawn", summary="", family="", tier="", client="plain", target="pypi:1.58.0", seed=1,
        duration_s=1, history="h", verdicts=(verdict,), release=told["release"],
    )  # fmt: skip
    likeness = Likeness.of(Baseline((("baseline.yaml:1", entry),)))
    return likeness.known(trial, verdict, plan) is not None


def test_the_same_in_another_situation_is_known() -> None:
    assert known(STOP)


@pytest.mark.parametrize(
    "other",
    [{"signature": "gone"}, {"guarantee": "server.works"}, {"release": "1.49.0"}],
    ids=lambda one: next(iter(one)),
)
def test_another_violation_is_new(other: dict[str, str]) -> None:
    assert not known(STOP, **other)


def test_without_what_the_entry_does_it_is_new() -> None:
    assert kinds_of(STOP) == {"process.restart", "user.fork"}
    assert not known({"faults": [{"fault": "wire.cut", "at": "created"}]})


def test_an_entry_about_several_scenarios_needs_what_one_of_them_does() -> None:
    everywhere = ENTRY.model_copy(update={"scenario": "*"})
    stops = ENTRY.model_copy(update={"scenario": "stop-*-running"})
    assert known({"faults": []}, everywhere)  # `calm` is one of them, and does nothing
    assert known(STOP, stops)
    assert not known({"faults": []}, stops)
