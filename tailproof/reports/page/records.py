"""The records of a trial as the columns of its timeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from tailproof.history.reader import History, derived
from tailproof.history.records import AnyRecord, End
from tailproof.history.server_records import Event
from tailproof.reports.assemble import Clock
from tailproof.reports.page.lanes import LANES, lane_of
from tailproof.reports.record_words import address, kind, says, troubled
from tailproof.reports.trimming import ends_of, shares

AROUND = 4
"""So many records before and behind one that a verdict rests on stay in its lane whatever is cut."""
Shown = AnyRecord | Event
Evidence = frozenset[tuple[str, int]]
"""Witness and number of the records that violations rest on."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The records that are shown, in the order of the clock, and how many there are in all."""

    records: Sequence[Shown]
    of: int


def choose(history: History, evidence: Evidence, most: int) -> Chosen:
    """At most `most` records: first what a verdict rests on, then of each lane its share: what stands around that, what shows trouble,
    the ends of the rest."""
    lanes = _lanes(history, evidence)
    kept = ends_of([record for lane in lanes for record in lane.evidence], most)
    for lane, share in zip(lanes, shares([len(lane.rest) for lane in lanes], most - len(kept)), strict=True):
        kept += ends_of(lane.rest, share, wanted=lane.wanted)
    return Chosen(sorted(kept, key=_clock), sum(len(lane.evidence) + len(lane.rest) for lane in lanes))


def columns(
    chosen: Chosen, evidence: Evidence, clock: Clock, rows: Mapping[str, int]
) -> tuple[list[dict[str, str]], dict[str, list[Any]]]:
    """The lanes that have records, and the records column by column; `rows` is where each event stands in the ledger."""
    found = {lane_of(record) for record in chosen.records}
    lanes = [name for name in LANES if name in found]
    index = {name: number for number, name in enumerate(lanes)}
    shown: dict[str, list[Any]] = {
        "lane": [index[lane_of(record)] for record in chosen.records],
        "t": [clock.ms(record.t_ns) for record in chosen.records],
        "address": [address(record) for record in chosen.records],
        "kind": [kind(record) for record in chosen.records],
        "says": [says(record) for record in chosen.records],
        "flag": [_flag(record, evidence) for record in chosen.records],
        "event": [rows.get(getattr(record, "id", ""), -1) for record in chosen.records],
    }
    return [{"id": name, "title": LANES[name]} for name in lanes], shown


_clock = attrgetter("t_ns")


@dataclass(frozen=True, slots=True)
class _Lane:
    evidence: Sequence[Shown]
    rest: Sequence[Shown]
    wanted: Sequence[int]
    """The places in the rest of what stands around evidence, and of what shows trouble."""


@derived
def _lanes(history: History, evidence: Evidence) -> tuple[_Lane, ...]:
    """Each lane in the order of the clock."""
    lanes: dict[str, list[Shown]] = {}
    for record in _records(history, evidence):
        lanes.setdefault(lane_of(record), []).append(record)
    return tuple(_lane(sorted(records, key=_clock), evidence) for records in lanes.values())


def _lane(records: Sequence[Shown], evidence: Evidence) -> _Lane:
    found: list[Shown] = []
    rest: list[Shown] = []
    wanted: set[int] = set()
    for record in records:
        if (record.witness, record.seq) in evidence:
            found.append(record)
            wanted.update(range(len(rest) - AROUND, len(rest) + AROUND))
        else:
            if troubled(record):
                wanted.add(len(rest))
            rest.append(record)
    return _Lane(found, rest, sorted(wanted))


def _records(history: History, evidence: Evidence) -> Iterator[Shown]:
    for shelf in history.shelves():
        ends = bool(shelf) and isinstance(shelf[0], End)
        yield from (one for one in shelf if not ends or (one.witness, one.seq) in evidence)


def _flag(record: Shown, evidence: Evidence) -> int:
    return 1 if (record.witness, record.seq) in evidence else 2 if troubled(record) else 0
