"""What a request to the model holds: what the user said, and how its tool calls and their results belong together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tailproof.incoming.limits import WORD_CHARS
from tailproof.outgoing.masking import Masker

CHARS = 200
"""How much of a text is kept."""
ID_CHARS = 60
SAID_AT_MOST = 100
"""A conversation of thousands of messages is told whole in every request: the history keeps the last of them."""
UNPAIRED_AT_MOST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a request, in whatever dialect it came."""

    role: str
    """`user`, `assistant`, or `tool` for the result of one tool call. Others are counted and not looked at."""
    text: str = ""
    calls: Sequence[str] = ()
    """The ids of its tool calls; only the assistant's has some."""
    result_of: str = ""
    """Of a result, the id of its tool call."""


Messages = Sequence[Message]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody asks the model."""

    messages: Messages
    tools: bool
    """Tools are offered. Without them it is a side request (a title, a summary) and none of the agent's loop."""
    stream: bool
    """The answer is wanted as a stream."""


def said_in(messages: Messages, masker: Masker) -> list[str]:
    """The first 200 characters of each user message, in their order; of the last hundred when there are more."""
    said = [_kept(message, masker) for message in messages if message.role == "user"]
    return said[-SAID_AT_MOST:]


def told_in(messages: Messages) -> int:
    """How many tool calls the messages of the assistant hold."""
    return sum(len(message.calls) for message in messages)


def results_in(messages: Messages, masker: Masker) -> dict[str, str]:
    """Tool call id -> the first 200 characters of the (last) result that stands there for it."""
    return {
        masker.cut(message.result_of, WORD_CHARS): _kept(message, masker)
        for message in messages
        if message.role == "tool"
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
        for call in message.calls:
            if call in called:
                yield f"the call {masker.cut(call, ID_CHARS)} stands there twice"
            called.add(call)
        if message.role != "tool":
            continue
        call = message.result_of
        if call not in called:
            yield f"the result of {masker.cut(call, ID_CHARS) or 'no call at all'} stands there without its call"
        elif call in answered:
            yield f"the result of {masker.cut(call, ID_CHARS)} stands there twice"
        else:
            answered.add(call)
    yield from (f"the call {masker.cut(call, ID_CHARS)} has no result" for call in sorted(called - answered))


def _kept(message: Message, masker: Masker) -> str:
    # What is not cut is looked through when it is written, with everything else.
    return message.text if len(message.text) <= CHARS else masker.cut(message.text, CHARS)
