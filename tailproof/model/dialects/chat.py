"""OpenAI chat completions, `POST /chat/completions` (platform.openai.com, API reference, Chat Completions)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import msgspec

from tailproof.model.dialects.dialect import Body, Dialect, halves, identity, listed, plain, readable
from tailproof.model.reply import MODEL, PROMPT_TOKENS, Call, Reply
from tailproof.model.request import Message, Request

_ERRORS = {
    401: ("Incorrect API key provided", "invalid_request_error", "invalid_api_key"),
    429: ("Rate limit reached", "rate_limit_error", "rate_limit_exceeded"),
}
"""Message, type and code of the real service: client libraries tell errors apart by these words."""


def read(body: Body) -> Request:
    """`messages` as they stand: the result of a tool is a message of the role `tool`."""
    messages = [_message(message) for message in listed(body.get("messages"))]
    return Request(messages=messages, tools=bool(body.get("tools")), stream=bool(body.get("stream")))


def whole(reply: Reply) -> bytes:
    """A `chat.completion`."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text}
    if reply.calls:
        message["tool_calls"] = [_call(call) for call in reply.calls]
    choice = {"index": 0, "message": message, "finish_reason": _ending(reply)}
    return msgspec.json.encode({**_frame(reply, "chat.completion"), "choices": [choice], "usage": _usage(reply)})


def stream(reply: Reply) -> Iterator[bytes]:
    """Events without names: text in two pieces, each tool call in one, the end, the usage, `[DONE]`. The first says who speaks."""
    deltas: list[dict[str, Any]] = [{"content": piece} for piece in halves(reply.text)]
    deltas += [{"tool_calls": [{"index": index, **_call(call)}]} for index, call in enumerate(reply.calls)]
    for number, delta in enumerate(deltas):
        yield _chunk(reply, delta if number else {"role": "assistant", **delta})
    yield _chunk(reply, {}, ending=_ending(reply))
    yield _event({**_frame(reply, "chat.completion.chunk"), "choices": [], "usage": _usage(reply)})
    yield b"data: [DONE]\n\n"


def error(code: int) -> bytes:
    """What an HTTP error of the model says."""
    message, kind, name = _ERRORS.get(code, ("The server had an error", "server_error", str(code)))
    return error_that_says(f"{message}: the script answers {code} here", kind, name)


def error_that_says(says: str, kind: str, name: str, parameter: str | None = None) -> bytes:
    """An error of this vendor, who has one shape for all of its APIs."""
    return msgspec.json.encode({"error": {"message": says, "type": kind, "code": name, "param": parameter}})


def models() -> bytes:
    """The list of models."""
    return msgspec.json.encode({"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "tailproof"}]})


DIALECT = Dialect(read=read, whole=whole, stream=stream, error=error)


def _message(message: dict[str, Any]) -> Message:
    role, text = plain(message.get("role")), readable(message.get("content"))
    if role == "assistant":
        calls = [identity(call.get("id")) for call in listed(message.get("tool_calls"))]
        return Message(role=role, text=text, calls=calls)
    if role == "tool":
        return Message(role=role, text=text, result_of=identity(message.get("tool_call_id")))
    return Message(role=role, text=text)


def _ending(reply: Reply) -> str:
    return "tool_calls" if reply.calls else "stop"


def _frame(reply: Reply, kind: str) -> dict[str, Any]:
    return {"id": reply.id, "object": kind, "created": int(time.time()), "model": MODEL}


def _chunk(reply: Reply, delta: dict[str, Any], ending: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": ending}
    return _event({**_frame(reply, "chat.completion.chunk"), "choices": [choice]})


def _call(call: Call) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.tool, "arguments": call.text}}


def _usage(reply: Reply) -> dict[str, int]:
    return {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": reply.tokens,
        "total_tokens": PROMPT_TOKENS + reply.tokens,
    }


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(body) + b"\n\n"
