"""Faults that end or freeze the server: kill, graceful restart, pause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tailproof.faults.fault import NODE, Proof, Stage
from tailproof.history.plan import GRACE_S
from tailproof.outgoing.visible import program_of
from tailproof.targets.target import Place, PodEnd, Scope

DEAD_S = 15.0
"""How long a killed server may take until its death is seen."""
NO_NEW_HOST = "a start on a new host needs a target docker:IMAGE, or a plain process and root (CAP_SYS_ADMIN)"


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KillOptions(_Options):
    """`with:` of `process.kill`."""

    scope: Scope | Literal["default"] = "default"
    """`default`: the server alone for a plain process, the whole container for a container."""
    signal: Literal["KILL", "TERM", "ABRT"] = "KILL"
    restart: Place = "in-place"
    survivors: Literal["keep", "end"] = "keep"
    """Whether tools that outlive the server are ended before it is started again."""
    again: Literal["starting", "ready"] | None = None
    """The next life is killed, too: as soon as its process runs, or as soon as it says that it is ready."""
    again_by: Literal["KILL", "TERM"] = "KILL"
    """With `again`: what that life gets. TERM asks it to end in the middle of its recovery."""

    @model_validator(mode="after")
    def _again(self) -> Self:
        if self.again is None and self.again_by != "KILL":
            raise ValueError("again_by: no life is ended `again`")
        return self


class Kill:
    """SIGKILL (or another signal), then a start on the same disk. Proven by a process that lived before and is gone."""

    name = "process.kill"
    ends_a_life = True
    proves: Literal["at-once", "before-healing"] = "at-once"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        self.id = identity
        self.options = KillOptions.model_validate(options)
        self.scope: str = self.options.scope
        self._pid = self._lives = 0

    def available(self, capabilities: frozenset[str]) -> str | None:
        if "kill" not in capabilities:
            return "this target cannot be killed: use pypi:VERSION, src:DIR or docker:IMAGE"
        if self.options.scope == "container" and "container" not in capabilities:
            return "kill scope container needs a target docker:IMAGE"
        if self.options.restart == "new-host" and "new-host" not in capabilities:
            return NO_NEW_HOST
        return None

    def describe(self) -> str:
        more = "SIGTERM" if self.options.again_by == "TERM" else "once more"
        again = {None: "", "starting": f", {more} while it starts", "ready": f", {more} when it is ready"}
        gets = f"the server gets SIG{self.options.signal} (scope {self.scope}){again[self.options.again]}"
        return f"{gets} and is started again ({self.options.restart})"

    def inject(self, stage: Stage) -> None:
        if self.scope == "default":
            self.scope = "container" if "container" in stage.capabilities else "server"
        self._kill(stage, self.options.signal)
        if self.options.again:
            stage.server.wait_dead(stage.budget.part(DEAD_S))
            self._start(stage)
            if self.options.again == "ready":
                stage.ready()
            self._kill(stage, self.options.again_by)

    def verify(self, stage: Stage) -> Proof:
        """The process that was the server before is gone, as the kernel or the engine tells it."""
        stage.server.wait_dead(stage.budget.part(DEAD_S))
        # Their whole commands stand in the record of the life that ended.
        survivors = [program_of(command) for command in stage.server.survivors()]
        alive = stage.server.alive()
        # A server that was dead before did not die of this.
        killed = self._pid > 0 and not alive and self._lives == (2 if self.options.again else 1)
        counters = {"pid before": self._pid, "alive after": int(alive), "survivors": survivors, "lives": self._lives}
        return Proof(killed, counters)

    def heal(self, stage: Stage) -> None:
        """It is started again on the same disk."""
        if stage.server.alive():
            return
        self._start(stage)
        stage.ready()

    def _kill(self, stage: Stage, signal: str) -> None:
        self._pid = stage.server.server_pid()
        self._lives += self._pid > 0
        stage.server.kill(scope=_scope(self.scope), signal=signal)

    def _start(self, stage: Stage) -> None:
        if self.options.survivors == "end":
            stage.server.end_survivors()
        stage.server.restart(stage.budget, place=self.options.restart)


class RestartOptions(_Options):
    """`with:` of `process.restart`."""

    restart: Place = "in-place"
    grace: float = Field(default=GRACE_S, ge=0, le=600)
    by: Literal["signal"] | PodEnd = "signal"
    """Who asks it to end: the harness, or the cluster that ends its pod. The next life is in another pod then."""

    @model_validator(mode="after")
    def _in_another_pod(self) -> Self:
        if self.by != "signal" and self.restart != "new-host":
            raise ValueError("a pod that was ended is not started again: `restart: new-host`")
        return self


class Restart:
    """SIGTERM, time to end, then a start on the same disk. Proven as a kill is."""

    name = "process.restart"
    ends_a_life = True
    proves: Literal["at-once", "before-healing"] = "at-once"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        self.id = identity
        self.options = RestartOptions.model_validate(options)
        # A node that is drained takes no pods of others meanwhile.
        self.scope = NODE if self.options.by == "drain" else "server"
        self._pid = 0
        self._told: Mapping[str, str] = {}

    def available(self, capabilities: frozenset[str]) -> str | None:
        if "restart" not in capabilities:
            return "this target cannot be restarted: use pypi:VERSION, src:DIR or docker:IMAGE"
        if self.options.restart == "new-host" and "new-host" not in capabilities:
            return NO_NEW_HOST
        if self.options.by != "signal" and "pod" not in capabilities:
            return "the end of a pod needs a target k8s:IMAGE"
        if self.options.by == "drain" and "drain" not in capabilities:
            return "the nodes of this cluster are somebody else's, and not emptied: use one of docker/cluster.sh"
        if self.options.by == "rollout" and "earlier-release" not in capabilities:
            return "this target names no release before it to upgrade from: use the image of a release that tailproof builds"
        return None

    def describe(self) -> str:
        if self.options.by == "rollout":
            return "a rolling update of its StatefulSet replaces the server's pod by one of the next release, on its volume"
        if self.options.by != "signal":
            ended = {"delete": "is deleted", "evict": "is evicted", "drain": "is evicted from a node that is drained"}
            return f"the server's pod {ended[self.options.by]}, and another one begins on its volume"
        return (
            f"the server is asked to end (SIGTERM, {self.options.grace:g} s) and started again ({self.options.restart})"
        )

    def inject(self, stage: Stage) -> None:
        self._pid = stage.server.server_pid()
        if self.options.by == "signal":
            stage.server.stop(stage.budget, grace_s=self.options.grace)
        else:
            self._told = stage.server.end_pod(stage.budget, by=self.options.by, grace_s=self.options.grace)

    def verify(self, stage: Stage) -> Proof:
        """The process that was the server before is gone, as the kernel or the engine tells it; if the cluster ended its pod, another
        one is there, of another template after a rolling update."""
        alive = stage.server.alive()
        told = self._told
        differ = {"signal": (), "rollout": ("pod", "revision", "image")}.get(self.options.by, ("pod",))
        replaced = all(told.get(f"{what} before") != told.get(f"{what} after") for what in differ)
        return Proof(
            self._pid > 0 and not alive and replaced, {"pid before": self._pid, "alive after": int(alive), **told}
        )

    def heal(self, stage: Stage) -> None:
        """It is started again on the same disk."""
        if stage.server.alive():
            return
        stage.server.restart(stage.budget, place=self.options.restart)
        stage.ready()


class Pause:
    """SIGSTOP, and SIGCONT when healed: the server is there and says nothing. Proven by the state that
    the kernel shows."""

    name = "process.pause"
    scope = "group"
    ends_a_life = False
    proves: Literal["at-once", "before-healing"] = "at-once"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        self.id = identity
        _Options.model_validate(options)

    def available(self, capabilities: frozenset[str]) -> str | None:
        return (
            None
            if "pause" in capabilities
            else "this target cannot be paused: use pypi:VERSION, src:DIR or docker:IMAGE"
        )

    def describe(self) -> str:
        return "the server is frozen"

    def inject(self, stage: Stage) -> None:
        stage.server.pause()

    def verify(self, stage: Stage) -> Proof:
        """The kernel or the engine tells that the process is stopped."""
        state = stage.server.state()
        return Proof(state == "paused", {"state of the process": state})

    def heal(self, stage: Stage) -> None:
        """It goes on (SIGCONT)."""
        stage.server.resume()


def _scope(text: str) -> Scope:
    match text:
        case "group":
            return "group"
        case "container":
            return "container"
        case _:
            return "server"
