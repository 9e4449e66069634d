"""A trial as a Perfetto trace: one track for its phases, each fault, the lives of the server, each witness of the status, and each lane
of records. Open it in Perfetto's UI, or ask it with SQL.

Times are nanoseconds since the first record of the trial.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import TrackEvent
from perfetto.trace_builder.proto_builder import TraceProtoBuilder

_SEQUENCE = 1
_PER_MS = 1_000_000
_ROOT = 1
_EVIDENCE = 1
"""The flag of a record that a violation rests on."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something on a track: a slice from `at` to `until`, in milliseconds, or an instant without an end."""

    at: float
    name: str
    until: float | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


def encode(data: Mapping[str, Any]) -> bytes:
    """The trace of one trial, given as the page has it (`page.trial`)."""
    builder = TraceProtoBuilder()
    _describe(builder, _ROOT, str(data["called"]), parent=None)
    for number, (name, marks) in enumerate(_tracks(data), _ROOT + 1):
        _describe(builder, number, name, parent=_ROOT)
        for mark in marks:
            _write(builder, number, mark)
    return bytes(builder.serialize())


def _tracks(data: Mapping[str, Any]) -> Iterator[tuple[str, list[Mark]]]:
    end = float(data["duration_ms"])
    yield "phases", [Mark(at=one["from"], name=one["name"], until=one["to"]) for one in data["phases"]]
    for fault in data["faults"]:
        if fault["injected"] is not None:
            proof = {row["name"]: f"{row['before']} → {row['after']}" for row in fault["proof"]}
            facts = {"says": fault["says"], "scope": fault["scope"], "proven": str(fault["proven"]).lower(), **proof}
            until = end if fault["healed"] is None else fault["healed"]
            kind = "act" if fault["act"] else "fault"
            yield f"{kind} {fault['name']}", [Mark(at=fault["injected"], name=fault["fault"], until=until, facts=facts)]
    yield "server lives", list(_lives(data["lives"], end))
    for one in data["statuses"]:
        yield f"status: {one['witness']}", list(_steps(one["steps"], end))
    records = data["records"]
    for number, lane in enumerate(data["lanes"]):
        rows = [row for row, of in enumerate(records["lane"]) if of == number]
        yield lane["title"], [_record(records, row) for row in rows]


def _lives(lives: Sequence[Mapping[str, Any]], end: float) -> Iterator[Mark]:
    for life in lives:
        begin = life["started"] if life["started"] is not None else life["ready"]
        if begin is not None:
            until = end if life["ended"] is None else life["ended"]
            yield Mark(at=begin, name=f"life {life['epoch']}", until=until, facts={"end": life["end"]})


def _steps(steps: Sequence[Sequence[Any]], end: float) -> Iterator[Mark]:
    untils = [*(at for at, _ in steps[1:]), max(end, steps[-1][0])] if steps else []
    for (at, status), until in zip(steps, untils, strict=True):
        yield Mark(at=at, name=status, until=until)


def _record(records: Mapping[str, Sequence[Any]], row: int) -> Mark:
    facts = {"says": records["says"][row], "address": records["address"][row]}
    if records["flag"][row] == _EVIDENCE:
        facts["evidence"] = "of a violation"
    return Mark(at=records["t"][row], name=records["kind"][row], facts=facts)


def _describe(builder: TraceProtoBuilder, track: int, name: str, *, parent: int | None) -> None:
    packet = builder.add_packet()
    packet.track_descriptor.uuid = track
    packet.track_descriptor.name = name
    if parent is not None:
        packet.track_descriptor.parent_uuid = parent


def _write(builder: TraceProtoBuilder, track: int, mark: Mark) -> None:
    slice_ = mark.until is not None
    begin = TrackEvent.TYPE_SLICE_BEGIN if slice_ else TrackEvent.TYPE_INSTANT
    _event(builder, track, mark.at, begin, mark.name, mark.facts)
    if mark.until is not None:
        _event(builder, track, max(mark.at, mark.until), TrackEvent.TYPE_SLICE_END)


def _event(
    builder: TraceProtoBuilder,
    track: int,
    at: float,
    kind: Any,
    name: str = "",
    facts: Mapping[str, str] | None = None,
) -> None:
    packet = builder.add_packet()
    packet.timestamp = round(max(0.0, at) * _PER_MS)
    packet.trusted_packet_sequence_id = _SEQUENCE
    packet.track_event.type = kind
    packet.track_event.track_uuid = track
    if name:
        packet.track_event.name = name
    for key, value in (facts or {}).items():
        note = packet.track_event.debug_annotations.add()
        note.name, note.string_value = key, value
