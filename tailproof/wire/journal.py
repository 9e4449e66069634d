"""What went over the wire, as JSON lines of `tailproof.history.records`, at the price of one formatted line per frame.

Batches of at most 50 ms; each batch carries the time of day once, and is looked through for secrets as a whole. Payloads are
never written: an id, a name and a size say enough, and a key that a client sends in its first frame stays out of the history.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import unquote_plus

import msgspec

from tailproof.history.record import Record
from tailproof.history.records import End, Exchange, Note, WireCount
from tailproof.history.server_records import Stream
from tailproof.outgoing.masking import Masker
from tailproof.wire.framing import Unit

FLUSH_EVERY_S = 0.05
MOST_LINES = 20_000
WITNESS = "wire"
Done = Literal["passed", "delayed", "held", "dropped", "duplicated", "reordered", "cut", "control"]
_SECRET_WORDS = ("key", "token", "secret", "password", "auth", "credential", "signature")


class Journal:
    """The witness `wire`. With `path` None everything is counted and nothing written."""

    def __init__(self, path: Path | None, loop: asyncio.AbstractEventLoop) -> None:
        self.masker = Masker({})
        """What it knows as a secret is in no line."""
        self._file = -1 if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._on = path is not None
        self.failed = ""
        """Why nothing more can be written, once that is so (a full disk)."""
        self._loop = loop
        self._lines: list[bytes] = []
        self._seq = 0
        self._timer: asyncio.Handle | None = None
        self._urgent = False
        self._encode = msgspec.json.Encoder().encode

    def frames(self, prefix: bytes, index: int, units: Sequence[Unit], t_ns: int) -> int:
        """Messages and control frames as they came in; returns the index of the next message of this lane."""
        start = prefix % t_ns
        seq = self._seq
        if not self._on:
            return index + sum(1 for unit in units if unit[1] < 8)
        add = self._lines.append
        for _, opcode, size, identity, name in units:
            if opcode < 8:
                add(b'%b%d,"index":%d,"size":%d,"id":"%b","name":"%b"}\n' % (start, seq, index, size, identity, name))
                index += 1
            else:
                add(b'%b%d,"index":%d,"size":%d,"done":"control","name":"%b"}\n' % (start, seq, index, size, name))
            seq += 1
        self._seq = seq
        if self._timer is None or len(self._lines) > MOST_LINES:
            self._due()
        return index

    def effect(self, prefix: bytes, index: int, unit: Unit, done: str, rule: str, *, urgent: bool = True) -> None:
        """What a rule did to a message that was written by `frames` before."""
        if not self._on:
            return
        self._lines.append(
            b'%b%d,"index":%d,"size":%d,"done":"%b","rule":"%b","id":"%b","name":"%b"}\n'
            % (prefix % time.monotonic_ns(), self._seq, index, unit[2], done.encode(), rule.encode(), unit[3], unit[4])
        )
        self._seq += 1
        self._due(urgent=urgent)

    @property
    def records(self) -> int:
        """How many records were written so far."""
        return self._seq

    def write(self, record: Exchange | Stream | Note | WireCount | End, *, urgent: bool = False) -> None:
        """Stamp any other record and append it."""
        if not self._on:
            return
        self._lines.append(self._encode(self._stamped(record)) + b"\n")
        self._due(urgent=urgent)

    def flush(self, *, durable: bool = False) -> None:
        """Everything is with the kernel when this returns; with `durable`, on the disk."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._urgent = False
        if self._lines:
            self._lines[0] = b'%b,"wall":%.3f}\n' % (self._lines[0][:-2], time.time())
            left = memoryview(self.masker.raw(b"".join(self._lines)))
            self._lines.clear()
            try:
                while left:
                    left = left[os.write(self._file, left) :]
            except OSError as error:
                self._fail(error)
        if durable and self._on:
            try:
                os.fsync(self._file)
            except OSError as error:
                self._fail(error)

    def close(self) -> None:
        """Write the `End`, flush and close. Idempotent."""
        if self._on:
            self.write(End(records=self._seq))
            self.flush(durable=True)
        if self._on:
            os.close(self._file)
            self._on = False

    def _fail(self, error: OSError) -> None:
        """From here on nothing is written: what is missing in the middle must not look like an end in order."""
        self.failed = error.strerror or str(error)
        self._on = False
        self._lines.clear()
        os.close(self._file)

    def _stamped(self, record: Record) -> Record:
        record.t_ns = record.t_ns or time.monotonic_ns()
        record.witness = WITNESS
        record.seq = self._seq
        self._seq += 1
        return record

    def _due(self, *, urgent: bool = False) -> None:
        if len(self._lines) > MOST_LINES:
            self.flush()
        elif urgent and not self._urgent:
            # Once per turn of the loop: a rule that fires on every frame of a chunk costs one write.
            if self._timer is not None:
                self._timer.cancel()
            self._urgent = True
            self._timer = self._loop.call_soon(self.flush)
        elif self._timer is None:
            self._timer = self._loop.call_later(FLUSH_EVERY_S, self.flush)


def frame_prefix(connection: int, direction: str) -> bytes:
    """The part of a frame's line that its lane never changes; `% t_ns` completes it."""
    return (
        b'{"kind":"frame","t_ns":%%d,"witness":"wire","conn":%d,"direction":"%b","seq":'  # the name comes last in a line
        % (connection, direction.encode())
    )


def shown_target(target: str) -> str:
    """A request target without what may be a key: such values of the query become `…`."""
    path, mark, query = target.partition("?")
    if not mark:
        return target
    shown = []
    for part in query.split("&"):
        name, equals, _ = part.partition("=")
        hidden = equals and any(word in unquote_plus(name).lower() for word in _SECRET_WORDS)
        shown.append(f"{name}=…" if hidden else part)
    return f"{path}?{'&'.join(shown)}"
