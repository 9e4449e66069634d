"""Reads a history back, also one whose writer was killed in the middle of a line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import msgspec

from tailproof.history.access_records import Canary, Knock
from tailproof.history.checked import check
from tailproof.history.directory import HEADER
from tailproof.history.execution_records import AgentSaid, Turn
from tailproof.history.header import READ_SCHEMAS, Header
from tailproof.history.lines import HistoryError, batches
from tailproof.history.older import ACTS_SINCE, acts_among, translate_plan
from tailproof.history.pod_records import PodEvent, PodSeen
from tailproof.history.records import (
    Act,
    AnyRecord,
    BreakOff,
    ChildCall,
    ClientError,
    Counter,
    Effect,
    End,
    Exchange,
    Fault,
    Frame,
    Life,
    Missed,
    ModelCall,
    Note,
    Phase,
    Post,
    Pulse,
    Rendezvous,
    Run,
    Stall,
    WireCount,
)
from tailproof.history.server_records import (
    Child,
    Event,
    Listing,
    Neighbour,
    Reading,
    Request,
    Said,
    Status,
    Stream,
    Vocabulary,
    WholeEvent,
)
from tailproof.incoming import files, json
from tailproof.incoming.files import BadFile
from tailproof.incoming.json import NotJson
from tailproof.incoming.limits import HEADER_BYTES, Exceeded

PROOF_DEPTH = 8
"""Lists and mappings inside each other in the proof of a fault: ours have one."""
P = ParamSpec("P")
T = TypeVar("T")

CLOCKS_OF_A_BATCH = 32
"""So many records of a batch are asked for their two clocks."""


@dataclass(slots=True)
class Tally:
    """How many records of one witness were read, and where the first one is missing."""

    records: int = 0
    next: int = 0
    """The number that the next record should have."""
    gap: int = -1
    """The first number that no record has although a later one is there; -1 when there is none."""
    last_ns: int = 0
    """The latest moment of a record but the end."""
    least_ns: int | None = None
    """How far the time of day is ahead of the common clock, by the records that tell both; the least of them, because a record is
    never written before its moment, and often some time after it. None when no record tells the time of day."""
    most_ns: int | None = None
    """The most of the same."""

    def count(self, first: int, last: int, records: int) -> None:
        """Add a row of records, numbered from `first` to `last`."""
        if self.gap < 0 and (first != self.next or last - first != records - 1):
            self.gap = self.next
        self.records += records
        self.next = last + 1

    def tell_time(self, row: Sequence[Any]) -> None:
        """Compare the two clocks of a row of records, of a long one in some places."""
        for record in row[:: len(row) // CLOCKS_OF_A_BATCH + 1]:
            if record.wall:
                ahead = int(record.wall * 1e9) - record.t_ns
                self.least_ns = ahead if self.least_ns is None else min(self.least_ns, ahead)
                self.most_ns = ahead if self.most_ns is None else max(self.most_ns, ahead)


class History:
    """All records of one trial, by kind, each list in the order of the common clock.

    Guarantees are functions of this object; it can be built from records in memory as well as from a directory.
    """

    def __init__(self, header: Header, records: Iterable[AnyRecord] = (), *, damaged: Iterable[str] = ()) -> None:
        self.header = header
        self.damaged = tuple(damaged)
        """`file:line` of every line that could not be read."""
        self.tallies: dict[str, Tally] = {}
        """Witness -> how many of its records there are."""
        self.phases: list[Phase] = []
        self.rendezvous: list[Rendezvous] = []
        self.faults: list[Fault] = []
        self.acts: list[Act] = []
        self.lives: list[Life] = []
        self.counters: list[Counter] = []
        self.pods: list[PodSeen] = []
        self.pod_events: list[PodEvent] = []
        self.requests: list[Request] = []
        self.events: list[Event] = []
        self.streams: list[Stream] = []
        self.said: list[Said] = []
        self.listings: list[Listing] = []
        self.neighbours: list[Neighbour] = []
        self.readings: list[Reading] = []
        self.statuses: list[Status] = []
        self.children: list[Child] = []
        self.vocabularies: list[Vocabulary] = []
        self.knocks: list[Knock] = []
        self.canaries: list[Canary] = []
        self.model_calls: list[ModelCall] = []
        self.child_calls: list[ChildCall] = []
        self.effects: list[Effect] = []
        self.pulses: list[Pulse] = []
        self.frames: list[Frame] = []
        self.exchanges: list[Exchange] = []
        self.posts: list[Post] = []
        self.turns: list[Turn] = []
        self.agents: list[AgentSaid] = []
        self.wire_counts: list[WireCount] = []
        self.runs: list[Run] = []
        self.client_errors: list[ClientError] = []
        self.stalls: list[Stall] = []
        self.missed: list[Missed] = []
        self.break_offs: list[BreakOff] = []
        self.ends: list[End] = []
        self.notes: list[Note] = []
        self._shelves: dict[type, list[Any]] = {
            Phase: self.phases,
            Rendezvous: self.rendezvous,
            Fault: self.faults,
            Act: self.acts,
            Life: self.lives,
            Counter: self.counters,
            PodSeen: self.pods,
            PodEvent: self.pod_events,
            Request: self.requests,
            Event: self.events,
            WholeEvent: self.events,
            Stream: self.streams,
            Said: self.said,
            Listing: self.listings,
            Neighbour: self.neighbours,
            Reading: self.readings,
            Status: self.statuses,
            Child: self.children,
            Vocabulary: self.vocabularies,
            Knock: self.knocks,
            Canary: self.canaries,
            ModelCall: self.model_calls,
            ChildCall: self.child_calls,
            Effect: self.effects,
            Pulse: self.pulses,
            Frame: self.frames,
            Exchange: self.exchanges,
            Post: self.posts,
            Turn: self.turns,
            AgentSaid: self.agents,
            WireCount: self.wire_counts,
            Run: self.runs,
            ClientError: self.client_errors,
            Stall: self.stalls,
            Missed: self.missed,
            BreakOff: self.break_offs,
            End: self.ends,
            Note: self.notes,
        }
        self._derived: dict[tuple[Any, ...], Any] = {}
        self._shelve([sorted(records, key=attrgetter("witness", "seq"))])

    @classmethod
    def load(cls, directory: Path) -> History:
        """Read a history directory. A line cut off by a crash is skipped and named in `damaged`.

        The bodies of events are passed over.

        Raises:
            HistoryError: no `header.json`, an unreadable one, a schema that this version does not know, a witness whose file cannot
                be read, more than `limits.RECORDS` records, or more than `limits.DAMAGED` lines that are none.
        """
        history = cls(read_header(directory))
        damaged: list[str] = []
        try:
            history._shelve(batches(directory, damaged))
        except BadFile as error:
            raise HistoryError(str(error)) from error
        except OSError as error:
            raise HistoryError(f"{directory} cannot be read: {error.strerror or error}") from error
        for shelf in (history.faults, history.acts):
            for one in [one for one in shelf if _deeper(one.proof, PROOF_DEPTH)]:
                shelf.remove(one)  # type: ignore[arg-type]
                damaged.append(f"{one.witness}.jsonl:{one.seq + 1}")
        if history.header.schema < ACTS_SINCE:
            history.acts.extend(acts_among(history.faults))
        history.damaged = tuple(damaged)
        return history

    def shelves(self) -> Iterator[Sequence[AnyRecord]]:
        """Every record, kind by kind, each in the order of the clock."""
        return (shelf for kind, shelf in self._shelves.items() if kind is not Event)

    def _shelve(self, batches: Iterable[Sequence[Any]]) -> None:
        """Put records, ordered by witness and number, on their shelves, and order each by the common clock."""
        shelves = self._shelves
        for batch in batches:
            self._tally(batch)
            for record in batch:
                shelves[type(record)].append(record)
        for shelf in shelves.values():
            shelf.sort(key=_clock)

    def _tally(self, batch: Sequence[Any]) -> None:
        """A batch of a file is one row of one witness; a long history is counted without looking at each record."""
        for witness, row in [(batch[0].witness, batch)] if _one_row(batch) else _rows(batch):
            tally = self.tallies.setdefault(witness, Tally())
            tally.count(row[0].seq, row[-1].seq, len(row))
            last = row[-2:][0] if type(row[-1]) is End else row[-1]
            tally.last_ns = max(tally.last_ns, last.t_ns if type(last) is not End else 0)
            tally.tell_time(row)


def _one_row(batch: Sequence[Any]) -> bool:
    return bool(batch) and batch[0].witness == batch[-1].witness and batch[-1].seq - batch[0].seq == len(batch) - 1


def _rows(batch: Sequence[Any]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Record by record: where one is missing, the row is not whole."""
    for witness, records in groupby(batch, key=attrgetter("witness")):
        for record in records:
            yield witness, (record,)


def derived(view: Callable[Concatenate[History, P], T]) -> Callable[Concatenate[History, P], T]:
    """A view is a pure function of a history (and hashable arguments): it is computed once per history and kept with it."""

    def once(history: History, /, *args: P.args, **kwargs: P.kwargs) -> T:
        known = history._derived
        key = (view, *args)
        if key not in known:
            known[key] = view(history, *args, **kwargs)
        return cast(T, known[key])

    once.__doc__, once.__name__ = view.__doc__, view.__name__
    return once


def read_header(directory: Path) -> Header:
    """The header of a history directory. Raises HistoryError as `History.load` does."""
    path = directory / HEADER
    try:
        raw = files.read_bytes(path, HEADER_BYTES)
    except BadFile as error:
        raise HistoryError(f"{directory} holds no history: {error.message} ({path.name})") from error
    try:
        schema = json.decode(raw, _Versioned).schema
        if schema not in READ_SCHEMAS:
            raise HistoryError(
                f"{path} has schema {schema}; this tailproof reads {READ_SCHEMAS[0]} to {READ_SCHEMAS[-1]}"
                + (": use a newer release" if schema > READ_SCHEMAS[-1] else "")
            )
        header = json.decode(raw, Header)
        translate_plan(header)
        check(header)
    except (NotJson, Exceeded, ValueError) as error:
        raise HistoryError(f"{path} is not the header of a history: {error}") from error
    return header


class _Versioned(msgspec.Struct):
    schema: int = 1


_clock = attrgetter("t_ns")


def _deeper(value: object, limit: int) -> bool:
    if not limit:
        return True
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_deeper(one, limit - 1) for one in below)
