"""What the kernel says of a process in `/proc/PID/status`."""

from __future__ import annotations

import signal as signals
from pathlib import Path

_PENDING_STOP = 1 << (signals.SIGSTOP - 1)


def stands_still(pid: int) -> bool:
    """Also a process that waits in the kernel for its child to become another program (vfork), and the child was stopped before it did:
    its SIGSTOP is the first that it meets."""
    word = status_of(pid, "State")[:1]
    if word == "D":
        return bool(int(status_of(pid, "ShdPnd") or "0", 16) & _PENDING_STOP)
    return word in ("T", "t", "")


def status_of(pid: int, field: str) -> str:
    """One field of `/proc/PID/status`; empty when the process is gone or the kernel does not tell."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return next((line.partition(":")[2].strip() for line in text.splitlines() if line.startswith(f"{field}:")), "")
