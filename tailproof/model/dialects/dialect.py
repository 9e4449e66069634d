"""What a dialect of the model is, and what all of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tailproof.incoming.limits import Unsound
from tailproof.model.reply import Reply
from tailproof.model.request import Request

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How the clients of one vendor ask a model, and how they are answered."""

    read: Callable[[Body], Request]
    """What a body asks for. What is odd in it is passed over; raises Refused for what this model does not do."""
    whole: Callable[[Reply], bytes]
    """The answer in one piece."""
    stream: Callable[[Reply], Iterator[bytes]]
    """The answer as server-sent events, one at a time."""
    error: Callable[[int], bytes]
    """What an HTTP error of this code says."""


class Refused(Unsound):
    """A request that would need what this model does not have; `str()` says what. The answer is HTTP 400 with `body`."""

    def __init__(self, says: str, body: bytes) -> None:
        super().__init__(says)
        self.body = body


def listed(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; none where there is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def plain(value: Any) -> str:
    """A role or a type; empty for what is no text."""
    return value if isinstance(value, str) else ""


def identity(value: Any) -> str:
    """An id as text, whatever it is; empty where there is none."""
    return str(value or "")


def readable(content: Any) -> str:
    """The text of a message: all vendors take one text, or a list of parts of which some have a `text`."""
    if isinstance(content, str):
        return content
    return " ".join(str(part.get("text", "")) for part in listed(content))


def halves(text: str) -> Iterator[str]:
    """A text in the two pieces in which it is streamed; none for no text."""
    middle = len(text) // 2
    yield from (piece for piece in (text[:middle], text[middle:]) if piece)


def named_event(name: str, body: Body) -> bytes:
    """A server-sent event with a name."""
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(body) + b"\n\n"
