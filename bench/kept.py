"""Lines of a measurement that goes on where it was stopped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

L = TypeVar("L", bound=msgspec.Struct)


class Kept(Generic[L]):
    """A file of lines, each on the disk as soon as it is known. What a killed one left of a line is no line."""

    def __init__(self, path: Path, decoder: msgspec.json.Decoder[L]) -> None:
        self._path = path
        self._decoder = decoder

    def told(self) -> list[L]:
        """Those that are there."""
        return [self._decoder.decode(line) for line in self._whole().splitlines()]

    def write(self, line: L) -> None:
        """One more. It is printed, too."""
        whole = len(self._whole())
        with self._path.open("ab") as file:
            os.truncate(self._path, whole)
            file.write(msgspec.json.encode(line) + b"\n")
        print(line, flush=True)

    def _whole(self) -> bytes:
        there = self._path.read_bytes() if self._path.exists() else b""
        return there[: there.rfind(b"\n") + 1]
