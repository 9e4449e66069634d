"""Room on the disks that a trial writes to. A server that cannot write loses events, and that is no finding about the server."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

LEAST_BYTES = 4 << 20
"""With less than this a disk counts as full."""
LEAST_FILES = 64


class NoRoom(Exception):
    """A disk is full: no trial can be run; one sentence."""


def lacking(places: Iterable[Path]) -> str:
    """Which of these places has no room, in one sentence; empty when all have. What is not there yet is looked at where it will be."""
    for place in places:
        there = next((one for one in (place, *place.parents) if one.exists()), None)
        if there is None:
            continue
        disk = os.statvfs(there)
        left = disk.f_bavail * disk.f_frsize
        if left < LEAST_BYTES:
            return f"the disk of {place} is full: {left // 1024} kB are left, and a trial needs {LEAST_BYTES >> 20} MB"
        if disk.f_files and disk.f_favail < LEAST_FILES:
            return f"the disk of {place} is full: it takes {disk.f_favail} more files, and a trial needs {LEAST_FILES}"
    return ""


def temporary() -> Path:
    """Where scratch directories are made. Python quietly takes another place than TMPDIR when that is full."""
    told = os.environ.get("TMPDIR")
    return Path(told) if told and Path(told).is_dir() else Path(tempfile.gettempdir())


def check(out: Path) -> None:
    """Raises NoRoom when a check with this `--out` could not be run."""
    if why := lacking((out, temporary())):
        raise NoRoom(why)
