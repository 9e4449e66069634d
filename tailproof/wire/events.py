"""Server-sent events on the wire: where one ends, and how a chunked answer is written again once rules have acted on it.

https://html.spec.whatwg.org/multipage/server-sent-events.html. An event is what stands before a blank line; one without `data` says
nothing to a client and counts as a control frame does.
"""

from __future__ import annotations

import re

from tailproof.incoming.sse import data_of
from tailproof.protocol.naming import Naming
from tailproof.wire.end import End
from tailproof.wire.framing import KEPT_HEAD, PING, TEXT, Unit
from tailproof.wire.http import Body, Chunked
from tailproof.wire.lane_queue import Sink
from tailproof.wire.peek import HEAD_BYTES, TAIL_BYTES, named, peek

LAST_CHUNK = b"0\r\n\r\n"
_BLANK = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_COMMENT = b"comment"


class EventScanner:
    """Follows the events of one answer from piece to piece. See `framing.Framing`."""

    __slots__ = ("_naming", "_part", "close_code", "close_reason", "frames")

    def __init__(self, naming: Naming | None = None) -> None:
        self._naming = naming
        self.frames = 0
        self.close_code = 0
        self.close_reason = ""
        self._part = bytearray()
        """What has come of the event that has not ended yet."""

    @property
    def between(self) -> bool:
        """See `framing.Framing`."""
        return not self._part

    def scan(self, chunk: bytes) -> list[Unit]:
        """See `framing.Framing`."""
        units: list[Unit] = []
        had = len(self._part)
        text = bytes(self._part) + chunk if had else chunk
        begin = 0
        look_from = max(0, had - 3)
        while (blank := _BLANK.search(text, look_from)) is not None:
            units.append(self._unit(text[begin : blank.start()], blank.end() - had))
            begin = look_from = blank.end()
        self._part = bytearray(text[begin:])
        return units

    def split(self, raw: bytes) -> tuple[bytes, bytes, bytes]:
        """See `framing.Framing`."""
        return raw, b"", data_of(raw.rstrip(b"\r\n")) or b""

    def controls_within(self, raw: bytes, unit: Unit) -> bytes:
        """See `framing.Framing`: nothing stands within an event."""
        return b""

    def _unit(self, event: bytes, end: int) -> Unit:
        data = data_of(event)
        if data is None:
            return end, PING, len(event), b"", _COMMENT
        self.frames += 1
        if self._naming is not None:
            return end, TEXT, len(data), *named(self._naming, data)
        whole = len(data) <= KEPT_HEAD
        identity, name = peek(data if whole else data[: 2 * HEAD_BYTES], data[-TAIL_BYTES:], whole=whole)
        return end, TEXT, len(data), identity, name


class Chunks:
    """Writes to an end in chunks, as a server does that does not know how long its answer gets."""

    def __init__(self, end: End) -> None:
        self._end = end

    @property
    def blocked(self) -> bool:
        """See `End`."""
        return self._end.blocked

    def send(self, data: bytes) -> None:
        """One chunk."""
        if data:
            self._end.send(b"%x\r\n%b\r\n" % (len(data), data))


class EventBody:
    """The body of an answer that is a stream of events: in chunks, or until its connection ends."""

    def __init__(self, body: Body, client: End) -> None:
        self._chunked = body if isinstance(body, Chunked) else None
        self._client = client
        self.sink: Sink = Chunks(client) if self._chunked else client
        """Where its events go."""

    @property
    def over(self) -> bool:
        """All of it has come."""
        return self._chunked is not None and self._chunked.over

    @property
    def ends_with_connection(self) -> bool:
        """Nothing else says that it is whole."""
        return self._chunked is None

    def content(self, data: bytes) -> bytes:
        """What is in `data` of it. Raises HttpError."""
        return self._chunked.content(data) if self._chunked else data

    def finish(self) -> None:
        """Tell the client that it is whole, where that can be told."""
        if self._chunked:
            self._client.send(LAST_CHUNK)
