"""A tool that forks until its container may have no more processes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tailproof.faults.fault import Proof, Stage
from tailproof.history.plan import FORK_BOMB
from tailproof.targets.target import TargetError

MOST = 1000
"""A bomb is not lit where more than so many processes are allowed: it is the limit that keeps the machine."""
_MET_S, _GONE_S = 60.0, 90.0


class ForkBombOptions(BaseModel):
    """`with:` of `process.fork-bomb`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: float = Field(default=6.0, ge=1, le=60)
    """How long each of them lives."""


class ForkBomb:
    """The tool forks until the limit of processes of its container is met, and for some seconds nobody in it can start a process or a
    thread. Nothing is lit before the kernel has told that limit. Proven by the kernel's count of what it refused, and a server with
    the same pid; healed when they are gone."""

    name = FORK_BOMB
    scope = "child"
    ends_a_life = False
    proves: Literal["at-once", "before-healing"] = "at-once"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        self.id = identity
        self.options = ForkBombOptions.model_validate(options)
        self._refused = self._began = 0.0
        self._pid = 0

    def available(self, capabilities: frozenset[str]) -> str | None:
        return (
            None
            if "process-limit" in capabilities
            else "this fault needs a target with a limit of processes: docker:IMAGE"
        )

    def describe(self) -> str:
        return f"the tool forks until it may have no more processes, for {self.options.seconds:g} s"

    def inject(self, stage: Stage) -> None:
        counted = stage.server.counters()
        limit = counted.get("processes.limit", 0.0)
        if not 0 < limit <= MOST:
            raise TargetError("no limit of processes is in force where the tool runs, and nothing was lit")
        self._refused, self._began = counted.get("processes.refused", 0.0), counted.get("processes.now", 0.0)
        self._pid = stage.server.server_pid()
        forks = f"while [ $i -lt {2 * limit:.0f} ]; do sleep {self.options.seconds:g} & i=$((i+1)); done"
        stage.tools.open_gate(stage.token, f"i=0; {forks}")

    def verify(self, stage: Stage) -> Proof:
        """The kernel counts that it refused a process in the container, and the server lives on as the same process."""
        after = stage.budget.wait_for(
            "the kernel to refuse a process",
            lambda: now if (now := stage.server.counters().get("processes.refused", 0.0)) > self._refused else None,
            within=_MET_S,
            saw=lambda: f"{stage.server.counters().get('processes.now', 0):g} processes",
            every=0.1,
        )
        same = stage.server.server_pid() == self._pid
        counters = {
            "processes refused before": self._refused,
            "processes refused after": after,
            "server pid unchanged": same,
        }
        return Proof(same, counters)

    def heal(self, stage: Stage) -> None:
        """They end by themselves; what is left of them is waited for. Raises DeadlineMissed."""
        if not stage.server.alive():
            return
        least = self._began + (stage.server.counters().get("processes.limit", 0.0) - self._began) / 4
        stage.budget.wait_for(
            "the processes of the bomb to be gone",
            lambda: not stage.server.alive() or stage.server.counters().get("processes.now", 0.0) <= least,
            within=_GONE_S,
            saw=lambda: f"{stage.server.counters().get('processes.now', 0):g} processes",
            every=0.2,
        )
