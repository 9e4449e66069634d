"""Which reply of the script a request asks for."""

from __future__ import annotations

import pytest

from tailproof.model.position import call_id, position_of
from tailproof.model.request import Message


def user() -> Message:
    return Message(role="user", text="go")


def calls(*positions: int) -> Message:
    return Message(role="assistant", calls=[call_id(position, 0) for position in positions])


def said() -> Message:
    return Message(role="assistant", text="hello")


def result(position: int) -> Message:
    return Message(role="tool", text="done", result_of=call_id(position, 0))


@pytest.mark.parametrize(
    ("messages", "position"),
    [
        pytest.param([user()], 0, id="the-first-request-gets-the-first-reply"),
        pytest.param([user(), calls(0), result(0)], 1, id="one-tool-call-behind-it"),
        pytest.param([user(), calls(0)], 1, id="a-reply-counts-even-without-its-result"),
        pytest.param([user(), said(), user()], 1, id="a-text-answer-counts"),
        pytest.param([user(), calls(0), result(0), said(), user()], 2, id="tools-then-text"),
        pytest.param([user(), calls(4), result(4)], 5, id="replies-left-out-of-the-request-do-not-go-back"),
        pytest.param([user(), calls(4), result(4), said()], 6, id="text-after-a-gap-counts-on"),
        pytest.param([Message(role="assistant", calls=["foreign"])], 1, id="a-foreign-call-counts-as-one"),
        pytest.param([Message(role="assistant", calls=["call-" + "9" * 6000 + "-0"])], 1, id="an-id-of-digits"),
    ],
)
def test_position(messages: list[Message], position: int) -> None:
    assert position_of(messages) == position
