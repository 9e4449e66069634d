"""Which reply of the script a request asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_CALL_ID = re.compile(r"^call-(\d{1,9})-(\d{1,9})$")


def call_id(position: int, index: int, word: str = "call") -> str:
    """The id of tool call `index` of the reply at `position`. With another word it tells no position: replies are counted."""
    return f"{word}-{position}-{index}"


def position_of(messages: Sequence[Mapping[str, Any]]) -> int:
    """The position of the reply that comes next, from the replies that the request already holds.

    Not from a counter: a request that is sent twice (a retry, a server that died before it stored the reply and asks again
    after its restart) then gets the same answer twice, and a reply that nobody kept is not skipped. Tool calls carry their
    position in their id, so a server that leaves older replies out of the request does not go back in the script.
    """
    position = 0
    for message in messages:
        if message.get("role") != "assistant":
            continue
        calls = message.get("tool_calls")
        ids = [_id(call) for call in calls] if isinstance(calls, list) else []
        told = [int(match[1]) for identity in ids if (match := _CALL_ID.match(identity))]
        position = max([position, *(number + 1 for number in told)]) if told else position + 1
    return position


def _id(call: Any) -> str:
    return str(call.get("id", "")) if isinstance(call, dict) else ""
