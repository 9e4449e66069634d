"""The truth about the sandboxes of one trial, from two sides that do not know of each other: what the cluster tells of the pods, and what
the agent tells in its own log; and, where the node is this machine, what its kernel counts."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from typing import Any

import msgspec

from tailproof.cluster.kernel_log import KernelLog
from tailproof.cluster.node import KernelSaw, KernelWatch, pids
from tailproof.cluster.reach import Cluster
from tailproof.cluster.refusals import ClusterError, cluster_does
from tailproof.cluster.status import hindrance
from tailproof.cluster.watch import PodWatch
from tailproof.history.execution_records import AgentSaid
from tailproof.history.pod_records import ContainerSeen, PodEvent, PodSeen
from tailproof.history.recorder import Recorder
from tailproof.history.records import Counter, Note
from tailproof.incoming.json import converted
from tailproof.sandboxes.pod_of_an_agent import AGENT
from tailproof.sandboxes.pod_past import PodPast
from tailproof.waiting import Budget

_JOURNAL = re.compile(rb"journal (\{[^{}]*\})")
_AGAIN_S = 0.1
_JOIN_S = 5.0
OOM_KILLS = "memory.oom_kill"


class Sandboxes:
    """Watches from the start on, until `close`."""

    def __init__(self, cluster: Cluster, namespace: str, recorder: Recorder) -> None:
        self.past = PodPast()
        self._cluster = cluster
        self._namespace = namespace
        self._pods = recorder.witness("pod")
        self._agent = recorder.witness("agent")
        self._engine = recorder.witness("engine")
        self._lock = threading.Lock()
        self._seen: dict[str, PodSeen] = {}
        self._said: list[AgentSaid] = []
        self._kernel: dict[str, KernelWatch] = {}
        self._kills: dict[tuple[str, str], int] = {}
        self._killed: list[str] = []
        """The control groups of what the kernel's log says that it has killed."""
        self._ends: dict[str, int] = {}
        """When the cluster first told that a container (by its id) has ended."""
        self._told: set[tuple[str, str, int]] = set()
        self._numbers: dict[tuple[str, int], int] = {}
        """The number of the last entry of each journal that was read."""
        self._followers: dict[tuple[str, int], threading.Thread] = {}
        self.hindered = ""
        """Why a sandbox will never run, whoever waits for it (no image): that is nobody's fault but the harness's."""
        self._closing = threading.Event()
        self._log: KernelLog | None = None
        with suppress(OSError):  # what may not be read here is counted where it can be
            self._log = KernelLog(self._killed_by_the_kernel) if cluster.sees_node else None
        self._watch = PodWatch(cluster, namespace, on_pod=self._on_pod, on_word=self._on_word)

    @property
    def lost(self) -> str:
        """Why the cluster tells nothing any more; empty as long as it does."""
        return self._watch.lost

    @property
    def pods(self) -> list[str]:
        """All that were ever there, in the order in which they were made."""
        with self._lock:
            return list(self._seen)

    def container(self, pod: str, name: str) -> ContainerSeen:
        """As it was told last."""
        with self._lock:
            seen = self._seen.get(pod)
        return seen.containers.get(name, ContainerSeen()) if seen else ContainerSeen()

    def said(self, *stages: str, pod: str = "") -> list[AgentSaid]:
        """What agents told so far."""
        with self._lock:
            return [one for one in self._said if one.stage in stages and (not pod or one.pod == pod)]

    def kills(self, pod: str, container: str = AGENT) -> int:
        """How many processes of the container the node's kernel has killed for want of memory; what it counted itself where nobody
        sees the node."""
        with self._lock:
            counted = [one.says for one in self._said if one.stage == "counted" and one.pod == pod]
            identity = self._seen[pod].containers[container].id if pod in self._seen else ""
            logged = sum(bool(identity) and identity in group for group in self._killed)
            seen = max(self._kills.get((pod, container), 0), logged)
        return max([seen, *(int(says.split()[-1]) for says in counted if says.split()[-1].isdigit())])

    def ended_ns(self, container: str) -> tuple[int, int]:
        """When a container (by its id) had ended: as the node's kernel saw its last process go, and as the cluster told it first; 0 as
        long as that was not so."""
        with self._lock:
            watch = self._kernel.get(container)
            return watch.saw.gone_ns if watch else 0, self._ends.get(container, 0)

    def gone(self) -> bool:
        """The cluster holds none of them any more."""
        with self._lock:
            return all(one.phase == "Gone" for one in self._seen.values())

    def settle(self, budget: Budget) -> None:
        """Until the logs of containers that have ended are read. Raises DeadlineMissed."""
        budget.wait_for("the logs of the agents to be read", lambda: not any(self._reading()), every=0.05)

    def close(self) -> None:
        """Idempotent."""
        self._closing.set()
        self._watch.close()
        if self._log is not None:
            self._log.close()
        for watch in list(self._kernel.values()):
            watch.close()
        for follower in list(self._followers.values()):
            follower.join(_JOIN_S)

    def _reading(self) -> Iterable[bool]:
        with self._lock:
            ended = {pod for pod, one in self._seen.items() if one.containers.get(AGENT, _NONE).state == "terminated"}
        return [thread.is_alive() for (pod, _), thread in list(self._followers.items()) if pod in ended]

    # -- the cluster's word ---------------------------------------------------------------------------------------------

    def _on_pod(self, seen: PodSeen, told: Any) -> None:
        self.past.add(seen.pod, told)
        self._pods.write(seen)
        self.hindered = hindrance(told) or self.hindered
        with self._lock:
            self._seen[seen.pod] = seen
            for one in seen.containers.values():
                if one.state == "terminated":
                    self._ends.setdefault(one.id, time.monotonic_ns())
        agent = seen.containers.get(AGENT, _NONE)
        if agent.state != "waiting" or agent.restarts:
            self._follow(seen.pod, agent)
        for name, one in seen.containers.items():
            if one.state == "running" and self._cluster.sees_node and one.id not in self._kernel:
                self._look_at_the_kernel(seen.pod, name, one.id)

    def _on_word(self, word: PodEvent | Note) -> None:
        self._pods.write(word)

    def _look_at_the_kernel(self, pod: str, name: str, container: str) -> None:
        def changed(saw: KernelSaw) -> None:
            with self._lock:
                more = saw.oom_kills - self._kills.get((pod, name), 0)
                self._kills[pod, name] = max(saw.oom_kills, self._kills.get((pod, name), 0))
            if more > 0:
                self._counted(pod, name, saw.oom_kills)

        with suppress(ProcessLookupError, OSError, IndexError):
            self._kernel[container] = KernelWatch(container, pids(container)[0], changed)

    def _killed_by_the_kernel(self, group: str) -> None:
        with self._lock:
            self._killed.append(group)
            mine = [
                (pod, name, one.id)
                for pod, seen in self._seen.items()
                for name, one in seen.containers.items()
                if one.id and one.id in group
            ]
        for pod, name, _ in mine:
            self._counted(pod, name, self.kills(pod, name))

    def _counted(self, pod: str, name: str, kills: int) -> None:
        """Write down what the kernel counted, whoever of its two voices was first."""
        with self._lock:
            known = (pod, name, kills) in self._told
            self._told.add((pod, name, kills))
        if not known:
            self._engine.write(Counter(f"{pod}/{name}.{OOM_KILLS}", float(kills)))

    # -- the agent's word -------------------------------------------------------------------------------------------------

    def _follow(self, pod: str, agent: ContainerSeen) -> None:
        """A thread for each life of an agent: its log is another one."""
        life = agent.restarts if agent.state != "waiting" else agent.restarts - 1
        if (pod, life) in self._followers:
            return
        previous = agent.state == "waiting"
        thread = threading.Thread(target=self._read, args=(pod, life, previous), name=f"log-{pod}", daemon=True)
        self._followers[pod, life] = thread
        thread.start()

    def _read(self, pod: str, life: int, previous: bool) -> None:
        """To its end, taken up again where it breaks: what was read before is known by its number."""
        while not self._closing.is_set():
            try:
                with closing(self._cluster.another()) as lent, cluster_does(f"reading the log of {pod}"):
                    answer: Any = lent.core.read_namespaced_pod_log(
                        pod,
                        self._namespace,
                        container=AGENT,
                        follow=not previous,
                        previous=previous,
                        _preload_content=False,
                        _request_timeout=(5, 30),
                    )
                    try:
                        self._take(pod, life, answer)
                    finally:
                        answer.close()
                if previous or self.container(pod, AGENT).state == "terminated":
                    return
            except ClusterError:
                pass  # whether there is more to come is told by the cluster
            if self._is_gone(pod) or self.container(pod, AGENT).restarts > life:
                return
            self._closing.wait(_AGAIN_S)

    def _take(self, pod: str, life: int, answer: Any) -> None:
        part = b""
        for piece in answer.stream(64 << 10):
            *lines, part = (part + piece).split(b"\n")
            for found in (one for line in lines for one in _JOURNAL.finditer(line)):
                self._tell(pod, life, found[1])
            part = part[-(64 << 10) :]
            if self._closing.is_set():
                break

    def _tell(self, pod: str, life: int, raw: bytes) -> None:
        with suppress(ValueError, KeyError, msgspec.ValidationError):
            told = json.loads(raw)
            number = int(told.pop("n"))
            if number <= self._numbers.get((pod, life), 0):
                return
            self._numbers[pod, life] = number
            record = converted({**told, "pod": pod, "life": life, "kind": "agent"}, AgentSaid)
            record.t_ns = time.monotonic_ns()
            with self._lock:
                self._said.append(record)
            self._agent.write(record)

    def _is_gone(self, pod: str) -> bool:
        with self._lock:
            return pod in self._seen and self._seen[pod].phase == "Gone"


_NONE = ContainerSeen()
