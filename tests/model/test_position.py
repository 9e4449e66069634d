"""Which reply of the script a request asks for."""

from __future__ import annotations

from typing import Any

import pytest

from tailproof.model.position import call_id, position_of


def user(text: str = "go") -> dict[str, Any]:
    return {"role": "user", "content": text}


def calls(*positions: int) -> dict[str, Any]:
    return {"role": "assistant", "tool_calls": [{"id": call_id(position, 0)} for position in positions]}


def said() -> dict[str, Any]:
    return {"role": "assistant", "content": "hello"}


def result(position: int, text: Any = "done") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id(position, 0), "content": text}


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
        pytest.param([{"role": "assistant", "tool_calls": [{"id": "foreign"}]}], 1, id="a-foreign-call-counts-as-one"),
    ],
)
def test_position(messages: list[dict[str, Any]], position: int) -> None:
    assert position_of(messages) == position
