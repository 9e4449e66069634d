"""A clock for one server, which can be set while it runs: that of the machine is never touched."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path, PurePath

from docker.types import Mount

from tailproof.outgoing.atomic import write_atomically
from tailproof.provision.faketime import HOW_TO_GET_IT, faketime
from tailproof.targets.target import TargetError

_OFFSET = "offset"
_INSIDE = PurePath("/tailproof-time")
_SHARED = Path("/dev/shm")
_C_LIBRARY = "libc.so.6"
LOADER = {"x86_64": "/lib64/ld-linux-x86-64.so.2", "aarch64": "/lib/ld-linux-aarch64.so.1"}.get(platform.machine(), "")
"""What loads programs where the library works: there is such a C library, and such a processor. Empty where nobody knows."""


def capability() -> frozenset[str]:
    """What a target can do besides where the library is there."""
    return frozenset({"own-clock"} if LOADER and faketime() else set[str]())


class OwnClock:
    """The server and its tools read the time through libfaketime, which reads from a file how much to add. One that is not `wanted`
    adds nothing to a server.

    Threads share the name of that file without a lock (libfaketime up to 0.9.12, except in its library for threads): one that
    reads the time while another writes the name down finds no such file, and gets the true time."""

    def __init__(self, directory: Path, *, wanted: bool) -> None:
        """Raises TargetError when the library is wanted and not there."""
        self._library = faketime() if wanted else None
        self._directory = directory
        self._wanted = wanted
        if wanted and self._library is None:
            raise TargetError(f"a clock of the server's own needs libfaketime: {HOW_TO_GET_IT}")

    def set(self, offset_s: float) -> None:
        """From now on the server's clock is so much ahead of that of the machine, or behind it. Raises TargetError: it has none."""
        if not self._wanted:
            raise TargetError("this server has no clock of its own")
        self._directory.mkdir(parents=True, exist_ok=True)
        # Whoever the image says that it runs as reads it.
        self._directory.chmod(0o755)
        write_atomically(self._directory / _OFFSET, f"{offset_s:+.0f}\n".encode(), mode=0o644)

    def begin(self, place: Path) -> Mapping[str, str]:
        """What the environment of a server on this machine needs. In `place` it gets a path to the library: where that is there may be
        spaces, and what is preloaded has none."""
        link = place / "libfaketime.so"
        if self._library is not None and not link.is_symlink():
            link.symlink_to(self._library.resolve())
        return self._variables(str(link), self._directory)

    def ended(self, pid: int) -> None:
        """A process on this machine that got what `begin` returned is dead. What the library shared between it and its descendants is
        removed: one that is killed leaves it behind, and those who come later make it anew."""
        for name in (f"sem.faketime_sem_{pid}", f"faketime_shm_{pid}") if self._wanted else ():
            (_SHARED / name).unlink(missing_ok=True)

    def begin_inside(self) -> tuple[Mapping[str, str], list[Mount]]:
        """What the environment of a container needs, and what it must see of this machine."""
        seen = {_INSIDE / "libfaketime.so": self._library, _INSIDE / "clock": self._directory}
        variables = self._variables(str(_INSIDE / "libfaketime.so"), _INSIDE / "clock")
        places = {str(inside): str(here.resolve()) for inside, here in seen.items() if here and self._wanted}
        return variables, [Mount(inside, here, type="bind", read_only=True) for inside, here in places.items()]

    def _variables(self, library: str, directory: PurePath) -> Mapping[str, str]:
        if not self._wanted:
            return {}
        if not (self._directory / _OFFSET).exists():
            self.set(0)
        return {
            # The C library, too, so that it comes before an allocator: jemalloc (in the tmux of Debian 13) asks for the time when it is
            # first used, libfaketime is not ready for it then, and the program waits for itself for ever.
            "LD_PRELOAD": f"{library}:{_C_LIBRARY}",
            "FAKETIME_TIMESTAMP_FILE": str(directory / _OFFSET),
            "FAKETIME_NO_CACHE": "1",
            # How long something takes and when a file was written stay true: a clock that is set changes neither.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            # Nor when a timed wait ends. Left alone, the library moves that by what it adds to the clock (with glibc 2.30 and later), also
            # where it adds nothing to that of the wait: threads of Python then take its lock from each other without ever waiting.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            # Nor when a tool wrote into its journal: that is written down for the harness, with `date`.
            "FAKETIME_SKIP_CMDS": "date",
        }
