"""What goes into a container as files, and how it comes out again."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from tailproof.provision.engine import engine_does


class ArchiveStream:
    """The chunks of an archive as a file to read from."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._left = b""

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer only at the end."""
        while len(self._left) < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            self._left += chunk
        part, self._left = self._left[:size], self._left[size:]
        return part


def directories(*paths: str) -> bytes:
    """An archive of directories that every user may write to: the image's user is not known here."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for path in paths:
            entry = tarfile.TarInfo(Path(path).name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o777
            archive.addfile(entry)
    return made.getvalue()


def pack(directory: Path, into: IO[bytes]) -> None:
    """An archive of a directory, open to every user: the image's user has to write there. `into` stands at its begin then."""

    def opened(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mode = 0o777 if entry.isdir() else 0o666
        return entry

    with tarfile.open(fileobj=into, mode="w") as archive:
        archive.add(directory, arcname=directory.name, filter=opened)
    into.seek(0)


def unpack(archive: tarfile.TarFile, into: Path) -> None:
    """Files and directories that lie below `into`. Raises TarError: something else is in it."""
    if hasattr(tarfile, "data_filter"):
        archive.extractall(into, filter="data")
        return
    # Python 3.11.2, which Debian 12 has, knows no filter.
    for entry in archive:
        if not (entry.isfile() or entry.isdir()) or not (into / entry.name).resolve().is_relative_to(into.resolve()):
            raise tarfile.ExtractError(f"{entry.name!r} is no file or directory below {into}")
        archive.extract(entry, into)


def open_to_all(journal: Path) -> None:
    """Tools run as the image's user and the harness as another: both have to write and remove here, and in the directory that each
    trial of a shared server has in it."""
    journal.mkdir(parents=True, exist_ok=True)
    for place in (journal, *journal.rglob("*")):
        # What a tool made is its own, and what it has just removed is gone.
        with suppress(FileNotFoundError, PermissionError):
            place.chmod(0o777 if place.is_dir() else 0o666)


def counter_inside(container: Any, name: str) -> str:
    """A file of the container's control group as a process in it reads it; empty when there is none. Raises EngineError."""
    for place in ("/sys/fs/cgroup/memory", "/sys/fs/cgroup"):
        with engine_does("reading the container's counters"):
            done = container.exec_run(["cat", f"{place}/{name}"], user="0")
        if done.exit_code == 0:
            return str(done.output.decode())
    return ""
