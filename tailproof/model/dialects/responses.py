"""OpenAI Responses, `POST /responses` (platform.openai.com, API reference, Responses and its streaming events).

The real service can keep what was said; this model keeps nothing, so a request has to bring it along. Whoever names what was kept
is refused, but for items of a reply: their ids say what they stand for.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from tailproof.model.dialects import chat
from tailproof.model.dialects.dialect import (
    Body,
    Dialect,
    Refused,
    halves,
    identity,
    listed,
    named_event,
    plain,
    readable,
)
from tailproof.model.reply import MODEL, PROMPT_TOKENS, Call, Reply
from tailproof.model.request import Message, Request

_TEXT_ID = "msg_"
_CALL_ID = "fc_"
"""How the ids of items begin; behind this one stands the id of the tool call."""

_KEPT = ("previous_response_id", "conversation")
"""The parameters that name what the service keeps."""


def read(body: Body) -> Request:
    """`instructions`, then `input`: a text of the user, or items. What the model said in one reply is several items, and one
    message again. Raises Refused."""
    for name in _KEPT:
        if body.get(name):
            raise _refused(f"{name} is not supported", name)
    return Request(messages=list(_messages(body)), tools=bool(body.get("tools")), stream=bool(body.get("stream")))


def whole(reply: Reply) -> bytes:
    """A `response`."""
    return msgspec.json.encode(_completed(reply, _frame(reply)))


def stream(reply: Reply) -> Iterator[bytes]:
    """Events with names and numbers; the text and the arguments of each tool call in two pieces."""
    for number, (kind, fields) in enumerate(_events(reply)):
        yield named_event(kind, {"type": kind, "sequence_number": number, **fields})


DIALECT = Dialect(read=read, whole=whole, stream=stream, error=chat.error)


def _messages(body: Body) -> Iterator[Message]:
    if body.get("instructions"):
        yield Message(role="system", text=readable(body["instructions"]))
    given = body.get("input")
    if isinstance(given, str):
        yield Message(role="user", text=given)
    said = (_item(item) for item in listed(given))
    for replied, group in itertools.groupby(filter(None, said), key=lambda message: message.role == "assistant"):
        if replied:
            yield from _replies(group)
        else:
            yield from group


def _item(item: dict[str, Any]) -> Message | None:
    """What one item says; None for what says nothing to this model, as its reasoning."""
    match plain(item.get("type")) or "message":  # a message may leave out that it is one
        case "message":
            return Message(role=plain(item.get("role")), text=readable(item.get("content")))
        case "function_call":
            return Message(role="assistant", calls=[identity(item.get("call_id"))])
        case "function_call_output":
            output = readable(item.get("output"))
            return Message(role="tool", text=output, result_of=identity(item.get("call_id")))
        case "item_reference":
            return _referred(identity(item.get("id")))
        case _:
            return None


def _referred(name: str) -> Message:
    """Clients that trust in what is stored refer to the items of a reply instead of sending them again."""
    if name.startswith(_CALL_ID):
        return Message(role="assistant", calls=[name.removeprefix(_CALL_ID)])
    if name.startswith(_TEXT_ID):
        return Message(role="assistant")
    raise _refused("an item_reference to what is no text and no function_call of a reply is not supported", "input")


def _replies(parts: Iterable[Message]) -> Iterator[Message]:
    """Texts and calls that stand side by side, as whole replies. A reply has one text at most, and any number of calls."""
    text: str | None = None
    calls: list[str] = []
    for part in parts:
        if part.calls:
            calls += part.calls
            continue
        if text is not None:
            yield Message(role="assistant", text=text, calls=calls)
            calls = []
        text = part.text
    yield Message(role="assistant", text=text or "", calls=calls)


def _refused(says: str, parameter: str) -> Refused:
    sentence = f"{says}: this model keeps no state, send the whole input"
    return Refused(
        sentence, chat.error_that_says(sentence, "invalid_request_error", "unsupported_parameter", parameter)
    )


def _events(reply: Reply) -> Iterator[tuple[str, dict[str, Any]]]:
    frame = _frame(reply)
    begun = {**frame, "status": "in_progress", "output": [], "usage": None}
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    for index, item in enumerate(_items(reply)):
        at = {"item_id": item["id"], "output_index": index}
        empty: dict[str, Any] = {"content": []} if item["type"] == "message" else {"arguments": ""}
        yield (
            "response.output_item.added",
            {"output_index": index, "item": {**item, "status": "in_progress", **empty}},
        )
        yield from _text(at, reply.text) if item["type"] == "message" else _arguments(at, item["arguments"])
        yield "response.output_item.done", {"output_index": index, "item": item}
    yield "response.completed", {"response": _completed(reply, frame)}


def _text(at: dict[str, Any], text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    at = {**at, "content_index": 0}
    yield "response.content_part.added", {**at, "part": _part("")}
    for piece in halves(text):
        yield "response.output_text.delta", {**at, "delta": piece, "logprobs": []}
    yield "response.output_text.done", {**at, "text": text, "logprobs": []}
    yield "response.content_part.done", {**at, "part": _part(text)}


def _arguments(at: dict[str, Any], arguments: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for piece in halves(arguments):
        yield "response.function_call_arguments.delta", {**at, "delta": piece}
    yield "response.function_call_arguments.done", {**at, "arguments": arguments}


def _frame(reply: Reply) -> dict[str, Any]:
    """What a response says from its beginning to its end; what a request asked for is not repeated in it."""
    return {
        "id": f"resp_{reply.id}",
        "object": "response",
        "created_at": int(time.time()),
        "model": MODEL,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "store": False,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
    }


def _completed(reply: Reply, frame: dict[str, Any]) -> dict[str, Any]:
    usage = {
        "input_tokens": PROMPT_TOKENS,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": reply.tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": PROMPT_TOKENS + reply.tokens,
    }
    return {**frame, "status": "completed", "output": _items(reply), "usage": usage}


def _items(reply: Reply) -> list[dict[str, Any]]:
    calls = [_call(call) for call in reply.calls]
    return calls if calls and not reply.text else [_message(reply), *calls]


def _message(reply: Reply) -> dict[str, Any]:
    return {
        "id": f"{_TEXT_ID}{reply.id}",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [_part(reply.text)],
    }


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _call(call: Call) -> dict[str, Any]:
    return {
        "id": f"{_CALL_ID}{call.id}",
        "type": "function_call",
        "status": "completed",
        "call_id": call.id,
        "name": call.tool,
        "arguments": call.text,
    }
