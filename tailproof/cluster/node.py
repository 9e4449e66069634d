"""What the node's kernel knows of the containers of a pod, when the node is this machine: a witness that no kubelet stands behind.

The kubelet tells of a death half a second late or never, takes an exit code for the truth, and forgets a kill that it did not see. The
kernel counts kills in the container's control group, which is removed a moment after the last process: who only looks afterwards finds
nothing. So somebody looks all the time.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tailproof.cluster.refusals import ClusterError
from tailproof.ownership import cgroup
from tailproof.ownership.owners import began

_EVERY_S = 0.005
"""How often a control group is looked at: it outlives its last process for tens of milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSaw:
    """One container as the kernel counts it."""

    container: str
    oom_kills: int = 0
    """Processes of it that were killed for want of memory."""
    first_oom_ns: int = 0
    """When the first of them was seen, on the common clock; 0 for none."""
    first_pid: int = 0
    """Its first process, as this machine numbers it."""
    gone_ns: int = 0
    """When its control group was gone; 0 as long as it is there."""


def pids(container: str) -> list[int]:
    """The living processes of a container (by its id, as a pod's status has it) on this machine, the oldest first."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if container in (entry / "cgroup").read_text():
                    found.append((began(int(entry.name)), int(entry.name)))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
    return [pid for _, pid in sorted(found)]


def write_into(container: str, place: str, text: str) -> None:
    """Write a file of a container, whole at once and past its kubelet: as a process of this machine that sees its root. Raises
    ClusterError: nobody lives there any more, or its files cannot be written."""
    try:
        root = Path(f"/proc/{pids(container)[0]}/root")
        aside = root / f"{place.lstrip('/')}.new"
        aside.write_text(text)
        aside.rename(root / place.lstrip("/"))
    except (IndexError, OSError) as error:
        raise ClusterError(f"writing {place} in the container {container}: {error}") from error


class KernelWatch:
    """Follows the control group of one container until it is gone or `close`; `on_change` is told on this object's thread of the first
    look, of each further kill, and of the end."""

    def __init__(self, container: str, first_pid: int, on_change: Callable[[KernelSaw], None]) -> None:
        """`first_pid` is one of its living processes. Raises ProcessLookupError: it has none, or its group cannot be seen."""
        group = cgroup.memory_group(first_pid)
        if group is None:
            raise ProcessLookupError(f"the control group of the container {container} cannot be seen")
        self._on_change = on_change
        self._file = _counters_in(group)
        self._saw = KernelSaw(container=container, first_pid=first_pid)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="kernel-watch", daemon=True)
        self._thread.start()

    @property
    def saw(self) -> KernelSaw:
        """The last look."""
        return self._saw

    def close(self) -> None:
        """Stop looking. Idempotent."""
        self._closing.set()
        if self._thread is not threading.current_thread():
            self._thread.join(5)

    def _watch(self) -> None:
        # An open file of a group that was removed cannot be read any more, and no other group can take its place.
        with self._file.open("rb") as file:
            self._on_change(self._saw)
            while True:
                try:
                    text = os.pread(file.fileno(), 4096, 0).decode()
                except OSError:
                    self._tell(replace(self._saw, gone_ns=time.monotonic_ns()))
                    return
                kills = _kills(text)
                if kills > self._saw.oom_kills:
                    first = self._saw.first_oom_ns or time.monotonic_ns()
                    self._tell(replace(self._saw, oom_kills=kills, first_oom_ns=first))
                if self._closing.wait(_EVERY_S):
                    return

    def _tell(self, saw: KernelSaw) -> None:
        self._saw = saw
        self._on_change(saw)


def _counters_in(group: Path) -> Path:
    """The file that counts kills: of version 1, else of version 2."""
    old = group / "memory.oom_control"
    return old if old.exists() else group / "memory.events"


def _kills(text: str) -> int:
    for line in text.splitlines():
        name, _, number = line.partition(" ")
        if name == "oom_kill" and number.isdigit():
            return int(number)
    return 0
