"""What is done to an executor's sandboxes, and to the executor itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tailproof.faults.fault import Proof
from tailproof.faults.sandbox_edge import Drop, Freeze, Lag, Refuse, StatusFails
from tailproof.faults.sandbox_kubelet import KubeletFreeze
from tailproof.faults.sandbox_stage import SandboxFault, SandboxStage
from tailproof.sandboxes.pod_of_an_agent import AGENT
from tailproof.waiting import DeadlineMissed

DEAD_S = 20.0
"""How long the cluster may take to tell of a death."""
STANDS_STILL = 3
"""How often the first executor is stopped until another one has taken its execution up."""
KERNEL_S = 3.0
"""How long the kernel's word may take to be read."""
TAKEN_UP_S = 15.0
"""How long another executor may take to take an execution up."""


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Fault:
    """Nothing of it has to be healed."""

    scope = "sandbox"
    ends_a_life = False
    proves: Literal["at-once", "before-healing"] = "at-once"

    def __init__(self, identity: str) -> None:
        self.id = identity

    def available(self, capabilities: frozenset[str]) -> str | None:
        return None

    def heal(self, stage: SandboxStage) -> None:
        """It is over."""


class NoOptions(_Options):
    """Nothing is to be said."""


class AgentOom(_Fault):
    """The agent takes memory until the kernel kills it. Proven by the cluster's word and by the kernel's own count."""

    name = "agent.oom"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity)
        NoOptions.model_validate(options)

    def describe(self) -> str:
        return "the agent takes more memory than its container has, and the kernel kills it"

    def inject(self, stage: SandboxStage) -> None:
        stage.let_agent("HOG")

    def verify(self, stage: SandboxStage) -> Proof:
        code, reason = _end_of(stage, AGENT)
        kills = _kills_of(stage)
        proven = (code, reason) == (137, "OOMKilled") and (kills > 0 or not stage.cluster.sees_node)
        return Proof(proven, {"exit code": code, "reason": reason, "kills that the kernel counted": kills})


class KillOptions(_Options):
    """`with:` of `agent.kill`."""

    signal: int = Field(default=9, ge=1, le=31)


class AgentKill(_Fault):
    """The agent gets a signal. Proven by the cluster's word."""

    name = "agent.kill"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity)
        self.options = KillOptions.model_validate(options)

    def describe(self) -> str:
        return f"the agent ends by signal {self.options.signal}"

    def inject(self, stage: SandboxStage) -> None:
        stage.let_agent(f"KILL {self.options.signal}")

    def verify(self, stage: SandboxStage) -> Proof:
        code, reason = _end_of(stage, AGENT)
        said = [one.says for one in stage.sandboxes.said("did", pod=stage.pod)]
        return Proof(code == 128 + self.options.signal, {"exit code": code, "reason": reason, "the agent": said[-1:]})


class ExitOptions(_Options):
    """`with:` of `agent.exit`."""

    code: int = Field(default=1, ge=0, le=127)
    half_a_line: bool = False
    """It has begun a line before."""
    terminal: bool = False
    """It has printed its terminal line before."""
    oom: bool = False
    """It does not exit by itself: the kernel kills it for want of memory."""


class AgentExit(_Fault):
    """The agent ends by itself. Proven by the cluster's word."""

    name = "agent.exit"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity)
        self.options = ExitOptions.model_validate(options)

    def describe(self) -> str:
        before = ["prints half a line"] * self.options.half_a_line + [
            "prints its terminal line"
        ] * self.options.terminal
        end = "takes memory until the kernel kills it" if self.options.oom else f"exits with {self.options.code}"
        return f"the agent {' and '.join([*before, end])}"

    def inject(self, stage: SandboxStage) -> None:
        before = ["HALF"] * self.options.half_a_line + ["TERMINAL ok"] * self.options.terminal
        end = "HOG" if self.options.oom else f"EXIT {self.options.code}"
        stage.let_agent("\n".join([*before, end]))

    def verify(self, stage: SandboxStage) -> Proof:
        code, reason = _end_of(stage, AGENT)
        kills = _kills_of(stage) if self.options.oom else 0
        expected = 137 if self.options.oom else self.options.code
        return Proof(code == expected, {"exit code": code, "reason": reason, "kills that the kernel counted": kills})


class WorkerOom(_Fault):
    """A child of the agent takes all memory and is killed; the agent lives on. Proven by the kernel's count, and by an agent that runs."""

    name = "worker.oom"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity)
        NoOptions.model_validate(options)

    def describe(self) -> str:
        return "a child of the agent is killed by the kernel for want of memory"

    def inject(self, stage: SandboxStage) -> None:
        stage.let_agent("WORKER")

    def verify(self, stage: SandboxStage) -> Proof:
        stage.budget.wait_for("the kernel to count a kill", lambda: stage.sandboxes.kills(stage.pod) > 0, within=DEAD_S)
        said = [one.says for one in stage.sandboxes.said("did", pod=stage.pod)]
        kills = stage.sandboxes.kills(stage.pod)
        alive = stage.budget.wait_for(
            "the agent to tell of its child",
            lambda: any(
                "signal 9" in says for says in (one.says for one in stage.sandboxes.said("did", pod=stage.pod))
            ),
            within=DEAD_S,
        )
        return Proof(bool(alive), {"kills that the kernel counted": kills, "the agent": said[-1:]})


class SidecarOptions(_Options):
    """`with:` of `sidecar.kill`."""

    container: str = "tools"
    signal: int = Field(default=9, ge=1, le=31)


class SidecarKill(_Fault):
    """A sidecar ends, and the agent does not. Proven by the cluster's word."""

    name = "sidecar.kill"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity)
        self.options = SidecarOptions.model_validate(options)

    def describe(self) -> str:
        return f"the sidecar {self.options.container} ends by signal {self.options.signal}"

    def inject(self, stage: SandboxStage) -> None:
        stage.open(self.options.container, "harm", f"KILL {self.options.signal}")

    def verify(self, stage: SandboxStage) -> Proof:
        code, reason = _end_of(stage, self.options.container)
        agent = stage.agent()
        proven = code == 128 + self.options.signal and agent.state == "running"
        return Proof(proven, {"exit code": code, "reason": reason, "the agent": agent.state})


class ExecutorKill(_Fault):
    """SIGKILL, and a start on the same store once everything else has landed there. Proven by a process that is gone."""

    name = "executor.kill"
    scope = "server"
    ends_a_life = True

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity)
        NoOptions.model_validate(options)
        self._pid = 0

    def describe(self) -> str:
        return "the executor gets SIGKILL, and is started again on the same store"

    def inject(self, stage: SandboxStage) -> None:
        self._pid = stage.server.server_pid()
        stage.server.kill(scope="server", signal="KILL")

    def verify(self, stage: SandboxStage) -> Proof:
        stage.server.wait_dead(stage.budget.part(DEAD_S))
        alive = stage.server.alive()
        return Proof(self._pid > 0 and not alive, {"pid before": self._pid, "alive after": int(alive)})

    def heal(self, stage: SandboxStage) -> None:
        """It is started again on the same store."""
        if not stage.server.alive():
            stage.server.restart(stage.budget, place="in-place")
            stage.ready()


class ExecutorTwin(_Fault):
    """The executor stands still until another one on the same store has taken its execution up, and then goes on. Proven by an
    attachment that was made meanwhile."""

    name = "executor.twin"
    scope = "server"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity)
        NoOptions.model_validate(options)
        self._end: Callable[[], None] | None = None

    def available(self, capabilities: frozenset[str]) -> str | None:
        return None if "twin" in capabilities else "nobody can start a second executor on this store"

    def describe(self) -> str:
        return "the executor stands still; another one on its store takes the execution up; then both go on"

    def inject(self, stage: SandboxStage) -> None:
        stage.server.pause()
        twin = stage.server.twin()
        self._end = twin.end
        twin.start()

    def verify(self, stage: SandboxStage) -> Proof:
        """The paused one makes no connection: what attaches is the other."""
        before = stage.edge.attached()
        try:
            for left in reversed(range(STANDS_STILL)):
                try:
                    stage.budget.wait_for(
                        "the other executor to attach", lambda: stage.edge.attached() > before, within=TAKEN_UP_S
                    )
                    break
                except DeadlineMissed:
                    if not left:
                        raise
                    # It may stand still in the middle of a transaction, which keeps the other one from the store.
                    stage.server.resume()
                    stage.server.pause()
            attached = stage.edge.attached()
        finally:
            stage.server.resume()
        return Proof(True, {"attached before": before, "attached after": attached, "the first": stage.server.state()})

    def heal(self, stage: SandboxStage) -> None:
        """The other one is ended."""
        stage.server.resume()
        if self._end is not None:
            self._end()


def _kills_of(stage: SandboxStage) -> int:
    """What the kernel counted; it may be a moment behind."""
    if stage.cluster.sees_node:
        with suppress(DeadlineMissed):
            stage.budget.wait_for(
                "the kernel to tell of a kill", lambda: stage.sandboxes.kills(stage.pod), within=KERNEL_S
            )
    return stage.sandboxes.kills(stage.pod)


def _end_of(stage: SandboxStage, container: str) -> tuple[int, str]:
    """The exit code and the reason with which it ended, as the cluster tells. Raises DeadlineMissed."""

    def ended() -> tuple[int, str] | None:
        seen = stage.sandboxes.container(stage.pod, container)
        if seen.state == "terminated":
            return (-1 if seen.exit_code is None else seen.exit_code, seen.reason)
        if seen.before:
            reason, _, code = seen.before.rpartition(" ")
            return int(code), reason
        return None

    return stage.budget.wait_for(f"the cluster to tell that {container} has ended", ended, within=DEAD_S)


KINDS: Mapping[str, Callable[[str, dict[str, Any]], SandboxFault]] = {
    "agent.oom": AgentOom,
    "agent.kill": AgentKill,
    "agent.exit": AgentExit,
    "worker.oom": WorkerOom,
    "sidecar.kill": SidecarKill,
    "executor.kill": ExecutorKill,
    "executor.twin": ExecutorTwin,
    "kubelet.freeze": KubeletFreeze,
    "edge.drop": Drop,
    "edge.refuse": Refuse,
    "edge.lag": Lag,
    "edge.status-fails": StatusFails,
    "edge.freeze": Freeze,
}
"""By their names in a scenario."""
