"""Who sees the processes of a server's container where the node is somebody else's: a program in the container itself.

It sees what the kernel shows there: the processes, and the counters of the container's control group. It ends with the container, and its
last words may be lost with it: what it did not tell is not made up. Where the kernel ends the whole group at once for want of memory
(control groups of version 2, as kubelets set them up), a kill of the server is told by the API server alone, and so is not proven.
"""

from __future__ import annotations

import json
import signal as signals
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from tailproof.cluster import pods, status
from tailproof.cluster.inside import Attached, run
from tailproof.cluster.node import KernelSaw
from tailproof.cluster.reach import Cluster
from tailproof.cluster.refusals import ClusterError
from tailproof.ownership import cgroup
from tailproof.targets.container_processes import ContainerProcess, server_among, unpacked_among
from tailproof.targets.pod_sight import Told
from tailproof.targets.pod_spec import AGENT, PORT, RELAY
from tailproof.targets.target import TargetError
from tailproof.waiting import Budget, DeadlineMissed

PROGRAM = Path(__file__).with_name("pod_inside_program.py")
RAISED = 10_000_000
"""Is added to the numbers that processes have in there: no process of this machine has such a one, and nobody takes one for another."""
_AGAIN_S = 0.5
_ENDED_S = 5.0
"""How long the API server may take to tell of an end, before the program is taken for one that ended alone."""
_OBEYED_S = 3.0
_LOOK_S = 10.0
_LISTENS = "0A"
_JOIN_S = 5.0


class FromInside:
    """See `targets.pod_sight.Sight`. Its processes have the numbers of their container, `RAISED`."""

    patience_s = 120.0
    at_once = False

    def __init__(self, cluster: Cluster, namespace: str, on_kernel: Told) -> None:
        self._cluster, self._namespace, self._on_kernel = cluster, namespace, on_kernel
        self._life: _Life | None = None
        self._where = ("", "")
        self._next = 0.0

    @property
    def saw(self) -> KernelSaw | None:
        """What it counted, and when it was heard last."""
        return self._life.saw if self._life is not None else None

    def runs(self, container: str) -> bool:
        """Nobody but the API server can tell before somebody is in there."""
        return True

    def follow(self, pod: str, container: str) -> str:
        """Nobody enters before the server listens: who enters takes a number, and the server has to get that which it gets without us
        (a lease may be told by it)."""
        self.close()
        self._where = (pod, container)
        self._life = None
        return ""

    def server(self) -> ContainerProcess | None:
        """Asked for once the server may begin: enters the container as soon as it listens."""
        if self._life is None and self._listens():
            self._life = _Life(self._cluster, self._namespace, *self._where, self._on_kernel)
        if self._life is None:
            return None
        found = server_among(self._life.processes)
        return found if found is not None and not found.command.startswith("sh -c") else None

    def lives(self, process: ContainerProcess) -> bool:
        """As it was told last."""
        return any((one.pid, one.began) == (process.pid, process.began) for one in self._processes)

    def current(self, server: ContainerProcess) -> ContainerProcess:
        """As it was told last."""
        return unpacked_among(server, self._processes)

    def stopped(self, process: ContainerProcess) -> bool:
        """As it was told last."""
        return self._life is not None and process.pid in self._life.stopped

    def signal(self, process: ContainerProcess, number: signals.Signals) -> None:
        """Of a container's first process only what it handles gets through. Raises TargetError, ClusterError."""
        if process.inner_pid == 1 and number in (signals.SIGKILL, signals.SIGSTOP):
            raise TargetError(
                "the server is the first process of its container: from inside the kernel lets nobody kill or stop that"
            )
        self._order({"signal": int(number), "pids": [process.inner_pid]})

    def signal_first(self, number: signals.Signals) -> None:
        """SIGKILL goes to all the others: an init ends with what it started. Raises ClusterError."""
        if number == signals.SIGKILL:
            self.signal_all(number)
        else:
            self._order({"signal": int(number), "pids": [1]})

    def signal_all(self, number: signals.Signals, *, but_the_first: bool = False) -> None:
        """To all but the first, which nothing reaches from inside that it does not handle. Raises ClusterError."""
        self._order({"signal": int(number)})
        if number in (signals.SIGSTOP, signals.SIGCONT):
            stopped = number == signals.SIGSTOP
            with suppress(DeadlineMissed):  # whether it has worked is asked next
                Budget(_OBEYED_S).wait_for("the signal to have its effect", lambda: self._all(stopped=stopped))

    def empty(self) -> bool:
        """As it was told last."""
        return not self._processes

    def counters(self) -> Mapping[str, float]:
        """Of the container's control group, as they were told last."""
        life = self._life
        if life is None or not life.memory:
            return {}
        found = cgroup.counters(lambda name: life.memory.get(name, ""))
        return {**found, "pids": float(len(life.processes) - 1)}

    def close(self) -> None:
        """Idempotent."""
        if self._life is not None:
            self._life.close()

    def _listens(self) -> bool:
        """As the kernel shows it to a container that shares the network."""
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + _AGAIN_S
        try:
            budget = Budget(_LOOK_S)
            seen = run(self._cluster, self._namespace, self._where[0], RELAY, ["cat", "/proc/net/tcp"], budget)
        except (ClusterError, DeadlineMissed):
            return False
        rows = (line.split() for line in seen.out.decode("ascii", "replace").splitlines()[1:])
        return any(row[1].endswith(f":{PORT:04X}") and row[3] == _LISTENS for row in rows if len(row) > 3)

    @property
    def _processes(self) -> Sequence[ContainerProcess]:
        return self._life.processes if self._life is not None else ()

    def _all(self, *, stopped: bool) -> bool:
        life = self._life
        return life is None or all((one.pid in life.stopped) == stopped for one in life.processes if one.inner_pid > 1)

    def _order(self, order: Mapping[str, Any]) -> None:
        if self._life is not None and self._life.processes:
            self._life.write(json.dumps(order).encode() + b"\n")


class _Life:
    """The program in one container, begun anew when only the way to it broke."""

    def __init__(self, cluster: Cluster, namespace: str, pod: str, container: str, on_kernel: Told) -> None:
        self._cluster, self._namespace, self._pod = cluster, namespace, pod
        self._on_kernel = on_kernel
        self.saw = KernelSaw(container=container)
        self.processes: Sequence[ContainerProcess] = ()
        self.stopped: frozenset[int] = frozenset()
        self.memory: Mapping[str, str] = {}
        self._began = 0
        self._stream: Attached | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"inside-{pod}", daemon=True)
        self._thread.start()

    def write(self, line: bytes) -> None:
        """Raises ClusterError."""
        if self._stream is None:
            raise ClusterError(f"nobody is in the container of {self._pod} any more to carry this out")
        self._stream.write(line)

    def close(self) -> None:
        """Idempotent."""
        self._closing.set()
        self._thread.join(_JOIN_S)

    def _follow(self) -> None:
        while not self._closing.is_set():
            said = ""
            with suppress(ClusterError):
                said = self._listen()
            if self._closing.is_set() or self._ended(said):
                return
            self._closing.wait(_AGAIN_S)

    def _listen(self) -> str:
        """What was said of the program's end; empty when the way to it broke. Raises ClusterError."""
        command = ["python3", "-c", PROGRAM.read_text(encoding="utf-8")]
        self._stream = stream = Attached(self._cluster, self._namespace, self._pod, AGENT, command=command)
        part = b""
        try:
            while not stream.over and not self._closing.is_set():
                *lines, part = (part + stream.read(within=0.2)).split(b"\n")
                for line in lines:
                    if not self._take(json.loads(line)):
                        return "another life"
            return stream.says
        finally:
            self._stream = None
            stream.close()

    def _take(self, told: Mapping[str, Any]) -> bool:
        """False: this is the next life of the container already."""
        processes = [
            ContainerProcess(RAISED + pid, pid, RAISED + parent, began, name, command)
            for pid, parent, began, _, name, command in told["processes"]
        ]
        first = processes[0].began if processes else 0
        self._began = self._began or first
        if first != self._began:
            return False
        self.stopped = frozenset(RAISED + pid for pid, _, _, stopped, *_ in told["processes"] if stopped)
        self.memory = told["memory"]
        self.processes = processes
        kills = int(cgroup.counters(lambda name: self.memory.get(name, "")).get("memory.oom_kill", 0))
        if kills > self.saw.oom_kills:
            first_ns = self.saw.first_oom_ns or time.monotonic_ns()
            self.saw = replace(self.saw, oom_kills=kills, first_oom_ns=first_ns)
            self._on_kernel(self.saw)
        return True

    def _ended(self, said: str) -> bool:
        """Whether the container has ended, and not only the way to it or the program in it."""
        now = time.monotonic_ns()
        if said:
            # Whatever ends it from inside ends all of them; should it have been alone, that is seen when somebody is in there again.
            self.saw, self.processes = replace(self.saw, gone_ns=now), ()
        deadline = time.monotonic() + _ENDED_S
        while not self._closing.is_set():
            with suppress(ClusterError):
                state = self._state()
                if state != self.saw.container:
                    self.saw = replace(self.saw, gone_ns=self.saw.gone_ns or now)
                    self.processes = ()
                    return True
                if not said or time.monotonic() > deadline:
                    break
            self._closing.wait(_AGAIN_S)
        self.saw = replace(self.saw, gone_ns=0)
        return False

    def _state(self) -> str:
        """The container that runs there, as the API server has it; empty for none."""
        found = pods.read(self._cluster, self._namespace, self._pod)
        agent = status.seen(found).containers.get(AGENT) if found else None
        return agent.id if agent is not None and agent.state == "running" else ""
