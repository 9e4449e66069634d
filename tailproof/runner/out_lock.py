"""Who uses an `--out`: one check at a time, and what it started counts as its own."""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path

from tailproof.incoming import BadInput
from tailproof.waiting import Budget, DeadlineMissed

NAME = ".tailproof"
_CONTENT = re.compile(r"tailproof, pid (\d+)\n")


class OutRefused(BadInput):
    """An `--out` cannot be used; the message says why."""


class OutInUse(OutRefused):
    """Another check uses the directory; the message names both."""


class OutLock:
    """Held as long as the descriptor is open in any process, so also when its holder is killed and its supervisor still writes.

    Raises:
        OutRefused: another check runs there, the end of one was waited for `patience_s` seconds in vain, or the file is not ours.
    """

    def __init__(self, out: Path, *, patience_s: float) -> None:
        out.mkdir(parents=True, exist_ok=True)
        if (out / NAME).is_symlink() or ((out / NAME).exists() and not is_lock(out / NAME)):
            raise OutRefused(f"{out / NAME} was not made by tailproof: give this check another --out")
        self._file = (out / NAME).open("a+")
        try:
            if not self._taken():
                self._wait_for_a_dead_one(out, patience_s)
        except OutInUse:
            self._file.close()
            raise
        self._file.truncate(0)
        self._file.write(f"tailproof, pid {os.getpid()}\n")
        self._file.flush()

    @property
    def descriptor(self) -> int:
        """For a process that shall hold it, too."""
        return self._file.fileno()

    def close(self) -> None:
        """Free for the next check. Idempotent."""
        self._file.close()

    def _wait_for_a_dead_one(self, out: Path, patience_s: float) -> None:
        holder = self._holder()
        if _lives(holder):
            raise OutInUse(f"{out} is in use by another check (pid {holder}): give this one another --out")
        try:
            Budget(patience_s).wait_for("its trials to be taken down", self._taken, every=0.1)
        except DeadlineMissed as missed:
            raise OutInUse(
                f"{out} is in use by what a check that is gone (pid {holder}) left: `tailproof clean` removes it"
            ) from missed

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _holder(self) -> int:
        self._file.seek(0)
        told = _CONTENT.fullmatch(self._file.read())
        return int(told[1]) if told else 0


def is_lock(place: Path) -> bool:
    """A file of ours: it names its holder, or nobody when that one was killed at once."""
    if place.is_symlink() or not place.is_file():
        return False
    with place.open(errors="replace") as file:
        text = file.read(64)
    return not text or _CONTENT.fullmatch(text) is not None


def _lives(pid: int) -> bool:
    """A holder that has not written its number yet lives, too."""
    return not pid or Path(f"/proc/{pid}").exists()
