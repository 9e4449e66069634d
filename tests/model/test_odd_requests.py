"""What a server may ask the scripted model: anything. It gets an answer, and the history says why it was no better one."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tailproof.history.header import Header
from tailproof.history.reader import History
from tailproof.history.recorder import Recorder
from tailproof.incoming.limits import BODY_BYTES, DEPTH
from tailproof.model.script import Turn
from tailproof.model.server import ScriptedModel

ROUTE = "/c/c1/v1/chat/completions"
LONG = {"role": "tool", "tool_call_id": "x" * 100_000, "content": "done"}


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    with Recorder(tmp_path / "history", Header(trial="t", scenario="s", seed=0, target="none", client="none")) as one:
        yield one


@pytest.fixture
def model(recorder: Recorder) -> Iterator[ScriptedModel]:
    with ScriptedModel(recorder.witness("model")) as model:
        model.serve("c1", [Turn.model_validate({"finish": "all done"})], journal="/journal")
        yield model


def post(model: ScriptedModel, body: bytes, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", model.port, timeout=20)
    try:
        connection.request("POST", ROUTE, body, {"content-length": str(len(body)), **headers})
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
    body: bytes, code: int, says: str, model: ScriptedModel, recorder: Recorder
) -> None:
    assert post(model, body) == code
    assert [says in note for note in notes(recorder)] == [True]


@pytest.mark.parametrize(
    "length", ["-1", "abc", str(BODY_BYTES + 1), "9" * 6000], ids=["negative", "no-number", "long", "digits"]
)
def test_a_length_that_is_not_to_be_taken_is_refused_before_anything_is_read(
    length: str, model: ScriptedModel, recorder: Recorder
) -> None:
    with socket.create_connection(("127.0.0.1", model.port), timeout=20) as sock:
        sock.sendall(f"POST {ROUTE} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
        assert sock.recv(100).split()[1] in (b"400", b"413")
    assert len(notes(recorder)) == 1


@pytest.mark.parametrize(
    "messages",
    [
        17,
        [LONG],
        [{"role": "assistant", "tool_calls": 5}],
        [{"role": "assistant", "tool_calls": [{"id": "call-" + "9" * 6000 + "-0"}]}],
        [{"role": ["assistant"], "content": {"a": 1}}, None, 3],
    ],
    ids=["a-number", "a-long-id", "calls-are-a-number", "an-id-of-digits", "anything"],
)
def test_messages_of_any_shape_get_an_answer(messages: Any, model: ScriptedModel, recorder: Recorder) -> None:
    assert post(model, json.dumps({"messages": messages, "tools": [{}]}).encode()) == 200
    assert notes(recorder) == []
    assert max(map(len, (recorder.directory / "model.jsonl").read_bytes().splitlines())) < 4096
