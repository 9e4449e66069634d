"""Which reply of the script a request asks for."""

from __future__ import annotations

import re

from tailproof.model.request import Messages

_CALL_ID = re.compile(r"^call-(\d{1,9})-(\d{1,9})$")


def call_id(position: int, index: int, word: str = "call") -> str:
    """The id of tool call `index` of the reply at `position`. With another word it tells no position: replies are counted."""
    return f"{word}-{position}-{index}"


def position_of(messages: Messages) -> int:
    """The position of the reply that comes next, from the replies that the request already holds.

    Not from a counter: a request that is sent twice (a retry, a server that died before it stored the reply and asks again
    after its restart) then gets the same answer twice, and a reply that nobody kept is not skipped. Tool calls carry their
    position in their id, so a server that leaves older replies out of the request does not go back in the script.
    """
    position = 0
    for message in messages:
        if message.role != "assistant":
            continue
        told = [int(match[1]) for call in message.calls if (match := _CALL_ID.match(call))]
        position = max([position, *(number + 1 for number in told)]) if told else position + 1
    return position
