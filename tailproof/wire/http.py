"""Where does an HTTP/1.1 message end? Heads and body framing without touching a byte (RFC 9112, sections 2 to 7).

Own, not h11: the wire forwards what came, byte for byte, and only needs to know where it ends; h11 hands out decoded events
that would have to be written anew, which is what a proxy under test of "nothing changed" must not do.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from tailproof.incoming.limits import HEAD_BYTES, Exceeded, Misshapen, size
from tailproof.incoming.sse import MEDIA_TYPE

_DECIMAL = re.compile(r"[0-9]{1,18}").fullmatch
_HEXADECIMAL = re.compile(rb"[0-9a-fA-F]{1,15}").fullmatch


class HttpError(Misshapen):
    """Not HTTP/1.x, or not framed in a way that can be followed."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first line and the fields of a request or response. Names are lower case; repeated fields are joined by `, `."""

    raw: bytes
    first: tuple[str, str, str]
    """Request: method, target, version. Response: version, status, reason."""
    fields: dict[str, str]

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.first[1].partition("?")[0]

    @property
    def code(self) -> int:
        """The status of a response."""
        return int(self.first[1])

    def has(self, name: str, token: str) -> bool:
        """Whether a comma-separated field holds a token."""
        return token in (part.strip().lower() for part in self.fields.get(name, "").split(","))


def head_end(data: bytes) -> int:
    """The offset behind a head, or 0 while it is not complete. Raises Exceeded."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        if len(data) > HEAD_BYTES:
            raise Exceeded(f"a head of more than {size(HEAD_BYTES)}")
        return 0
    return end + 4


def parse_head(raw: bytes, *, response: bool) -> Head:
    """A whole head. Raises HttpError."""
    lines = raw[:-4].decode("latin-1").split("\r\n")
    parts = lines[0].split(" ", 2)
    if response:
        good = len(parts) >= 2 and parts[0].startswith("HTTP/1.") and parts[1].isdecimal() and len(parts[1]) == 3
        parts = [*parts, ""][:3]
    else:
        good = len(parts) == 3 and parts[2].startswith("HTTP/1.") and bool(parts[0]) and bool(parts[1])
    if not good:
        raise HttpError("no HTTP/1.x " + ("status line" if response else "request line"))
    fields: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise HttpError("a header line without a name")
        name = name.lower()
        fields[name] = f"{fields[name]}, {value.strip()}" if name in fields else value.strip()
    return Head(raw, (parts[0], parts[1], parts[2]), fields)


class Body(Protocol):
    """Follows a body. `over` is true once it has ended."""

    over: bool

    def follow(self, data: bytes) -> int:
        """How many bytes of `data` belong to the body. Raises HttpError."""


class Counted:
    """Content-Length."""

    __slots__ = ("_left", "over")

    def __init__(self, length: int) -> None:
        self._left = length
        self.over = length == 0

    def follow(self, data: bytes) -> int:
        """See Body."""
        taken = min(self._left, len(data))
        self._left -= taken
        self.over = self._left == 0
        return taken


class UntilClose:
    """A response that ends with its connection."""

    over = False

    def follow(self, data: bytes) -> int:
        """See Body."""
        return len(data)


class Chunked:
    """Transfer-Encoding: chunked, with extensions and trailers."""

    __slots__ = ("_left", "_line", "_trailer", "over")

    def __init__(self) -> None:
        self.over = False
        self._left = 0
        self._line = b""
        self._trailer = False

    def follow(self, data: bytes) -> int:
        """See Body."""
        return self._follow(data, None)

    def content(self, data: bytes) -> bytes:
        """What the chunks in `data` hold. Raises HttpError."""
        held: list[bytes] = []
        self._follow(data, held)
        return b"".join(held)

    def _follow(self, data: bytes, held: list[bytes] | None) -> int:
        position = 0
        while position < len(data) and not self.over:
            if self._left:
                taken = min(self._left, len(data) - position)
                if held is not None:
                    # The last two bytes of `_left` are the line break behind the chunk.
                    held.append(data[position : position + max(0, min(taken, self._left - 2))])
                self._left -= taken
                position += taken
                continue
            end = data.find(b"\n", position)
            part = data[position : end + 1 if end >= 0 else len(data)]
            self._line += part
            position += len(part)
            if len(self._line) > HEAD_BYTES:
                raise HttpError("a chunk without a size")
            if end >= 0:
                self._end_of_line(self._line.strip())
                self._line = b""
        return position

    def _end_of_line(self, line: bytes) -> None:
        if self._trailer:
            self.over = not line
            return
        digits = line.partition(b";")[0].strip()
        if not _HEXADECIMAL(digits):
            raise HttpError("a chunk without a size")
        if length := int(digits, 16):
            self._left = length + 2
        else:
            self._trailer = True


def request_body(head: Head) -> Body:
    """How the body of a request is framed. Raises HttpError."""
    if head.has("transfer-encoding", "chunked"):
        return Chunked()
    return Counted(_length(head))


def response_body(head: Head, method: str) -> Body:
    """How the body of a response to `method` is framed. Raises HttpError."""
    if method == "HEAD" or head.code < 200 or head.code in (204, 304):
        return Counted(0)
    if "transfer-encoding" in head.fields:
        if "content-length" in head.fields:
            raise HttpError("a length, and comes in chunks")
        return Chunked() if head.has("transfer-encoding", "chunked") else UntilClose()
    return Counted(_length(head)) if "content-length" in head.fields else UntilClose()


def _length(head: Head) -> int:
    said = {part.strip() for part in head.fields.get("content-length", "0").split(",")}
    if len(said) != 1 or not _DECIMAL(text := said.pop()):
        raise HttpError("a Content-Length that is no number of bytes")
    return int(text)


def without_deflate(head: Head) -> bytes:
    """The head of an upgrade that no longer offers permessage-deflate; unchanged when it did not."""
    offer = head.fields.get("sec-websocket-extensions", "")
    if "permessage-deflate" not in offer.lower():
        return head.raw
    kept = [part.strip() for part in offer.split(",") if not part.strip().lower().startswith("permessage-deflate")]
    lines = [line for line in head.raw[:-4].split(b"\r\n") if not line.lower().startswith(b"sec-websocket-extensions:")]
    if kept:
        lines.append(b"Sec-WebSocket-Extensions: " + ", ".join(kept).encode("latin-1"))
    return b"\r\n".join(lines) + b"\r\n\r\n"


def event_body(head: Head, method: str) -> Body | None:
    """The body of an answer that is a stream of server-sent events; None for any other, and for one whose end is said up front."""
    if head.code != 200 or head.fields.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        return None
    with suppress(HttpError):  # whoever follows the answer says so
        body = response_body(head, method)
        return body if isinstance(body, Chunked | UntilClose) else None
    return None


def that_closes(head: Head) -> bytes:
    """The head of an answer that says that its connection ends with it."""
    lines = [
        line for line in head.raw[:-4].split(b"\r\n") if not line.lower().startswith((b"connection:", b"keep-alive:"))
    ]
    return b"\r\n".join((*lines, b"Connection: close")) + b"\r\n\r\n"


def for_host(raw: bytes, host: str) -> bytes:
    """The head of a request that names the server itself, and not the wire in front of it."""
    lines = raw[:-4].split(b"\r\n")
    named = [b"Host: " + host.encode("latin-1") if line.lower().startswith(b"host:") else line for line in lines]
    return b"\r\n".join(named) + b"\r\n\r\n"


def answer(code: int, body: bytes) -> bytes:
    """A whole response of the wire itself."""
    kind = b"application/json" if body[:1] in (b"{", b"[") else b"text/plain; charset=utf-8"
    length = b"" if code in (204, 304) else b"Content-Length: %d\r\nContent-Type: %b\r\n" % (len(body), kind)
    return b"HTTP/1.1 %d %b\r\n%b\r\n" % (code, _reason(code).encode("latin-1"), length)


def _reason(code: int) -> str:
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return "By Rule"
