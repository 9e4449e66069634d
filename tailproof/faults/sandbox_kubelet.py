"""The kubelet itself stands still, so that the API server tells of a death late, and nobody can be told of it in another way: attachments,
logs and commands go through it, too. It is one for all pods of its node, so that no other trial is played meanwhile."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tailproof.faults.fault import NODE, Proof
from tailproof.faults.sandbox_stage import SandboxStage
from tailproof.ownership import standstill
from tailproof.sandboxes.pod_of_an_agent import AGENT
from tailproof.waiting import Budget, Cancelled, DeadlineMissed

LACK = "the kubelet is not ours to stop: that takes root, and a cluster of docker/cluster.sh on this machine"
DIES_S = 3.0
"""How long it is waited for that the agent dies, before the time counts without that."""
STILL_S = 2.0
"""How long a signal may take to reach every thread of the kubelet."""
GLANCE_S = 1.0
"""How long the API server may take to answer while the kubelet stands still."""
CATCHES_UP_S = 15.0
"""How long a kubelet that goes on may take until the API server hears of it."""


class FreezeOptions(BaseModel):
    """`with:` of `kubelet.freeze`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: float = Field(ge=0.5, le=10)
    """How long it stands still behind the agent's death. Everybody on the node waits meanwhile; after 40 s it would be taken for lost."""


class KubeletFreeze:
    """SIGSTOP, and SIGCONT so many seconds after the agent's death, as the node's kernel saw that. Proven by the state in which the kernel
    shows the kubelet, and by an API server that calls the agent running when the time is over, and tells of its end only then."""

    name = "kubelet.freeze"
    scope = NODE
    ends_a_life = False
    proves: Literal["at-once", "before-healing"] = "before-healing"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        self.id = identity
        self.options = FreezeOptions.model_validate(options)
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._agent = self._node = self._heard = ""
        self._begins_still = self._ends_still = False
        self._said = ""
        """What the API server said of the agent when the time was over."""

    def available(self, capabilities: frozenset[str]) -> str | None:
        return None if "own-kubelet" in capabilities else LACK

    def describe(self) -> str:
        return (
            f"the kubelet stands still until {self.options.seconds:g} s after the agent's death: the cluster goes on saying "
            "that the agent runs, and no stream moves"
        )

    def inject(self, stage: SandboxStage) -> None:
        from tailproof.cluster import kubelet

        self._agent = stage.agent().id
        told = stage.sandboxes.past.at(stage.pod, time.monotonic_ns()) or {}
        self._node = str(told.get("spec", {}).get("nodeName", ""))
        self._pid = kubelet.pid_of_kubelet()
        self._heard = kubelet.heard_last(stage.cluster, self._node)
        standstill.stop(self._pid, stage.place)
        self._thread = threading.Thread(target=self._hold, args=(stage,), name=f"kubelet-{self.id}", daemon=True)
        self._thread.start()
        stage.budget.wait_for("the kubelet to stand still", lambda: standstill.stands_still(self._pid), within=STILL_S)
        self._begins_still = stage.kubelet_stands_still = True

    def verify(self, stage: SandboxStage) -> Proof:
        died_ns = told_ns = 0
        if self._thread is not None:
            self._wait_over(stage)
            died_ns, _ = stage.sandboxes.ended_ns(self._agent)
            if died_ns:
                told_ns = self._wait_told(stage)
        late_s = (told_ns - died_ns) / 1e9 if died_ns and told_ns else 0.0
        counters = {
            "the kubelet in its time": "T" if self._begins_still and self._ends_still else "not T",
            "the agent when it was over": self._said or "not asked",
            "told after the kernel saw the death, s": round(late_s, 3),
        }
        still = self._begins_still and self._ends_still
        return Proof(still and self._said == "running" and late_s >= self.options.seconds, counters)

    def heal(self, stage: SandboxStage) -> None:
        """It goes on at once, and the API server hears of it. Raises DeadlineMissed, ClusterError."""
        self._over.set()
        standstill.go_on(stage.place)
        stage.kubelet_stands_still = False
        if self._thread is None or stage.budget.cancel.is_set():
            return
        self._wait_over(stage)
        stage.budget.wait_for("the kubelet to go on", lambda: not standstill.stands_still(self._pid), within=STILL_S)
        self._wait_heard(stage)

    def _hold(self, stage: SandboxStage) -> None:
        from tailproof.cluster import pods, status
        from tailproof.cluster.refusals import ClusterError

        try:
            with suppress(DeadlineMissed):
                Budget(DIES_S, cancel=self._over).wait_for(
                    "the agent to die", lambda: stage.sandboxes.ended_ns(self._agent)[0], every=0.005
                )
            self._over.wait(self.options.seconds)
            self._ends_still = standstill.stands_still(self._pid)
            found = pods.read(stage.cluster, stage.namespace, stage.pod, timeout_s=GLANCE_S)
            self._said = status.seen(found).containers[AGENT].state if found else "gone"
        except (Cancelled, ClusterError, OSError):
            return  # nothing is proven then
        finally:
            standstill.go_on(stage.place)
            stage.kubelet_stands_still = False

    def _wait_over(self, stage: SandboxStage) -> None:
        stage.budget.wait_for(
            "the time of the kubelet to be over",
            lambda: self._thread is None or not self._thread.is_alive(),
            within=DIES_S + self.options.seconds + GLANCE_S + STILL_S,
        )

    def _wait_told(self, stage: SandboxStage) -> int:
        return stage.budget.wait_for(
            "the cluster to tell of the death", lambda: stage.sandboxes.ended_ns(self._agent)[1], within=CATCHES_UP_S
        )

    def _wait_heard(self, stage: SandboxStage) -> None:
        """The kubelet has told of the death, or at least that it is there."""
        from tailproof.cluster import kubelet

        stage.budget.wait_for(
            "the API server to hear of the kubelet",
            lambda: (
                stage.sandboxes.ended_ns(self._agent)[1] or kubelet.heard_last(stage.cluster, self._node) != self._heard
            ),
            within=CATCHES_UP_S,
            every=0.1,
        )
