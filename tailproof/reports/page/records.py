"""The records of a trial as the columns of its timeline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    """At most `most` records, of each lane its share: what a verdict rests on, what shows trouble, the ends of the rest."""
    lanes = _lanes(history, evidence)
    kept: list[Shown] = []
    for lane, share in zip(lanes, shares([len(lane.records) for lane in lanes], most), strict=True):
        kept += ends_of(lane.records, share, wanted=lane.wanted)
    return Chosen(sorted(kept, key=_clock), sum(len(lane.records) for lane in lanes))


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
    records: Sequence[Shown]
    wanted: Sequence[int]


@derived
def _lanes(history: History, evidence: Evidence) -> tuple[_Lane, ...]:
    """The records of each lane in the order of the clock, and the places of those that are kept first."""
    lanes: dict[str, list[Shown]] = {}
    for record in _records(history, evidence):
        lanes.setdefault(lane_of(record), []).append(record)
    for records in lanes.values():
        records.sort(key=_clock)
    return tuple(_Lane(records, sorted(set(_wanted(records, evidence)))) for records in lanes.values())


def _records(history: History, evidence: Evidence) -> Iterator[Shown]:
    for shelf in history.shelves():
        ends = bool(shelf) and isinstance(shelf[0], End)
        yield from (one for one in shelf if not ends or (one.witness, one.seq) in evidence)


def _wanted(records: Sequence[Shown], evidence: Evidence) -> Iterable[int]:
    for place, record in enumerate(records):
        if (record.witness, record.seq) in evidence:
            yield from range(place - AROUND, place + AROUND + 1)
        elif troubled(record):
            yield place


def _flag(record: Shown, evidence: Evidence) -> int:
    return 1 if (record.witness, record.seq) in evidence else 2 if troubled(record) else 0
