"""What a process holds, as the kernel counts it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_KB = 1024


def held(pid: int) -> Mapping[str, int]:
    """Descriptors, threads and memory of the process; empty for one that is gone or another user's."""
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
    }
