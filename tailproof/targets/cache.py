"""Where built things are kept between checks, and how processes take turns at building them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tailproof.waiting import Budget


def cache() -> Path:
    """`$TAILPROOF_CACHE`, or `~/.cache/tailproof`."""
    told = os.environ.get("TAILPROOF_CACHE")
    return Path(told).expanduser().absolute() if told else Path.home() / ".cache" / "tailproof"


@contextmanager
def only_one(path: Path, budget: Budget, *, doing: str) -> Iterator[None]:
    """Hold the file lock `path` while the block runs, across processes. Raises DeadlineMissed when another one keeps it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        budget.wait_for(f"another process that is {doing}", lambda: _try_lock(file.fileno()), every=0.1)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
