"""What a request to the model holds: what the user said, and how its tool calls and their results belong together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tailproof.incoming.limits import WORD_CHARS
from tailproof.outgoing.masking import Masker

CHARS = 200
"""How much of a text is kept."""
ID_CHARS = 60
SAID_AT_MOST = 100
"""A conversation of thousands of messages is told whole in every request: the history keeps the last of them."""
UNPAIRED_AT_MOST = 20

Messages = Sequence[Mapping[str, Any]]


def said_in(messages: Messages, masker: Masker) -> list[str]:
    """The first 200 characters of each user message, in their order; of the last hundred when there are more."""
    said = [_kept(message, masker) for message in messages if message.get("role") == "user"]
    return said[-SAID_AT_MOST:]


def told_in(messages: Messages) -> int:
    """How many tool calls the messages of the assistant hold."""
    return sum(len(_calls(message)) for message in messages)


def results_in(messages: Messages, masker: Masker) -> dict[str, str]:
    """Tool call id -> the first 200 characters of the (last) result that stands there for it."""
    return {
        masker.cut(str(message.get("tool_call_id", "")), WORD_CHARS): _kept(message, masker)
        for message in messages
        if message.get("role") == "tool"
    }


def unpaired_in(messages: Messages, masker: Masker) -> list[str]:
    """One sentence for each tool call without a result, result without a call before it, and call or result that stands there
    twice. None when every call has exactly one result behind it."""
    found = list(_unpaired(messages, masker))
    if len(found) > UNPAIRED_AT_MOST:
        found[UNPAIRED_AT_MOST:] = [f"... and {len(found) - UNPAIRED_AT_MOST} more"]
    return found


def _unpaired(messages: Messages, masker: Masker) -> Iterator[str]:
    called: set[str] = set()
    answered: set[str] = set()
    for message in messages:
        for call in _calls(message):
            if call in called:
                yield f"the call {masker.cut(call, ID_CHARS)} stands there twice"
            called.add(call)
        if message.get("role") != "tool":
            continue
        call = str(message.get("tool_call_id") or "")
        if call not in called:
            yield f"the result of {masker.cut(call, ID_CHARS) or 'no call at all'} stands there without its call"
        elif call in answered:
            yield f"the result of {masker.cut(call, ID_CHARS)} stands there twice"
        else:
            answered.add(call)
    yield from (f"the call {masker.cut(call, ID_CHARS)} has no result" for call in sorted(called - answered))


def _calls(message: Mapping[str, Any]) -> list[str]:
    """The ids of the tool calls of a message; none for one that is not the assistant's."""
    if message.get("role") != "assistant":
        return []
    calls = message.get("tool_calls")
    return [str(call.get("id") or "") for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []


def _kept(message: Mapping[str, Any], masker: Masker) -> str:
    text = _readable(message.get("content"))
    # What is not cut is looked through when it is written, with everything else.
    return text if len(text) <= CHARS else masker.cut(text, CHARS)


def _readable(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return " ".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))
