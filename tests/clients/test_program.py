"""How a client program ends, and what that counts as."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tailproof.adapters.adapter import ConversationPlan
from tailproof.adapters.openhands import OpenHands
from tailproof.clients.client import ClientError, ClientRaised
from tailproof.clients.program import ProgramClient
from tailproof.history.reader import History
from tailproof.history.recorder import Recorder
from tailproof.history.records import Header
from tailproof.waiting import Budget

PLAN = ConversationPlan(conversation="8c3a5df6-1c4b-4f0e-9f0a-0d8b3a6f2f11", model_url="", workspace="")
EVENT = '{"id": "e1", "kind": "MessageEvent", "timestamp": "2026-01-01T00:00:00", "source": "user"}'
PROGRAM = """
import json, os, sys
def tell(word, **told):
    print(json.dumps({{"is": word, **told}}), flush=True)
tell("ready", version="1")
for line in sys.stdin:
    match json.loads(line)["do"]:
        case "create":
            {create}
            tell("event", reading="callback:0", event={event})
            tell("created", conversation="c")
        case "run":
            tell("called", number=0)
            {run}
        case "close":
            {close}
            break
"""
Start = Callable[..., ProgramClient]


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    with Recorder(tmp_path / "history", Header(trial="t", scenario="s", seed=0, target="t", client="c")) as recorder:
        yield recorder


@pytest.fixture
def start(tmp_path: Path, recorder: Recorder) -> Iterator[Start]:
    """Starts a program that does what is asked at each command, and connects it."""
    clients: list[ProgramClient] = []

    def start(*, create: str = "pass", run: str = "pass", close: str = "pass") -> ProgramClient:
        program = tmp_path / "program.py"
        program.write_text(PROGRAM.format(create=create, run=run, close=close, event=EVENT))
        client = ProgramClient(
            "c", OpenHands(), recorder, command=[sys.executable, program], scratch=tmp_path, environment={}
        )
        clients.append(client)
        client.start()
        client.connect("http://127.0.0.1:1", key="k", version="1", budget=Budget(60))
        return client

    yield start
    for client in clients:
        client.close()


def callbacks(recorder: Recorder) -> list[tuple[str, bool]]:
    recorder.sync()
    readings = History.load(recorder.directory).readings
    return [(one.stage, one.complete) for one in readings if one.reading == "callback:0"]


def test_what_callbacks_got_is_whole_when_the_client_was_asked_to_end(start: Start, recorder: Recorder) -> None:
    client = start()
    assert client.create(PLAN, Budget(60)) == "c"
    client.close()
    assert callbacks(recorder) == [("begin", True), ("end", True)]
    assert [event.id for event in History.load(recorder.directory).events] == ["e1"]


def test_what_callbacks_got_is_not_whole_when_one_event_has_no_json(start: Start, recorder: Recorder) -> None:
    client = start(close='tell("failed", did="dump", reading="callback:0", type="T", error="no")')
    client.create(PLAN, Budget(60))
    client.close()
    assert callbacks(recorder) == [("begin", True), ("end", False)]


def test_a_program_that_ends_while_it_creates_is_a_finding(start: Start, recorder: Recorder) -> None:
    client = start(create="sys.exit('cannot read the answer')")
    with pytest.raises(ClientRaised, match=r"failed to create: Ended: .*\(exit code 1\): cannot read the answer"):
        client.create(PLAN, Budget(60))
    client.close()
    assert callbacks(recorder) == [("begin", True), ("end", False)]


def test_a_program_that_ends_while_it_runs_has_raised(start: Start, recorder: Recorder) -> None:
    client = start(run="sys.exit('the stream broke')")
    client.create(PLAN, Budget(60))
    client.run()
    returned = client.wait_returned(Budget(60))
    assert (returned.raised, returned.error_type) == (True, "Ended")
    with pytest.raises(ClientRaised, match=r"failed to send: Ended: .*the stream broke"):
        client.send("go", Budget(60))
    client.close()
    recorder.sync()
    runs = [(run.stage, run.error_type, run.exit_code) for run in History.load(recorder.directory).runs]
    assert runs == [("called", "", None), ("raised", "Ended", 1)]


def test_a_program_that_is_killed_is_no_finding(start: Start, recorder: Recorder) -> None:
    client = start()
    client.create(PLAN, Budget(60))
    client.run()
    Budget(60).wait_for("the call", lambda: recorder.sync() or History.load(recorder.directory).runs)
    client.kill()
    with pytest.raises(ClientError, match=r"ended by itself \(exit code -9\)") as raised:
        client.wait_returned(Budget(60))
    assert not isinstance(raised.value, ClientRaised)


def test_what_a_client_swallows_is_written_down(start: Start, recorder: Recorder) -> None:
    client = start(create='tell("swallowed", did="decode", type="ValidationError", error="1 error")')
    client.create(PLAN, Budget(60))
    client.close()
    recorder.sync()
    errors = History.load(recorder.directory).client_errors
    assert [(one.verb, one.error_type, one.error) for one in errors] == [("decode", "ValidationError", "1 error")]
