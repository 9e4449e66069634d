"""Writes a history so that a crash of the harness loses at most 50 ms of it, and nothing before a fault.

Each witness ends with the number of its records, the trial's own last of all: what is cut off, or was never written, is
missed by whoever reads it. What cannot be written is not passed over either: `Recorder.failed` says why.
"""

from __future__ import annotations

import hashlib
import io
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import msgspec

from tailproof.history.access_records import Canary
from tailproof.history.directory import CLIENT, HEADER
from tailproof.history.header import Header
from tailproof.history.record import Record
from tailproof.history.records import End, Note
from tailproof.history.server_records import WholeEvent
from tailproof.incoming.json import decoder
from tailproof.outgoing.atomic import write_atomically
from tailproof.outgoing.masking import MARK, Masker, marks_in
from tailproof.outgoing.visible import visible_json

FLUSH_EVERY_S = 0.05
INLINE_BYTES = 4096
HEAD_BYTES = 1024
MOST_BYTES = 1 << 20
"""So much of one witness is kept back at most before it is handed to its file."""
SERVERS_OWN = ("session key", "server secret")
"""The secrets that every server is started with; looked for where others are planted, too."""
_EVENT = b'"kind":"event"'
TRIAL = "trial"
"""The trial's own witness, which is the last to end."""


class _Told(msgspec.Struct):
    reading: str = ""
    name: str = ""
    id: str = ""


def digest_of(body: Any) -> str:
    """A hash of the canonical JSON of `body`: keys sorted, so that the order of fields never makes two events differ."""
    return digest_of_bytes(_canonical(body))


def _canonical(body: Any) -> bytes:
    return msgspec.json.encode(body, order="deterministic")


def digest_of_bytes(raw: bytes | bytearray) -> str:
    """The same hash of bytes as they are."""
    return hashlib.blake2b(raw, digest_size=16).hexdigest()


class Witness:
    """One file of the history. Thread-safe; records get their clock, name and number here. Without a file its records are dropped."""

    def __init__(
        self, name: str, path: Path | None, masker: Masker, noticed: Callable[[bytes], None] | None = None
    ) -> None:
        """`noticed` is told of every batch of lines in which a secret was masked."""
        self.name = name
        self._noticed = noticed
        self.failed = ""
        """Why nothing more can be written, once that is so (a full disk)."""
        self._file: IO[bytes] = io.BytesIO() if path is None else path.open("ab")
        if path is None:
            self._file.close()
        self.masker = masker
        self._encoder = msgspec.json.Encoder()
        self._lines: list[bytes] = []
        self._bytes = 0
        self._lock = threading.Lock()
        self._seq = 0

    @property
    def records(self) -> int:
        """How many records were written so far."""
        return self._seq

    def write(self, record: Record) -> None:
        """Stamp `record` and append it. A `t_ns` that is already set is kept (the moment was taken earlier)."""
        with self._lock:
            self._append(record)

    def flush(self, *, durable: bool = False) -> None:
        """Hand what was written to the kernel; with `durable` to the disk."""
        with self._lock:
            self._flush(durable=durable)

    def end(self, of_others: Mapping[str, int] | None = None) -> None:
        """Write the `End`, unless something could not be written before, and close. A later `write` is dropped."""
        with self._lock:
            self._append(End(records=self._seq, of_others=dict(of_others or {})))
            self._close()

    def close(self) -> None:
        """Flush to disk and close; a later `write` is dropped. The file has no `End`."""
        with self._lock:
            self._close()

    def _append(self, record: Record) -> None:
        if self._file.closed or self.failed:
            return
        if not record.t_ns:
            record.t_ns = time.monotonic_ns()
        record.wall = time.time()
        record.witness = self.name
        record.seq = self._seq
        line = self._encoder.encode(record)
        self._seq += 1
        self._lines += (line, b"\n")
        self._bytes += len(line)
        if self._bytes > MOST_BYTES:
            self._hand_over()

    def _hand_over(self) -> None:
        """Secrets are looked for in many lines at a time: one by one it costs several times as much."""
        if not self._lines:
            return
        lines = self.masker.raw(b"".join(self._lines))
        self._lines.clear()
        self._bytes = 0
        if self._noticed is not None and MARK in lines:
            self._noticed(lines)
        try:
            self._file.write(lines)
        except OSError as error:
            self._fail(error)

    def _flush(self, *, durable: bool) -> None:
        if self._file.closed or self.failed:
            return
        self._hand_over()
        try:
            self._file.flush()
            if durable:
                os.fsync(self._file.fileno())
        except OSError as error:
            self._fail(error)

    def _close(self) -> None:
        self._flush(durable=True)
        try:
            self._file.close()
        except OSError as error:  # what is still buffered cannot be written either
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.failed = self.failed or f"{self.name}: {error.strerror or error}"


class Recorder:
    """The history directory of one trial while it is being written.

    What `masker` knows as a secret stands nowhere in it, so that a history can be handed to a stranger. What is cut before it is
    recorded goes through `masker.cut`. Raises OSError if the directory cannot be made.
    """

    def __init__(
        self,
        directory: Path,
        header: Header,
        *,
        masker: Masker | None = None,
        planted: Mapping[str, str] | None = None,
    ) -> None:
        """`planted` are secrets (by name) of which the history tells where the server has shown them; `masker` knows them, too."""
        self.directory = directory
        self.planted = dict(planted or {})
        self._sightings: dict[tuple[str, str], Canary] = {}
        self.header = header
        self.masker = masker or Masker({})
        directory.mkdir(parents=True, exist_ok=True)
        self._store = directory / "payloads"
        self._kept: set[str] = set()
        self._witnesses: dict[str, Witness] = {}
        self._elsewhere: dict[str, int] = {}
        self._failed = ""
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._closed = False
        self._write_header()
        self._flusher = threading.Thread(target=self._flush_for_ever, name="history-flusher", daemon=True)
        self._flusher.start()

    def witness(self, name: str) -> Witness:
        """The file of one witness; the same object for the same name. The records of one that is new in a
        history that has ended are dropped. Raises OSError when the file cannot be made."""
        with self._lock:
            if name not in self._witnesses:
                place = None if self._closed else self.directory / f"{name}.jsonl"
                self._witnesses[name] = Witness(name, place, self.masker, self._notice if self.planted else None)
            return self._witnesses[name]

    def wrote(self, name: str, records: int) -> None:
        """A witness that writes its file in a process of its own has ended in order, with so many records, its end included."""
        self._elsewhere[name] = records

    @property
    def failed(self) -> str:
        """Why the history cannot be written, in one sentence; empty as long as it can."""
        why = self._failed or next((witness.failed for witness in self._all() if witness.failed), "")
        return f"the history cannot be written: {why}" if why else ""

    def keep(self, event: WholeEvent) -> WholeEvent:
        """Fill in the `digest` of an event and keep its body once: a small one stays in the first event with that digest, a large
        one goes into the store, and the head of it stays. A long log is read many times over."""
        canonical = _canonical(event.body)
        event.digest = digest_of_bytes(canonical)
        if event.digest in self._kept:
            event.body = None
            return event
        self._kept.add(event.digest)
        if event.size <= INLINE_BYTES:
            return event
        raw = self.masker.raw(canonical)
        if raw is not canonical:
            self._saw(raw, f"{event.reading} {event.name} {event.id}")
        event.body = {"head": raw[:HEAD_BYTES].decode("utf-8", "replace")}
        try:
            self._store.mkdir(exist_ok=True)
            write_atomically(self._store / f"{event.digest}.json", raw)
        except OSError as error:
            self._fail("payloads", error)
        return event

    def keep_client(self, file: Path, source: bytes, mode: int) -> None:
        """Keep the file that the client is, so that whoever has the history can run the trial again. One that holds a secret stays where
        it is, and a note says so."""
        if self.masker.raw(source) is not source:
            self.witness(TRIAL).write(Note(f"{file.name} is not kept with the history: it holds a secret"))
            return
        place = self.directory / CLIENT
        try:
            place.mkdir(exist_ok=True)
            write_atomically(place / file.name, source)
            (place / file.name).chmod(mode)
        except OSError as error:
            self._fail("client", error)

    def write_header(self) -> None:
        """Write `header.json` anew, for what becomes known while the trial runs (versions, digests)."""
        try:
            self._write_header()
        except OSError as error:
            self._fail("header", error)

    def sync(self) -> None:
        """Everything written so far is on disk when this returns. Called before a fault is injected."""
        for witness in self._all():
            witness.flush(durable=True)

    def close(self) -> None:
        """End every witness, the trial's own last, and write the header with all that became known. Idempotent."""
        self._closing.set()
        self._flusher.join()
        if self._closed:
            return
        trial = self.witness(TRIAL)
        with self._lock:
            self._closed = True
            others = [witness for witness in self._witnesses.values() if witness is not trial]
        for witness in others:
            witness.end()
        for sighting in list(self._sightings.values()):
            trial.write(sighting)
        trial.end({**{witness.name: witness.records for witness in others}, **self._elsewhere})
        self.write_header()

    def names_in(self, raw: bytes) -> set[str]:
        """Which secrets of this trial are in it, masked or not."""
        return marks_in(self.masker.raw(raw)) & {*self.planted, *SERVERS_OWN}

    def _notice(self, lines: bytes) -> None:
        """Where an event shows a secret. It is told at the end: whoever writes holds the lock of a witness."""
        for line in lines.splitlines():
            if MARK in line and _EVENT in line:
                told = decoder(_Told).decode(line)
                self._saw(line, f"{told.reading} {told.name} {told.id}")

    def _saw(self, raw: bytes, detail: str) -> None:
        for name in self.names_in(raw):
            self._sightings.setdefault((name, detail), Canary(stage="seen", name=name, place="event", detail=detail))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _all(self) -> list[Witness]:
        with self._lock:
            return list(self._witnesses.values())

    def _write_header(self) -> None:
        header = visible_json(self.masker.raw(msgspec.json.format(msgspec.json.encode(self.header), indent=2)))
        write_atomically(self.directory / HEADER, header)

    def _fail(self, what: str, error: OSError) -> None:
        self._failed = self._failed or f"{what}: {error.strerror or error}"

    def _flush_for_ever(self) -> None:
        while not self._closing.wait(FLUSH_EVERY_S):
            for witness in self._all():
                witness.flush()
