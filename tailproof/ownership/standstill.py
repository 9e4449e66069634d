"""A process of this machine that is made to stand still for a while, and is not ours: which one it is stands in a scratch directory before
it does, so that whoever cleans up after us lets it go on."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path

from tailproof.ownership.owners import began, stat
from tailproof.ownership.processes import send

FILE = ".tailproof-stopped"


def stop(pid: int, directory: Path) -> None:
    """SIGSTOP. The directory is of the trial that does it. Raises OSError: there is no such process, or it is not ours to signal."""
    ticks = began(pid)
    (directory / FILE).write_text(f"{pid} {ticks}")
    send(pid, ticks, signal.SIGSTOP)


def go_on(directory: Path) -> None:
    """SIGCONT for what was stopped with this directory, if it still is this very process. Idempotent."""
    file = directory / FILE
    with suppress(OSError, ValueError):
        pid, ticks = map(int, file.read_text().split())
        send(pid, ticks, signal.SIGCONT)
    with suppress(OSError):
        file.unlink(missing_ok=True)


def stands_still(pid: int) -> bool:
    """As the kernel tells it. Raises OSError: there is no such process."""
    return stat(pid)[0] == "T"
