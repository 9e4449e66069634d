"""Reads the lines of a history, also those of a writer that was killed in the middle of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Union, get_args

import msgspec

from tailproof.history.archive import Readable, opened, record_files
from tailproof.history.records import AnyRecord
from tailproof.history.server_records import Event, WholeEvent
from tailproof.incoming import BadInput
from tailproof.incoming.json import decoder
from tailproof.incoming.limits import DAMAGED, LINE_BYTES, RECORD_BYTES, RECORDS

CHUNK_BYTES = 1 << 18
"""How much of a file is held at once while it is read."""


class HistoryError(BadInput):
    """The directory holds no history, or one of a schema that this version does not read."""


_LINES = decoder(Union[tuple(Event if kind is WholeEvent else kind for kind in get_args(AnyRecord))])  # noqa: UP007


_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_NO_RECORD = memoryview(b"\0\n")
"""Stands for a line that is too long to be read."""


def batches(directory: Path, damaged: list[str]) -> Iterator[Sequence[Any]]:
    """The records of all files below `directory`, many at once. Where lines are damaged is added to `damaged`. Raises HistoryError."""
    known: dict[str, Event] = {}
    records = 0
    for name, path in record_files(directory).items():
        number = 1
        for chunk in _chunks(path):
            torn = len(damaged)
            try:
                str(chunk, "utf-8")  # the decoder passes over names that it does not know
                batch = _LINES.decode_lines(chunk)
            except _BROKEN:
                batch = list(_one_by_one(bytes(chunk), path.with_name(name), number, damaged))
            _share(batch, known)
            yield batch
            records += len(batch)
            if records > RECORDS:
                raise HistoryError(f"{directory} holds more than {RECORDS:,} records")
            number += len(batch) + len(damaged) - torn


def _chunks(path: Path) -> Iterator[memoryview]:
    """Whole lines, about `CHUNK_BYTES` at once; what follows the last line break is the last chunk.

    A chunk is only good until the next one is asked for: all of them stand in one buffer, since a fresh one for each costs
    more than decoding it.
    """
    with opened(path) as file:
        buffer, filled = bytearray(CHUNK_BYTES), 0
        while read := file.readinto(memoryview(buffer)[filled:]):
            filled += read
            end = buffer.rfind(b"\n", 0, filled) + 1
            if end:
                yield memoryview(buffer)[:end]
                buffer[: filled - end] = buffer[end:filled]
                filled -= end
            elif len(buffer) >= RECORD_BYTES:
                filled = _after_this_line(file, buffer, path)
                yield _NO_RECORD
            elif filled == len(buffer):
                buffer = buffer + bytearray(len(buffer))
        if filled:
            yield memoryview(buffer)[:filled]


def _after_this_line(file: Readable, buffer: bytearray, path: Path) -> int:
    """Read on to the end of the line; `buffer` then begins with what follows it, so many bytes. Raises HistoryError: too far away."""
    passed = 0
    while read := file.readinto(buffer):
        if end := buffer.find(b"\n", 0, read) + 1:
            buffer[: read - end] = buffer[end:read]
            return read - end
        passed += read
        if passed > LINE_BYTES:
            raise HistoryError(f"{path} is no part of a history: a line of it is longer than {LINE_BYTES >> 20} MB")
    return 0


def _one_by_one(chunk: bytes, path: Path, first: int, damaged: list[str]) -> Iterator[Any]:
    for number, line in enumerate(chunk.removesuffix(b"\n").split(b"\n"), first):
        try:
            line.decode()
            yield _LINES.decode(line)
        except _BROKEN:
            damaged.append(f"{path.name}:{number}")
            if len(damaged) > DAMAGED:
                says = (
                    f"{path.parent} is no history: more than {DAMAGED:,} of its lines are no records, as {damaged[-1]}"
                )
                raise HistoryError(says) from None


def _share(batch: Sequence[Any], known: dict[str, Event]) -> None:
    """Let equal strings of events be one object: an event is seen by several witnesses, and memory counts."""
    witness = reading = conversation = name = ""
    for record in batch:
        if type(record) is Event:
            if record.reading != reading or record.witness != witness or record.conversation != conversation:
                witness, reading, conversation = record.witness, record.reading, record.conversation
            record.witness, record.reading, record.conversation = witness, reading, conversation
            if record.name != name:
                name = record.name
            first = known.setdefault(record.id, record)
            if first is not record:
                record.id, record.name = first.id, first.name
                if record.digest == first.digest:
                    record.digest = first.digest
                if record.ts == first.ts and record.text == first.text and record.call == first.call:
                    record.ts, record.text, record.call = first.ts, first.text, first.call
            else:
                record.name = name
