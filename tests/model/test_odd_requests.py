"""What a server may ask the scripted model: anything. It gets an answer, and the history says why it was no better one."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

import pytest

from tailproof.history.reader import History
from tailproof.history.recorder import Recorder
from tailproof.incoming.limits import BODY_BYTES, DEPTH
from tailproof.model.script import Turn
from tailproof.model.server import ScriptedModel

ROUTES = ("/c/c1/v1/chat/completions", "/c/c1/v1/responses", "/c/c1/v1/messages")
LONG = "x" * 100_000
DIGITS = "call-" + "9" * 6000 + "-0"


@pytest.fixture
def model(model: ScriptedModel) -> ScriptedModel:
    model.serve("c1", [Turn.model_validate({"finish": "all done"})], journal="/journal")
    return model


@pytest.fixture(params=ROUTES)
def route(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def post(model: ScriptedModel, route: str, body: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", model.port, timeout=20)
    try:
        connection.request("POST", route, body)
        return connection.getresponse().status
    finally:
        connection.close()


def notes(recorder: Recorder) -> list[str]:
    recorder.close()
    return [note.text for note in History.load(recorder.directory).notes]


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        (b"[" * 100_000, 400, f"nested deeper than {DEPTH}"),
        (b'{"messages": "' + b"9" * 100, 400, "truncated"),
        (b'{"messages": [], "tools": [' + b"9" * 6000 + b"]}", 400, "out of range"),
        (b"[]", 400, "Expected `object`"),
    ],
    ids=["deep", "cut-off", "thousands-of-digits", "a-list"],
)
def test_a_body_that_is_not_to_be_taken_is_refused_and_noted(
    body: bytes, code: int, says: str, route: str, model: ScriptedModel, recorder: Recorder
) -> None:
    assert post(model, route, body) == code
    assert [says in note for note in notes(recorder)] == [True]


@pytest.mark.parametrize(
    "length", ["-1", "abc", str(BODY_BYTES + 1), "9" * 6000], ids=["negative", "no-number", "long", "digits"]
)
def test_a_length_that_is_not_to_be_taken_is_refused_before_anything_is_read(
    length: str, route: str, model: ScriptedModel, recorder: Recorder
) -> None:
    with socket.create_connection(("127.0.0.1", model.port), timeout=20) as sock:
        sock.sendall(f"POST {route} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
        assert sock.recv(100).split()[1] in (b"400", b"413")
    assert len(notes(recorder)) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": 17, "input": 17, "system": 17, "instructions": {"a": [1]}},
        {"messages": None, "input": None, "system": [None, 3, {"text": {"a": 1}}], "instructions": None},
        {
            "messages": [
                {"role": "tool", "tool_call_id": LONG, "content": "done"},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": LONG, "content": "done"}]},
            ],
            "input": [{"type": "function_call_output", "call_id": LONG, "output": "done"}],
        },
        {
            "messages": [{"role": "assistant", "tool_calls": 5, "content": 5}, {"role": "user", "content": 5}],
            "input": [{"type": "function_call"}, {"type": "message", "role": "assistant", "content": 5}],
        },
        {
            "messages": [
                {
                    "role": "assistant",
                    "tool_calls": [{"id": DIGITS}, None, {"id": [1]}],
                    "content": [{"type": "tool_use", "id": DIGITS}, None, {"type": "tool_use", "id": [1]}],
                }
            ],
            "input": [{"type": "function_call", "call_id": DIGITS}, {"type": "function_call", "call_id": [1]}],
        },
        {
            "messages": [{"role": ["assistant"], "content": {"a": 1}}, None, 3, {"role": "user", "content": [3, []]}],
            "input": [{"role": ["assistant"], "content": {"a": 1}}, None, 3, {"type": ["message"]}, {"type": "odd"}],
        },
        {
            "messages": [{"role": "user", "content": [{"type": "tool_result"}, {"type": "tool_result", "content": 3}]}],
            "input": [{"type": "function_call_output"}, {"type": "function_call_output", "output": 3}],
        },
    ],
    ids=["nothing", "numbers", "nulls", "long-ids", "calls-are-a-number", "ids-of-digits", "anything", "bare-results"],
)
def test_what_is_asked_in_any_shape_gets_an_answer(
    body: dict[str, Any], stream: bool, route: str, model: ScriptedModel, recorder: Recorder
) -> None:
    assert post(model, route, json.dumps({**body, "tools": [{}], "stream": stream}).encode()) == 200
    assert notes(recorder) == []
    assert max(map(len, (recorder.directory / "model.jsonl").read_bytes().splitlines())) < 4096
