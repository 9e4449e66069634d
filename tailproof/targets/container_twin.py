"""A second container on a server's volume, while the first one lives."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from docker.errors import NotFound

from tailproof.provision.engine import engine_does
from tailproof.provision.errors import EngineError
from tailproof.targets.container_processes import ContainerProcess, server_of
from tailproof.targets.port import HOST, Port
from tailproof.targets.target import ServerFailed
from tailproof.waiting import Budget, DeadlineMissed

_SEEN_S = 10.0
_GRACE_S = 15
"""How long it may take to end after SIGTERM."""


class ContainerTwin:
    """See `targets.target.Twin`. It is another host, as the first container is one; its labels are those of the server, so that whatever
    removes that removes it, too."""

    def __init__(self, place: str, create: Callable[[int], Any]) -> None:
        """`create` makes the container of a server on a port; `place` is where both have their data."""
        self._place = place
        self._create = create
        self._port = Port()
        self._container: Any = None
        self._server: ContainerProcess | None = None
        self.url = f"http://{HOST}:{self._port.number}"

    def start(self) -> None:
        """Raises EngineError; ServerFailed: no process of a server runs in it."""
        self._container = self._create(self._port.number)
        with engine_does("starting the second container"):
            self._container.start()
        try:
            Budget(_SEEN_S).wait_for("the server process in the second container", self._found)
        except DeadlineMissed as missed:
            raise ServerFailed(f"the second container runs no server: {missed}") from missed

    def pid(self) -> int:
        """0 when it is not alive."""
        return self._server.pid if self._server is not None and self._server.lives() else 0

    def shares_disk(self, pid: int) -> bool:
        """By what the kernel shows to be mounted there for each of the two processes."""
        seen = {_mounted_at(self._place, one) for one in (pid, self.pid())}
        return len(seen) == 1 and None not in seen

    def end(self) -> None:
        """SIGTERM, then SIGKILL, by the engine; the container is removed. Idempotent; one that the engine does not end is left to whatever
        removes the trial."""
        container, self._container = self._container, None
        if container is not None:
            with suppress(EngineError), engine_does("ending the second container"), suppress(NotFound):
                container.stop(timeout=_GRACE_S)
                container.remove(force=True)
        self._port.release()

    def _found(self) -> bool:
        with engine_does("looking at the second container"):
            self._container.reload()
        self._server = server_of(int(self._container.attrs["State"]["Pid"]))
        return self._server is not None or self._container.status == "exited"


def _mounted_at(place: str, pid: int) -> tuple[str, str] | None:
    """The device, and which directory of it; None when the process is gone or has nothing mounted there."""
    try:
        lines = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    except OSError:
        return None
    found = (line.split() for line in lines)
    return next(((fields[2], fields[3]) for fields in found if fields[4] == place), None)
