"""Where built things are kept between checks, and how processes take turns at building them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tailproof.ownership.scratch import workroom
from tailproof.provision.errors import Unavailable
from tailproof.waiting import Budget, DeadlineMissed


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


def published(place: Path, *, mark: str, build: Callable[[Path], None], what: str, budget: Budget) -> None:
    """Have `place` built when it is not there (it is when it holds the file `mark`), by one process at a time, and mark it as
    used now. `build` fills a directory aside, which is then renamed; `what` names it in messages.

    Raises:
        Unavailable: it cannot be built, or another process keeps building it.
    """
    if touch(place, mark):
        return
    try:
        with only_one(lock_file(place), budget, doing=f"building {what}"):
            if touch(place, mark):
                return
            with workroom(beside=place) as room:
                build(room / place.name)
                (room / place.name).rename(place)
    except DeadlineMissed as missed:
        raise Unavailable(f"{what} is not there: {missed}") from missed


def building_sites() -> list[Path]:
    """The directories in which things are built aside."""
    return [place for place in cache().glob("*") if place.is_dir()]


def touch(place: Path, mark: str) -> bool:
    """Mark a built thing as used now; False when it is not there."""
    if not (place / mark).is_file():
        return False
    place.touch()
    return True


def lock_file(place: Path) -> Path:
    """What whoever builds or removes `place` holds."""
    return place.with_name(f"{place.name}.lock")


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
