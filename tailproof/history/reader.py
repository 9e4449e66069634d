"""Reads a history back, also one whose writer was killed in the middle of a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from tailproof.history.records import (
    SCHEMA_VERSION,
    AnyRecord,
    Counter,
    Effect,
    Event,
    Exchange,
    Fault,
    Frame,
    Header,
    Life,
    Missed,
    ModelCall,
    Note,
    Phase,
    Reading,
    Rendezvous,
    Request,
    Run,
    Stall,
    Status,
    Stream,
    Vocabulary,
    WireCount,
)


class HistoryError(Exception):
    """The directory holds no history, or one of a schema that this version does not read."""


class History:
    """All records of one trial, by kind, each list in the order of the common clock.

    Guarantees are functions of this object; it can be built from records in memory as well as from a directory.
    """

    def __init__(self, header: Header, records: Iterable[AnyRecord] = (), *, damaged: Iterable[str] = ()) -> None:
        self.header = header
        self.damaged = tuple(damaged)
        """`file:line` of every line that could not be read."""
        self.phases: list[Phase] = []
        self.rendezvous: list[Rendezvous] = []
        self.faults: list[Fault] = []
        self.lives: list[Life] = []
        self.counters: list[Counter] = []
        self.requests: list[Request] = []
        self.events: list[Event] = []
        self.streams: list[Stream] = []
        self.readings: list[Reading] = []
        self.statuses: list[Status] = []
        self.vocabularies: list[Vocabulary] = []
        self.model_calls: list[ModelCall] = []
        self.effects: list[Effect] = []
        self.frames: list[Frame] = []
        self.exchanges: list[Exchange] = []
        self.wire_counts: list[WireCount] = []
        self.runs: list[Run] = []
        self.stalls: list[Stall] = []
        self.missed: list[Missed] = []
        self.notes: list[Note] = []
        shelves: dict[type, list[AnyRecord]] = {
            Phase: self.phases,  # type: ignore[dict-item]
            Rendezvous: self.rendezvous,  # type: ignore[dict-item]
            Fault: self.faults,  # type: ignore[dict-item]
            Life: self.lives,  # type: ignore[dict-item]
            Counter: self.counters,  # type: ignore[dict-item]
            Request: self.requests,  # type: ignore[dict-item]
            Event: self.events,  # type: ignore[dict-item]
            Stream: self.streams,  # type: ignore[dict-item]
            Reading: self.readings,  # type: ignore[dict-item]
            Status: self.statuses,  # type: ignore[dict-item]
            Vocabulary: self.vocabularies,  # type: ignore[dict-item]
            ModelCall: self.model_calls,  # type: ignore[dict-item]
            Effect: self.effects,  # type: ignore[dict-item]
            Frame: self.frames,  # type: ignore[dict-item]
            Exchange: self.exchanges,  # type: ignore[dict-item]
            WireCount: self.wire_counts,  # type: ignore[dict-item]
            Run: self.runs,  # type: ignore[dict-item]
            Stall: self.stalls,  # type: ignore[dict-item]
            Missed: self.missed,  # type: ignore[dict-item]
            Note: self.notes,  # type: ignore[dict-item]
        }
        for record in records:
            shelves[type(record)].append(record)
        for shelf in shelves.values():
            shelf.sort(key=_clock)

    @classmethod
    def load(cls, directory: Path) -> History:
        """Read a history directory. A line cut off by a crash is skipped and named in `damaged`.

        Raises:
            HistoryError: no `header.json`, an unreadable one, or a schema newer than this version.
        """
        header = read_header(directory)
        damaged: list[str] = []
        return cls(header, _records(directory, damaged), damaged=damaged)


def read_header(directory: Path) -> Header:
    """The header of a history directory. Raises HistoryError as `History.load` does."""
    path = directory / "header.json"
    try:
        header = msgspec.json.decode(path.read_bytes(), type=Header)
    except OSError as error:
        raise HistoryError(f"{directory} holds no history: {error.strerror or error} ({path.name})") from error
    except msgspec.MsgspecError as error:
        raise HistoryError(f"{path} is not the header of a history: {error}") from error
    if header.schema > SCHEMA_VERSION:
        raise HistoryError(
            f"{path} has schema {header.schema}; this tailproof reads up to {SCHEMA_VERSION}: use a newer release"
        )
    return header


def _clock(record: AnyRecord) -> int:
    return record.t_ns


def _records(directory: Path, damaged: list[str]) -> Iterator[AnyRecord]:
    decode = msgspec.json.Decoder(AnyRecord).decode
    for path in sorted(directory.glob("*.jsonl")):
        with path.open("rb", buffering=1 << 20) as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield decode(line)
                except msgspec.MsgspecError:
                    damaged.append(f"{path.name}:{number}")
