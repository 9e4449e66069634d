"""Prints one record of a history by its address, `wire:81`, as reports name it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tailproof.history.archive import opened, record_files
from tailproof.history.reader import History
from tailproof.history.records import AnyRecord
from tailproof.incoming import BadInput
from tailproof.incoming.json import decoder
from tailproof.incoming.limits import RECORD_BYTES, SAID_CHARS
from tailproof.outgoing.visible import clip
from tailproof.reports.assemble import Clock
from tailproof.reports.record_words import kind, says

AROUND = 3
"""So many records of the same witness are told before and behind it."""
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9_-]*):([0-9]{1,12})")


class BadAddress(BadInput):
    """It names no record of this history; the message says which there are."""


def show(directory: Path, address: str) -> str:
    """The record as JSON, and those around it in a line each.

    Raises:
        HistoryError: the directory holds no history.
        BadAddress: no such record is in it.
        BadFile: the file of the witness cannot be read.
    """
    history = History.load(directory)
    asked = _ADDRESS.fullmatch(address)
    files = {name.removesuffix(".jsonl"): path for name, path in record_files(directory).items()}
    there = [witness for witness in files if witness in history.tallies]
    if asked is None or asked[1] not in there:
        raise BadAddress(
            f"{clip(repr(address), SAID_CHARS)} is no record of {directory}: {_what_there_is(history, there)}"
        )
    witness, seq = asked[1], int(asked[2])
    near = {one.seq: one for one in _of(history, witness) if abs(one.seq - seq) <= AROUND}
    if seq not in near:
        raise BadAddress(f"{directory} holds no record {witness}:{seq}: {_what_there_is(history, there)}")
    clock = Clock(history)
    lines = [
        f"{witness}:{seq}  {kind(near[seq])} at {clock.ms(near[seq].t_ns):,} ms",
        _pretty(files[witness], seq),
        "",
    ]
    rows = [
        (">" if one.seq == seq else " ", f"{witness}:{one.seq}", f"{clock.ms(one.t_ns):,} ms", kind(one), says(one))
        for _, one in sorted(near.items())
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for mark, name, at, word, said in rows:
        lines.append(f"{mark} {name:<{widths[1]}}  {at:>{widths[2]}}  {word:<{widths[3]}}  {said}")
    return "\n".join(lines)


def _of(history: History, witness: str) -> Iterator[AnyRecord]:
    for shelf in history.shelves():
        yield from (record for record in shelf if record.witness == witness)


def _what_there_is(history: History, witnesses: list[str]) -> str:
    told = [f"{name}:0 to {name}:{history.tallies[name].next - 1}" for name in witnesses]
    return f"there are {', '.join(told)}" if told else "it holds no records"


def _pretty(path: Path, seq: int) -> str:
    """The line as it stands in the file, its body included. Raises BadFile."""
    with opened(path) as file:
        lines = io.BufferedReader(file)  # type: ignore[type-var]
        while line := lines.readline(RECORD_BYTES + 1):
            if b'"seq":%d' % seq in line and _numbered(line) == seq:
                return msgspec.json.format(line, indent=2).decode()
    raise BadAddress(f"{path} changed while it was read")


class _Numbered(msgspec.Struct):
    seq: int


def _numbered(line: bytes) -> int:
    try:
        return decoder(_Numbered).decode(line).seq
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return -1
