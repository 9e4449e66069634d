"""Every kind of record has its words, in one line, and those that show trouble are told."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from tailproof.history.access_records import Canary, Knock
from tailproof.history.execution_records import AgentSaid, Turn
from tailproof.history.pod_records import ContainerSeen, PodEvent, PodSeen
from tailproof.history.records import (
    Act,
    AnyRecord,
    BreakOff,
    ChildCall,
    ClientError,
    Counter,
    Effect,
    End,
    Exchange,
    Fault,
    Frame,
    Life,
    Missed,
    ModelCall,
    Note,
    Phase,
    Post,
    Pulse,
    Rendezvous,
    Run,
    Stall,
    WireCount,
)
from tailproof.history.server_records import (
    Child,
    Event,
    Listing,
    Neighbour,
    Reading,
    Request,
    Said,
    Status,
    Stream,
    Vocabulary,
    WholeEvent,
)
from tailproof.reports.page.lanes import LANES, lane_of
from tailproof.reports.record_words import LINE, address, kind, says, troubled

X = "\x1b[31m\u202e\u2028" + "x" * 500
ONE_OF_EACH: list[Any] = [
    Phase(name=X, detail=X),
    Rendezvous(point=X, stage="reached", detail=X),
    Fault(fault=X, name=X, stage="intent", says=X),
    Act(act=X, name=X, stage="intent", says=X),
    Life(stage="died", epoch=0, exit_code=137, oom_killed=True, place=X, detail=X),
    Counter(name=X, value=1.5),
    PodSeen(pod=X, phase=X, containers={X: ContainerSeen(state="terminated", reason=X, exit_code=137)}),
    PodEvent(pod=X, reason=X, text=X),
    Request(verb="run", method=X, path=X, error=X, text=X),
    Event(id=X, name=X, call=X, status=X, text=X),
    WholeEvent(id=X, name=X),
    Stream(reading=X, stage="closed", code=1006, reason=X),
    Said(reading=X, frame=X, text=X, back=X, code=1009),
    Listing(reading=X, status=X, asked=[X], count=3, complete=False, error=X),
    Neighbour(conversation=X, when="left", raw=X, events=[X]),
    Neighbour(conversation=X, when="heard", events=[X]),
    Reading(reading=X, stage="end", reader="rest", part={X: X}, count=3, complete=False, error=X),
    Status(conversation=X, via="disk", raw=X, neutral="unknown"),
    Child(conversation=X, child=X, raw=X),
    ChildCall(child=X, stage="asked"),
    Vocabulary(words=[X], source=X),
    Knock(door="route", method=X, path=X, key="right", error=X),
    Canary(stage="seen", name=X, place=X, detail=X),
    ModelCall(stage="answered", code=500, calls=[X], reply=X),
    Effect(token=X, stage="begin"),
    Pulse(token=X),
    Frame(conn=1, direction="up", index=0, size=1, done="dropped", rule=X, id=X, name=X),
    Exchange(conn=1, method=X, path=X, done="broken", rule=X, error=X),
    Post(path=X, batch=[X], error=X),
    Turn(session=X, key=X, payload=X, execution=X, error=X),
    AgentSaid(pod=X, stage="printed", turn=X, line=3, says=X),
    WireCount({X: 1}),
    Run(stage="raised", status=X, error=X, error_type=X),
    ClientError(verb=X, error_type=X, error=X),
    Stall(5),
    Missed(waited_for=X, seconds=1.0, saw=X),
    BreakOff(by="server", doing=X, says=X),
    End(3),
    Note(text=X),
]


def test_no_kind_is_forgotten() -> None:
    assert {type(one) for one in ONE_OF_EACH} == {Event, *get_args(AnyRecord)}


@pytest.mark.parametrize("one", ONE_OF_EACH, ids=lambda one: type(one).__name__)
def test_every_kind_of_record_is_a_line_in_a_lane(one: Any) -> None:
    one.witness, one.seq = "w", 3
    line = says(one)
    assert line.isprintable()
    assert 0 < len(line) <= LINE
    assert kind(one) == msgspec.to_builtins(one)["kind"]
    assert address(one) == "w:3"
    assert lane_of(one) in LANES
    assert troubled(one) in (True, False)


@pytest.mark.parametrize(
    ("one", "trouble"),
    [
        (Request(verb="run", code=200), False),
        (Request(verb="run", code=503), True),
        (Request(verb="run", error="refused"), True),
        (Frame(conn=1, direction="down", index=0, size=1), False),
        (Frame(conn=1, direction="down", index=0, size=1, done="delayed"), False),
        (Frame(conn=1, direction="down", index=0, size=1, done="dropped"), True),
        (Exchange(conn=1, method="GET", path="/", done="upgraded"), False),
        (Exchange(conn=1, method="GET", path="/", done="reset-after"), True),
        (Life(stage="stopped", epoch=0), False),
        (Life(stage="died", epoch=0), True),
        (Run(stage="raised"), True),
        (PodSeen(pod="p", containers={"agent": ContainerSeen(state="running")}), False),
        (PodSeen(pod="p", containers={"agent": ContainerSeen(state="terminated", exit_code=137)}), True),
        (Effect(token="one", stage="begin"), False),
        (Stall(1), True),
    ],
    ids=lambda value: says(value) if not isinstance(value, bool) else None,
)
def test_what_went_wrong_shows(one: AnyRecord, trouble: bool) -> None:
    assert troubled(one) is trouble


def test_an_id_in_a_path_hides_nothing() -> None:
    path = "/api/conversations/43f1200a-9169-43dd-bf21-4d33366e1682/events/search?limit=100"
    told = says(Request(verb="load", method="GET", path=path, code=200))
    assert told == "load: GET /api/conversations/*/events/search?limit=100 → 200"
