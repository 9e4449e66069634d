"""What another user of the same server does: asked past the wire, written down as the harness's own, proven by a witness."""

from __future__ import annotations

from pathlib import Path

import pytest
from fault_stage import GATED, play, steps

from tailproof.acts.verbs import NEEDS, UserRequest
from tailproof.history.reader import History


def asked_by_the_harness(history: History, verb: str) -> list[int]:
    return [request.code for request in history.requests if request.verb == verb and request.witness == "observer"]


@pytest.mark.parametrize("client", ["plain", "reference"])
def test_a_run_that_another_user_pauses_ends_paused(tmp_path: Path, client: str) -> None:
    pause = {"act": "user.pause", "at": "tool-running:1", "until": "returned"}
    history = play(tmp_path, pause, script=GATED, client=client)
    assert list(steps(history)) == ["intent", "done", "proven", "ended"]
    assert asked_by_the_harness(history, "pause") == [200]
    assert [run.status for run in history.runs if run.stage == "returned"] == ["paused"]
    assert [effect.token for effect in history.effects if effect.stage == "begin"] == ["one"]
    assert not history.missed


def test_a_conversation_that_another_user_deletes_is_gone_and_nobody_waits_for_it(tmp_path: Path) -> None:
    delete = {"act": "user.delete", "at": "tool-running:1", "until": "returned"}
    history = play(tmp_path, delete, script=GATED, client="reference")
    assert list(steps(history)) == ["intent", "done", "proven", "ended"]
    assert steps(history)["proven"].proof == {"answer": 200, "its status is answered": 404}
    assert asked_by_the_harness(history, "delete") == [200]
    assert [run.stage for run in history.runs] == ["called", "raised"]
    assert [request.code for request in history.requests if request.verb == "status"][-1] == 404
    assert not history.missed


def test_a_message_is_posted_while_the_clients_request_is_held(tmp_path: Path) -> None:
    message = {"text": "And mind the gap.", "while_held": {"request": "status"}}
    act = {"act": "user.message", "at": "tool-running:1", "until": "tool-running:1", "with": message}
    history = play(tmp_path, act, script=GATED, client="reference")
    assert list(steps(history)) == ["intent", "done", "proven", "ended"]
    proof = steps(history)["proven"].proof
    assert proof == {"answer": 200, "its event reached the observer": True, "requests of the client held meanwhile": 1}
    posted = next(request for request in history.requests if request.verb == "send" and request.witness == "observer")
    held = next(exchange for exchange in history.exchanges if exchange.done == "held")
    assert held.began_ns < posted.began_ns < posted.t_ns < held.t_ns
    assert posted.text == "And mind the gap."


def test_of_a_long_message_the_whole_length_is_told(tmp_path: Path) -> None:
    long = {"act": "user.message", "at": "tool-running:1", "with": {"text": "the first of many", "bytes": 5000}}
    history = play(tmp_path, long, script=GATED)
    (sent,) = [request for request in history.requests if request.text == "the first of many"]
    kept = [event for event in history.events if event.role == "message" and event.text.startswith(sent.text)]
    assert sent.extent is not None
    assert sent.extent.chars == 5000
    assert kept
    assert {event.extent for event in kept} == {sent.extent}


def test_a_client_that_does_not_ask_gets_the_message_but_nothing_is_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailproof.acts.user.ASKED_S", 0.2)
    message = {"text": "Hello.", "while_held": {"request": "init"}}
    act = {"act": "user.message", "at": "tool-running:1", "until": "tool-running:1", "with": message}
    history = play(tmp_path, act, script=GATED)
    assert list(steps(history)) == ["intent", "done", "unproven", "ended"]
    proof = steps(history)["unproven"].proof
    assert proof == {"answer": 200, "its event reached the observer": True, "requests of the client held meanwhile": 0}


def test_a_pause_that_comes_too_late_is_not_proven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailproof.acts.user.SEEN_S", 0.2)
    history = play(tmp_path, {"act": "user.pause", "at": "returned", "until": "end"}, script=GATED[1:])
    assert list(steps(history)) == ["intent", "done", "unproven", "ended"]


@pytest.mark.parametrize(("point", "role"), [("action-stored:2", "action"), ("observation-stored:1", "observation")])
def test_an_act_lands_when_the_stream_shows_the_event_of_its_point(tmp_path: Path, point: str, role: str) -> None:
    script = [{"tools": [{"token": "one"}]}, {"tools": [{"token": "two"}]}, {"finish": "."}]
    history = play(tmp_path, {"act": "user.message", "at": point, "with": {"text": "And hurry."}}, script=script)
    assert list(steps(history)) == ["intent", "done", "proven", "ended"]
    assert [(held.point, held.stage) for held in history.rendezvous][:2] == [(point, "reached"), (point, "released")]
    shown = [event.t_ns for event in history.events if event.reading.startswith("stream") and event.role == role]
    assert shown[int(point[-1]) - 1] <= steps(history)["intent"].t_ns


def test_the_events_are_listed_while_a_tool_is_held(tmp_path: Path) -> None:
    history = play(
        tmp_path,
        {"act": "user.request", "at": "tool-running:1", "until": "returned", "with": {"verb": "page"}},
        script=GATED,
    )
    assert list(steps(history)) == ["intent", "done", "proven", "ended"]
    held = next(one for one in history.rendezvous if one.stage == "released")
    listed = next(request for request in history.requests if request.verb == "load")
    assert listed.witness == "observer"
    assert (listed.code, listed.t_ns < held.t_ns) == (200, True)


@pytest.mark.parametrize(
    ("verb", "recorded", "answers"),
    [
        ("create", "create", {"answered 200": 2}),
        ("reject", "reject", {"answered 200": 2}),
        ("fork", "fork", {"answered 201": 2}),
    ],
)
def test_what_two_users_ask_for_in_the_same_moment_leaves_the_run_as_it_is(
    tmp_path: Path, verb: str, recorded: str, answers: dict[str, int]
) -> None:
    both = {"verb": verb, "times": 2, "at_once": True}
    history = play(tmp_path, {"act": "user.request", "at": "tool-running:1", "with": both}, script=GATED)
    assert list(steps(history)) == ["intent", "done", "proven", "ended"]
    assert steps(history)["proven"].proof == answers
    assert len(asked_by_the_harness(history, recorded)) == 2
    assert [run.status for run in history.runs if run.stage == "returned"] == ["finished"]


def test_of_two_deletions_in_the_same_moment_one_finds_nothing(tmp_path: Path) -> None:
    both = {"verb": "delete", "times": 2, "at_once": True}
    history = play(tmp_path, {"act": "user.request", "at": "tool-running:1", "with": both}, script=GATED)
    assert steps(history)["proven"].proof == {"answered 200": 1, "answered 404": 1}
    assert not history.missed


@pytest.mark.parametrize("verb", NEEDS)
def test_what_a_server_lacks_is_not_asked_for(verb: str) -> None:
    act = UserRequest("a", {"verb": verb})
    needed, lacking = NEEDS[verb]  # type: ignore[index]
    assert act.available(frozenset()) == lacking
    assert act.available(frozenset({needed})) is None
