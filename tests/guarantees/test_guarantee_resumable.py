"""Who comes back, and what was due to them."""

from __future__ import annotations

from typing import Any

import pytest
from guarantee_histories import HOLDS, INCONCLUSIVE, NOT_APPLICABLE, VIOLATED, Built, Row, calm, log_of_run

from tailproof.guarantees.catalogue import judge
from tailproof.history.server_records import Event, Stream

BACK = "stream:back"


def back(since: str = "cursor", after: str = "u1") -> Built:
    """`calm`, and somebody who comes back at 2.6 behind the event `after`, to whom all is repeated that was before."""
    built = calm().act(2.55, "intent", "user.subscribe", **{"from": since}).act(2.65, "proven", "user.subscribe")
    built.header.witnesses["user"] = ["stream"]
    way: dict[str, Any] = {"reading": BACK, "conversation": "c1", "path": "resumed", "since": since, "after": after}
    built.put(2.6, Stream(stage="opened", witness="user", **way), Stream(stage="subscribed", witness="user", **way))
    log = log_of_run(3)
    first = next((place for place, event in enumerate(log) if event.id == after), -1) + 1
    for place, event in enumerate(log[first:]):
        fields = {name: getattr(event, name) for name in event.__struct_fields__}
        built.put(2.61 + place / 100, Event(**{**fields, "reading": BACK, "witness": "user"}))
    return built


def thrown_out() -> Built:
    """Let in, and closed by the server before anything came."""
    built = back().forget(BACK, *back().ids(BACK))
    way: dict[str, Any] = {"conversation": "c1", "path": "resumed", "since": "cursor", "after": "u1"}
    return built.put(5.0, Stream(stage="closed", code=1011, witness="user", reading=BACK, **way))


ROWS = [
    Row("events.resumable", "thrown-out-with-nothing", INCONCLUSIVE, thrown_out),
    Row("events.resumable", "cursor", HOLDS, back),
    Row("events.resumable", "time", HOLDS, lambda: back("time")),
    Row("events.resumable", "whole-log", HOLDS, lambda: back("all", "")),
    Row("events.resumable", "repeated-and-live", HOLDS, lambda: back().twice(BACK, "o2")),
    Row("events.resumable", "statistics-on-their-way", HOLDS, lambda: back().forget(BACK, "b1")),
    Row("events.resumable", "newest-first", VIOLATED, lambda: back().swap(BACK, "a1", "o1"), "repeated-out-of-order"),
    Row("events.resumable", "gap", VIOLATED, lambda: back().forget(BACK, "o1", "a2"), "gap"),
    Row("events.resumable", "first-of-the-log", VIOLATED, lambda: back("all", "").forget(BACK, "m1"), "gap"),
    Row("events.resumable", "no-tail", VIOLATED, lambda: back().forget(BACK, "o3", "f1", "b1"), "tail-not-delivered"),
    Row(
        "events.resumable",
        "nothing-came",
        VIOLATED,
        lambda: back().forget(BACK, *back().ids(BACK)),
        "nothing-repeated",
    ),
    Row(
        "events.resumable",
        "refused",
        INCONCLUSIVE,
        lambda: back().without(Stream, stage="subscribed", path="resumed").forget(BACK, *back().ids(BACK)),
    ),
    Row("events.resumable", "nobody-comes-back", NOT_APPLICABLE, calm),
    Row("events.delivered", "who-comes-back-is-not-judged", HOLDS, lambda: back().forget(BACK, "o1")),
    Row("events.unique", "repeated-to-who-comes-back", HOLDS, lambda: back().twice(BACK, "o2")),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(row: Row) -> None:
    verdict = judge(row.make().build(), [row.guarantee])[row.guarantee]
    assert (verdict.outcome, verdict.signature) == (row.outcome, row.signature), verdict.says
