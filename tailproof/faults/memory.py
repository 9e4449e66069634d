"""Faults of memory: the kernel's own OOM killer, driven by the tool that the agent runs.

Two different faults. A dozen middling children push a container over its limit and the kernel takes the largest process, which
is the server. One child larger than the server is taken itself, and the server lives on.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tailproof.faults.fault import Proof, Stage
from tailproof.targets.target import Place

_EAT_AND_WAIT = "(head -c {megabytes}M /dev/zero; sleep 30) | tail > /dev/null"
"""`tail` holds the last line of its input, and a stream of zeros is one line: real memory with nothing but coreutils."""


class MemoryOptions(BaseModel):
    """`with:` of `memory.server` and `memory.child`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    megabytes: int = Field(default=0, ge=0, le=1 << 20)
    """How much each child takes; 0 for the default of the fault."""
    children: int = Field(default=12, ge=1, le=1000)
    restart: Place = "in-place"


class _MemoryFault:
    """What both faults share: the tool at its gate does the harm, and the kernel's counters tell what came of it."""

    proves: Literal["at-once", "before-healing"] = "at-once"
    default_megabytes: int

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        self.id = identity
        self.options = MemoryOptions.model_validate(options)
        self._megabytes = self.options.megabytes or self.default_megabytes
        self._before: dict[str, float] = {}
        self._pid = 0

    def available(self, capabilities: frozenset[str]) -> str | None:
        """A limit is needed, and only a container has one."""
        if "oom" not in capabilities:
            return "a kernel OOM kill needs a target with a memory limit: docker:IMAGE"
        return None

    def _eat(self, stage: Stage, command: str) -> None:
        self._before = dict(stage.server.counters())
        self._pid = stage.server.server_pid()
        stage.tools.open_gate(stage.token, command)


class ServerOom(_MemoryFault):
    """The tool starts a dozen children; the kernel kills the server. Proven by the engine's word for it, and no kill of ours."""

    name = "memory.server"
    scope = "server"
    ends_a_life = True
    default_megabytes = 90

    def describe(self) -> str:
        return (
            f"the tool starts {self.options.children} children of {self._megabytes} MB and the kernel kills the server"
        )

    def inject(self, stage: Stage) -> None:
        eat = _EAT_AND_WAIT.format(megabytes=self._megabytes)
        self._eat(stage, f"for i in $(seq {self.options.children}); do {{ {eat}; }} & done; wait")

    def verify(self, stage: Stage) -> Proof:
        """The engine tells an OOM kill of the server, and nobody of ours had ended it."""
        stage.server.wait_dead(stage.budget.part(30))
        death = stage.server.last_death()
        earlier = self._before.get("memory.oom_kill", 0)
        counters = {
            "OOM kills before it": earlier,
            "exit code": death.exit_code,
            "OOMKilled": death.oom_killed,
            "killed by us": death.by_us,
            "pid before": self._pid,
            "oom events of the engine": death.oom_events,
        }
        # A child's OOM kill earlier in this life would make any later SIGKILL look like one.
        by_kernel = death.oom_killed and death.oom_events > 0 and not earlier and not death.by_us
        return Proof(death.exit_code == 137 and by_kernel, counters)

    def heal(self, stage: Stage) -> None:
        """The tool may go on, and the server is started again."""
        stage.tools.open_gate(stage.token)
        if stage.server.alive():
            return
        stage.server.restart(stage.budget, place=self.options.restart)
        stage.ready()


class ChildOom(_MemoryFault):
    """The tool starts one child larger than the server; the kernel kills the child. Proven by the kernel's counter, and a server
    with the same pid."""

    name = "memory.child"
    scope = "child"
    ends_a_life = False
    default_megabytes = 4096

    def describe(self) -> str:
        return f"the tool starts one child of {self._megabytes} MB and the kernel kills it, not the server"

    def inject(self, stage: Stage) -> None:
        self._eat(stage, f"head -c {self._megabytes}M /dev/zero | tail > /dev/null")

    def verify(self, stage: Stage) -> Proof:
        """The kernel's count of OOM kills in the container grows, and the server lives on as the same process."""
        before = self._before.get("memory.oom_kill", 0)
        after = stage.budget.wait_for(
            "the kernel's OOM counter to grow",
            lambda: now if (now := stage.server.counters().get("memory.oom_kill", 0)) > before else None,
            within=30,
            saw=lambda: f"memory.oom_kill {before:g}",
            every=0.1,
        )
        same = stage.server.server_pid() == self._pid
        counters = {"memory.oom_kill before": before, "memory.oom_kill after": after, "server pid unchanged": same}
        return Proof(same, counters)

    def heal(self, stage: Stage) -> None:
        """The tool may go on."""
        stage.tools.open_gate(stage.token)
