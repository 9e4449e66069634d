"""`server.sane`, row by row: what is wrong with an answer itself, and what only looks like it."""

from __future__ import annotations

from typing import Any

import pytest
from guarantee_histories import HOLDS, INCONCLUSIVE, NOT_APPLICABLE, SECOND, VIOLATED, Built, Row, calm, crashed

from tailproof.guarantees.catalogue import CATALOGUE, judge
from tailproof.guarantees.verdict import Level
from tailproof.history.records import BreakOff, ClientError, Exchange, Life, Phase, Stall
from tailproof.history.server_records import Request, Stream

DRIPS = {"error": "the body did not end within 30 s", "flaw": "endless", "took": 3.0}
SHAPE = {"error": "the count of events is no count", "flaw": "misshapen"}
HEAD_DRIPS = {"error": "the head did not end within 19 s", "flaw": "endless"}
LARGE = {"error": "the body is longer than 32 MB", "flaw": "too-large"}


def asked(built: Built, at: float, verb: str = "load", code: int = 200, **fields: object) -> Built:
    return built.ask(at, verb, code, method="GET", path=f"/{verb}", **fields)  # type: ignore[arg-type]


def streamed(built: Built, at: float, **fields: str) -> Built:
    told = {"path": "direct", "reason": "JSON is nested deeper than 200", "flaw": "too-large"} | fields
    return built.put(at, Stream(reading="stream:0", stage="flawed", conversation="c1", **told))


def handshake(built: Built | None = None, at: float = 3.0, **fields: str) -> Built:
    """An exchange that nobody but the wire has written down."""
    tried: dict[str, Any] = {"began_ns": int((at - 0.1) * SECOND), "done": "broken", "upgrade": True, **fields}
    return (built or calm()).put(at, Exchange(conn=9, method="GET", path="/stream", **tried))


def stopped_meanwhile(took: float) -> Built:
    """The end of the trial cuts off an answer that began so many seconds before."""
    built = calm().move(Phase, {"name": "stopping"}, 13.5).move(Life, {"stage": "stopped"}, 14.0)
    return asked(built, 13.6, **{**DRIPS, "took": took})


def of_schema_2() -> Built:
    built = asked(calm(), 5.0, **SHAPE)
    built.header.schema = 2
    return built


def client_gave_up(**fields: object) -> Built:
    """The plain client, whose request for a conversation got an answer that is not to be taken."""
    built = calm(client="plain").until(1.09)
    built.client_asks(1.1, "create", 201, **fields)  # type: ignore[arg-type]
    built.put(1.15, ClientError(verb="create", error_type="Refused", error="POST /create 201", conversation="c1"))
    built.put(1.2, BreakOff(by="client", doing="create", says="the client failed to create"))
    return built.put(1.3, Phase(name="ended"))


ROWS = [
    Row("server.sane", "calm", HOLDS, calm),
    Row("server.sane", "kill-tool-running", HOLDS, crashed),
    Row("server.sane", "refuses-what-is-wrong", HOLDS, lambda: asked(calm(), 5.0, code=404, text="<html>no")),
    Row("server.sane", "no-answer-at-all", HOLDS, lambda: asked(calm(), 5.0, code=0, error="timeout", took=2.0)),
    Row("server.sane", "what-the-harness-ended", HOLDS, lambda: asked(calm(), 5.0, code=0, error="no time", cut=True)),
    Row("server.sane", "while-it-was-being-killed", HOLDS, lambda: asked(crashed(), 3.95, **SHAPE)),
    Row("server.sane", "on-a-stream-while-it-was-killed", HOLDS, lambda: streamed(crashed(), 3.95)),
    Row("server.sane", "under-a-rule", HOLDS, lambda: calm().client_asks(3.0, "send", 200, rule="f", **LARGE)),
    Row("server.sane", "through-the-wire", HOLDS, lambda: streamed(calm(), 3.0, path="wire")),
    Row("server.sane", "drips", VIOLATED, lambda: asked(calm(), 5.0, **DRIPS), "never-ends"),
    Row("server.sane", "drips-a-head", VIOLATED, lambda: asked(calm(), 5.5, code=0, **DRIPS), "never-ends"),
    Row("server.sane", "drips-until-the-trial-stops", VIOLATED, lambda: stopped_meanwhile(12.0), "never-ends"),
    Row("server.sane", "began-when-the-trial-stopped", HOLDS, lambda: stopped_meanwhile(2.0)),
    Row("server.sane", "bomb", VIOLATED, lambda: asked(calm(), 5.0, **LARGE), "too-large"),
    Row("server.sane", "count-below-zero", VIOLATED, lambda: asked(calm(), 5.0, **SHAPE), "not-the-protocol"),
    Row("server.sane", "handshake-drips", VIOLATED, lambda: handshake(**HEAD_DRIPS), "never-ends"),
    Row("server.sane", "handshake-under-a-rule", HOLDS, lambda: handshake(rule="f", **HEAD_DRIPS)),
    Row("server.sane", "handshake-of-a-killed-server", HOLDS, lambda: handshake(crashed(), 3.95, **HEAD_DRIPS)),
    Row(
        "server.sane", "to-an-sdk", VIOLATED, lambda: calm().client_asks(3.0, "send", 200, **SHAPE), "not-the-protocol"
    ),
    Row("server.sane", "to-the-plain-client", VIOLATED, lambda: client_gave_up(**LARGE), "too-large"),
    Row("server.sane", "deep-event", VIOLATED, lambda: streamed(calm(), 3.0), "too-large"),
    Row(
        "server.sane",
        "deep-event-for-who-comes-back",
        VIOLATED,
        lambda: streamed(calm(), 3.0, path="resumed"),
        "too-large",
    ),
    Row("server.sane", "nothing-answered", INCONCLUSIVE, lambda: calm().until(0.5).put(0.6, Phase(name="ended"))),
    Row("server.sane", "of-before-it-was-told", NOT_APPLICABLE, of_schema_2),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_sane(row: Row) -> None:
    verdict = judge(row.make().build(), [row.guarantee])[row.guarantee]
    assert (verdict.outcome, verdict.signature) == (row.outcome, row.signature), verdict.says


@pytest.mark.parametrize("row", [row for row in ROWS if row.outcome is VIOLATED], ids=str)
def test_what_is_wrong_with_an_answer_convicts_nobody_of_anything_else(row: Row) -> None:
    found = judge(row.make().build())
    musts = {name for name, one in found.items() if one.outcome is VIOLATED and CATALOGUE[name].level is Level.MUST}
    assert musts == {"server.sane"}


def test_a_stall_takes_back_an_answer_that_did_not_end() -> None:
    built = asked(calm(), 5.0, **DRIPS).put(4.0, Stall(late_ns=25_000_000_000))
    assert judge(built.build())["server.sane"].outcome is INCONCLUSIVE


def test_the_fact_names_what_was_asked_and_what_came() -> None:
    built = asked(calm(), 5.0, **SHAPE)
    verdict = judge(built.build())["server.sane"]
    assert verdict.seen == ("GET /load: the count of events is no count",)
    assert [pointer.seq for pointer in verdict.evidence] == [
        record.seq for _, record in built.placed if isinstance(record, Request) and record.flaw
    ]
