"""The released SDK client, driven in its own environment."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.adapters.openhands.clients import SDK_PROGRAM
from tailproof.clients.catalogue import client_for
from tailproof.clients.client import ClientError
from tailproof.clients.plain import PlainClient
from tailproof.clients.program import ProgramClient
from tailproof.history.header import Header
from tailproof.history.recorder import Recorder
from tailproof.history.records import AnyRecord, Exchange
from tailproof.waiting import Budget
from tailproof.wire.handle import Wire
from tests.clients.conftest import NEWEST, REFERENCE, Play

SERVERS = [REFERENCE, NEWEST]
decode = msgspec.json.Decoder(AnyRecord).decode


def sdk(it: Play) -> ProgramClient:
    client = client_for(f"sdk:{NEWEST}", it.adapter, it.recorder, scratch=it.directory, owner=it.owner)
    assert isinstance(client, ProgramClient)
    return client


@pytest.mark.release
@pytest.mark.parametrize("name", SERVERS)
def test_what_run_held_at_its_return_is_reported(name: str, play: Callable[..., Play]) -> None:
    it = play(name)
    client = sdk(it)
    played = it.serve({"tools": [{}]}, {"tools": [{}, {}]}, {"finish": "one"}, {"say": "two"})
    conversation = it.create(client, played)
    for text in ("first", "second"):
        client.send(text, Budget(30))
        client.run()
        returned = client.wait_returned(Budget(90))
        assert (returned.status, returned.raised) == ("finished", False)
    log = it.observer.read_log(conversation, final=True)
    client.close()

    history = it.history()
    ids = [seen.id for seen in log.events]
    runs = [(run.stage, run.number, run.neutral, run.reading) for run in history.runs]
    assert runs == [
        ("called", 0, "none", ""),
        ("returned", 0, "done", "held:0"),
        ("called", 1, "none", ""),
        ("returned", 1, "done", "held:1"),
    ]
    held = {
        reading: [e.id for e in history.events if e.witness == "client" and e.reading == reading and e.durable]
        for reading in ("held:0", "held:1", "held:2", "callback:0")
    }
    assert held["held:0"] == ids[: len(held["held:0"])]
    assert set(held["held:1"]) <= set(ids)
    assert set(held["callback:0"]) >= set(ids)
    readings = [(r.reading, r.stage, r.final, r.complete) for r in history.readings if r.witness == "client"]
    assert readings == [
        ("callback:0", "begin", False, True),
        ("held:0", "begin", False, True),
        ("held:0", "end", False, True),
        ("held:1", "begin", False, True),
        ("held:1", "end", False, True),
        ("held:2", "begin", True, True),
        ("held:2", "end", True, True),
        ("callback:0", "end", False, True),
    ]
    assert [status.raw for status in history.statuses if status.via == "client"] == ["finished", "finished"]
    digests: dict[str, set[str]] = {}
    for event in history.events:
        digests.setdefault(event.id, set()).add(event.digest)
    if name == NEWEST:
        # The SDK writes every field that it knows; only its own server does the same.
        assert {len(found) for found in digests.values()} == {1}
    assert it.recorder.header.versions["client"] == NEWEST
    key = it.key.encode()
    assert [path.name for path in it.recorder.directory.glob("*.jsonl") if key in path.read_bytes()] == []


@pytest.mark.release
def test_what_run_raises_is_reported(play: Callable[..., Play]) -> None:
    it = play(REFERENCE)
    client = sdk(it)
    it.create(client, it.serve({"status": 401}))
    client.send("go", Budget(30))
    client.run()
    returned = client.wait_returned(Budget(90))
    assert (returned.raised, returned.error_type, returned.status) == (True, "ConversationRunError", "error")
    client.close()
    history = it.history()
    assert [run.stage for run in history.runs] == ["called", "raised"]
    assert [run.reading for run in history.runs] == ["", "held:0"]


@pytest.mark.release
def test_a_conversation_that_cannot_be_created_is_said_in_a_sentence(play: Callable[..., Play]) -> None:
    it = play(REFERENCE)
    client = sdk(it)
    client.start()
    client.connect(it.server.url, key="wrong", version=it.version, budget=Budget(90))
    with pytest.raises(ClientError, match=r"the client failed to create: HTTPStatusError: .*401"):
        client.create(it.plan(it.serve({"say": "bye"})), Budget(60))
    client.close()


@pytest.mark.release
def test_a_program_that_is_killed_is_said_in_a_sentence(play: Callable[..., Play]) -> None:
    it = play(REFERENCE)
    client = sdk(it)
    played = it.serve({"tools": [{"gate": True}]}, {"say": "bye"})
    it.create(client, played)
    client.send("go", Budget(30))
    client.run()
    it.tools.wait_token("t1", "begin", Budget(60))
    client.kill()
    with pytest.raises(ClientError, match=r"the client ended by itself \(exit code -9\)"):
        client.wait_returned(Budget(30))
    it.tools.open_gate("t1")
    client.close()
    assert [run.stage for run in it.history().runs] == ["called"]


def test_an_interpreter_without_the_sdk_is_said_in_a_sentence(tmp_path: Path) -> None:
    header = Header(trial="t", scenario="s", seed=0, target="none", client="sdk:0.0.0")
    with Recorder(tmp_path / "history", header) as recorder:
        client = ProgramClient(
            "sdk:0.0.0",
            OpenHands(),
            recorder,
            command=[sys.executable, "-I", SDK_PROGRAM],
            scratch=tmp_path,
            environment={},
        )
        client.start()
        with pytest.raises(
            ClientError, match=r"ended by itself \(exit code 1\): ModuleNotFoundError: No module named 'openhands'"
        ):
            client.connect("http://127.0.0.1:1", key="k", version="0.0.0", budget=Budget(60))
        client.close()


def test_an_interpreter_that_is_not_there_is_said_in_a_sentence(tmp_path: Path) -> None:
    header = Header(trial="t", scenario="s", seed=0, target="none", client="sdk:0.0.0")
    with Recorder(tmp_path / "history", header) as recorder:
        client = ProgramClient(
            "sdk:0.0.0", OpenHands(), recorder, command=[tmp_path / "python"], scratch=tmp_path, environment={}
        )
        with pytest.raises(ClientError, match=r"the client sdk:0\.0\.0 cannot be started with"):
            client.start()
        client.close()


def test_an_unknown_client_is_said_in_a_sentence(tmp_path: Path, play: Callable[..., Play]) -> None:
    it = play(REFERENCE)
    for name in ("curl", "sdk", "sdk:"):
        with pytest.raises(ClientError, match="sdk:VERSION"):
            client_for(name, it.adapter, it.recorder, scratch=tmp_path, owner=it.owner)


@pytest.mark.release
def test_a_conversation_that_exists_is_attached_to(play: Callable[..., Play]) -> None:
    it = play(REFERENCE)
    played = it.serve({"say": "one"}, {"say": "two"})
    plan = it.plan(played)
    first = PlainClient(it.adapter, it.recorder, environment={})
    first.connect(it.server.url, key=it.key, version=it.version, budget=Budget(10))
    first.create(plan, Budget(30))
    played.name = plan.conversation
    client = sdk(it)
    client.start()
    client.connect(it.server.url, key=it.key, version=it.version, budget=Budget(90))
    assert client.create(dataclasses.replace(plan, exists=True), Budget(60)) == plan.conversation
    client.send("go", Budget(30))
    client.run()
    assert client.wait_returned(Budget(90)).status == "finished"
    for one in (first, client):
        one.close()


def polls_after_run(wire: Wire, journal: Path, conversation: str) -> bool:
    """Whether the client has asked for the conversation since its request to run was answered."""
    wire.sync()
    lines = journal.read_bytes().splitlines()
    exchanges = [record for line in lines if isinstance(record := decode(line), Exchange)]
    path = f"/api/conversations/{conversation}"
    ran = [exchange.t_ns for exchange in exchanges if (exchange.method, exchange.path) == ("POST", f"{path}/run")]
    return any((e.method, e.path) == ("GET", path) and e.began_ns > ran[-1] for e in exchanges if ran)


@pytest.mark.release
def test_a_client_can_ask_for_confirmation_of_each_action(play: Callable[..., Play], tmp_path: Path) -> None:
    it = play(REFERENCE)
    played = it.serve({"tools": [{}]}, {"say": "bye"})
    client = sdk(it)
    client.start()
    with Wire.start(it.server.url, tmp_path / "wire.jsonl") as wire:
        client.connect(wire.url, key=it.key, version=it.version, budget=Budget(90))
        played.name = client.create(dataclasses.replace(it.plan(played), confirm=True), Budget(60))
        client.send("go", Budget(30))
        # A run that is over before its request was answered keeps the SDK waiting (BUGS.md, TP-8): it has the answer once it polls.
        played.stand_still()
        client.run()
        Budget(90).wait_for("the client to poll", lambda: polls_after_run(wire, tmp_path / "wire.jsonl", played.name))
        assert it.observer.read_status(played.name) == "running"
        played.go_on()
        assert client.wait_returned(Budget(90)).status == "waiting_for_confirmation"
        assert it.tools.total() == 0
        client.close()
