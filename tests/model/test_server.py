"""The scripted model over real HTTP."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from typing import Any

import httpx
import pytest

from tailproof.history.reader import History
from tailproof.history.recorder import Recorder
from tailproof.model import mcp
from tailproof.model.conversation import AFTER_THE_END, ASIDE, SIDE_REPLY, ChildScript, PlayedScript
from tailproof.model.script import Turn
from tailproof.model.server import ScriptedModel
from tailproof.waiting import Budget, DeadlineMissed

TOOLS = [{"type": "function", "function": {"name": "terminal"}}]
GO = {"role": "user", "content": "go"}


def play(model: ScriptedModel, *plans: dict[str, Any]) -> PlayedScript:
    return model.serve("c1", [Turn.model_validate(plan) for plan in plans], journal="/journal")


def ask(played: PlayedScript, *messages: dict[str, Any], **more: Any) -> httpx.Response:
    body = {"model": "mock", "messages": [GO, *messages], "tools": TOOLS, **more}
    with httpx.Client(trust_env=False, timeout=20) as client:
        return client.post(f"{played.url}/chat/completions", json=body)


def message(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200
    return dict(answer.json()["choices"][0]["message"])


def calls(recorder: Recorder, *stages: str) -> list[tuple[str, int]]:
    recorder.close()
    return [(call.stage, call.turn) for call in History.load(recorder.directory).model_calls if call.stage in stages]


def test_a_whole_script_is_played_turn_by_turn(model: ScriptedModel) -> None:
    played = play(model, {"tools": [{}, {"run": "true"}], "thought": "hm"}, {"finish": "all done"})
    first = message(ask(played))
    assert [call["function"]["name"] for call in first["tool_calls"]] == ["terminal", "terminal"]
    assert first["content"] == "hm"
    assert json.loads(first["tool_calls"][1]["function"]["arguments"]).keys() == {"command"}
    second = message(ask(played, first))
    assert [call["function"]["name"] for call in second["tool_calls"]] == ["finish"]
    assert message(ask(played, first, second))["content"] == AFTER_THE_END


def test_the_same_request_twice_gets_the_same_calls_under_a_new_reply_id(model: ScriptedModel) -> None:
    played = play(model, {"tools": [{}]}, {"finish": "all done"})
    one, two = ask(played), ask(played)
    assert message(one)["tool_calls"] == message(two)["tool_calls"]
    assert one.json()["id"] != two.json()["id"]


def test_a_failure_of_the_model_is_one_of_the_harness(
    model: ScriptedModel, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise KeyError("a defect")

    played = play(model, {"say": "hello"})
    monkeypatch.setattr(PlayedScript, "ask", fails)
    with pytest.raises(httpx.RemoteProtocolError):
        ask(played)
    model.close()
    recorder.close()
    (off,) = History.load(recorder.directory).break_offs
    assert (off.by, off.doing, off.says) == (
        "harness",
        "model",
        "the scripted model failed: KeyError: 'a defect'",
    )


def test_a_request_without_tools_does_not_advance(model: ScriptedModel, recorder: Recorder) -> None:
    played = play(model, {"say": "hello"})
    assert message(ask(played, tools=None))["content"] == SIDE_REPLY
    assert message(ask(played))["content"] == "hello"
    assert calls(recorder, "asked") == [("asked", -1), ("asked", 0)]


def test_a_held_reply_waits_until_it_is_released(model: ScriptedModel, recorder: Recorder) -> None:
    played = play(model, {"say": "hello", "hold": True})
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(ask(played)))
    asking.start()
    played.wait_called(0, Budget(10))
    assert answers == []
    played.release(0)
    asking.join(10)
    assert message(answers[0])["content"] == "hello"
    model.close()
    assert calls(recorder, "asked", "held", "answered") == [("asked", 0), ("held", 0), ("answered", 0)]


def test_a_reply_that_nobody_waits_for_is_recorded_as_broken(model: ScriptedModel, recorder: Recorder) -> None:
    played = play(model, {"say": "hello", "hold": True})
    body = json.dumps({"messages": [GO], "tools": TOOLS})
    connection = http.client.HTTPConnection("127.0.0.1", model.port, timeout=10)
    connection.request("POST", f"{played.url.removeprefix(model.url)}/chat/completions", body)
    played.wait_called(0, Budget(10))
    assert connection.sock is not None
    connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()
    played.release(0)
    model.close()
    assert calls(recorder, "answered", "broken") == [("broken", 0)]


def test_an_error_is_given_so_many_times_and_then_the_next_turn(model: ScriptedModel, recorder: Recorder) -> None:
    played = play(model, {"status": 500, "times": 2}, {"say": "hello"})
    assert [ask(played).status_code for _ in range(3)] == [500, 500, 200]
    # An answer is written down when it has gone out: whoever has it may be faster.
    model.close()
    recorder.close()
    answered = [call for call in History.load(recorder.directory).model_calls if call.stage == "answered"]
    assert [(call.turn, call.code) for call in answered] == [(0, 500), (0, 500), (1, 200)]


def test_an_error_without_a_number_lasts(model: ScriptedModel) -> None:
    played = play(model, {"status": 401}, {"say": "hello"})
    assert {ask(played).status_code for _ in range(4)} == {401}


def test_a_stream_carries_the_same_reply_in_chunks(model: ScriptedModel) -> None:
    played = play(model, {"tools": [{}], "thought": "let me see"})
    lines = [line for line in ask(played, stream=True).text.splitlines() if line]
    assert lines[-1] == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    assert "".join(delta.get("content", "") for delta in deltas) == "let me see"
    assert [delta["tool_calls"][0]["id"] for delta in deltas if "tool_calls" in delta] == ["call-0-0"]
    assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"


def test_the_results_of_tools_are_journaled(model: ScriptedModel, recorder: Recorder) -> None:
    played = play(model, {"tools": [{}]}, {"finish": "ok"})
    first = message(ask(played))
    ask(played, first, {"role": "tool", "tool_call_id": "call-0-0", "content": "it broke"})
    recorder.close()
    asked = [call for call in History.load(recorder.directory).model_calls if call.stage == "asked"]
    assert [call.results for call in asked] == [{}, {"call-0-0": "it broke"}]


def test_what_a_request_says_and_whether_its_calls_pair_is_journaled(model: ScriptedModel, recorder: Recorder) -> None:
    played = play(model, {"tools": [{}, {}]}, {"finish": "ok"})
    first = message(ask(played))
    late = {"role": "user", "content": [{"type": "text", "text": "and hurry"}]}
    ask(played, first, {"role": "tool", "tool_call_id": "call-0-0", "content": "done"}, late)
    recorder.close()
    asked = [call for call in History.load(recorder.directory).model_calls if call.stage == "asked"]
    assert [call.said for call in asked] == [["go"], ["go", "and hurry"]]
    assert [call.told for call in asked] == [0, 2]
    assert [call.unpaired for call in asked] == [[], ["the call call-0-1 has no result"]]


def test_a_side_request_is_not_held_to_the_loop(model: ScriptedModel, recorder: Recorder) -> None:
    played = play(model, {"tools": [{}]})
    orphan = {"role": "tool", "tool_call_id": "call-0-0", "content": "quoted without its call"}
    ask(played, orphan, tools=[])
    recorder.close()
    asked = [call for call in History.load(recorder.directory).model_calls if call.stage == "asked"]
    assert [(call.turn, call.said, call.unpaired) for call in asked] == [(-1, [], [])]


@pytest.mark.parametrize(
    "path",
    ["/c/unknown/v1/chat/completions", "/v1/chat/completions", "/c/c1/v1/completions", "/c/c1/v1/messages/batches"],
)
def test_an_unknown_route_is_not_found(model: ScriptedModel, path: str) -> None:
    play(model, {"say": "hello"})
    assert httpx.post(f"{model.url}{path}", json={}, trust_env=False).status_code == 404


def test_the_models_are_listed(model: ScriptedModel) -> None:
    played = play(model, {"say": "hello"})
    assert [entry["id"] for entry in httpx.get(f"{played.url}/models", trust_env=False).json()["data"]] == ["mock"]


def test_a_turn_that_is_never_asked_for_says_how_far_the_loop_came(model: ScriptedModel) -> None:
    played = play(model, {"tools": [{}]}, {"finish": "ok"})
    ask(played)
    with pytest.raises(DeadlineMissed, match="turn 2 of the script; last seen: turn 1 was asked for last"):
        played.wait_called(1, Budget(0.1))


@pytest.mark.parametrize("path", ["chat/completions", "responses", "messages"])
def test_a_stream_that_stalls_says_something_first_and_keeps_its_connection(
    model: ScriptedModel, recorder: Recorder, path: str
) -> None:
    played = play(model, {"fails": "stalls"})
    body = {"model": "mock", "messages": [GO], "input": "go", "tools": TOOLS, "stream": True}
    with (
        httpx.Client(trust_env=False, timeout=20) as client,
        client.stream("POST", f"{played.url}/{path}", json=body) as answer,
    ):
        lines = answer.iter_lines()
        first = next(line for line in lines if line.startswith("data: "))
        assert json.loads(first.removeprefix("data: "))
        assert next(line for line in lines if line.startswith(":")) == ": still here"
    model.close()
    assert calls(recorder, "asked", "stalled", "broken", "answered") == [("asked", 0), ("stalled", 0), ("broken", 0)]


@pytest.mark.parametrize("fails", ["silent", "stalls"])
def test_an_answer_that_never_comes_is_over_when_nobody_waits_for_it(
    model: ScriptedModel, recorder: Recorder, fails: str
) -> None:
    played = play(model, {"fails": fails, "times": 1}, {"say": "hello"})
    with httpx.Client(trust_env=False, timeout=0.5) as client, pytest.raises(httpx.ReadTimeout):
        client.post(f"{played.url}/chat/completions", json={"model": "mock", "messages": [GO], "tools": TOOLS})
    assert message(ask(played))["content"] == "hello"
    model.close()
    assert sorted(calls(recorder, "stalled", "broken", "answered")) == [("answered", 1), ("broken", 0), ("stalled", 0)]


def test_arguments_that_are_none_are_sent_as_they_stand(model: ScriptedModel) -> None:
    played = play(model, {"tools": [{"journal": False, "arguments": '{"command": "echo'}]})
    (call,) = message(ask(played))["tool_calls"]
    assert call["function"] == {"name": "terminal", "arguments": '{"command": "echo'}


def test_a_model_that_is_busy_says_when_to_come_back(model: ScriptedModel) -> None:
    answer = ask(play(model, {"status": 429, "retry_after_s": 2, "times": 1}, {"say": "hello"}))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")


def test_a_child_is_known_by_its_task_and_has_a_script_of_its_own(model: ScriptedModel, recorder: Recorder) -> None:
    quiet = recorder.witness("other")
    helper = PlayedScript(name="helper", url="", script=[Turn(say="my part")], journal="", witness=quiet)
    child = ChildScript(task="[helper] do it", tool="start", arguments={"task": "[helper] do it"}, played=helper)
    script = [Turn.model_validate({"tools": [{"child": "helper", "journal": False}]}), Turn(finish="all done")]
    played = model.serve("c1", script, journal="/journal", children={"helper": child})
    first = message(ask(played))
    assert [call["function"] for call in first["tool_calls"]] == [
        {"name": "start", "arguments": '{"task":"[helper] do it"}'}
    ]
    body = {"model": "mock", "messages": [{"role": "user", "content": "[helper] do it"}], "tools": TOOLS}
    with httpx.Client(trust_env=False, timeout=20) as client:
        assert message(client.post(f"{played.url}/chat/completions", json=body))["content"] == "my part"
    assert [call["function"]["name"] for call in message(ask(played, first))["tool_calls"]] == ["finish"]


def test_a_summary_is_refused_as_often_as_was_said_and_moves_nothing(model: ScriptedModel) -> None:
    played = model.serve("c1", [Turn(say="hello")], journal="/journal", aside_errors=2)
    asked = [ask(played, tools=[]) for _ in range(3)]
    assert [answer.status_code for answer in asked] == [500, 500, 200]
    assert message(asked[2])["content"] == SIDE_REPLY
    assert message(ask(played))["content"] == "hello"
    assert (played.asked(ASIDE), played.total()) == (3, 1)


def test_a_summary_can_be_held(model: ScriptedModel) -> None:
    played = play(model, {"say": "hello"})
    played.hold(ASIDE)
    got: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: got.append(ask(played, tools=[])))
    asking.start()
    played.wait_called(ASIDE, Budget(10))
    assert message(ask(played))["content"] == "hello"
    assert not got
    played.release(ASIDE)
    asking.join(10)
    assert message(got[0])["content"] == SIDE_REPLY


def test_the_tool_of_an_mcp_server_is_called_with_the_same_command(model: ScriptedModel) -> None:
    played = play(model, {"tools": [{"token": "one"}]}, {"tools": [{"token": "one", "mcp": True}]})
    first = message(ask(played))
    (terminal,), (other,) = first["tool_calls"], message(ask(played, first))["tool_calls"]
    assert other["function"]["name"] == mcp.TOOL
    command = json.loads(terminal["function"]["arguments"])["command"]
    assert json.loads(other["function"]["arguments"]) == mcp.arguments(command)


def test_the_model_says_how_risky_a_call_is_as_the_protocol_wants_it(model: ScriptedModel) -> None:
    risks = {"low": {"danger": 0}, "high": {"danger": 9}}
    script = [Turn.model_validate({"tools": [{"token": "one", "risk": "high"}, {"token": "two"}]})]
    played = model.serve("c1", script, journal="/journal", risks=risks)  # type: ignore[arg-type]
    risky, other = (json.loads(call["function"]["arguments"]) for call in message(ask(played))["tool_calls"])
    assert (risky["danger"], "danger" in other) == (9, False)
