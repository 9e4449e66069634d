"""Which processes run in a container, seen from the host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CAPABILITY = "sees-processes"
"""The harness sees the processes of the container itself, whose numbers are those of this machine."""
INITS = frozenset({"tini", "docker-init", "dumb-init", "catatonit", "s6-svscan"})


@dataclass(frozen=True, slots=True)
class ContainerProcess:
    """One process of a container."""

    pid: int
    """As the host numbers it."""
    inner_pid: int
    """As the container numbers it."""
    parent: int
    began: int
    name: str
    command: str

    def lives(self) -> bool:
        """This very process runs and is no zombie."""
        now = _container_process(self.pid)
        return now is not None and now.began == self.began


def container_processes(init: int) -> list[ContainerProcess]:
    """Every descendant of the container's first process `init`, parents before children; empty when there is none."""
    if not init:
        return []
    living = (_container_process(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    inside = {init}
    found = []
    for process in sorted((process for process in living if process), key=lambda process: process.began):
        if process.parent in inside:
            inside.add(process.pid)
            found.append(process)
    return found


def server_of(init: int) -> ContainerProcess | None:
    """The server: what the container's init started, or the first process itself when that is no init."""
    first = _container_process(init) if init else None
    return None if first is None else server_among([first, *container_processes(init)])


def server_among(processes: Sequence[ContainerProcess]) -> ContainerProcess | None:
    """The same among all processes of a container, of which the first one is its first."""
    if not processes:
        return None
    first, *below = processes
    children = [process for process in below if process.parent == first.pid] if first.name in INITS else [first]
    return unpacked_among(children[0], processes) if children else None


def helper_of(server: int) -> ContainerProcess | None:
    """The process of the container, neither the server nor its init, below which tools run: the oldest that has children of its own."""
    process = _container_process(server)
    if process is None:
        return None
    above = _container_process(process.parent)
    loader = above if above is not None and unpacked(above) == process else process
    init = loader.pid if loader.inner_pid == 1 else loader.parent
    below = container_processes(init)
    parents = {one.parent for one in below}
    beside = (one for one in below if one.parent in (init, server) and one.pid not in (loader.pid, server))
    return next((one for one in beside if one.pid in parents), None)


def unpacked(found: ContainerProcess) -> ContainerProcess:
    """A server packed into one file has a parent of the same command that only unpacks it, which takes a moment, and waits: the child
    is the server, as soon as there is one. (The same picture under Python is a server that is about to start something, and the
    parent is the server.) Its command is read again: the kernel shows none for a moment after an exec, and `found` may be of then."""
    loader = _container_process(found.pid)
    return found if loader is None else unpacked_among(found, [loader, *container_processes(loader.pid)])


def unpacked_among(found: ContainerProcess, processes: Sequence[ContainerProcess]) -> ContainerProcess:
    """The same among these processes."""
    loader = next((one for one in processes if one.pid == found.pid), None)
    if loader is None or loader.began != found.began or loader.name.startswith("python"):
        return found
    twins = (one for one in processes if one.parent == loader.pid and one.command == loader.command)
    return next(twins, found)


def _container_process(pid: int) -> ContainerProcess | None:
    place = Path(f"/proc/{pid}")
    try:
        name, _, rest = (place / "stat").read_text().partition("(")[2].rpartition(")")
        fields = rest.split()
        command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        status = (place / "status").read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    if fields[0] in "ZX":
        return None
    inner = next((line.split()[-1] for line in status.splitlines() if line.startswith("NSpid:")), str(pid))
    return ContainerProcess(pid, int(inner), int(fields[1]), int(fields[19]), name, command)
