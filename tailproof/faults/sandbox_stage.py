"""What a fault may touch while the trial of an executor runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tailproof.faults.fault import Planned, Proof
from tailproof.history.pod_records import ContainerSeen
from tailproof.protocol.adapter import Answer
from tailproof.protocol.executor import ExecutorApi
from tailproof.sandboxes.agent_program import GATES
from tailproof.sandboxes.pod_of_an_agent import AGENT
from tailproof.targets.target import Server
from tailproof.waiting import Budget

if TYPE_CHECKING:  # the client of the cluster takes longer to load than the rest of a command
    from tailproof.cluster.reach import Cluster
    from tailproof.sandboxes.edge import Edge
    from tailproof.sandboxes.witness import Sandboxes

EXEC_S = 15.0


@dataclass(slots=True, kw_only=True)
class SandboxStage:
    """Executor, edge and sandboxes of one trial."""

    server: Server
    edge: Edge
    sandboxes: Sandboxes
    cluster: Cluster
    namespace: str
    api: ExecutorApi
    budget: Budget
    place: Path
    """The scratch directory of the trial."""
    ready: Callable[[], None]
    """Waits until the (restarted) executor answers as ready, and records it."""
    session: str = ""
    execution: str = ""
    released: Answer | None = None
    """What the executor answered when the session was released; None as long as nobody asked for that."""
    gate: str = ""
    """The gate at which the agent stands still; empty when it goes on, or is gone."""
    kubelet_stands_still: bool = False
    """The node's kubelet runs no command in a container."""

    @property
    def pod(self) -> str:
        """The sandbox that was made last; empty before there is one."""
        pods = self.sandboxes.pods
        return pods[-1] if pods else ""

    def agent(self) -> ContainerSeen:
        """What the cluster said of the agent last."""
        return self.sandboxes.container(self.pod, AGENT)

    def let_agent(self, command: str) -> None:
        """Open the gate at which the agent stands; it does what `command` says first. Raises ClusterError, DeadlineMissed."""
        self.open(AGENT, self.gate, command)
        self.gate = ""

    def open(self, container: str, gate: str, command: str = "") -> None:
        """Open a gate in a container. Raises ClusterError, DeadlineMissed."""
        place = f"{GATES}/{gate}"
        if self.kubelet_stands_still:
            from tailproof.cluster.node import write_into

            write_into(self.sandboxes.container(self.pod, container).id, place, command)
            return
        from tailproof.cluster.inside import run

        write = f"printf '%s' '{command}' > {place}.new && mv {place}.new {place}"
        run(self.cluster, self.namespace, self.pod, container, ["sh", "-c", write], self.budget.part(EXEC_S))


class SandboxFault(Planned, Protocol):
    """The five verbs, where an executor is on trial."""

    def inject(self, stage: SandboxStage) -> None:
        """Do it. The intent is on disk already."""

    def verify(self, stage: SandboxStage) -> Proof:
        """Prove the effect; may wait for it within the stage's budget."""

    def heal(self, stage: SandboxStage) -> None:
        """Undo it."""
