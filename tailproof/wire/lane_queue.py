"""What waits in a lane, in order: nothing overtakes."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from tailproof.wire.armed import Armed
from tailproof.wire.end import End
from tailproof.wire.framing import Unit
from tailproof.wire.journal import Journal

QUEUE_BYTES = 16 << 20
"""The most bytes that wait in one lane; then its source is not read any further."""
QUEUE_MESSAGES = 1 << 15
"""The most messages, however short."""
NOTHING: Unit = (0, 0, 0, b"", b"")


@dataclass(slots=True, eq=False)
class Item:
    """Something that waits in a lane. It leaves when it is first, its time has come and no rule keeps it."""

    raw: bytes
    index: int = -1
    unit: Unit = NOTHING
    due: float = 0.0
    keeper: Armed | None = None
    did: str = ""
    by: str = ""
    """What is written in the journal when it leaves, and the rule that caused it."""
    cut: Armed | None = None
    end: str = ""
    """Not a message: the source has ended (`fin` or `rst`)."""


class Sink(Protocol):
    """Where messages go."""

    @property
    def blocked(self) -> bool:
        """See `End`."""

    def send(self, data: bytes) -> None:
        """See `End`."""


class LaneQueue:
    """What goes to `sink`. `finished` is called when the end of the source has come through; `cut` to cut the stream."""

    __slots__ = (
        "_cut", "_finished", "_journal", "_loop", "_out", "_over", "_prefix", "_queue", "_sink", "_source", "_timer", "counts", "index",
        "queued_bytes",
    )  # fmt: skip

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        journal: Journal,
        prefix: bytes,
        source: End,
        sink: Sink,
        *,
        finished: Callable[[str], None],
        cut: Callable[[Armed], None],
    ) -> None:
        self._loop = loop
        self._journal = journal
        self._prefix = prefix
        self._source = source
        self._sink = sink
        self._finished = finished
        self._cut = cut
        self._queue: deque[Item] = deque()
        self._out: list[bytes] = []
        self._over = False
        self._timer: asyncio.TimerHandle | None = None
        self.index = 0
        """Messages that came in: the number of the next one."""
        self.queued_bytes = 0
        self.counts: Counter[str] = Counter()
        """Messages that will not go out (`lost`) and copies that did besides (`extra`), each with its bytes."""

    @property
    def frames_out(self) -> int:
        """Messages handed to the sink, copies included."""
        waiting = sum(1 for item in self._queue if item.index >= 0)
        return self.index - self.counts["lost"] + self.counts["extra"] - waiting

    def close(self) -> None:
        """The stream is gone; what still waits is lost with it."""
        for item in self._queue:
            if item.index >= 0:
                self._lose(item.raw)
        self._queue.clear()
        self.queued_bytes = 0
        if self._timer is not None:
            self._timer.cancel()

    def _leave(self, raw: bytes, index: int = -1, unit: Unit = NOTHING) -> None:
        if self._queue:
            self._wait(Item(raw, index, unit, did="delayed" if index >= 0 else "", by=self._queue[-1].by))
        else:
            self._out.append(raw)

    def _wait(self, item: Item) -> None:
        self._flush_out()
        self._queue.append(item)
        self.queued_bytes += len(item.raw)
        while self._full and self._queue[0].keeper is not None:
            keeper = self._queue[0].keeper
            if keeper.rule.do == "hold":
                break
            # A window that waited for more than a lane may keep would wait for ever: its source is not read.
            keeper.counts["overflowed"] += 1
            self._queue[0].keeper = None
            self._pump()
        self._mind_the_queue()
        if self._queue and self._timer is None and self._queue[0].keeper is None:
            self._pump()

    def _pump(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = monotonic()
        while self._queue:
            item = self._queue[0]
            if item.keeper is not None:
                break
            if item.due > now:
                self._timer = self._loop.call_later(item.due - now, self._pump)
                break
            self._queue.popleft()
            self.queued_bytes -= len(item.raw)
            self._go(item)
        self._flush_out()
        self._mind_the_queue()

    def _go(self, item: Item) -> None:
        if item.end:
            self._flush_out()
            self._finished(item.end)
            return
        if item.did:
            self._journal.effect(self._prefix, item.index, item.unit, item.did, item.by, urgent=False)
        if item.cut is None:
            self._out.append(item.raw)
            return
        if item.cut.rule.when == "after":
            self._out.append(item.raw)
        else:
            self._lose(item.raw)
        self._flush_out()
        self._over = True
        self._cut(item.cut)

    def _lose(self, raw: bytes) -> None:
        self.counts["lost"] += 1
        self.counts["lost_bytes"] += len(raw)

    def _free_windows(self) -> None:
        for item in self._queue:
            if item.keeper is not None and item.keeper.rule.do != "hold":
                item.keeper = None
        self._pump()

    def _flush_out(self) -> None:
        if self._out:
            self._sink.send(self._out[0] if len(self._out) == 1 else b"".join(self._out))
            self._out.clear()

    @property
    def _full(self) -> bool:
        return self.queued_bytes > QUEUE_BYTES or len(self._queue) > QUEUE_MESSAGES

    def _mind_the_queue(self) -> None:
        if self._full:
            self._source.pause("queue")
        else:
            self._source.resume("queue")
