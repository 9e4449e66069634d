"""What is done on the way between an executor and its cluster, and to the cluster's word: at the edge, which is ours."""

from __future__ import annotations

import time
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tailproof.faults.fault import Proof
from tailproof.faults.sandbox_stage import SandboxStage
from tailproof.sandboxes.attachments import How, When


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _OfTheEdge:
    scope = "edge"
    ends_a_life = False
    proves: Literal["at-once", "before-healing"] = "before-healing"

    def __init__(self, identity: str) -> None:
        self.id = identity
        self._before = 0

    def available(self, capabilities: frozenset[str]) -> str | None:
        return None


class DropOptions(_Options):
    """`with:` of `edge.drop`."""

    how: How = "fin"
    when: When = "now"
    """Those that are open; each one that comes, with its first line; each one after a moment."""


class Drop(_OfTheEdge):
    """Attachments are ended. Proven by the edge's count, and by the executor's next attempt where it makes one."""

    name = "edge.drop"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity)
        self.options = DropOptions.model_validate(options)

    def describe(self) -> str:
        when = {
            "now": "the attachment",
            "each-line": "each attachment, with its first line,",
            "each": "each attachment",
        }
        how = {"fin": "ends", "rst": "is reset", "stall": "stalls", "half": "ends in one direction"}
        return f"{when[self.options.when]} {how[self.options.how]} on its way"

    def inject(self, stage: SandboxStage) -> None:
        self._before = stage.edge.counts["dropped"]
        if self.options.when == "now":
            stage.edge.drop(self.options.how)
        else:
            stage.edge.drops = (self.options.when, self.options.how)

    def verify(self, stage: SandboxStage) -> Proof:
        dropped = stage.edge.counts["dropped"] - self._before
        return Proof(dropped > 0, {"dropped": dropped, "attached": stage.edge.counts["attached"]})

    def heal(self, stage: SandboxStage) -> None:
        """The next ones are carried."""
        stage.edge.drops = None


class NoOptions(_Options):
    """Nothing is to be said."""


class Refuse(_OfTheEdge):
    """Whoever attaches is answered with 500. Proven by the count of those answers."""

    name = "edge.refuse"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity)
        NoOptions.model_validate(options)

    def describe(self) -> str:
        return "open attachments end, and every further one is refused with 500"

    def inject(self, stage: SandboxStage) -> None:
        stage.edge.refuses = True
        stage.edge.drop("fin")

    def verify(self, stage: SandboxStage) -> Proof:
        return Proof(stage.edge.counts["refused"] > 0, {"refused": stage.edge.counts["refused"]})

    def heal(self, stage: SandboxStage) -> None:
        """The next ones are let in."""
        stage.edge.refuses = False


class LagOptions(_Options):
    """`with:` of `edge.lag`."""

    seconds: float = Field(gt=0, le=60)


class Lag(_OfTheEdge):
    """The executor is told the state of a pod as it was so many seconds before. Proven by answers that differ from what the cluster
    says."""

    name = "edge.lag"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity)
        self.options = LagOptions.model_validate(options)

    def describe(self) -> str:
        return f"the executor is told what pods were like {self.options.seconds:g} s before"

    def inject(self, stage: SandboxStage) -> None:
        stage.edge.lag_s = self.options.seconds

    def verify(self, stage: SandboxStage) -> Proof:
        return Proof(stage.edge.counts["late"] > 0, {"late answers": stage.edge.counts["late"]})

    def heal(self, stage: SandboxStage) -> None:
        """It is told the present."""
        stage.edge.lag_s = 0.0


class FailOptions(_Options):
    """`with:` of `edge.status-fails`."""

    times: int = Field(default=5, ge=1, le=1000)


class StatusFails(_OfTheEdge):
    """The next questions for a pod are answered with 500. Proven by the count of those answers."""

    name = "edge.status-fails"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity)
        self.options = FailOptions.model_validate(options)

    def describe(self) -> str:
        return f"the next {self.options.times} questions for the state of a pod fail with 500"

    def inject(self, stage: SandboxStage) -> None:
        stage.edge.failing = self.options.times

    def verify(self, stage: SandboxStage) -> Proof:
        return Proof(stage.edge.counts["failed"] > 0, {"failed": stage.edge.counts["failed"]})

    def heal(self, stage: SandboxStage) -> None:
        """It is answered."""
        stage.edge.failing = 0


class Freeze(_OfTheEdge):
    """The node is gone, as the executor sees it: the state of pods is told as it was, streams stall, logs are not to be had. Proven by
    answers that differ from what the cluster says."""

    name = "edge.freeze"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity)
        NoOptions.model_validate(options)

    def describe(self) -> str:
        return "the node is gone for the executor: nothing new is told of its pods, and no stream moves"

    def inject(self, stage: SandboxStage) -> None:
        stage.edge.frozen_ns = time.monotonic_ns()

    def verify(self, stage: SandboxStage) -> Proof:
        return Proof(stage.edge.counts["late"] > 0, {"late answers": stage.edge.counts["late"]})

    def heal(self, stage: SandboxStage) -> None:
        """It is back."""
        stage.edge.frozen_ns = 0
