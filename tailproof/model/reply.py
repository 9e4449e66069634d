"""The bodies of the OpenAI chat completions protocol: whole, or as a stream of chunks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

MODEL = "mock"
FINISH_TOOL = "finish"
TERMINAL_TOOL = "terminal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One tool call of a reply."""

    id: str
    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the model answers."""

    id: str
    """Unique per answer: servers tell by it which tool calls came together."""
    text: str
    calls: Sequence[Call] = ()

    def whole(self) -> bytes:
        """A `chat.completion`."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text}
        if self.calls:
            message["tool_calls"] = [_call(call) for call in self.calls]
        choice = {"index": 0, "message": message, "finish_reason": self._ending}
        return msgspec.json.encode({**self._frame("chat.completion"), "choices": [choice], "usage": _usage(self.text)})

    def chunks(self) -> Iterator[bytes]:
        """Server-sent events: text in two pieces, each tool call in one, the end, the usage, `[DONE]`."""
        middle = len(self.text) // 2
        for piece in (self.text[:middle], self.text[middle:]):
            if piece:
                yield self._chunk({"role": "assistant", "content": piece})
        for index, call in enumerate(self.calls):
            yield self._chunk({"role": "assistant", "tool_calls": [{"index": index, **_call(call)}]})
        yield self._chunk({}, ending=self._ending)
        yield _event({**self._frame("chat.completion.chunk"), "choices": [], "usage": _usage(self.text)})
        yield b"data: [DONE]\n\n"

    @property
    def _ending(self) -> str:
        return "tool_calls" if self.calls else "stop"

    def _frame(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": int(time.time()), "model": MODEL}

    def _chunk(self, delta: dict[str, Any], ending: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": ending}
        return _event({**self._frame("chat.completion.chunk"), "choices": [choice]})


_ERRORS = {
    401: ("Incorrect API key provided", "invalid_request_error", "invalid_api_key"),
    429: ("Rate limit reached", "rate_limit_error", "rate_limit_exceeded"),
}
"""Message, type and code of the real service: client libraries tell errors apart by these words."""


def error_body(code: int) -> bytes:
    """What an HTTP error of the model says."""
    message, kind, name = _ERRORS.get(code, ("The server had an error", "server_error", str(code)))
    says = f"{message}: the script answers {code} here"
    return msgspec.json.encode({"error": {"message": says, "type": kind, "code": name, "param": None}})


def models_body() -> bytes:
    """The list of models."""
    return msgspec.json.encode({"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "tailproof"}]})


def _call(call: Call) -> dict[str, Any]:
    arguments = msgspec.json.encode(call.arguments).decode()
    return {"id": call.id, "type": "function", "function": {"name": call.tool, "arguments": arguments}}


def _usage(text: str) -> dict[str, int]:
    written = max(1, len(text) // 4)
    return {"prompt_tokens": 10, "completion_tokens": written, "total_tokens": 10 + written}


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(body) + b"\n\n"
