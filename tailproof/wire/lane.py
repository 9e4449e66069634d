"""One direction of one stream: passes what no rule means, and does to the rest what the rules say, in order.

While no rule can match, a chunk is scanned for the journal and written as it came. Otherwise whole messages go one by one
through the rules, and whatever may not leave yet waits in one queue: nothing overtakes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic, monotonic_ns

from tailproof.wire.armed import Armed
from tailproof.wire.end import End
from tailproof.wire.framing import CLOSE, Framing, Unit
from tailproof.wire.journal import Journal, frame_prefix
from tailproof.wire.lane_queue import QUEUE_BYTES, Item, LaneQueue, Sink


class Lane(LaneQueue):
    """From `source` to `sink`."""

    __slots__ = ("_bare", "_carry", "_carry_bytes", "_direction", "_note", "_rules", "_silencer", "bytes_in", "scanner")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        journal: Journal,
        connection: int,
        direction: str,
        source: End,
        sink: Sink,
        *,
        framing: Framing,
        finished: Callable[[str], None],
        cut: Callable[[Armed], None],
        note: Callable[[str], None],
    ) -> None:
        super().__init__(loop, journal, frame_prefix(connection, direction), source, sink, finished=finished, cut=cut)
        self._direction = direction
        self._note = note
        self._rules: list[Armed] = []
        self._silencer: Armed | None = None
        self._carry: list[bytes] = []
        self._carry_bytes = 0
        self._bare = False
        self.scanner = framing
        self.bytes_in = 0

    def arm(self, rules: Sequence[Armed]) -> None:
        """The rules that can mean this lane, in order. Takes effect with the next whole message."""
        self._rules = list(rules)
        if self._silencer is not None and self._silencer.removed:
            self._silencer = None

    def receive(self, chunk: bytes) -> None:
        """A chunk has come from the source."""
        self.bytes_in += len(chunk)
        units = self.scanner.scan(chunk)
        first = self.index
        if units:
            self.index = self._journal.frames(self._prefix, first, units, monotonic_ns())
        if not (self._rules or self._queue or self._silencer or self._carry):
            self._bare = not self.scanner.between
            self._sink.send(chunk)
        else:
            self._judge(chunk, units, first)
        if self._sink.blocked:
            self._source.pause(self._direction)

    def drained(self) -> None:
        """The sink takes bytes again."""
        self._source.resume(self._direction)

    def ended(self, how: str) -> None:
        """The source sends no more: what a window keeps back is passed on, then the end itself."""
        if self._carry:
            self._leave(b"".join(self._carry))
            self._drop_carry()
        self._free_windows()
        self._flush_out()
        if self._queue:
            self._queue.append(Item(b"", end=how))
            self._pump()
        else:
            self._finished(how)

    def let_go(self, armed: Armed) -> None:
        """What this rule keeps back goes on, in order."""
        for item in self._queue:
            if item.keeper is armed:
                item.keeper = None
            if item.by == armed.id:
                item.due = 0.0
        self._pump()

    # Messages, one by one

    def _judge(self, chunk: bytes, units: Sequence[Unit], index: int) -> None:
        start = 0
        for unit in units:
            end, opcode = unit[0], unit[1]
            if end < 0:
                continue
            raw = chunk[start:end]
            start = end
            if self._bare:  # its beginning has left already: a rule means whole messages
                self._bare = False
                self._leave(raw)
            else:
                if self._carry:
                    raw = b"".join((*self._carry, raw))
                    self._drop_carry()
                if opcode < 8:
                    self._message(index, unit, raw)
                else:
                    self._control(unit, raw)
            index += opcode < 8
        if start < len(chunk):
            self._keep_rest(chunk[start:])
        self._flush_out()

    def _keep_rest(self, rest: bytes) -> None:
        if self._bare:
            self._leave(rest)
            return
        self._carry.append(rest)
        self._carry_bytes += len(rest)
        if self._carry_bytes > QUEUE_BYTES:
            self._note(f"a message of more than {QUEUE_BYTES} bytes is passed on past the rules ({self._direction})")
            self.counts["oversized"] += 1
            self._leave(b"".join(self._carry))
            self._drop_carry()
            self._bare = True

    def _drop_carry(self) -> None:
        self._carry.clear()
        self._carry_bytes = 0

    def _control(self, unit: Unit, raw: bytes) -> None:
        if unit[1] == CLOSE:
            self._free_windows()
        elif self._silencer is not None and self._silencer.rule.control:
            return
        self._leave(raw)

    def _message(self, index: int, unit: Unit, raw: bytes) -> None:
        if self._over:
            self._lose(raw)
            return
        if self._silencer is not None:
            self._drop(self._silencer, index, unit, raw, "silenced")
            return
        for armed in self._rules:
            if armed.removed:
                continue
            if armed.until is not None and not armed.spent and armed.until.meets(index, unit, raw, self.scanner):
                self._drop_window(armed)
                break
            if not armed.spent and armed.takes_message(index, unit, raw, self.scanner):
                _ACTS[armed.rule.do](self, armed, index, unit, raw)
                return
        self._leave(raw, index, unit)

    # What rules do

    def _hold(self, armed: Armed, index: int, unit: Unit, raw: bytes) -> None:
        armed.counts["held"] += 1
        self._journal.effect(self._prefix, index, unit, "held", armed.id)
        self._wait(Item(raw, index, unit, keeper=armed, did="passed", by=armed.id))
        armed.fired()

    def _delay(self, armed: Armed, index: int, unit: Unit, raw: bytes) -> None:
        armed.counts["delayed"] += 1
        due = monotonic() + (armed.rule.seconds or 0.0)
        self._wait(Item(raw, index, unit, due=due, did="delayed", by=armed.id))
        armed.fired()

    def _burst(self, armed: Armed, index: int, unit: Unit, raw: bytes) -> None:
        armed.counts["delayed"] += 1
        period = armed.rule.seconds or 1.0
        due = armed.began + period * (1 + (monotonic() - armed.began) // period)
        self._wait(Item(raw, index, unit, due=due, did="delayed", by=armed.id))
        armed.fired()

    def _dropping(self, armed: Armed, index: int, unit: Unit, raw: bytes) -> None:
        self._drop(armed, index, unit, raw, "dropped")
        armed.fired()

    def _duplicate(self, armed: Armed, index: int, unit: Unit, raw: bytes) -> None:
        copies = armed.rule.count or 1
        armed.counts["duplicated"] += copies
        self._leave(raw, index, unit)
        data = self.scanner.split(raw)[0]
        for _ in range(copies):
            self.counts["extra"] += 1
            self.counts["extra_bytes"] += len(data)
            self._journal.effect(self._prefix, index, unit, "duplicated", armed.id)
            self._leave(data)
        armed.fired()

    def _reorder(self, armed: Armed, index: int, unit: Unit, raw: bytes) -> None:
        kept = Item(raw, index, unit, keeper=armed)
        self._wait(kept)
        gathered = [item for item in self._queue if item.keeper is armed]
        if len(gathered) == 1 and armed.rule.seconds is not None:
            self._loop.call_later(armed.rule.seconds, self._give_up_on_group, armed, kept)
        if len(gathered) < (armed.rule.count or 2):
            return
        turned = [(item.raw, item.index, item.unit) for item in reversed(gathered)]
        for place, message in zip(gathered, turned, strict=True):
            place.raw, place.index, place.unit = message
            place.keeper, place.did, place.by = None, "reordered", armed.id
        armed.counts["reordered"] += len(gathered)
        armed.fired()
        self._pump()

    def _give_up_on_group(self, armed: Armed, first: Item) -> None:
        if first.keeper is armed:
            self.let_go(armed)

    def _keep_window(self, armed: Armed, index: int, unit: Unit, raw: bytes) -> None:
        self._wait(Item(raw, index, unit, keeper=armed, did="delayed", by=armed.id))
        kept = [item for item in self._queue if item.keeper is armed]
        if len(kept) > (armed.rule.count or 1):
            kept[0].keeper = None
            self._pump()

    def _drop_window(self, armed: Armed) -> None:
        kept = [item for item in self._queue if item.keeper is armed]
        if not kept:
            return
        for item in kept:
            self._queue.remove(item)
            self.queued_bytes -= len(item.raw)
            self._drop(armed, item.index, item.unit, item.raw, "dropped")
        armed.fired()
        self._pump()

    def _cutting(self, armed: Armed, index: int, unit: Unit, raw: bytes) -> None:
        armed.counts["cut"] += 1
        item = Item(raw, index, unit, did="cut", by=armed.id, cut=armed)
        if self._queue:
            self._wait(item)
        else:
            self._go(item)
        armed.fired()

    def _silence(self, armed: Armed, index: int, unit: Unit, raw: bytes) -> None:
        self._silencer = armed
        armed.fired()
        self._drop(armed, index, unit, raw, "silenced")

    def _drop(self, armed: Armed, index: int, unit: Unit, raw: bytes, counted: str) -> None:
        armed.counts[counted] += 1
        armed.counts[f"{counted}_bytes"] += len(raw)
        self._journal.effect(self._prefix, index, unit, "dropped", armed.id)
        between = self.scanner.controls_within(raw, unit)
        self._lose(raw)
        if between:
            self.counts["lost_bytes"] -= len(between)
            self._leave(between)


_ACTS: dict[str, Callable[[Lane, Armed, int, Unit, bytes], None]] = {
    "hold": Lane._hold,
    "delay": Lane._delay,
    "burst": Lane._burst,
    "drop": Lane._dropping,
    "drop-last": Lane._keep_window,
    "duplicate": Lane._duplicate,
    "reorder": Lane._reorder,
    "cut": Lane._cutting,
    "silence": Lane._silence,
}
