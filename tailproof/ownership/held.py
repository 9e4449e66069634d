"""What a process holds, as the kernel counts it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_KB = 1024


def held(pid: int) -> Mapping[str, int]:
    """Descriptors, threads and memory of the process, and how many processes live below it; empty for one that is gone or another
    user's."""
    place = Path("/proc", str(pid))
    try:
        descriptors = sum(1 for _ in (place / "fd").iterdir())
        threads = sum(1 for _ in (place / "task").iterdir())
        status = (place / "status").read_text()
    except OSError:
        return {}
    memory = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")), 0)
    return {
        "descriptors": descriptors,
        "threads": threads,
        "memory_bytes": memory * _KB,
        "children": _below(pid),
    }


def _below(pid: int) -> int:
    """The processes whose parent it is, and theirs."""
    parents: dict[int, list[int]] = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            with suppress(OSError, IndexError, ValueError):
                stat = (place / "stat").read_text()
                parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(place.name))
    found, left = 0, [pid]
    while left:
        below = parents.get(left.pop(), [])
        found += len(below)
        left += below
    return found
