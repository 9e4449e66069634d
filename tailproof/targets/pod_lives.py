"""The lives of one trial's server in pods, as the API server and the node's kernel tell them, written into the history."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from tailproof.cluster import status
from tailproof.cluster.node import KernelSaw
from tailproof.cluster.reach import Cluster
from tailproof.cluster.refusals import ClusterError
from tailproof.cluster.watch import PodWatch
from tailproof.history.pod_records import PodEvent, PodSeen
from tailproof.history.records import Counter, Note
from tailproof.targets.life_log import RECORDED, LifeLog
from tailproof.targets.pod_inside import FromInside
from tailproof.targets.pod_sight import FromTheNode, Sight
from tailproof.targets.pod_spec import AGENT
from tailproof.targets.target import Death, Plan, TargetError

OOM_REASON, OOM_CODE = "OOMKilled", 137


class PodLives(LifeLog):
    """Which life it is, how the last one ended, and whose doing that was. Told on the threads of the watch and of the kernel's, asked on
    that of the trial. `host` is the pod of this life."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan.engine)
        self.pod = ""
        """The pod of the next life."""
        self._plan = plan
        self._watch: PodWatch | None = None
        self._sight: Sight | None = None
        self._candidate = ""
        self._death: Death | None = None
        self._counted: dict[str, float] = {}
        self._lock = threading.Lock()

    def follow(self, cluster: Cluster, namespace: str) -> Sight:
        """Listen from now on. Gives who sees into the containers."""
        self._sight = (
            FromTheNode(self._on_kernel) if cluster.sees_node else FromInside(cluster, namespace, self._on_kernel)
        )
        self._watch = PodWatch(cluster, namespace, on_pod=self._on_pod, on_word=self._on_word)
        return self._sight

    def expect(self, pod: str) -> None:
        """The next life is in this pod. A controller may have made it already: of a name that is known nothing is forgotten."""
        if pod != self.pod:
            self.pod = pod
            self._candidate = ""

    def runs(self) -> bool:
        """A container runs of which no life was told yet."""
        return self._candidate not in ("", self.container) and self._of_sight.runs(self._candidate)

    def begin(self) -> None:
        """A life begins in the container that runs: nothing is known of it yet."""
        with self._lock:
            self.epoch += 1
            self.by_us = self.stopping = False
            self.pid = 0
            self.container = self._candidate
            self.host = self.pod
            self._counted = {}
            self.ended.clear()
        if why := self._of_sight.follow(self.pod, self.container):
            self._plan.engine.write(Note(why))

    def over(self) -> bool:
        """The API server has told of the end. Raises ClusterError: it tells nothing any more."""
        if self._watch is not None and self._watch.lost:
            raise ClusterError(f"the cluster is gone while a trial runs ({self._watch.lost})")
        return self.ended.is_set()

    def death(self) -> Death:
        """The last one, with the kills that the kernel counted. Raises TargetError when none was seen yet."""
        if self._death is None:
            raise TargetError("no death of the server was seen yet")
        return self._death

    def counted(self, counters: Mapping[str, float]) -> None:
        """Write down what has changed since the last reading."""
        with self._lock:
            for name in RECORDED:
                # The kernel's own thread may have told a later reading meanwhile; a counter never goes back within a life.
                if name in counters and counters[name] > self._counted.get(name, -1.0):
                    self._plan.engine.write(Counter(name, counters[name], self.epoch))
                    self._counted[name] = counters[name]

    def close(self) -> None:
        """Stop listening. Idempotent."""
        if self._watch is not None:
            self._watch.close()
        if self._sight is not None:
            self._sight.close()

    @property
    def _of_sight(self) -> Sight:
        if self._sight is None:
            raise TargetError("the server was not started")
        return self._sight

    # -- on other threads ---------------------------------------------------------------------------------------------

    def _on_pod(self, seen: PodSeen, told: Mapping[str, Any]) -> None:
        self._plan.pod.write(seen)
        if seen.pod != self.pod:
            return
        agent = seen.containers.get(AGENT)
        if agent is not None and agent.state == "running":
            self._candidate = agent.id
        ended = status.ended(told, AGENT, self.container) if self.container else None
        if ended is None and seen.phase == "Gone" and agent is not None and agent.id == self.container:
            ended = status.Ended(reason="Gone", code=None)
        if ended is not None and not self.ended.is_set():
            self._on_death(ended)

    def _on_word(self, word: PodEvent | Note) -> None:
        self._plan.pod.write(word)

    def _on_kernel(self, saw: KernelSaw) -> None:
        if saw.oom_kills:
            self.counted({"memory.oom_kill": float(saw.oom_kills)})

    def _on_death(self, ended: status.Ended) -> None:
        now = time.monotonic_ns()
        kernel = self._of_sight.saw
        kills = kernel.oom_kills if kernel else 0
        # Neither alone is believed: a reason without its code, or without a kill that the kernel counted, is no OOM kill of the server.
        oom_killed = ended.reason == OOM_REASON and ended.code == OOM_CODE and kills > 0
        self._death = Death(exit_code=ended.code, oom_killed=oom_killed, oom_events=kills, by_us=self.by_us)
        happened = kernel.gone_ns if kernel and kernel.gone_ns else now
        if happened < now:
            self._plan.engine.write(Counter("pod.told_after_s", (now - happened) / 1e9, self.epoch))
        self.record(
            "stopped" if self.stopping else "died",
            t_ns=happened,
            exit_code=ended.code,
            oom_killed=oom_killed,
            detail=f"the API server says {ended.reason or 'nothing'}; the kernel counted {kills} OOM kills",
        )
        self.ended.set()
