"""What whoever subscribes is told first, row by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from guarantee_histories import HOLDS, VIOLATED, Built, Row, calm, event

from tailproof.guarantees.catalogue import judge
from tailproof.guarantees.status_greeted import greetings
from tailproof.history.records import Phase
from tailproof.history.server_records import Event, Status, Stream
from tailproof.history.timeline import SECOND

NEWCOMER = "stream:newcomer"
BEGUN = 2.35
"""By then the run has begun, and everybody has been told."""


def running(ends: float = 5.0) -> Built:
    """`calm`, but for a run that lasts from 2.2 to `ends`. Its status is read at 2.3, 3.0 and 3.5, and behind its end."""
    built = calm()
    built.header.witnesses["user"] = ["stream"]
    late = ends - 2.9
    built.placed = [(at + late if at > BEGUN else at, record) for at, record in built.placed]
    built.without(Status, via="rest", raw="running")
    for at in (2.3, 3.0, 3.5, 4.0):
        if not ends < at < ends + 0.5:
            built.show(at, "running" if at < ends else "finished").ask(at, "status")
    return built


def joined(built: Built, told: str, *, opened: float = 2.4, came: float = 2.5, **way: Any) -> Built:
    """Another user subscribes, and is told this status first."""
    way = {"reading": NEWCOMER, "conversation": "c1", "path": "direct", "witness": "user"} | way
    built.put(opened, Stream(stage="opened", **way)).put(came, Stream(stage="subscribed", **way))
    return built.put(came, snapshot("s9", told))


def snapshot(identity: str, told: str) -> Event:
    made = event(identity, "snapshot", durable=False, status=told)
    made.reading, made.witness = NEWCOMER, "user"
    return made


def repeated_first() -> Built:
    """Who asked for all there was gets an old snapshot, which somebody had seen when it was true, and is told the truth then."""
    built = joined(running(), "running", path="resumed", since="all", came=2.6)
    old = snapshot("s0", "idle")
    old.reading, old.witness = "stream:0", "observer"
    return built.put(1.25, old).put(2.5, snapshot("s0", "idle"))


def late(make: Callable[[], Built]) -> Callable[[], Built]:
    """What is told behind the beginning of the run comes a second later: the run has lasted for more than a moment by then."""

    def built() -> Built:
        history = make()
        for _, record in history.placed:
            began_ns = getattr(record, "began_ns", 0)
            if began_ns > BEGUN * SECOND:
                record.began_ns = began_ns + SECOND  # type: ignore[union-attr]
        history.placed = [(at + (at > BEGUN), record) for at, record in history.placed]
        return history

    return built


LIES: dict[str, Any] = {
    "while-it-runs": lambda: joined(running(), "idle"),
    "when-the-step-is-over": lambda: joined(running(), "idle", came=3.2),
    "shortly-before-the-end": lambda: joined(running(ends=2.7), "idle"),
    "who-comes-back": lambda: joined(running(), "idle", path="resumed", since="all"),
    "behind-what-is-repeated": lambda: joined(running(), "idle", path="resumed", since="all").put(2.45, event_before()),
    "behind-a-read-that-was-late": lambda: joined(running().show(2.25, "idle"), "idle"),
    "asked-for-again-since": lambda: joined(running(), "idle").ask(3.2, "run", 409),
}
UNTOLD: dict[str, Any] = {
    "the-truth": lambda: joined(running(), "running"),
    "the-truth-of-before": lambda: joined(running(ends=2.45), "running"),
    "ahead-of-the-stream": lambda: joined(running(ends=2.7), "finished"),
    "a-step-on-the-way-to-the-end": lambda: joined(running(ends=2.7).show(1.22, "waiting", "client"), "waiting"),
    "no-table-of-steps": lambda: joined(running(ends=2.7), "idle").fact(transitions=""),
    "a-word-that-nobody-translated": lambda: joined(running(), "resting"),
    "what-it-was-nobody-translated": lambda: joined(
        running().alter(Status, {"raw": "running"}, neutral="unknown"), "idle"
    ),
    "an-old-snapshot-repeated": repeated_first,
    "somebody-asks-meanwhile": lambda: joined(running(), "idle").ask(2.7, "send", text="and this"),
    "an-answer-is-out": lambda: joined(running(), "idle").ask(2.45, "run", took=0.4),
    "said-in-the-same-run": lambda: joined(running(), "idle").ask(2.36, "send", text="and this"),
    "the-stream-is-late": lambda: (
        joined(running(), "finished").show(3.3, "finished", "stream").show(3.31, "running", "stream")
    ),
    "a-read-of-before-it-came": lambda: (
        joined(running(ends=3.6).without(Status, via="rest", raw="running"), "finished")
        .show(2.55, "running")
        .ask(2.55, "status", took=0.1)
    ),
    "two-ends-within-a-read": lambda: joined(running(ends=2.7), "idle").show(2.6, "error", "stream"),
    "nobody-listened-before": lambda: joined(running().without(Status, via="stream", raw="running"), "idle"),
    "nobody-looked-any-more": lambda: joined(running(), "idle").until(3.4).put(3.41, Phase(name="ended")),
    "another-life": lambda: joined(running(), "idle", epoch=1),
    "who-does-not-read": lambda: joined(running(), "idle", path="unread"),
    "who-listens-to-one-run": lambda: joined(running(), "idle", run="r1"),
}
TOLD_TRULY = {
    "the-truth",
    "the-truth-of-before",
    "ahead-of-the-stream",
    "an-old-snapshot-repeated",
    "a-read-of-before-it-came",
}
"""Those that are compared; of the others nothing can be decided."""
ROWS = [
    *(
        Row("status.agree", f"greeted-{name}", VIOLATED, late(make), "greeted-idle-is-active")
        for name, make in LIES.items()
    ),
    *(Row("status.agree", f"greeted-{name}", HOLDS, late(make)) for name, make in UNTOLD.items()),
]


def event_before() -> Event:
    repeated = event("m1", "message", text="go", source="user")
    repeated.reading, repeated.witness = NEWCOMER, "user"
    return repeated


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(row: Row) -> None:
    verdict = judge(row.make().build(), [row.guarantee])[row.guarantee]
    assert (verdict.outcome, verdict.signature) == (row.outcome, row.signature), verdict.says


@pytest.mark.parametrize("name", UNTOLD)
def test_what_was_compared_is_counted(name: str) -> None:
    compared = judge(late(UNTOLD[name])().build())["status.agree"].compared["greetings"]
    assert compared == (name in TOLD_TRULY)


@pytest.mark.parametrize("moment", [2.25, 3.1], ids=["before", "meanwhile"])
def test_a_stream_that_has_ended_tells_of_no_change(moment: float) -> None:
    """A verdict would be taken back, since a witness was cut off; nothing is compared before that."""
    left = joined(running().move(Stream, {"reading": "stream:0", "stage": "closed"}, moment), "idle", came=2.45)
    assert greetings(late(lambda: left)().build(), "c1") == (None, 0)


def test_right_behind_a_change_nothing_is_decided() -> None:
    assert greetings(joined(running(), "idle").build(), "c1") == (None, 0)
