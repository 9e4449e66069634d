"""The vendors' own clients in a conversation with the model, each in its own words behind the same few verbs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import anthropic
import openai

TIMEOUT_S = 20.0
SYSTEM = "Be brief."
PARAMETERS = {
    "type": "object",
    "properties": {"command": {"type": "string"}},
    "required": ["command"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Heard:
    """What a client made of a reply."""

    id: str
    text: str
    calls: list[tuple[str, str, Any]]
    """Id, tool, arguments."""
    ending: str
    tokens: tuple[int, int]
    """Of the request and of the reply."""


class Conversation(Protocol):
    """Everything is sent again with each request, as agents do."""

    ENDINGS: ClassVar[tuple[str, str]]
    """Of a reply with calls, and of one without."""
    ERRORS: ClassVar[Mapping[int, type[Exception]]]

    def say(self, text: str) -> None: ...
    def result(self, call: str, text: str) -> None: ...
    def ask(self, *, stream: bool, tools: bool = True) -> Heard:
        """The reply belongs to the conversation from then on."""


@dataclass
class Chat:
    """OpenAI chat completions."""

    client: openai.OpenAI
    messages: list[Any] = field(default_factory=lambda: [{"role": "system", "content": SYSTEM}])

    ENDINGS: ClassVar = ("tool_calls", "stop")
    ERRORS: ClassVar[Mapping[int, type[Exception]]] = {
        401: openai.AuthenticationError,
        429: openai.RateLimitError,
        500: openai.InternalServerError,
        529: openai.InternalServerError,
    }

    def say(self, text: str) -> None:
        self.messages.append({"role": "user", "content": text})

    def result(self, call: str, text: str) -> None:
        self.messages.append({"role": "tool", "tool_call_id": call, "content": text})

    def ask(self, *, stream: bool, tools: bool = True) -> Heard:
        asked: dict[str, Any] = {"model": "mock", "messages": self.messages}
        if tools:
            function = {"name": "terminal", "parameters": PARAMETERS, "strict": True}
            asked["tools"] = [{"type": "function", "function": function}]
        if stream:
            options: Any = {"include_usage": True}
            with self.client.chat.completions.stream(**asked, stream_options=options) as events:
                return self._keep(events.get_final_completion().to_dict())
        return self._keep(self.client.chat.completions.create(**asked).to_dict())

    def _keep(self, answer: dict[str, Any]) -> Heard:
        (choice,) = answer["choices"]
        message = choice["message"]
        self.messages.append(message)
        return Heard(
            id=answer["id"],
            text=message.get("content") or "",
            calls=[
                (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
                for call in message.get("tool_calls") or ()
            ],
            ending=choice["finish_reason"],
            tokens=(answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]),
        )


@dataclass
class Responses:
    """OpenAI Responses."""

    client: openai.OpenAI
    items: list[Any] = field(default_factory=list)

    ENDINGS: ClassVar = ("completed", "completed")
    ERRORS: ClassVar = Chat.ERRORS

    def say(self, text: str) -> None:
        self.items.append({"role": "user", "content": [{"type": "input_text", "text": text}]})

    def result(self, call: str, text: str) -> None:
        self.items.append({"type": "function_call_output", "call_id": call, "output": text})

    def ask(self, *, stream: bool, tools: bool = True) -> Heard:
        asked: dict[str, Any] = {"model": "mock", "instructions": SYSTEM, "input": self.items}
        if tools:
            asked["tools"] = [{"type": "function", "name": "terminal", "parameters": PARAMETERS, "strict": True}]
        if stream:
            with self.client.responses.stream(**asked) as events:
                answer: Any = events.get_final_response()
        else:
            answer = self.client.responses.create(**asked)
        self.items += [item.to_dict() for item in answer.output]
        return Heard(
            id=answer.id,
            text=answer.output_text,
            calls=[
                (item.call_id, item.name, json.loads(item.arguments))
                for item in answer.output
                if item.type == "function_call"
            ],
            ending=answer.status,
            tokens=(answer.usage.input_tokens, answer.usage.output_tokens),
        )


@dataclass
class Messages:
    """Anthropic Messages."""

    client: anthropic.Anthropic
    messages: list[Any] = field(default_factory=list)

    ENDINGS: ClassVar = ("tool_use", "end_turn")
    ERRORS: ClassVar[Mapping[int, type[Exception]]] = {
        401: anthropic.AuthenticationError,
        429: anthropic.RateLimitError,
        500: anthropic.InternalServerError,
        529: anthropic.OverloadedError,
    }

    def say(self, text: str) -> None:
        self._block({"type": "text", "text": text})

    def result(self, call: str, text: str) -> None:
        self._block({"type": "tool_result", "tool_use_id": call, "content": [{"type": "text", "text": text}]})

    def ask(self, *, stream: bool, tools: bool = True) -> Heard:
        asked: dict[str, Any] = {"model": "mock", "max_tokens": 100, "system": SYSTEM, "messages": self.messages}
        if tools:
            asked["tools"] = [{"name": "terminal", "input_schema": PARAMETERS}]
        if stream:
            with self.client.messages.stream(**asked) as events:
                answer = events.get_final_message()
        else:
            answer = self.client.messages.create(**asked)
        self.messages.append({"role": "assistant", "content": [block.to_dict() for block in answer.content]})
        return Heard(
            id=answer.id,
            text="".join(block.text for block in answer.content if block.type == "text"),
            calls=[(block.id, block.name, block.input) for block in answer.content if block.type == "tool_use"],
            ending=answer.stop_reason or "",
            tokens=(answer.usage.input_tokens, answer.usage.output_tokens),
        )

    def _block(self, block: dict[str, Any]) -> None:
        """User and assistant take turns: what the user's side has to say is one message."""
        if not self.messages or self.messages[-1]["role"] != "user":
            self.messages.append({"role": "user", "content": []})
        self.messages[-1]["content"].append(block)


def _strict(http: Any) -> dict[str, Any]:
    """An answer that is not of the vendor's schema raises, and nothing is asked twice."""
    told = {"api_key": "any", "max_retries": 0, "timeout": TIMEOUT_S}
    return {**told, "http_client": http, "_strict_response_validation": True}


@contextmanager
def openai_client(url: str) -> Iterator[openai.OpenAI]:
    """`url` ends in `/v1`. An answer that is not of the vendor's schema raises. Plain HTTP: nothing is there to be verified."""
    with (
        openai.DefaultHttpxClient(trust_env=False, verify=False) as http,
        openai.OpenAI(base_url=url, **_strict(http)) as client,
    ):
        yield client


@contextmanager
def anthropic_client(url: str) -> Iterator[anthropic.Anthropic]:
    """`url` ends in `/v1`, which this vendor's client says itself. An answer that is not of the vendor's schema raises."""
    with (
        anthropic.DefaultHttpxClient(trust_env=False, verify=False) as http,
        anthropic.Anthropic(base_url=url.removesuffix("/v1"), **_strict(http)) as client,
    ):
        yield client


@contextmanager
def conversation(dialect: str, url: str) -> Iterator[Conversation]:
    """A new one in this dialect."""
    if dialect == "messages":
        with anthropic_client(url) as anthropic_one:
            yield Messages(anthropic_one)
    else:
        with openai_client(url) as openai_one:
            yield Chat(openai_one) if dialect == "chat" else Responses(openai_one)
