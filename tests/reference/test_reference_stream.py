"""Who may listen to the reference server, and what they get."""

from __future__ import annotations

import json
import uuid

import pytest
from conftest import CALM, KEY, Listener, Stage
from websockets.exceptions import InvalidStatus


def test_the_stream_is_the_log_between_two_snapshots(served: Stage) -> None:
    conversation, _ = served.create(*CALM)
    listener = served.listen(conversation)
    served.run_to(conversation, "finished")
    served.budget.wait_for("the end of the run", lambda: listener.snapshots() == ["idle", "finished"])
    assert listener.frames[0]["key"] == "full_state"
    assert listener.frames[-1]["key"] == "full_state"
    assert listener.log() == served.log(conversation)


def test_an_event_is_on_disk_before_anybody_hears_of_it(served: Stage) -> None:
    conversation, _played = served.create({"tools": [{"token": "two", "gate": True}]}, {"finish": "Done."})
    listener = served.listen(conversation)
    assert served.api.send(conversation, "go", run=True).ok
    served.budget.wait_for("the action", lambda: any(f["kind"] == "ActionEvent" for f in listener.frames))
    heard = [event["id"] for event in listener.log()]
    assert [event["id"] for event in served.disk(conversation)[1]][: len(heard)] == heard


@pytest.mark.parametrize("way", ["query", "header", "first-frame"])
def test_the_key_opens_in_three_ways(served: Stage, way: str) -> None:
    conversation, _ = served.create(*CALM)
    url = served.api.stream_url(conversation)
    opened = {
        "query": lambda: Listener(f"{url}?session_api_key={KEY}"),
        "header": lambda: Listener(url, headers={"X-Session-API-Key": KEY}),
        "first-frame": lambda: Listener(url, opening=json.dumps({"type": "auth", "session_api_key": KEY})),
    }[way]()
    served.listeners.append(opened)
    served.budget.wait_for("the snapshot", lambda: opened.snapshots() == ["idle"])


@pytest.mark.parametrize("way", ["query", "header"])
def test_a_wrong_key_is_refused_before_the_socket_is_open(served: Stage, way: str) -> None:
    conversation, _ = served.create(*CALM)
    url = served.api.stream_url(conversation) + ("?session_api_key=wrong" if way == "query" else "")
    with pytest.raises(InvalidStatus) as refused:
        Listener(url, headers={"X-Session-API-Key": "wrong"} if way == "header" else {})
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("opening", ['{"type": "auth", "session_api_key": "wrong"}', "{", "[]", '{"type": "hello"}'])
def test_a_wrong_first_frame_ends_the_socket(served: Stage, opening: str) -> None:
    conversation, _ = served.create(*CALM)
    listener = Listener(served.api.stream_url(conversation), opening=opening)
    served.listeners.append(listener)
    served.budget.wait_for("the socket to be closed", lambda: listener.close_code is not None)
    assert (listener.close_code, listener.frames) == (4001, [])


def test_an_unknown_conversation_is_said_by_code(served: Stage) -> None:
    listener = Listener(served.api.stream_url(str(uuid.uuid4())), headers={"X-Session-API-Key": KEY})
    served.listeners.append(listener)
    served.budget.wait_for("the socket to be closed", lambda: listener.close_code == 4004)


def test_replay_gives_everything_or_what_is_new(served: Stage) -> None:
    conversation, _ = served.create(*CALM)
    served.run_to(conversation, "finished")
    log = served.log(conversation)
    everything = served.listen(conversation, "?resend_mode=all")
    served.budget.wait_for("the whole log", lambda: everything.log() == log)
    middle = log[len(log) // 2]["timestamp"]
    since = served.listen(conversation, f"?resend_mode=since&after_timestamp={middle}")
    served.budget.wait_for("the second half", lambda: since.log() == log[len(log) // 2 :])


def test_a_message_over_the_socket_starts_a_run(served: Stage) -> None:
    conversation, _ = served.create({"finish": "Done."})
    listener = served.listen(conversation)
    listener.send(json.dumps({"role": "user", "content": [{"type": "text", "text": "go"}]}))
    served.wait_status(conversation, "finished")
    listener.send("{")
    served.budget.wait_for("the error", lambda: listener.frames[-1]["kind"] == "ServerErrorEvent")


def test_two_listeners_hear_the_same(served: Stage) -> None:
    conversation, _ = served.create(*CALM)
    one, two = served.listen(conversation), served.listen(conversation)
    served.run_to(conversation, "finished")
    served.budget.wait_for("both to be at the end", lambda: one.snapshots()[1:] == two.snapshots()[1:] == ["finished"])
    assert one.log() == two.log()
