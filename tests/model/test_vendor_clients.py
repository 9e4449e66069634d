"""A script is played to the vendors' own clients, in each dialect, streamed and not; what the history says does not tell the dialect."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from vendor_clients import Conversation, Heard, conversation

from tailproof.history.reader import History
from tailproof.history.recorder import Recorder
from tailproof.history.records import ModelCall
from tailproof.model.conversation import SIDE_REPLY, PlayedScript
from tailproof.model.script import Turn
from tailproof.model.server import ScriptedModel
from tailproof.waiting import Budget

DIALECTS = ("chat", "responses", "messages")
Open = Callable[[PlayedScript], Conversation]

pytestmark = [
    pytest.mark.parametrize("dialect", DIALECTS),
    pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"]),
]


@pytest.fixture
def opened(dialect: str) -> Iterator[Open]:
    with ExitStack() as stack:
        yield lambda played: stack.enter_context(conversation(dialect, played.url))


def play(model: ScriptedModel, *plans: dict[str, Any]) -> PlayedScript:
    return model.serve("c1", [Turn.model_validate(plan) for plan in plans], journal="/journal")


def commands(*lines: str) -> list[dict[str, Any]]:
    return [{"run": line, "journal": False} for line in lines]


def asked(model: ScriptedModel, recorder: Recorder) -> list[ModelCall]:
    model.close()
    recorder.close()
    return [call for call in History.load(recorder.directory).model_calls if call.stage == "asked"]


def test_a_text(model: ScriptedModel, opened: Open, stream: bool) -> None:
    text = "Hellö, \N{WAVING HAND SIGN} world"
    chat = opened(play(model, {"say": text}))
    chat.say("go")
    heard = chat.ask(stream=stream)
    assert (heard.text, heard.calls, heard.ending) == (text, [], chat.ENDINGS[1])
    assert heard.tokens == (10, len(text) // 4)


def test_several_calls_then_their_results_then_the_end(model: ScriptedModel, opened: Open, stream: bool) -> None:
    script = {"tools": commands("echo 'ä \"b\"'", "true"), "thought": "hm"}, {"finish": "all done"}
    chat = opened(play(model, *script))
    chat.say("go")
    first = chat.ask(stream=stream)
    assert (first.text, first.ending) == ("hm", chat.ENDINGS[0])
    assert first.calls == [
        ("call-0-0", "terminal", {"command": "echo 'ä \"b\"'"}),
        ("call-0-1", "terminal", {"command": "true"}),
    ]
    chat.result("call-0-0", "one")
    chat.result("call-0-1", "two")
    second = chat.ask(stream=stream)
    assert (second.text, second.ending) == ("", chat.ENDINGS[0])
    assert second.calls == [("call-1-0", "finish", {"message": "all done"})]


def test_a_conversation_goes_on_after_a_text(model: ScriptedModel, opened: Open, stream: bool) -> None:
    chat = opened(play(model, {"say": "hello"}, {"tools": commands("true")}, {"say": "bye"}))
    heard = []
    for text in ("go", "and on"):
        chat.say(text)
        heard.append(chat.ask(stream=stream))
    chat.result("call-1-0", "done")
    heard.append(chat.ask(stream=stream))
    assert [(one.text, [call[0] for call in one.calls]) for one in heard] == [
        ("hello", []),
        ("", ["call-1-0"]),
        ("bye", []),
    ]


def test_the_same_request_twice_gets_the_same_calls_under_a_new_id(
    model: ScriptedModel, opened: Open, stream: bool
) -> None:
    played = play(model, {"tools": commands("true")})
    heard = []
    for chat in (opened(played), opened(played)):
        chat.say("go")
        heard.append(chat.ask(stream=stream))
    assert heard[0].calls == heard[1].calls
    assert heard[0].id != heard[1].id


@pytest.mark.parametrize("code", [401, 429, 500, 529])
def test_an_error_of_the_script_is_the_vendors(model: ScriptedModel, opened: Open, stream: bool, code: int) -> None:
    chat = opened(play(model, {"status": code, "times": 1}, {"say": "hello"}))
    chat.say("go")
    with pytest.raises(chat.ERRORS[code], match=f"the script answers {code} here"):
        chat.ask(stream=stream)
    assert chat.ask(stream=stream).text == "hello"


def test_an_answer_that_is_cut_off_is_none(
    model: ScriptedModel, recorder: Recorder, opened: Open, stream: bool
) -> None:
    chat = opened(play(model, {"fails": "cut", "times": 1}, {"say": "hello"}))
    chat.say("go")
    with pytest.raises(Exception, match=r"Connection error|incomplete chunked read"):
        chat.ask(stream=stream)
    assert chat.ask(stream=stream).text == "hello"
    model.close()
    recorder.close()
    calls = History.load(recorder.directory).model_calls
    assert [(call.stage, call.turn, call.code) for call in calls if call.stage != "asked"] == [
        ("broken", 0, 0),
        ("answered", 1, 200),
    ]


def test_a_call_of_another_tool(model: ScriptedModel, opened: Open, stream: bool) -> None:
    chat = opened(play(model, {"tools": [{"run": "true", "journal": False, "tool": "magic"}]}))
    chat.say("go")
    assert chat.ask(stream=stream).calls == [("call-0-0", "magic", {"command": "true"})]


def test_two_calls_with_one_id(model: ScriptedModel, opened: Open, dialect: str, stream: bool) -> None:
    first, second = commands("true", "false")
    chat = opened(play(model, {"tools": [first, {**second, "same_id": True}]}))
    chat.say("go")
    if (dialect, stream) == ("responses", True):  # the one client that looks
        with pytest.raises(RuntimeError, match="conflicting output identities"):
            chat.ask(stream=stream)
    else:
        assert [call[0] for call in chat.ask(stream=stream).calls] == ["call-0-0", "call-0-0"]


def test_a_request_without_tools_does_not_advance(
    model: ScriptedModel, recorder: Recorder, opened: Open, stream: bool
) -> None:
    played = play(model, {"say": "hello"})
    side, chat = opened(played), opened(played)
    side.say("a title, please")
    side.result("call-0-0", "quoted without its call")
    assert side.ask(stream=stream, tools=False).text == SIDE_REPLY
    chat.say("go")
    assert chat.ask(stream=stream).text == "hello"
    told = [(call.turn, call.said, call.unpaired) for call in asked(model, recorder)]
    assert told == [(-1, [], []), (0, ["go"], [])]


def test_a_held_reply_waits_until_it_is_released(
    model: ScriptedModel, recorder: Recorder, opened: Open, stream: bool
) -> None:
    played = play(model, {"say": "hello", "hold": True})
    chat = opened(played)
    chat.say("go")
    heard: list[Heard] = []
    asking = threading.Thread(target=lambda: heard.append(chat.ask(stream=stream)))
    asking.start()
    played.wait_called(0, Budget(10))
    assert heard == []
    played.release(0)
    asking.join(10)
    assert [one.text for one in heard] == ["hello"]
    model.close()
    recorder.close()
    stages = [call.stage for call in History.load(recorder.directory).model_calls]
    assert stages == ["asked", "held", "answered"]


def test_the_history_says_the_same_in_every_dialect(
    model: ScriptedModel, recorder: Recorder, opened: Open, stream: bool
) -> None:
    script = {"tools": commands("a", "b"), "thought": "hm"}, {"say": "hello"}, {"finish": "all done"}
    chat = opened(play(model, *script))
    chat.say("go")
    chat.ask(stream=stream)
    chat.result("call-0-1", "two")
    chat.result("call-0-0", "one")
    chat.say("and hurry")
    chat.ask(stream=stream)
    chat.say("more")
    chat.ask(stream=stream)
    results = {"call-0-0": "one", "call-0-1": "two"}
    calls = asked(model, recorder)
    assert [(call.turn, call.messages, call.told, call.unpaired) for call in calls] == [
        (0, 2, 0, []),
        (1, 6, 2, []),
        (2, 8, 2, []),
    ]
    assert [(call.said, call.results) for call in calls] == [
        (["go"], {}),
        (["go", "and hurry"], results),
        (["go", "and hurry", "more"], results),
    ]


def test_calls_and_results_that_do_not_pair_are_found_in_every_dialect(
    model: ScriptedModel, recorder: Recorder, opened: Open, stream: bool
) -> None:
    chat = opened(play(model, {"tools": commands("a", "b")}, {"finish": "all done"}))
    chat.say("go")
    chat.ask(stream=stream)
    for call in ("call-0-0", "call-0-0", "call-7-0"):
        chat.result(call, "done")
    chat.ask(stream=stream)
    assert asked(model, recorder)[-1].unpaired == [
        "the result of call-0-0 stands there twice",
        "the result of call-7-0 stands there without its call",
        "the call call-0-1 has no result",
    ]
