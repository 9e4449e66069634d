"""What goes into a container as files, and how it comes out again."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path


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


def open_to_all(journal: Path) -> None:
    """Tools run as the image's user and the harness as another: both have to write and remove here."""
    journal.mkdir(parents=True, exist_ok=True)
    journal.chmod(0o777)
    for file in journal.iterdir():
        file.chmod(0o666)
