"""What each dialect makes of a request, what it writes, and what it refuses."""

from __future__ import annotations

import json
import re
from typing import Any

import anthropic
import httpx
import openai
import pytest
from vendor_clients import anthropic_client, openai_client

from tailproof.history.reader import History
from tailproof.history.recorder import Recorder
from tailproof.model.conversation import PlayedScript
from tailproof.model.dialects import chat, messages, responses
from tailproof.model.reply import Call, Reply
from tailproof.model.request import Message
from tailproof.model.script import Turn
from tailproof.model.server import ScriptedModel

REPLY = Reply(
    id="reply-7",
    text="hello",
    calls=[Call(id="call-0-0", tool="terminal", arguments={"command": "ls"}), Call(id="c", tool="t", arguments={})],
)
TOOLS: Any = [{"type": "function", "name": "terminal", "parameters": {}, "strict": False}]


def play(model: ScriptedModel, *plans: dict[str, Any]) -> PlayedScript:
    return model.serve("c1", [Turn.model_validate(plan) for plan in plans], journal="/journal")


def user(text: str = "go") -> Message:
    return Message(role="user", text=text)


def calls(*ids: str, text: str = "") -> Message:
    return Message(role="assistant", text=text, calls=list(ids))


def result(call: str, text: str = "done") -> Message:
    return Message(role="tool", text=text, result_of=call)


def call_item(call: str) -> dict[str, str]:
    return {"type": "function_call", "call_id": call, "name": "terminal", "arguments": "{}"}


def output_item(call: str) -> dict[str, str]:
    return {"type": "function_call_output", "call_id": call, "output": "done"}


def text_item(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


@pytest.mark.parametrize(
    ("said", "read"),
    [
        pytest.param([{"role": "user", "content": "go"}], [user()], id="a-text"),
        pytest.param(
            [{"role": "user", "content": [{"type": "text", "text": "and"}, {"type": "image_url"}, {"text": "on"}]}],
            [user("and  on")],
            id="parts",
        ),
        pytest.param(
            [{"role": "assistant", "content": None, "tool_calls": [{"id": "a"}, 3, {"id": "b"}]}],
            [calls("a", "b")],
            id="calls",
        ),
        pytest.param([{"role": "assistant", "tool_calls": None}], [calls()], id="a-null-instead-of-calls"),
        pytest.param([{"role": "user", "tool_calls": [{"id": "a"}]}], [user("")], id="only-the-assistant-calls"),
        pytest.param(
            [{"role": "tool", "tool_call_id": "a", "content": [{"text": "one"}, {"text": "two"}]}],
            [result("a", "one two")],
            id="a-result-in-parts",
        ),
        pytest.param([{"role": "tool", "content": "done"}], [result("")], id="a-result-that-names-no-call"),
    ],
)
def test_chat_is_read(said: Any, read: list[Message]) -> None:
    assert chat.read({"messages": said}).messages == read


@pytest.mark.parametrize(
    ("said", "read"),
    [
        pytest.param("go", [user()], id="a-text"),
        pytest.param([{"role": "user", "content": "go"}], [user()], id="an-item-that-does-not-say-what-it-is"),
        pytest.param(
            [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "go"}]}],
            [user()],
            id="parts",
        ),
        pytest.param(
            [text_item("hm"), call_item("a"), call_item("b"), output_item("a"), output_item("b")],
            [calls("a", "b", text="hm"), result("a"), result("b")],
            id="a-text-and-its-calls-are-one-reply",
        ),
        pytest.param(
            [call_item("a"), text_item("hm"), output_item("a")],
            [calls("a", text="hm"), result("a")],
            id="whatever-their-order",
        ),
        pytest.param([text_item("one"), text_item("two")], [calls(text="one"), calls(text="two")], id="two-texts"),
        pytest.param(
            [text_item("one"), call_item("a"), text_item("two")],
            [calls("a", text="one"), calls(text="two")],
            id="the-second-text-begins-a-reply",
        ),
        pytest.param(
            [call_item("a"), output_item("a"), call_item("b"), output_item("b")],
            [calls("a"), result("a"), calls("b"), result("b")],
            id="results-in-between",
        ),
        pytest.param(
            [{"type": "reasoning", "summary": []}, call_item("a"), {"type": "reasoning"}, call_item("b")],
            [calls("a", "b")],
            id="reasoning-says-nothing",
        ),
        pytest.param(
            [{"type": "item_reference", "id": "msg_reply-0"}, {"type": "item_reference", "id": "fc_call-0-0"}],
            [calls("call-0-0")],
            id="references-to-items-of-a-reply",
        ),
    ],
)
def test_responses_are_read(said: Any, read: list[Message]) -> None:
    assert responses.read({"input": said}).messages == read


@pytest.mark.parametrize(
    ("said", "read"),
    [
        pytest.param([{"role": "user", "content": "go"}], [user()], id="a-text"),
        pytest.param([{"role": "user", "content": []}], [user("")], id="nothing"),
        pytest.param(
            [
                {
                    "role": "assistant",
                    "content": [
                        {"type": "text", "text": "hm"},
                        {"type": "tool_use", "id": "a"},
                        3,
                        {"type": "tool_use", "id": "b"},
                    ],
                }
            ],
            [calls("a", "b", text="hm")],
            id="a-text-and-calls",
        ),
        pytest.param(
            [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "done"}]}],
            [result("a")],
            id="a-result-alone-is-nothing-that-the-user-said",
        ),
        pytest.param(
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "done"}]},
                        {"type": "tool_result", "tool_use_id": "b", "content": "done", "is_error": True},
                        {"type": "text", "text": "hurry"},
                    ],
                }
            ],
            [result("a"), result("b"), user("hurry")],
            id="results-and-a-text",
        ),
    ],
)
def test_messages_are_read(said: Any, read: list[Message]) -> None:
    assert messages.read({"messages": said}).messages == read


@pytest.mark.parametrize(
    "dialect", [chat.DIALECT, responses.DIALECT, messages.DIALECT], ids=["chat", "responses", "messages"]
)
def test_tools_and_streams_are_asked_for(dialect: Any) -> None:
    bodies: list[dict[str, Any]] = [{}, {"tools": [], "stream": False}, {"tools": [{}], "stream": True}]
    asked = [dialect.read(body) for body in bodies]
    assert [(one.tools, one.stream) for one in asked] == [(False, False), (False, False), (True, True)]


def test_the_bytes_of_a_chat_stream() -> None:
    """The role stands in the first piece alone, as the real service has it: the vendor's helper joins what each piece says."""
    head = '{"id":"reply-7","object":"chat.completion.chunk","created":0,"model":"mock","choices":['
    called = '{"index":0,"delta":{"tool_calls":[{"index":%d,"id":"%s","type":"function","function":%s}]}'
    lines = re.sub(r'"created":\d+', '"created":0', b"".join(chat.stream(REPLY)).decode()).split("\n\n")
    assert {line.removeprefix("data: ").startswith(head) for line in lines[:-2]} == {True}
    assert [line.removeprefix(f"data: {head}") for line in lines] == [
        '{"index":0,"delta":{"role":"assistant","content":"he"},"finish_reason":null}]}',
        '{"index":0,"delta":{"content":"llo"},"finish_reason":null}]}',
        called % (0, "call-0-0", r'{"name":"terminal","arguments":"{\"command\":\"ls\"}"}')
        + ',"finish_reason":null}]}',
        called % (1, "c", '{"name":"t","arguments":"{}"}') + ',"finish_reason":null}]}',
        '{"index":0,"delta":{},"finish_reason":"tool_calls"}]}',
        '],"usage":{"prompt_tokens":10,"completion_tokens":1,"total_tokens":11}}',
        "data: [DONE]",
        "",
    ]


def events(stream: bytes) -> list[dict[str, Any]]:
    """The data of each event, whose name has to be its type."""
    found = []
    for event in stream.decode().removesuffix("\n\n").split("\n\n"):
        name, data = event.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


def test_the_events_of_a_streamed_response() -> None:
    told = events(b"".join(responses.stream(REPLY)))
    argued = ["function_call_arguments.delta"] * 2 + ["function_call_arguments.done"]
    assert [event["type"].removeprefix("response.") for event in told] == [
        "created",
        "in_progress",
        *("output_item.added", "content_part.added", "output_text.delta", "output_text.delta", "output_text.done"),
        *("content_part.done", "output_item.done"),
        *("output_item.added", *argued, "output_item.done"),
        *("output_item.added", *argued, "output_item.done"),
        "completed",
    ]
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    assert [event.get("output_index") for event in told] == [None] * 2 + [0] * 7 + [1] * 5 + [2] * 5 + [None]
    assert [event["item"]["status"] for event in told if "item" in event] == ["in_progress", "completed"] * 3
    assert told[-1]["response"]["output"] == [event["item"] for event in told if event["type"].endswith("item.done")]
    assert {**told[-1]["response"], "created_at": 0} == {**json.loads(responses.whole(REPLY)), "created_at": 0}


def test_the_events_of_a_streamed_message() -> None:
    told = events(b"".join(messages.stream(REPLY)))
    block = ["content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"]
    assert [event["type"] for event in told] == ["message_start", *block * 3, "message_delta", "message_stop"]
    assert (told[0]["message"]["content"], told[0]["message"]["stop_reason"]) == ([], None)
    assert [event.get("index") for event in told] == [None] + [0] * 4 + [1] * 4 + [2] * 4 + [None] * 2
    kinds = [event["delta"].get("type") for event in told if event["type"] == "content_block_delta"]
    assert kinds == ["text_delta"] * 2 + ["input_json_delta"] * 4


def test_a_reply_of_no_text_is_one_all_the_same() -> None:
    empty = Reply(id="reply-7", text="")
    (item,) = json.loads(responses.whole(empty))["output"]
    assert item["content"][0]["text"] == ""
    assert json.loads(messages.whole(empty))["content"] == []
    assert events(b"".join(responses.stream(empty)))[-1]["type"] == "response.completed"
    assert events(b"".join(messages.stream(empty)))[-1]["type"] == "message_stop"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (404, "not_found_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
    ],
)
def test_errors_of_messages_have_their_types(code: int, kind: str) -> None:
    body = json.loads(messages.error(code))
    assert (body["type"], body["error"]["type"]) == ("error", kind)


@pytest.mark.parametrize("kept", [{"previous_response_id": "resp_reply-0"}, {"conversation": "conv_1"}], ids=str)
def test_a_response_that_builds_on_a_kept_one_is_refused(
    kept: dict[str, Any], model: ScriptedModel, recorder: Recorder
) -> None:
    (name,) = kept
    played = play(model, {"say": "hello"})
    with openai_client(played.url) as client, pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="mock", input="go", tools=TOOLS, **kept)
    assert (caught.value.type, caught.value.code, caught.value.param) == (
        "invalid_request_error",
        "unsupported_parameter",
        name,
    )
    says = f"{name} is not supported: this model keeps no state, send the whole input"
    assert says in caught.value.message
    recorder.close()
    history = History.load(recorder.directory)
    assert [note.text for note in history.notes] == [f"the scripted model refused a request: {says}"]
    assert history.model_calls == []


def test_a_reference_to_an_item_that_tells_nothing_is_refused(model: ScriptedModel) -> None:
    played = play(model, {"say": "hello"})
    referred: Any = [{"type": "item_reference", "id": "rs_1"}]
    with openai_client(played.url) as client, pytest.raises(openai.BadRequestError, match="keeps no state") as caught:
        client.responses.create(model="mock", input=referred, tools=TOOLS)
    assert caught.value.param == "input"


def test_a_client_that_refers_to_items_goes_on_in_the_script(model: ScriptedModel, recorder: Recorder) -> None:
    played = play(model, {"tools": [{}, {}], "thought": "hm"}, {"say": "bye"})
    items: Any = [{"role": "user", "content": "go"}]
    with openai_client(played.url) as client:
        first = client.responses.create(model="mock", input=items, tools=TOOLS)
        items += [{"type": "item_reference", "id": item.id} for item in first.output]
        items += [output_item("call-0-0"), output_item("call-0-1")]
        assert client.responses.create(model="mock", input=items, tools=TOOLS).output_text == "bye"
    recorder.close()
    asked = [call for call in History.load(recorder.directory).model_calls if call.stage == "asked"]
    assert [(call.turn, call.told, call.unpaired) for call in asked] == [(0, 0, []), (1, 2, [])]


def test_an_address_may_have_a_query(model: ScriptedModel) -> None:
    """Clients of Anthropic's beta API have asked at `/v1/messages?beta=true`."""
    played = play(model, {"say": "hello"})
    said: Any = [{"role": "user", "content": "go"}]
    with anthropic_client(played.url) as client:
        answer = client.messages.create(model="mock", max_tokens=9, messages=said, extra_query={"beta": "true"})
    assert answer.stop_reason == "end_turn"


def test_a_conversation_that_is_not_there_is_not_found_in_each_dialect(model: ScriptedModel) -> None:
    url = f"{model.url}/c/unknown/v1"
    said: Any = [{"role": "user", "content": "go"}]
    with openai_client(url) as client:
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="mock", messages=said)
        with pytest.raises(openai.NotFoundError):
            client.responses.create(model="mock", input="go")
    with anthropic_client(url) as client, pytest.raises(anthropic.NotFoundError) as caught:
        client.messages.create(model="mock", max_tokens=9, messages=said)
    assert "not_found_error" in str(caught.value)


def test_what_is_no_json_is_refused_in_the_shape_of_the_dialect(model: ScriptedModel) -> None:
    played = play(model, {"say": "hello"})
    answers = [
        httpx.post(f"{played.url}{path}", content=b"[", trust_env=False)
        for path in ("/chat/completions", "/responses", "/messages")
    ]
    assert [answer.status_code for answer in answers] == [400] * 3
    assert [answer.json()["error"]["type"] for answer in answers] == [
        "server_error",
        "server_error",
        "invalid_request_error",
    ]
