"""How a client program ends, and what that counts as."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.clients.client import ClientError, ClientRaised, Returned
from tailproof.clients.program import ProgramClient
from tailproof.history.header import Header
from tailproof.history.reader import History
from tailproof.history.recorder import Recorder
from tailproof.outgoing.masking import Masker
from tailproof.protocol.conversation import ConversationPlan
from tailproof.waiting import Budget

KEY = "a+b/c=12"
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
    header = Header(trial="t", scenario="s", seed=0, target="t", client="c")
    with Recorder(tmp_path / "history", header, masker=Masker({"session key": KEY})) as recorder:
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
        client.connect("http://127.0.0.1:1", key=KEY, version="1", budget=Budget(60))
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


def test_what_a_program_leaves_behind_ends_with_it(start: Start) -> None:
    client = start(close="import subprocess; subprocess.Popen(['sleep', '60'])")
    client.create(PLAN, Budget(60))
    closing = threading.Thread(target=client.close, daemon=True)
    closing.start()
    closing.join(40)
    assert not closing.is_alive(), "a child that holds its standard output keeps nobody waiting"


def test_a_return_that_is_told_with_the_last_breath_is_a_return(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    client = start(run='tell("returned", number=0); break')
    client.create(PLAN, Budget(60))
    told = client._told.returned
    gone = client._gone

    class Late(dict[int, Returned]):
        """Its first reader comes just before the last report and the end of the program."""

        def get(self, number: int, default: Any = None) -> Any:
            if not gone.is_set():
                gone.wait(60)
                return None
            return told.get(number, default)

    monkeypatch.setattr(client._told, "returned", Late())
    monkeypatch.setattr(client._told, "_take_end", lambda report: told.update({0: Returned(number=0, t_ns=1)}))
    client.run()
    assert not client.wait_returned(Budget(60)).raised


@pytest.mark.parametrize("spelled", ["key", "quote(key, safe='')"])
def test_a_key_in_the_last_words_of_a_program_is_not_told(start: Start, spelled: str) -> None:
    said = f"from urllib.parse import quote; key = json.loads(line)['key']; sys.exit('ws://host?key=' + {spelled})"
    client = start(create=said)
    with pytest.raises(ClientRaised, match=r"ws://host\?key=<secret:session key>$"):
        client.create(PLAN, Budget(60))


@pytest.mark.parametrize("line", ['{"is": "event", "reading": "callba', "garbage", "[]"])
def test_a_report_that_cannot_be_read_is_a_failure_of_the_harness(start: Start, recorder: Recorder, line: str) -> None:
    client = start(create=f"print({line!r}, flush=True)")
    assert client.create(PLAN, Budget(60)) == "c"
    recorder.sync()
    (unreadable,) = History.load(recorder.directory).break_offs
    assert (unreadable.by, unreadable.doing) == ("harness", "hear")
    assert "a report of the client cannot be read" in unreadable.says
