"""The plain client and the observer against a server, the reference or the newest release."""

from __future__ import annotations

import dataclasses
import socket
import subprocess
from collections.abc import Callable
from uuid import uuid4

import pytest

from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.clients.client import ClientError
from tailproof.clients.plain import PlainClient
from tailproof.history.record import RESTING
from tailproof.protocol.subscription import SubscriptionRefused
from tailproof.trial.observer import Observer
from tailproof.waiting import Budget, DeadlineMissed
from tests.clients.conftest import NEWEST, REFERENCE, Play

SERVERS = [REFERENCE, pytest.param(NEWEST, marks=[pytest.mark.release, pytest.mark.xdist_group("a shared release")])]
CALM = ({"tools": [{"run": "echo hello"}]}, {"tools": [{}, {}]}, {"finish": "all done"})


@pytest.mark.parametrize("name", SERVERS)
def test_a_whole_conversation_is_seen_alike_by_stream_pages_disk_and_client(
    name: str, play: Callable[..., Play]
) -> None:
    it = play(name, shared=False)
    client = PlainClient(it.adapter, it.recorder, environment={})
    played = it.serve(*CALM)
    conversation = it.create(client, played)
    client.send("go", Budget(30))
    it.observer.poll(conversation)
    client.run()
    returned = client.wait_returned(Budget(90))
    assert (returned.status, returned.raised) == ("finished", False)
    it.observer.wait_event(
        "the closing snapshot", lambda seen: seen.role == "snapshot" and seen.status == "finished", Budget(30)
    )
    it.observer.stop_polling()
    log = it.observer.read_log(conversation, final=True)
    small = it.observer.read_log(conversation, page_size=3)
    backwards = it.observer.read_log(conversation, page_size=4, ascending=False)
    client.close()
    it.observer.close()
    it.server.stop(Budget(30))
    [(found, status, on_disk, unreadable)] = it.adapter.disk(it.server.disk(it.directory / "copy"))

    ids = [seen.id for seen in log.events]
    assert log.complete
    assert log.count == len(ids)
    assert [seen.id for seen in small.events] == ids
    assert [seen.id for seen in backwards.events][::-1] == ids
    assert (found, status, list(unreadable)) == (conversation, "finished", [])
    assert [seen.id for seen in on_disk] == ids

    history = it.history()
    for witness in ("observer", "client"):
        streamed = [event for event in history.events if event.witness == witness and event.reading == "stream:0"]
        assert [event.id for event in streamed if event.durable] == ids
        assert [stage.stage for stage in history.streams if stage.witness == witness] == [
            "opened",
            "subscribed",
            "closed",
        ]
    digests: dict[str, set[str]] = {}
    for event in history.events:
        digests.setdefault(event.id, set()).add(event.digest)
    assert {len(found) for found in digests.values()} == {1}
    calls = [event.call for event in history.events if event.reading == log.reading and event.role == "action"]
    assert calls == ["call-0-0", "call-1-0", "call-1-1", "call-2-0"]
    assert [effect.token for effect in history.effects if effect.stage == "end"] == ["t1", "t2-1", "t2-2"]
    assert [call.turn for call in history.model_calls if call.stage == "answered"] == [0, 1, 2]
    secrets = subprocess.run(["grep", "-rlE", f"{it.key}|{it.secret}", str(it.recorder.directory)], capture_output=True)
    assert secrets.stdout == b""


@pytest.mark.parametrize("name", SERVERS)
def test_a_tool_can_be_held_at_its_gate_while_others_look(name: str, play: Callable[..., Play]) -> None:
    it = play(name)
    client = PlainClient(it.adapter, it.recorder, environment={})
    played = it.serve({"tools": [{"gate": True}]}, {"say": "bye"})
    conversation = it.create(client, played)
    client.send("go", Budget(30))
    client.run()
    it.tools.wait_token("t1", "begin", Budget(60))
    action = it.observer.wait_event("the action", lambda seen: seen.role == "action", Budget(30))
    assert action.call == "call-0-0"
    assert it.observer.read_status(conversation) == "running"
    assert it.tools.seen("t1", "end") == 0
    it.tools.open_gate("t1")
    assert client.wait_returned(Budget(60)).status == "finished"
    assert it.tools.seen("t1", "end") == 1
    client.close()


@pytest.mark.parametrize("name", SERVERS)
def test_a_second_message_resumes_the_script_where_it_stands(name: str, play: Callable[..., Play]) -> None:
    it = play(name)
    client = PlainClient(it.adapter, it.recorder, environment={})
    played = it.serve({"say": "one"}, {"tools": [{}]}, {"say": "two"})
    conversation = it.create(client, played)
    for text, token in (("first", 0), ("second", 1)):
        client.send(text, Budget(30))
        client.run()
        assert client.wait_returned(Budget(60)).status == "finished"
        assert it.tools.seen("t2", "end") == token
    assert it.observer.read_status(conversation) == "finished"
    client.close()


@pytest.mark.parametrize("name", SERVERS)
def test_a_run_that_the_model_refuses_ends_in_an_error_for_everyone(name: str, play: Callable[..., Play]) -> None:
    it = play(name)
    client = PlainClient(it.adapter, it.recorder, environment={})
    played = it.serve({"tools": [{}]}, {"status": 401})
    conversation = it.create(client, played)
    client.send("go", Budget(30))
    client.run()
    assert client.wait_returned(Budget(90)).status == "error"
    assert it.observer.wait_terminal(Budget(30)).neutral == "failed"
    assert any(seen.role == "error" for seen in it.observer.read_log(conversation).events)
    client.close()


@pytest.mark.parametrize("name", SERVERS)
def test_a_wrong_key_is_refused_in_words(name: str, play: Callable[..., Play]) -> None:
    it = play(name)
    client = PlainClient(it.adapter, it.recorder, environment={})
    client.connect(it.server.url, key="wrong", version=it.version, budget=Budget(10))
    with pytest.raises(ClientError, match=r"the client failed to create: Refused: POST /api/conversations 401"):
        client.create(it.plan(it.serve({"say": "bye"})), Budget(10))
    client.close()
    stranger = Observer(it.adapter, it.recorder, url=it.server.url, key="wrong", version=it.version, witness="stranger")
    with pytest.raises(SubscriptionRefused, match="was not accepted: 4001"):
        stranger.subscribe(str(uuid4()), Budget(30))
    stranger.close()


@pytest.mark.parametrize("name", SERVERS)
def test_an_unknown_conversation_has_no_stream_and_no_log(name: str, play: Callable[..., Play]) -> None:
    it = play(name)
    nobody = str(uuid4())
    with pytest.raises(SubscriptionRefused, match="was not accepted: 4004"):
        it.observer.subscribe(nobody, Budget(30))
    log = it.observer.read_log(nobody)
    assert (log.complete, list(log.events), log.count) == (False, [], -1)
    assert log.error.startswith("page 1: 404")
    assert it.observer.read_status(nobody) == ""
    it.observer.close()
    history = it.history()
    assert history.statuses == []
    assert [(request.verb, request.code) for request in history.requests if nobody in request.path] == [
        ("load", 404),
        ("load", 404),
        ("status", 404),
    ]


def test_the_published_vocabulary_is_what_the_adapter_knows(play: Callable[..., Play]) -> None:
    it = play(REFERENCE)
    words, source = it.observer.vocabulary()
    assert set(words) == set(it.adapter.promises(it.version).vocabulary)
    assert source == "/openapi.json ConversationExecutionStatus"
    assert it.observer.version() == NEWEST


@pytest.mark.parametrize("name", SERVERS)
def test_a_dormant_server_refuses_every_probe_until_it_is_initialised(name: str, play: Callable[..., Play]) -> None:
    it = play(name, environment=OpenHands().dormant_environment())
    api = it.observer.api
    routes = api.probes(str(uuid4()))
    assert {api.probe(method, path).code for method, path in routes} == {503}
    wrong = it.adapter.api(it.server.url, key=it.key, secret="wrong", version=it.version)
    assert wrong.init(key=it.key).code == 401
    wrong.close()
    assert api.init(key=it.key).code == 200
    codes = {api.probe(method, path).code for method, path in routes}
    assert codes <= {200, 404}
    assert 200 in codes
    stranger = it.adapter.api(it.server.url, key="wrong", version=it.version)
    assert {stranger.probe(method, path).code for method, path in routes} == {401}
    stranger.close()
    assert api.init(key=it.key).code == 400


def test_a_death_of_the_server_ends_the_subscription_and_is_no_exception(play: Callable[..., Play]) -> None:
    it = play(REFERENCE)
    client = PlainClient(it.adapter, it.recorder, environment={})
    played = it.serve({"tools": [{"gate": True}]}, {"say": "bye"})
    conversation = it.create(client, played)
    client.send("go", Budget(30))
    client.run()
    it.tools.wait_token("t1", "begin", Budget(30))
    it.server.kill(scope="group", signal="KILL")
    it.server.wait_dead(Budget(30))
    Budget(30).wait_for("the subscription to end", lambda: not it.observer.subscribed)
    assert it.observer.read_status(conversation) == ""
    with pytest.raises(DeadlineMissed, match="for the client's run to return"):
        client.wait_returned(Budget(0.2))
    client.close()
    it.observer.close()
    history = it.history()
    closed = [stream for stream in history.streams if stream.stage == "closed"]
    assert {stream.witness for stream in closed} == {"observer", "client"}
    assert {stream.code for stream in closed} == {1006}
    refused = [request for request in history.requests if request.verb == "status" and request.code == 0]
    assert refused
    assert {request.error.split(":")[0] for request in refused} <= {"refused", "reset", "closed without an answer"}
    assert [run.stage for run in history.runs] == ["called"]


def test_a_server_that_is_not_there_is_an_answer_too(play: Callable[..., Play]) -> None:
    it = play(REFERENCE)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        api = it.adapter.api(f"http://127.0.0.1:{nobody.getsockname()[1]}", key="k", version=it.version)
        answer = api.ready()
        assert (answer.code, answer.ok, answer.error.split(":")[0]) == (0, False, "refused")
        page = api.page(str(uuid4()))
        assert (page.answer.code, list(page.events)) == (0, [])
        api.close()


def test_idle_does_not_end_a_run_and_waiting_does() -> None:
    """The plain client's rule, as data: it polls until the server rests, but a run starts from `idle`."""
    assert RESTING - {"idle"} == {"done", "failed", "stuck", "waiting", "interrupted"}


def test_a_silent_server_is_said_as_a_timeout(play: Callable[..., Play]) -> None:
    it = play(REFERENCE)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        api = it.adapter.api(f"http://127.0.0.1:{silent.getsockname()[1]}", key="k", version="1.58.0", timeout=0.2)
        answer, raw = api.status(str(uuid4()))
        assert (answer.code, raw, answer.error.split(":")[0]) == (0, "", "timeout")
        assert dataclasses.replace(answer, code=200, error="").ok
        api.close()


def test_a_reading_of_the_log_ends_with_its_budget_and_says_so(play: Callable[..., Play]) -> None:
    it = play()
    played = it.serve({"tools": [{"token": "one"}]}, {"finish": "All done."})
    client = PlainClient(it.adapter, it.recorder, environment={})
    conversation = it.create(client, played)
    client.send("go", Budget(30))
    client.run()
    client.wait_returned(Budget(60))
    cut = it.observer.read_log(conversation, page_size=2, budget=Budget(0))
    assert (len(cut.events), cut.complete, cut.error) == (0, False, "page 1: 0 no time was left for the request")
    whole = it.observer.read_log(conversation, page_size=2, budget=Budget(30))
    assert whole.complete
    client.close()
