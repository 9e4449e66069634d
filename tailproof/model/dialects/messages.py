"""Anthropic Messages, `POST /messages` (docs.anthropic.com, API reference: Messages, Streaming messages, Errors)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from tailproof.model.dialects.dialect import (
    Body,
    Dialect,
    halves,
    identity,
    listed,
    named_event,
    plain,
    readable,
)
from tailproof.model.reply import MODEL, PROMPT_TOKENS, Call, Reply
from tailproof.model.request import Message, Request

_ERRORS = {
    400: ("Bad request", "invalid_request_error"),
    401: ("invalid x-api-key", "authentication_error"),
    404: ("Not found", "not_found_error"),
    429: ("Rate limit reached", "rate_limit_error"),
    529: ("Overloaded", "overloaded_error"),
}
"""Message and type of the real service: client libraries tell errors apart by the type."""


def read(body: Body) -> Request:
    """`system`, then `messages`. The results of tools are blocks of a user's message, which says something itself only when it has
    other blocks, too."""
    return Request(messages=list(_messages(body)), tools=bool(body.get("tools")), stream=bool(body.get("stream")))


def whole(reply: Reply) -> bytes:
    """A `message`."""
    return msgspec.json.encode(
        {
            **_frame(reply),
            "content": _blocks(reply),
            "stop_reason": _ending(reply),
            "usage": {**_usage(), "output_tokens": reply.tokens},
        }
    )


def stream(reply: Reply) -> Iterator[bytes]:
    """Events with names; the text and the input of each tool call in two pieces."""
    for kind, fields in _events(reply):
        yield named_event(kind, {"type": kind, **fields})


def error(code: int) -> bytes:
    """What an HTTP error of the model says."""
    message, kind = _ERRORS.get(code, ("Internal server error", "api_error"))
    says = f"{message}: the script answers {code} here"
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": says}, "request_id": None})


DIALECT = Dialect(read=read, whole=whole, stream=stream, error=error)


def _messages(body: Body) -> Iterator[Message]:
    if body.get("system"):
        yield Message(role="system", text=readable(body["system"]))
    for message in listed(body.get("messages")):
        role, content = plain(message.get("role")), message.get("content")
        if role == "assistant":
            yield _of_the_assistant(content)
        elif role == "user" and isinstance(content, list):
            yield from _of_a_user(content)
        else:
            yield Message(role=role, text=readable(content))


def _of_the_assistant(content: Any) -> Message:
    if isinstance(content, str):
        return Message(role="assistant", text=content)
    calls = [identity(block.get("id")) for block in listed(content) if block.get("type") == "tool_use"]
    others = [block for block in listed(content) if block.get("type") != "tool_use"]
    return Message(role="assistant", text=readable(others), calls=calls)


def _of_a_user(blocks: list[Any]) -> Iterator[Message]:
    others = []
    for block in blocks:
        if isinstance(block, dict) and block.get("type") == "tool_result":
            call = identity(block.get("tool_use_id"))
            yield Message(role="tool", text=readable(block.get("content")), result_of=call)
        else:
            others.append(block)
    if others or not blocks:
        yield Message(role="user", text=readable(others))


def _events(reply: Reply) -> Iterator[tuple[str, dict[str, Any]]]:
    begun = {**_frame(reply), "content": [], "stop_reason": None, "usage": {**_usage(), "output_tokens": 1}}
    yield "message_start", {"message": begun}
    for index, block in enumerate(_blocks(reply)):
        if block["type"] == "text":
            empty = {**block, "text": ""}
            deltas = [{"type": "text_delta", "text": piece} for piece in halves(block["text"])]
        else:
            empty = {**block, "input": {}}
            given = block["input"]
            pieces = halves(given if isinstance(given, str) else msgspec.json.encode(given).decode())
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        yield "content_block_start", {"index": index, "content_block": empty}
        for delta in deltas:
            yield "content_block_delta", {"index": index, "delta": delta}
        yield "content_block_stop", {"index": index}
    ending = {"stop_reason": _ending(reply), "stop_sequence": None}
    yield "message_delta", {"delta": ending, "usage": {"output_tokens": reply.tokens}}
    yield "message_stop", {}


def _frame(reply: Reply) -> dict[str, Any]:
    return {"id": f"msg_{reply.id}", "type": "message", "role": "assistant", "model": MODEL, "stop_sequence": None}


def _blocks(reply: Reply) -> list[dict[str, Any]]:
    # No block for no text: the real service refuses an empty one when it is sent back.
    text = [{"type": "text", "text": reply.text}] if reply.text else []
    return [*text, *map(_tool_use, reply.calls)]


def _tool_use(call: Call) -> dict[str, Any]:
    # This vendor's input is an object, never a text that has to be parsed: what is none is sent as what it is.
    given = call.arguments if call.broken is None else call.broken
    return {"type": "tool_use", "id": call.id, "name": call.tool, "input": given}


def _ending(reply: Reply) -> str:
    return "tool_use" if reply.calls else "end_turn"


def _usage() -> dict[str, int]:
    return {"input_tokens": PROMPT_TOKENS, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
