"""What the reference server answers over HTTP, as the real server does."""

from __future__ import annotations

import itertools
import re
import uuid
from datetime import datetime

import pytest
from conftest import CALM, KEY, Stage

from tailproof.protocol.part import Part

STATUSES = {"idle", "running", "paused", "waiting_for_confirmation", "finished", "error", "stuck", "deleting"}
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def test_it_says_which_release_it_stands_for_and_publishes_its_vocabulary(served: Stage) -> None:
    assert served.api.version()[1] == "1.58.0"
    _, words, source = served.api.vocabulary()
    assert set(words) == STATUSES
    assert source


def test_it_says_the_release_that_it_was_told(stage: Stage) -> None:
    stage.start(REFERENCE_VERSION="1.11.0")
    assert stage.api.version()[1] == "1.11.0"
    conversation, _ = stage.create({"say": "Hello."})
    stage.run_to(conversation, "finished")
    assert not any("parent_id" in event for event in stage.log(conversation))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/conversations/search"),
        ("POST", "/api/conversations"),
        ("GET", f"/api/conversations/{UNKNOWN}"),
        ("GET", f"/api/conversations/{UNKNOWN}/events/search"),
        ("POST", f"/api/conversations/{UNKNOWN}/run"),
        ("DELETE", f"/api/conversations/{UNKNOWN}"),
        ("GET", "/api/nothing"),
    ],
)
@pytest.mark.parametrize("key", [None, "wrong"])
def test_every_api_route_asks_for_the_key(served: Stage, method: str, path: str, key: str | None) -> None:
    served.http.headers.pop("X-Session-API-Key")
    headers = {"X-Session-API-Key": key} if key else {}
    assert served.http.request(method, path, headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", f"/api/conversations/{UNKNOWN}", 404),
        ("POST", f"/api/conversations/{UNKNOWN}/run", 404),
        ("GET", f"/api/conversations/{UNKNOWN}/events/count", 404),
        ("GET", "/api/conversations/no-uuid", 422),
        ("GET", "/api/nothing", 404),
        ("PUT", "/api/conversations", 405),
        ("GET", "/api/init", 404),
    ],
)
def test_what_is_not_there_is_said(served: Stage, method: str, path: str, code: int) -> None:
    assert served.http.request(method, path).status_code == code


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"agent": 3}', b'{"agent": {"llm": {"model": "m"}}}'])
def test_a_body_that_makes_no_conversation_is_refused(served: Stage, body: bytes) -> None:
    assert served.http.post("/api/conversations", content=body).status_code == 422


def test_a_refused_body_is_not_echoed(served: Stage) -> None:
    answer = served.http.post("/api/conversations", json={"agent": {"llm": {"api_key": "canary"}}})
    assert answer.status_code == 422
    assert "canary" not in answer.text


def test_creating_twice_gives_the_same_conversation(served: Stage) -> None:
    conversation, played = served.create(*CALM)
    body = {
        "conversation_id": conversation,
        "agent": {"llm": {"model": "openai/mock", "base_url": played.url, "api_key": "other"}},
        "workspace": {"working_dir": str(served.place)},
    }
    again = served.http.post("/api/conversations", json=body)
    assert (again.status_code, again.json()["id"]) == (200, conversation)
    assert served.http.get("/api/conversations/count").json() == 1


def test_a_run_goes_from_idle_to_finished_and_the_log_tells_it(served: Stage) -> None:
    conversation, _ = served.create(*CALM)
    assert served.api.status(conversation)[1] == "idle"
    served.run_to(conversation, "finished")
    log = served.log(conversation)
    kinds = [event["kind"] for event in log]
    assert kinds[:2] == ["SystemPromptEvent", "MessageEvent"]
    calls = [event["tool_call_id"] for event in log if event["kind"] == "ActionEvent"]
    results = [event["tool_call_id"] for event in log if event["kind"] == "ObservationEvent"]
    assert len(calls) == 5
    assert calls == results
    assert [event["value"] for event in log if event.get("key") == "execution_status"] == ["running", "finished"]
    assert [served.tools.seen(token) for token in ("one", "two", "three", "four")] == [1, 1, 1, 1]


def test_events_have_unique_ids_and_times_that_only_grow(served: Stage) -> None:
    conversation, _ = served.create(*CALM)
    served.run_to(conversation, "finished")
    log = served.log(conversation)
    times = [datetime.fromisoformat(event["timestamp"]) for event in log]
    assert all(earlier < later for earlier, later in itertools.pairwise(times))
    assert all(moment.tzinfo is None for moment in times)
    assert len({event["id"] for event in log}) == len(log)
    assert all(str(uuid.UUID(event["id"])) == event["id"] for event in log)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_pages_concatenate_to_the_log_in_both_orders(served: Stage, size: int) -> None:
    conversation, _ = served.create(*CALM)
    served.run_to(conversation, "finished")
    whole = served.log(conversation)
    assert served.log(conversation, size=size) == whole
    assert served.log(conversation, size=size, ascending=False) == whole[::-1]
    assert served.api.count(conversation)[1] == len(whole)


def test_a_part_of_the_log_is_what_its_filters_say(served: Stage) -> None:
    conversation, _ = served.create(*CALM)
    served.run_to(conversation, "finished")
    whole = served.log(conversation)
    bound = whole[4]["timestamp"]
    for part, met in (
        (Part(name="ActionEvent"), lambda event: event["kind"] == "ActionEvent"),
        (Part(source="environment"), lambda event: event["source"] == "environment"),
        (Part(text="GO"), lambda event: event["kind"] == "MessageEvent" and event["source"] == "user"),
        (Part(since=bound), lambda event: event["timestamp"] >= bound),
        (Part(before=bound), lambda event: event["timestamp"] < bound),
        (
            Part(name="ActionEvent", since=bound),
            lambda event: event["kind"] == "ActionEvent" and event["timestamp"] >= bound,
        ),
    ):
        wanted = [event for event in whole if met(event)]
        given = served.api.page_of(conversation, part, ascending=False).events
        assert [event.body for event in given] == wanted[::-1], part
        assert served.api.count_of(conversation, part)[1] == len(wanted) > 0, part


def test_the_disk_holds_the_log_and_the_status(served: Stage) -> None:
    conversation, _ = served.create(*CALM)
    served.run_to(conversation, "finished")
    served.budget.wait_for("the disk to agree", lambda: served.disk(conversation)[0] == "finished")
    assert served.disk(conversation)[1] == served.log(conversation)
    files = (served.place / "conversations" / conversation.replace("-", "") / "events").iterdir()
    assert all(re.fullmatch(r"event-\d{5}-[0-9a-f-]{36}\.json", path.name) for path in files)


def test_a_run_that_is_on_refuses_a_second_one_and_hears_a_message(served: Stage) -> None:
    conversation, played = served.create({"finish": "Done.", "hold": True}, {"finish": "Heard you."})
    assert served.api.send(conversation, "go", run=True).ok
    played.wait_called(0, served.budget)
    assert served.api.run(conversation).code == 409
    assert served.api.send(conversation, "one more thing", run=True).code == 200
    played.release(0)
    played.wait_answered(1, served.budget)
    served.wait_status(conversation, "finished")


def test_running_a_finished_conversation_asks_nobody(served: Stage) -> None:
    conversation, played = served.create({"finish": "Done."}, {"finish": "Again."})
    listener = served.listen(conversation)
    served.run_to(conversation, "finished")
    served.budget.wait_for("the end", lambda: listener.snapshots() == ["idle", "finished"])
    before = served.log(conversation)
    assert served.api.run(conversation).code == 200
    served.budget.wait_for("the snapshot", lambda: listener.snapshots() == ["idle", "finished", "finished"])
    assert served.log(conversation) == before
    assert played.asked(1) == 0


def test_a_new_message_makes_a_finished_conversation_idle_and_runnable(served: Stage) -> None:
    conversation, _ = served.create({"finish": "Done."}, {"finish": "Again."})
    served.run_to(conversation, "finished")
    assert served.api.send(conversation, "more", run=False).ok
    assert served.api.status(conversation)[1] == "idle"
    assert served.api.run(conversation).ok
    served.wait_status(conversation, "finished")


def test_a_model_error_ends_the_run_as_an_error_that_says_why(served: Stage) -> None:
    conversation, _ = served.create({"status": 401, "times": 1}, {"finish": "Done."})
    served.run_to(conversation, "error")
    served.budget.wait_for(
        "the reason", lambda: any(event["kind"] == "ConversationErrorEvent" for event in served.log(conversation))
    )
    error = served.log(conversation)[-1]
    assert error["code"] == "LLMAuthenticationError"
    assert served.api.run(conversation).ok
    served.wait_status(conversation, "finished")


def test_a_short_outage_of_the_model_is_retried(served: Stage) -> None:
    conversation, _ = served.create({"status": 500, "times": 1}, {"finish": "Done."})
    assert served.run_to(conversation, "finished", "error") == "finished"


def test_the_steps_of_a_run_are_limited(served: Stage) -> None:
    conversation, _ = served.create(*CALM, max_iterations=2)
    served.run_to(conversation, "error")
    served.budget.wait_for("the reason", lambda: served.log(conversation)[-1].get("code") == "MaxIterationsReached")
    assert served.tools.seen("four") == 0


def test_finishing_on_the_last_allowed_step_is_no_error(served: Stage) -> None:
    conversation, _ = served.create(*CALM, max_iterations=4)
    assert served.run_to(conversation, "finished", "error") == "finished"


def test_four_turns_of_the_same_are_stuck_and_a_message_helps(served: Stage) -> None:
    same = {"tools": [{"run": "echo same", "journal": False}]}
    conversation, _ = served.create(same, same, same, same, same, {"finish": "Out."})
    served.run_to(conversation, "stuck")
    assert served.run_to(conversation, "finished", "stuck") == "finished"


def test_the_exit_code_of_a_command_is_in_its_result(served: Stage) -> None:
    conversation, _ = served.create({"tools": [{"run": "exit 3", "journal": False}]}, {"finish": "Done."})
    served.run_to(conversation, "finished")
    result = next(event for event in served.log(conversation) if event["kind"] == "ObservationEvent")
    assert result["observation"]["exit_code"] == 3


def test_a_child_in_the_background_holds_nobody_up(served: Stage) -> None:
    conversation, _ = served.create({"tools": [{"run": "sleep 20 & echo $! > pid", "journal": False}]}, {"finish": "."})
    assert served.run_to(conversation, "finished") == "finished"
    served.place.joinpath("workspace/pid").read_text()


def test_tools_do_not_see_the_secrets_of_the_server(served: Stage) -> None:
    conversation, _ = served.create({"tools": [{"run": "env > seen", "journal": False}]}, {"finish": "Done."})
    served.run_to(conversation, "finished")
    seen = (served.place / "workspace/seen").read_text()
    assert KEY not in seen
    assert "the-server-secret" not in seen


def test_the_key_of_the_model_is_shown_nowhere_and_is_sealed_on_disk(served: Stage) -> None:
    conversation, _ = served.create({"finish": "Done."})
    served.run_to(conversation, "finished")
    assert served.http.get(f"/api/conversations/{conversation}").json()["agent"]["llm"]["api_key"] is None
    directory = served.place / "conversations" / conversation.replace("-", "")
    state = (directory / "base_state.json").read_text()
    assert '"api_key":"scripted"' not in state.replace(" ", "")


def test_pause_takes_effect_after_the_tool_and_run_goes_on(served: Stage) -> None:
    conversation, played = served.create({"tools": [{"token": "one"}], "hold": True}, {"finish": "Done."})
    assert served.api.send(conversation, "go", run=True).ok
    played.wait_called(0, served.budget)
    assert served.api.pause(conversation).ok
    assert served.api.status(conversation)[1] == "paused"
    played.release(0)
    assert served.tools.seen("one") == 0
    assert served.log(conversation)[-1]["kind"] == "PauseEvent"
    assert served.api.run(conversation).ok
    served.wait_status(conversation, "finished")
    assert served.tools.seen("one") == 1


def test_an_interrupt_kills_the_tool_and_closes_its_action(served: Stage) -> None:
    conversation, _ = served.create({"tools": [{"token": "two", "gate": True}]}, {"finish": "Done."})
    assert served.api.send(conversation, "go", run=True).ok
    served.tools.wait_token("two", "begin", served.budget)
    assert served.http.post(f"/api/conversations/{conversation}/interrupt").status_code == 200
    kinds = [event["kind"] for event in served.log(conversation)]
    assert kinds[-3:] == ["AgentErrorEvent", "ConversationStateUpdateEvent", "InterruptEvent"]
    assert served.api.status(conversation)[1] == "paused"
    served.tools.open_gate("two")
    assert served.api.run(conversation).ok
    served.wait_status(conversation, "finished")
    assert served.tools.seen("two", "end") == 0


def test_delete_ends_the_run_and_removes_everything(served: Stage) -> None:
    conversation, _ = served.create({"tools": [{"token": "two", "gate": True}]}, {"finish": "Done."})
    listener = served.listen(conversation)
    assert served.api.send(conversation, "go", run=True).ok
    served.tools.wait_token("two", "begin", served.budget)
    assert served.api.delete(conversation).ok
    assert served.api.status(conversation)[0].code == 404
    served.budget.wait_for("the stream to end", lambda: listener.close_code == 1000)
    assert list((served.place / "conversations").iterdir()) == []
