"""Writes a history so that a crash of the harness loses at most 50 ms of it, and nothing before a fault."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, quote_plus

import msgspec

from tailproof.history.records import Event, Header, Record

FLUSH_EVERY_S = 0.05
INLINE_BYTES = 4096
HEAD_BYTES = 1024


def digest_of(body: Any) -> str:
    """A hash of the canonical JSON of `body`: keys sorted, so that the order of fields never makes two events differ."""
    return hashlib.blake2b(msgspec.json.encode(body, order="deterministic"), digest_size=16).hexdigest()


class Witness:
    """One file of the history. Thread-safe; records get their clock, name and number here."""

    def __init__(self, name: str, path: Path, redact: Mapping[bytes, bytes]) -> None:
        self.name = name
        self._file = path.open("ab", buffering=1 << 20)
        self._redact = redact
        self._encoder = msgspec.json.Encoder()
        self._lock = threading.Lock()
        self._seq = 0

    def write(self, record: Record) -> None:
        """Stamp `record` and append it. A `t_ns` that is already set is kept (the moment was taken earlier)."""
        with self._lock:
            if self._file.closed:
                return
            if not record.t_ns:
                record.t_ns = time.monotonic_ns()
            record.wall = time.time()
            record.witness = self.name
            record.seq = self._seq
            self._seq += 1
            line = self._encoder.encode(record)
            for secret, name in self._redact.items():
                if secret in line:
                    line = line.replace(secret, name)
            self._file.write(line + b"\n")

    def flush(self, *, durable: bool = False) -> None:
        """Hand what was written to the kernel; with `durable` to the disk."""
        with self._lock:
            if self._file.closed:
                return
            self._file.flush()
            if durable:
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """Flush to disk and close; a later `write` is dropped."""
        self.flush(durable=True)
        with self._lock:
            self._file.close()


class Recorder:
    """The history directory of one trial while it is being written.

    `secrets` maps a name to a value: the value is replaced by `<secret:name>` in every line, also as it stands in an address or
    in JSON, so that a history can be handed to a stranger. Raises OSError if the directory cannot be made.
    """

    def __init__(self, directory: Path, header: Header, *, secrets: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self.header = header
        directory.mkdir(parents=True, exist_ok=True)
        self._store = directory / "payloads"
        self._redact = {
            spelled: f"<secret:{name}>".encode()
            for name, value in (secrets or {}).items()
            if value
            for spelled in _spellings(value)
        }
        self._kept: set[str] = set()
        self._witnesses: dict[str, Witness] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self.write_header()
        self._flusher = threading.Thread(target=self._flush_for_ever, name="history-flusher", daemon=True)
        self._flusher.start()

    def witness(self, name: str) -> Witness:
        """The file of one witness; the same object for the same name."""
        with self._lock:
            if name not in self._witnesses:
                self._witnesses[name] = Witness(name, self.directory / f"{name}.jsonl", self._redact)
            return self._witnesses[name]

    def keep(self, event: Event, body: Any, raw: bytes) -> Event:
        """Fill in `digest`, `size` and `body` of an event. Each body is kept once: small ones stand in the line of the first
        sighting with their digest, large ones in the store. A long log is read many times over."""
        event.digest = digest_of(body)
        event.size = len(raw)
        if event.digest in self._kept:
            return event
        self._kept.add(event.digest)
        if len(raw) <= INLINE_BYTES:
            event.body = body
            return event
        event.body = {"head": raw[:HEAD_BYTES].decode("utf-8", "replace")}
        place = self._store / f"{event.digest}.json"
        if not place.exists():
            self._store.mkdir(exist_ok=True)
            for secret, name in self._redact.items():
                raw = raw.replace(secret, name)
            write_atomically(place, raw)
        return event

    def write_header(self) -> None:
        """Write `header.json` anew, for what becomes known while the trial runs (versions, digests)."""
        write_atomically(
            self.directory / "header.json", msgspec.json.format(msgspec.json.encode(self.header), indent=2)
        )

    def sync(self) -> None:
        """Everything written so far is on disk when this returns. Called before a fault is injected."""
        for witness in self._all():
            witness.flush(durable=True)

    def close(self) -> None:
        """Flush and close every file. Idempotent."""
        self._closing.set()
        self._flusher.join()
        for witness in self._all():
            witness.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _all(self) -> list[Witness]:
        with self._lock:
            return list(self._witnesses.values())

    def _flush_for_ever(self) -> None:
        while not self._closing.wait(FLUSH_EVERY_S):
            for witness in self._all():
                witness.flush()


def _spellings(secret: str) -> list[bytes]:
    quoted = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    return [secret.encode(), msgspec.json.encode(secret)[1:-1], *(spelled.encode() for spelled in sorted(quoted))]


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees half of it."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    aside.write_bytes(content)
    aside.replace(path)
