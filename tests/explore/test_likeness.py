"""What is drawn shows a known bug or a new one."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from tailproof.explore.cells import Cell
from tailproof.explore.compose import composed
from tailproof.explore.likeness import Likeness
from tailproof.guarantees.verdict import Level, Outcome
from tailproof.reports.baseline import Baseline, Entry
from tailproof.reports.result import FaultResult, TrialResult, VerdictResult

ENTRY = Entry(
    target="pypi:*", release=">=1.50", guarantee="server.stops", scenario="stop-tool-running", signature="outlived-its-grace",
    reason="it waits for the tool", link="https://example.org/1",
)  # fmt: skip
STOP = Cell("process.restart/in-place", "final-reply", "steps", "user.fork")

IDS = ("fault-1", "beside-1", "act-1")


def known(cell: Cell, entry: Entry = ENTRY, *, landed: Collection[str] = IDS, **other: str) -> bool:
    told = {"guarantee": entry.guarantee, "signature": entry.signature, "release": "1.58.0", **other}
    verdict = VerdictResult(
        guarantee=told["guarantee"], level=Level.MUST, promise="", source="", outcome=Outcome.VIOLATED, says="",
        signature=told["signature"],
    )  # fmt: skip
    faults = tuple(
        FaultResult(
            fault=one, name="", says="", scope="", injected_at_s=1.0 if one in landed else None, healed_at_s=None, proven=False,
        )
        for one in IDS
    )  # fmt: skip
    trial = TrialResult(
        trial="t", scenario="drawn", summary="", family="", tier="", client="plain", target="pypi:1.58.0", seed=1,
        duration_s=1, history="h", verdicts=(verdict,), release=told["release"], faults=faults,
    )  # fmt: skip
    likeness = Likeness.of(Baseline((("baseline.yaml:1", entry),)))
    return likeness.known(trial, verdict, composed([cell]).model_dump(mode="json", by_alias=True)) is not None


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
    assert not known(Cell("wire.cut/reset", "created", "steps"))
    assert not known(STOP, landed=["act-1"])


@pytest.mark.parametrize(
    ("scenario", "cell", "same"),
    [
        ("kill-new-host", "process.kill/in-place at tool-running, steps, nothing", False),
        ("kill-new-host", "process.kill/new-host at tool-running, output, user.fork", True),
        ("kill-tool-running", "process.kill/in-place at created, steps, nothing", True),
        ("kill-tool-running", "process.kill/abort at created, steps, nothing", True),
        ("kill-tool-running", "process.kill/new-host at created, steps, nothing", True),
        ("stop-tool-running", "process.restart/new-host at created, busy, nothing", True),
        ("kill-again-ready", "process.kill/in-place at created, steps, nothing", False),
        ("guard-lingers", "wire.delay/2s at created, steps, nothing", False),
        ("answered-twice-at-once-reject", "wire.delay/2s at created, steps, user.request/status", False),
        ("damage-message-torn", "disk.damage/foreign-file at returned, two-runs, nothing", False),
        ("damage-event-missing", "disk.damage/event-missing at returned, two-runs, nothing", True),
        ("pages-500", "wire.status/page-503 at created, steps, nothing", True),
        ("pages-500", "wire.status/status-500 at created, steps, nothing", False),
        ("message-while-it-runs", "wire.delay/2s at tool-running, steps, user.message/no-run", True),
        ("message-while-it-runs", "wire.delay/2s at tool-running, steps, user.request/send", True),
        ("message-while-it-runs", "wire.delay/2s at tool-running, steps, user.request/run", False),
        ("message-during-tool", "wire.delay/2s at tool-running, steps, user.request/send", False),
        ("conversations-listed", "wire.delay/2s at tool-running, steps, user.request/list", False),
        ("kill-task-at-work", "process.kill/in-place at created, steps, nothing", False),
        ("stop-ignored", "process.restart/in-place at created, steps, nothing", False),
        ("exits-its-shell", "process.kill/in-place at created, steps, nothing", False),
    ],
)
def test_what_is_done_is_more_than_its_kinds(scenario: str, cell: str, same: bool) -> None:
    assert known(Cell.read(cell), ENTRY.model_copy(update={"scenario": scenario})) is same


def test_an_entry_about_several_scenarios_needs_what_one_of_them_does() -> None:
    nothing = Cell("wire.delay/2s", "created", "steps")
    everywhere = ENTRY.model_copy(update={"scenario": "*"})
    stops = ENTRY.model_copy(update={"scenario": "stop-*-running"})
    assert known(nothing, everywhere)  # `calm` is one of them, and does nothing
    assert known(STOP, stops)
    assert not known(nothing, stops)
