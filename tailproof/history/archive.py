"""A history that is kept for long: each of its files is compressed by itself, and read back as if it were not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import zstandard

from tailproof.incoming.files import BadFile, is_plain_file, open_regular
from tailproof.outgoing.atomic import aside_of

SUFFIX = ".zst"
_LEVEL = 9
_WINDOW_BYTES = 1 << 27
"""What a stranger's file may make us hold."""


class Readable(Protocol):
    """Bytes in their order."""

    def readinto(self, buffer: bytearray | memoryview, /) -> int | None:
        """Fill a buffer from its begin; 0 at the end."""


def archive(directory: Path) -> None:
    """Compress the records and bodies of a history that has ended. Killed at any moment, it leaves a history that can be read and archived
    again. Raises OSError."""
    for path in [*directory.glob("*.jsonl"), *directory.glob("payloads/*.json")]:
        if is_plain_file(path):
            aside, archived = aside_of(path), path.with_name(path.name + SUFFIX)
            try:
                with path.open("rb") as source, aside.open("wb") as file:
                    zstandard.ZstdCompressor(level=_LEVEL).copy_stream(source, file, size=path.stat().st_size)
                aside.replace(archived)
            except OSError:
                aside.unlink(missing_ok=True)
                raise
            path.unlink()


def record_files(directory: Path) -> dict[str, Path]:
    """The file of each witness by its name without the compression: `wire.jsonl`. Of two with one name, as a killed `archive` leaves them,
    the whole one counts."""
    archived = {path.name.removesuffix(SUFFIX): path for path in directory.glob(f"*.jsonl{SUFFIX}")}
    plain = {path.name: path for path in directory.glob("*.jsonl")}
    return dict(sorted({**archived, **plain}.items()))


@contextmanager
def opened(path: Path) -> Iterator[Readable]:
    """A file of a history for reading, compressed or not. Raises BadFile, also while it is read: what was compressed is damaged."""
    with open_regular(path) as file:
        if path.suffix != SUFFIX:
            yield file
            return
        reader = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES).stream_reader(file, read_across_frames=True)
        try:
            yield reader
        except zstandard.ZstdError as error:
            raise BadFile(path, 0, f"cannot be read: {error}") from error
