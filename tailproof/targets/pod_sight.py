"""Who sees the processes of a server's container, and acts on them: the node, where that is this machine and the harness is root."""

from __future__ import annotations

import os
import signal as signals
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from tailproof.cluster import node
from tailproof.cluster.node import KernelSaw, KernelWatch
from tailproof.ownership import cgroup
from tailproof.targets.container_processes import ContainerProcess, container_processes, server_of, unpacked

Told = Callable[[KernelSaw], None]


class Sight(Protocol):
    """One for all lives of a server. What is asked is about the container that was followed last."""

    patience_s: float
    """How long it may take until a server that begins is seen."""
    at_once: bool
    """It is seen as soon as it begins, and not only when it listens."""

    @property
    def saw(self) -> KernelSaw | None:
        """What the kernel counted for it; None when that cannot be seen."""

    def runs(self, container: str) -> bool:
        """Whether a container that the API server calls running has processes."""

    def follow(self, pod: str, container: str) -> str:
        """From now on. Says why its kernel's counters cannot be seen; empty when they can."""

    def server(self) -> ContainerProcess | None:
        """The server, once its container's first process has become it, or has started it."""

    def lives(self, process: ContainerProcess) -> bool:
        """This very process runs and is no zombie."""

    def current(self, server: ContainerProcess) -> ContainerProcess:
        """Which process the server is now: one that is packed into a file unpacks itself first."""

    def stopped(self, process: ContainerProcess) -> bool:
        """It stands still (SIGSTOP)."""

    def signal(self, process: ContainerProcess, number: signals.Signals) -> None:
        """To this one, if it is there."""

    def signal_first(self, number: signals.Signals) -> None:
        """To the first process of the container, with which all others end."""

    def signal_all(self, number: signals.Signals, *, but_the_first: bool = False) -> None:
        """To every process of the container."""

    def empty(self) -> bool:
        """No process of it is left."""

    def counters(self) -> Mapping[str, float]:
        """See `targets.target.Server.counters`."""

    def close(self) -> None:
        """Stop looking. Idempotent."""


class FromTheNode:
    """See `Sight`. Its processes have the numbers that they have on this machine."""

    patience_s = 20.0
    at_once = True

    def __init__(self, on_kernel: Told) -> None:
        self._on_kernel = on_kernel
        self._container = ""
        self._kernel: KernelWatch | None = None
        self._kernels: list[KernelWatch] = []

    @property
    def saw(self) -> KernelSaw | None:
        """The kernel's own words."""
        return self._kernel.saw if self._kernel is not None else None

    def runs(self, container: str) -> bool:
        """As the kernel has it."""
        return bool(node.pids(container))

    def follow(self, pod: str, container: str) -> str:
        """By its control group, which is gone a moment after the last process."""
        self._container = container
        try:
            self._kernel = KernelWatch(container, self._first(), self._on_kernel)
        except ProcessLookupError as error:
            self._kernel = None
            return str(error)
        self._kernels.append(self._kernel)
        return ""

    def server(self) -> ContainerProcess | None:
        """The first process is the shell that holds the server back, until that has become the server, or its init."""
        found = server_of(self._first())
        return found if found is not None and not found.command.startswith("sh -c") else None

    def lives(self, process: ContainerProcess) -> bool:
        """As the kernel has it."""
        return process.lives()

    def current(self, server: ContainerProcess) -> ContainerProcess:
        """Looked at again."""
        return unpacked(server)

    def stopped(self, process: ContainerProcess) -> bool:
        """As the kernel has it."""
        with suppress(OSError):
            return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt"
        return False

    def signal(self, process: ContainerProcess, number: signals.Signals) -> None:
        """From outside, which reaches a container's first process, too."""
        _signal(process.pid, number)

    def signal_first(self, number: signals.Signals) -> None:
        """The kernel lets it go from outside whatever it handles."""
        _signal(self._first(), number)

    def signal_all(self, number: signals.Signals, *, but_the_first: bool = False) -> None:
        """One after the other."""
        pids = [one.pid for one in container_processes(self._first())] if but_the_first else self._pids()
        for pid in pids:
            _signal(pid, number)

    def empty(self) -> bool:
        """As the kernel has it."""
        return not self._pids()

    def counters(self) -> Mapping[str, float]:
        """Of the container's control group, as long as it lives."""
        first = self._first()
        read = cgroup.on_host(first) if first else None
        return {} if read is None else {**cgroup.counters(read), "pids": float(len(container_processes(first)))}

    def close(self) -> None:
        """Idempotent."""
        for kernel in self._kernels:
            kernel.close()

    def _pids(self) -> Sequence[int]:
        return node.pids(self._container)

    def _first(self) -> int:
        return next(iter(self._pids()), 0)


def _signal(pid: int, number: signals.Signals) -> None:
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
