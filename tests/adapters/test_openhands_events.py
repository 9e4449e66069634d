"""Events of the OpenHands agent-server in neutral words. The bodies have the shape that releases 1.11 and 1.58 write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tailproof.adapters.openhands.adapter import STATUS_WORDS, OpenHands
from tailproof.history.header import Header
from tailproof.history.record import RESTING, TERMINAL
from tailproof.history.recorder import Recorder, digest_of
from tailproof.incoming.limits import DEPTH, WORD_CHARS, Exceeded, Misshapen, Unsound
from tailproof.outgoing.masking import Masker
from tailproof.protocol.recording import TEXT_CHARS, record_event

ADAPTER = OpenHands()


def event(kind: str, **fields: Any) -> bytes:
    return json.dumps(
        {"id": "e1", "timestamp": "2026-11-21T14:25:17.479375", "source": "agent", "kind": kind, **fields}
    ).encode()


def update(key: str, value: Any) -> bytes:
    return event("ConversationStateUpdateEvent", key=key, value=value)


@pytest.mark.parametrize(
    ("raw", "role", "durable", "call", "status", "text"),
    [
        pytest.param(
            event("MessageEvent", llm_message={"role": "user", "content": [{"type": "text", "text": "go"}]}),
            *("message", True, "", "", "go"),
            id="message",
        ),
        pytest.param(
            event("ActionEvent", tool_call_id="call-0-0", tool_name="terminal", action={"command": "ls"}),
            *("action", True, "call-0-0", "", "ls"),
            id="action",
        ),
        pytest.param(
            event("ActionEvent", tool_call_id="call-0-0", tool_name="terminal", action=None),
            *("action", True, "call-0-0", "", "terminal"),
            id="an-action-that-cannot-be-executed",
        ),
        pytest.param(
            event(
                "ObservationEvent", tool_call_id="call-0-0", observation={"content": [{"type": "text", "text": "x"}]}
            ),
            *("observation", True, "call-0-0", "", "x"),
            id="observation",
        ),
        pytest.param(
            event("UserRejectObservation", tool_call_id="c", rejection_reason="no"),
            *("rejection", True, "c", "", "no"),
            id="rejection",
        ),
        pytest.param(
            event("AgentErrorEvent", tool_call_id="c", error="broke"),
            *("error", True, "c", "", "broke"),
            id="an-error-that-closes-an-action",
        ),
        pytest.param(
            event("ConversationErrorEvent", code="LLMError", detail="broke"),
            *("error", True, "", "", "LLMError: broke"),
            id="an-error-of-the-run",
        ),
        pytest.param(
            event("ServerErrorEvent", code="C", detail="d"),
            *("error", False, "", "", "C: d"),
            id="an-error-that-is-never-stored",
        ),
        pytest.param(
            update("execution_status", "running"),
            *("status", True, "", "running", "execution_status"),
            id="status",
        ),
        pytest.param(
            update("full_state", {"execution_status": "finished"}),
            *("snapshot", False, "", "finished", "full_state"),
            id="snapshot",
        ),
        pytest.param(update("stats", {}), "bookkeeping", True, "", "", "stats", id="statistics"),
        pytest.param(event("StreamingDeltaEvent"), "other", False, "", "", "", id="delta"),
        pytest.param(event("SomethingOfTomorrow"), "other", True, "", "", "", id="a-kind-nobody-knows"),
    ],
)
def test_an_event_is_classified(raw: bytes, role: str, durable: bool, call: str, status: str, text: str) -> None:
    seen = ADAPTER.decode(raw)
    assert seen is not None
    assert (seen.role, seen.durable, seen.call, seen.status, seen.text) == (role, durable, call, status, text)
    assert (seen.id, seen.ts, seen.size) == ("e1", "2026-11-21T14:25:17.479375", len(raw))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b'{"kind": "ActionEvent"}',
        b'{"id": "e1"}',
        b'{"id": 7, "kind": "x"}',
        b'{"id": "", "kind": "x"}',
        b"\xff",
    ],
    ids=["empty", "cut", "list", "text", "without-id", "without-kind", "id-is-a-number", "id-is-empty", "not-utf-8"],
)
def test_what_is_no_event_is_said(raw: bytes) -> None:
    with pytest.raises(Unsound):
        ADAPTER.decode(raw)


@pytest.mark.parametrize(
    ("raw", "kind", "says"),
    [
        (event("x", deep=json.loads("[" * 300 + "]" * 300)), Exceeded, f"nested deeper than {DEPTH}"),
        (event("x" * (WORD_CHARS + 1)), Exceeded, "the kind of an event is longer than"),
        (event("x", tool_call_id="\x1b[2J"), Misshapen, "the tool call id of an event holds control characters"),
        (event("x", timestamp="\u202e1"), Misshapen, "the time stamp of an event holds control characters"),
        (event("x").replace(b'"e1"', b'"\\ud800"'), Misshapen, "surrogate"),
        (event("x").replace(b'"e1"', b'"e1","n":' + b"9" * 6000), Misshapen, "out of range"),
        (update("execution_status", "a\nb"), Misshapen, "the status in an event holds control characters"),
    ],
    ids=["deep", "long-kind", "escape", "bidi", "lone-surrogate", "thousands-of-digits", "status-of-two-lines"],
)
def test_an_event_that_is_not_to_be_taken_says_why(raw: bytes, kind: type[Unsound], says: str) -> None:
    with pytest.raises(kind, match=says):
        ADAPTER.decode(raw)


def test_null_fields_do_not_change_the_digest() -> None:
    with_null = ADAPTER.decode(event("MessageEvent", sender=None, parts=[{"a": 1, "b": None}]))
    without = ADAPTER.decode(event("MessageEvent", parts=[{"a": 1}]))
    other = ADAPTER.decode(event("MessageEvent", parts=[{"a": 2}]))
    assert with_null
    assert without
    assert other
    assert digest_of(with_null.body) == digest_of(without.body) != digest_of(other.body)


def test_a_whole_number_has_one_digest_whether_written_with_a_fraction_or_not() -> None:
    python = ADAPTER.decode(event("MessageEvent", cost={"usd": 0.0, "tokens": [3.0, 1e300]}))
    javascript = ADAPTER.decode(event("MessageEvent", cost={"usd": 0, "tokens": [3, 1e300]}))
    other = ADAPTER.decode(event("MessageEvent", cost={"usd": 0.5, "tokens": [3, 1e300]}))
    assert python
    assert javascript
    assert other
    assert digest_of(python.body) == digest_of(javascript.body) != digest_of(other.body)


def test_every_status_word_has_a_neutral_one() -> None:
    neutral = {word: ADAPTER.neutral(word) for word in STATUS_WORDS}
    assert "unknown" not in neutral.values()
    assert {word for word, meaning in neutral.items() if meaning in TERMINAL} == {"finished", "error", "stuck"}
    assert {word for word, meaning in neutral.items() if meaning not in RESTING} == {"running", "deleting"}
    assert ADAPTER.neutral("stopped") == "unknown"
    assert ADAPTER.neutral("") == "none"


@pytest.mark.parametrize("before", [TEXT_CHARS - 15, TEXT_CHARS - 1])
def test_a_key_over_the_edge_of_the_text_that_is_kept_is_not_cut_in_half(tmp_path: Path, before: int) -> None:
    raw = event("AgentErrorEvent", error=f"{'.' * before}5f0c9a7be1d24386a0b1c2d3e4f56789 was the key")
    header = Header(trial="t", scenario="s", seed=0, target="t", client="c")
    with Recorder(tmp_path, header, masker=Masker({"key": "5f0c9a7be1d24386a0b1c2d3e4f56789"})) as recorder:
        kept = ADAPTER.decode(raw)
        record_event(kept, recorder, recorder.witness("log"), reading="log:0", conversation="c", epoch=0)
    assert kept.text == f"{'.' * before}<secret:key>"
