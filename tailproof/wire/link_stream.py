"""The stream that a connection may turn into: its lanes, when it was opened, and how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from tailproof.history.records import Note
from tailproof.history.server_records import Stream
from tailproof.incoming.stream import BROKEN
from tailproof.wire.armed import Armed
from tailproof.wire.end import End
from tailproof.wire.framing import Framing
from tailproof.wire.journal import Journal
from tailproof.wire.lane import Lane
from tailproof.wire.lane_queue import Sink


class StreamContext(Protocol):
    """What a stream needs from the proxy it lives in."""

    loop: asyncio.AbstractEventLoop
    journal: Journal

    def stream_opened(self, stream: LinkStream) -> None:
        """A connection has become a stream: number it, and arm its lanes."""


class LinkStream:
    """A connection, as far as it is a stream."""

    def __init__(self, context: StreamContext, number: int) -> None:
        self.number = number
        self.journal = context.journal
        self.path = ""
        self.ordinal = 0
        """How many streams there were before this one, over all routes."""
        self.lanes: dict[str, Lane] = {}
        self._loop = context.loop
        self._opened = context.stream_opened
        self._stream_ended = False
        self._ended_by = ""
        """The direction in which the first goodbye went."""

    @property
    def streaming(self) -> bool:
        """It is a stream, and open."""
        return bool(self.lanes) and not self._stream_ended

    def _add_lane(
        self,
        direction: str,
        source: End,
        sink: Sink,
        framing: Framing,
        finished: Callable[[str], None],
        cut: Callable[[Armed], None],
    ) -> None:
        self.lanes[direction] = Lane(
            self._loop,
            self.journal,
            self.number,
            direction,
            source,
            sink,
            framing=framing,
            finished=finished,
            cut=cut,
            note=lambda text: self.journal.write(Note(text=f"connection {self.number}: {text}")),
        )

    def _stream_opened(self) -> None:
        self.journal.write(Stream(reading=f"wire:{self.number}", stage="opened", path="wire"))
        self._opened(self)

    def _hear(self, direction: str, chunk: bytes) -> None:
        lane = self.lanes[direction]
        lane.receive(chunk)
        if not self._ended_by and lane.scanner.close_code:
            self._ended_by = direction

    def _goodbye(self) -> tuple[int, str]:
        """Code and reason of the end, as the side has said them that was the first."""
        if not self._ended_by:
            return BROKEN, ""
        said = self.lanes[self._ended_by].scanner
        return said.close_code, said.close_reason

    def _end_stream(self, code: int, reason: str) -> None:
        if not self._stream_ended:
            self._stream_ended = True
            by_server = self._ended_by == "down"
            closed = Stream(
                reading=f"wire:{self.number}",
                stage="closed",
                path="wire",
                code=code,
                reason=reason,
                by_server=by_server,
            )
            self.journal.write(closed, urgent=True)
