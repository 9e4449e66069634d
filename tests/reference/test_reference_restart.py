"""What the reference server makes of a crash, of a regular end, and of being dormant."""

from __future__ import annotations

import signal

import pytest
from conftest import CALM, GATED, KEY, SECRET, Stage
from websockets.exceptions import InvalidStatus

from tailproof.adapters.openhands.adapter import OpenHands


def crash_while_two_runs(stage: Stage) -> str:
    conversation, _ = stage.create(*GATED)
    assert stage.api.send(conversation, "go", run=True).ok
    stage.tools.wait_token("two", "begin", stage.budget)
    stage.end(signal.SIGKILL)
    return conversation


def test_a_crash_while_a_tool_runs_is_an_error_that_says_so(served: Stage) -> None:
    conversation = crash_while_two_runs(served)
    status, before = served.disk(conversation)
    assert status == "running"
    served.restart()
    assert served.api.status(conversation)[1] == "error"
    log = served.log(conversation)
    assert log[: len(before)] == before
    assert [event.get("value", event["kind"]) for event in log[len(before) :]] == ["error", "AgentErrorEvent"]
    assert log[-1]["tool_call_id"] == "call-1-0"


def test_after_a_crash_a_run_goes_on_and_nothing_happens_twice(served: Stage) -> None:
    conversation = crash_while_two_runs(served)
    served.restart()
    served.tools.open_gate("two")
    assert served.api.run(conversation).code == 200
    served.wait_status(conversation, "finished")
    assert [served.tools.seen(token) for token in ("one", "two", "three")] == [1, 1, 1]
    told = [call.results for call in model_calls(served) if call.stage == "asked"][-2]
    assert "A restart occurred while this tool was in progress" in told["call-1-0"]


def test_after_a_crash_the_model_is_still_asked_with_its_key(served: Stage) -> None:
    conversation = crash_while_two_runs(served)
    served.restart()
    served.tools.open_gate("two")
    assert served.api.run(conversation).ok
    served.wait_status(conversation, "finished")
    info = served.http.get(f"/api/conversations/{conversation}").json()
    assert info["agent"]["llm"]["api_key"] is None


def test_a_second_server_knows_nothing_of_what_the_first_one_has(served: Stage) -> None:
    conversation, _ = served.create(*GATED)
    assert served.api.send(conversation, "go", run=True).ok
    served.tools.wait_token("two", "begin", served.budget)
    before = served.disk(conversation)
    with served.second() as api:
        assert (api.status(conversation)[0].code, api.run(conversation).code) == (404, 404)
        assert served.disk(conversation) == before
    served.tools.open_gate("two")
    served.wait_status(conversation, "finished")
    assert [served.tools.seen(token) for token in ("one", "two", "three")] == [1, 1, 1]


def test_a_crash_while_the_model_is_asked_leaves_a_reason_too(served: Stage) -> None:
    conversation, played = served.create({"finish": "Done.", "hold": True})
    assert served.api.send(conversation, "go", run=True).ok
    played.wait_called(0, served.budget)
    served.end(signal.SIGKILL)
    played.release(0)
    served.restart()
    assert served.api.status(conversation)[1] == "error"
    assert served.log(conversation)[-1]["kind"] == "ConversationErrorEvent"


def test_a_finished_conversation_survives_a_crash_unchanged(served: Stage) -> None:
    conversation, _ = served.create(*CALM)
    served.run_to(conversation, "finished")
    before = served.log(conversation)
    served.end(signal.SIGKILL)
    served.restart()
    assert served.api.status(conversation)[1] == "finished"
    assert served.log(conversation) == before


def test_a_regular_end_interrupts_the_run_and_tells_the_listeners(served: Stage) -> None:
    conversation, _ = served.create(*GATED)
    listener = served.listen(conversation)
    assert served.api.send(conversation, "go", run=True).ok
    served.tools.wait_token("two", "begin", served.budget)
    assert served.end(signal.SIGTERM) == 0
    served.budget.wait_for("the stream to end", lambda: listener.close_code is not None)
    assert listener.close_code == 1012
    status, log = served.disk(conversation)
    assert status == "paused"
    assert [event["kind"] for event in log if event["kind"].endswith("ErrorEvent")] == ["AgentErrorEvent"]


def test_a_damaged_event_is_left_out_and_its_number_is_not_used_again(served: Stage) -> None:
    conversation, _ = served.create(*CALM)
    served.run_to(conversation, "finished")
    before = served.log(conversation)
    served.end(signal.SIGKILL)
    events = served.place / "conversations" / conversation.replace("-", "") / "events"
    files = sorted(events.iterdir())
    files[3].write_bytes(b'{"id": "half')
    served.restart()
    assert served.log(conversation) == [event for event in before if event["id"] not in files[3].name]
    assert served.api.send(conversation, "more", run=False).ok
    assert len({path.name[:11] for path in events.iterdir()}) == len(list(events.iterdir()))


def test_a_dormant_server_refuses_everything_until_it_is_initialised(stage: Stage) -> None:
    stage.start(OH_DEFERRED_INIT="true", OH_SESSION_API_KEYS_0="")
    unknown = "00000000-0000-4000-8000-000000000000"
    codes = {path: stage.api.probe(method, path).code for method, path in stage.api.probes(unknown)}
    assert set(codes.values()) == {503}
    assert stage.http.get("/api/init").json() == {"state": "dormant", "error": None}
    with pytest.raises(InvalidStatus):
        stage.listen(unknown)
    stranger = OpenHands().api(stage.url, key="", version="1.58.0", secret="wrong")
    assert stranger.init(key=KEY).code == 401
    assert stage.api.init(key=KEY).code == 200
    assert stage.api.init(key=KEY).code == 400
    assert stranger.probe("GET", "/api/conversations/count").code == 401
    stranger.close()
    conversation, _ = stage.create(*CALM)
    assert stage.run_to(conversation, "finished") == "finished"
    assert SECRET not in stage.log_tail()


def model_calls(stage: Stage) -> list:
    from tailproof.history.reader import History

    stage.recorder.sync()
    return History.load(stage.recorder.directory).model_calls
