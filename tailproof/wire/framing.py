"""Where does a WebSocket message end? A parser that reads frame headers only and never copies what it forwards.

RFC 6455, section 5.2. Messages are counted whole: the fragments of one message, and control frames between them, are one unit.
"""

from __future__ import annotations

import re
from typing import Protocol

from tailproof.incoming.limits import CONTROL_FRAMES
from tailproof.protocol.naming import Naming
from tailproof.wire.peek import HEAD_BYTES, NAMED_BYTES, PLAIN, TAIL_BYTES, known_tails, named, peek

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
CONTROL_BYTES = 125
"""What a control frame may hold (section 5.5). More is passed on and not looked at."""
CONTROL_NAMES = {CLOSE: b"close", PING: b"ping", PONG: b"pong"}
KEPT_HEAD = 16384
"""A message that arrives in several chunks is decoded for its name only up to this size."""

_begins = re.compile(rb'\x81\x7e(?s:..)\{"id": ?"(' + PLAIN + rb'{1,128})"').match

Unit = tuple[int, int, int, bytes, bytes]
"""`(end, opcode, size, id, name)` of one message or control frame: `end` is the offset in the chunk behind its last byte, or -1
for a control frame inside a fragmented message; `size` is the payload without headers."""


class Framing(Protocol):
    """Follows one direction of one stream from chunk to chunk."""

    frames: int
    """Data frames seen, each fragment counted."""
    close_code: int
    close_reason: str
    """What the goodbye said; 0 and empty without one."""

    @property
    def between(self) -> bool:
        """The last chunk ended with a whole message: nothing of a further one has been seen."""

    def scan(self, chunk: bytes) -> list[Unit]:
        """The messages and control frames that end in `chunk`, in order."""

    def split(self, raw: bytes) -> tuple[bytes, bytes, bytes]:
        """One whole message as `(its data frames, control frames that stood between them, its payload)`."""

    def controls_within(self, raw: bytes, unit: Unit) -> bytes:
        """The control frames that stand between the fragments of one whole message."""


class Scanner:
    """The frames of a WebSocket. See `Framing`; memory is bounded by `KEPT_HEAD`, or `NAMED_BYTES`."""

    __slots__ = (
        "_controls", "_fin", "_head", "_inside", "_last", "_left", "_mask", "_message_opcode", "_most", "_naming", "_offset", "_opcode",
        "_parts", "_plain", "_size", "_taken", "close_code", "close_reason", "frames",
    )  # fmt: skip

    def __init__(self, naming: Naming | None = None) -> None:
        self._naming = naming
        self.frames = 0
        """Data frames seen, each fragment counted."""
        self.close_code = 0
        self.close_reason = ""
        self._head = b""
        self._left = -1
        self._inside = False
        self._message_opcode = 0
        self._fin = True
        self._opcode = 0
        self._mask = b""
        self._offset = 0
        self._plain = True
        self._size = 0
        self._most = 0
        self._controls = 0
        """Control frames since the last whole message. Of a flood of them only the first are told, and kept in the journal."""
        self._parts = bytearray()
        self._last = b""
        self._taken = bytearray()

    @property
    def between(self) -> bool:
        """The last chunk ended with a whole message: nothing of a further one has been seen."""
        return self._left < 0 and not self._inside and not self._head

    def scan(self, chunk: bytes) -> list[Unit]:
        """The messages that end in `chunk` and control frames, in order; of the latter at most `CONTROL_FRAMES` between two messages."""
        units: list[Unit] = []
        add = units.append
        size = len(chunk)
        rfind = chunk.rfind
        known = known_tails.get
        position = 0
        fast = 0
        readable = self._naming is None
        ready = readable and self._left < 0 and not self._inside and not self._head
        while position < size:
            # For what makes up nearly all traffic: whole, final, unmasked text frames of 126 bytes to 64 KiB, id first.
            if ready and (begins := _begins(chunk, position)):
                start = position + 4
                end = start + (chunk[position + 2] << 8 | chunk[position + 3])
                if end <= size:
                    at = rfind(b'"kind"', end - TAIL_BYTES if end > TAIL_BYTES else 0, end)
                    name = known(chunk[at:end]) if at > start else b""
                    if name:
                        add((end, TEXT, end - start, begins[1], name))
                        fast += 1
                        position = end
                        continue
            position = self._frame(chunk, position, units)
            ready = readable and self._left < 0 and not self._inside and not self._head
        if fast:
            self.frames += fast
            self._controls = 0
        return units

    def split(self, raw: bytes) -> tuple[bytes, bytes, bytes]:
        """See `Framing`."""
        return split(raw)

    def controls_within(self, raw: bytes, unit: Unit) -> bytes:
        """See `Framing`."""
        return split(raw)[1] if len(raw) > unit[2] + header_bytes(raw[:14]) else b""

    def _frame(self, chunk: bytes, position: int, units: list[Unit]) -> int:
        """Take one frame, or what there is of it, and return the offset behind it."""
        if self._left < 0:
            position = self._header(chunk, position)
            if self._left < 0:
                return position
        end = min(len(chunk), position + self._left)
        self._take(chunk, position, end)
        self._left -= end - position
        if self._left == 0:
            self._left = -1
            self._finish(end, units)
        return end

    def _header(self, chunk: bytes, position: int) -> int:
        had = len(self._head)
        head = self._head + chunk[position : position + 14 - had]
        need = header_bytes(head)
        if len(head) < need:
            self._head = head
            return len(chunk)
        self._head = b""
        self._opcode = head[0] & 15
        self._fin = head[0] >= 0x80
        length = head[1] & 127
        at = 2
        if length > 125:
            at = 4 if length == 126 else 10
            length = int.from_bytes(head[2:at], "big")
        self._mask = head[at : at + 4] if head[1] & 128 else b""
        self._offset = 0
        self._left = length
        if self._opcode < 8:
            self.frames += 1
            if not self._inside:
                self._inside = True
                self._message_opcode = self._opcode
                self._plain = not head[0] & 0x70  # an extension is in use: the payload is not ours to read
                self._size = 0
                whole = KEPT_HEAD if self._naming is None else NAMED_BYTES
                self._most = whole if length <= whole else 2 * HEAD_BYTES
                self._parts.clear()
                self._last = b""
        else:
            self._taken.clear()
        return position + need - had

    def _take(self, chunk: bytes, start: int, end: int) -> None:
        if self._opcode >= 8:
            room = CONTROL_BYTES - len(self._taken)
            self._taken += unmask(chunk[start : min(end, start + room)], self._mask, self._offset)
        else:
            self._size += end - start
            if self._plain:
                room = self._most - len(self._parts)
                if room > 0:
                    self._parts += unmask(chunk[start : min(end, start + room)], self._mask, self._offset)
                near = max(start, end - TAIL_BYTES)
                last = unmask(chunk[near:end], self._mask, self._offset + near - start)
                self._last = last if len(last) == TAIL_BYTES else (self._last + last)[-TAIL_BYTES:]
        self._offset += end - start

    def _finish(self, end: int, units: list[Unit]) -> None:
        if self._opcode >= 8:
            if self._opcode == CLOSE and len(self._taken) >= 2 and not self.close_code:
                self.close_code = int.from_bytes(self._taken[:2], "big")
                self.close_reason = self._taken[2:].decode("utf-8", "replace")
            name = CONTROL_NAMES.get(self._opcode, b"control")
            self._controls += 1
            if self._controls <= CONTROL_FRAMES:
                units.append((-1 if self._inside else end, self._opcode, self._offset, b"", name))
        elif self._fin:
            self._inside = False
            self._controls = 0
            identity = name = b""
            if self._plain and self._naming is not None:
                # Of one that is too long only the beginning was kept, which is no JSON: it stays without a name.
                identity, name = named(self._naming, bytes(self._parts))
            elif self._plain and self._size:
                whole = self._size <= KEPT_HEAD
                head = bytes(self._parts) if whole else bytes(self._parts[: 2 * HEAD_BYTES])
                identity, name = peek(head, self._last, whole=whole)
            units.append((end, self._message_opcode, self._size, identity, name))


def header_bytes(head: bytes) -> int:
    """How long the frame header that begins with `head` is; at least 2."""
    if len(head) < 2:
        return 2
    length = head[1] & 127
    return 2 + (8 if length == 127 else 2 if length == 126 else 0) + (4 if head[1] & 128 else 0)


def unmask(data: bytes, mask: bytes, offset: int = 0) -> bytes:
    """Undo (or apply) the mask of a client's frame; `offset` is the place of `data` in the payload."""
    if not mask or not data:
        return data
    turned = mask[offset % 4 :] + mask[: offset % 4]
    pad = (turned * (len(data) // 4 + 1))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(pad, "big")).to_bytes(len(data), "big")


def frame(opcode: int, payload: bytes, *, mask: bytes = b"", fin: bool = True) -> bytes:
    """One frame as it stands on the wire."""
    size = len(payload)
    masked = 128 if mask else 0
    first = bytes([(0x80 if fin else 0) | opcode])
    if size < 126:
        head = first + bytes([masked | size])
    elif size < 1 << 16:
        head = first + bytes([masked | 126]) + size.to_bytes(2, "big")
    else:
        head = first + bytes([masked | 127]) + size.to_bytes(8, "big")
    return head + mask + unmask(payload, mask)


def split(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """One whole message as `(its data frames, control frames that stood between them, its payload)`."""
    data: list[bytes] = []
    control: list[bytes] = []
    payload: list[bytes] = []
    position = 0
    while position < len(raw):
        head = raw[position : position + 14]
        need = header_bytes(head)
        masked = 4 if head[1] & 128 else 0
        length = head[1] & 127
        if length > 125:
            length = int.from_bytes(head[2 : need - masked], "big")
        end = position + need + length
        if head[0] & 15 >= 8:
            control.append(raw[position:end])
        else:
            data.append(raw[position:end])
            payload.append(unmask(raw[position + need : end], head[need - masked : need] if masked else b""))
        position = end
    return b"".join(data), b"".join(control), b"".join(payload)
