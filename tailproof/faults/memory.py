"""Faults of memory, driven by the tool that the agent runs: the kernel's own OOM killer, and a limit that is met without it.

Two faults kill. A dozen middling children push a container over its limit and the kernel takes the largest process, which
is the server. One child larger than the server is taken itself, and the server lives on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tailproof.faults.fault import Proof, Stage
from tailproof.targets.container_processes import CAPABILITY, ContainerProcess, helper_of
from tailproof.targets.target import Place, TargetError

_EAT_AND_WAIT = "(head -c {megabytes}M /dev/zero; sleep 30) | tail > /dev/null"
"""`tail` holds the last line of its input, and a stream of zeros is one line: real memory with nothing but coreutils."""

_MET_BYTES = 4 << 20
"""The limit was met when no more than this was left of it; the kernel counts in batches."""
_PRESS = (
    "{{ (head -c {megabytes}M /dev/zero; sleep {seconds:g}) | tail > /dev/null; rm -f /tmp/.tailproof-pressure; }} & "
    "head -c {files}M /dev/zero > /tmp/.tailproof-pressure"
)


class MemoryOptions(BaseModel):
    """`with:` of `memory.server` and `memory.child`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    megabytes: int = Field(default=0, ge=0, le=1 << 20)
    """How much each child takes; 0 for the default of the fault."""
    children: int = Field(default=12, ge=1, le=1000)
    restart: Place = "in-place"


def _no_limit(capabilities: frozenset[str]) -> str | None:
    """Only a container has one."""
    return None if "oom" in capabilities else "this fault needs a target with a memory limit: docker:IMAGE or k8s:IMAGE"


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
        self._helper: ContainerProcess | None = None

    def available(self, capabilities: frozenset[str]) -> str | None:
        return _no_limit(capabilities)

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


class HelperOom(_MemoryFault):
    """The tool gives the terminal multiplexer below which it runs more to keep than there is memory, so that the kernel kills that, as
    the largest of the container. Proven by the kernel's counter, the end of the helper, and a server with the same pid.

    Nothing here asks the kernel for a preference (`oom_score_adj`): a pod that has asked for little memory starts with so high a
    score that no mark stands out.
    """

    name = "memory.helper"
    scope = "child"
    ends_a_life = False
    default_megabytes = 4096

    def available(self, capabilities: frozenset[str]) -> str | None:
        if CAPABILITY not in capabilities:
            return "this fault needs a container whose processes the harness sees: docker:IMAGE, or a pod on a cluster of docker/cluster.sh"
        return _no_limit(capabilities)

    def describe(self) -> str:
        return "the terminals below which the tool runs take all memory, and the kernel kills them, not the server"

    def inject(self, stage: Stage) -> None:
        """Raises TargetError: the server does not run its tools below tmux."""
        self._helper = helper_of(stage.server.server_pid())
        if self._helper is None or not self._helper.name.startswith("tmux"):
            raise TargetError(
                "the server does not run its tools below tmux, which is the one helper that can be made to grow"
            )
        self._eat(stage, f"head -c {self._megabytes}M /dev/zero | tmux load-buffer -")

    def verify(self, stage: Stage) -> Proof:
        """The helper ends, the kernel's count of OOM kills grows, and the server lives on as the same process."""
        helper = stage.budget.wait_for(
            "the kernel to kill the server's helper",
            lambda: one if (one := self._helper) is not None and not one.lives() else None,
            within=30,
            every=0.1,
        )
        before = self._before.get("memory.oom_kill", 0)
        after = stage.server.counters().get("memory.oom_kill", 0)
        same = stage.server.server_pid() == self._pid
        counters = {
            "helper": f"{helper.name} {helper.inner_pid}",
            "memory.oom_kill before": before,
            "memory.oom_kill after": after,
            "server pid unchanged": same,
        }
        return Proof(same and after > before, counters)

    def heal(self, stage: Stage) -> None:
        """The tool may go on, if it is still there."""
        stage.tools.open_gate(stage.token)


def _room_at_peak(counters: Mapping[str, float]) -> float:
    """How far the container has ever been from its limit, in bytes. Not every kernel counts how often it was met."""
    return counters.get("memory.limit_bytes", math.inf) - counters.get("memory.peak_bytes", 0)


class PressureOptions(BaseModel):
    """`with:` of `memory.pressure`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    spare_megabytes: int = Field(default=128, ge=1, le=1 << 20)
    """So much of the container's limit is left to the server and to files that were read or written."""
    seconds: float = Field(default=6.0, gt=0, le=600)


class Pressure:
    """A child of the tool holds almost all the memory that is left, and files take the rest: the kernel has to reclaim what it can, and
    kills nobody. Proven by the kernel's word for the most that was used, its count of kills, and a server with the same pid."""

    name = "memory.pressure"
    scope = "server"
    ends_a_life = False
    proves: Literal["at-once", "before-healing"] = "at-once"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        self.id = identity
        self.options = PressureOptions.model_validate(options)
        self._before: dict[str, float] = {}
        self._pid = 0

    def available(self, capabilities: frozenset[str]) -> str | None:
        return _no_limit(capabilities)

    def describe(self) -> str:
        return (
            f"a child of the tool takes all memory but {self.options.spare_megabytes} MB for {self.options.seconds:g} s, "
            "and files take the rest"
        )

    def inject(self, stage: Stage) -> None:
        """Raises TargetError: the scenario gives the container no limit, or too little for this."""
        self._before = before = dict(stage.server.counters())
        self._pid = stage.server.server_pid()
        left = before.get("memory.limit_bytes", 0) - before.get("memory.used_bytes", 0)
        megabytes = int(left) // (1 << 20) - self.options.spare_megabytes
        if not 0 < megabytes < 1 << 20:
            raise TargetError("no memory can be taken here: the scenario needs `server: {memory: 1g}` or more")
        stage.tools.open_gate(
            stage.token,
            _PRESS.format(megabytes=megabytes, seconds=self.options.seconds, files=2 * self.options.spare_megabytes),
        )

    def verify(self, stage: Stage) -> Proof:
        after = stage.budget.wait_for(
            "the memory limit to be met",
            lambda: now if _room_at_peak(now := dict(stage.server.counters())) < _MET_BYTES else None,
            within=30,
            saw=lambda: f"{_room_at_peak(stage.server.counters()):.0f} bytes were left",
            every=0.1,
        )
        same = stage.server.server_pid() == self._pid
        kills = [counters.get("memory.oom_kill", 0) for counters in (self._before, after)]
        room = _room_at_peak(self._before)
        counters = {
            "bytes left at most use, before": room,
            "bytes left at most use, after": _room_at_peak(after),
            "OOM kills before": kills[0],
            "OOM kills after": kills[1],
            "server pid unchanged": same,
        }
        return Proof(same and kills[0] == kills[1] and room > _MET_BYTES, counters)

    def heal(self, stage: Stage) -> None:
        """The child ends by itself. Raises DeadlineMissed: its memory is not given back."""
        stage.tools.open_gate(stage.token)
        if not self._before:
            return
        enough = self._before.get("memory.limit_bytes", 0) - 2 * self.options.spare_megabytes * (1 << 20)
        stage.budget.wait_for(
            "the memory to be given back",
            lambda: not stage.server.alive() or stage.server.counters().get("memory.used_bytes", 0) < enough,
            within=self.options.seconds + 30,
            every=0.2,
        )
