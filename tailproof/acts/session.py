"""What the client of an executor does with its session and its turn, before that has ended by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tailproof.faults.fault import Proof
from tailproof.faults.sandbox_stage import SandboxFault, SandboxStage
from tailproof.protocol.adapter import Answer


class NoOptions(BaseModel):
    """Nothing is to be said."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Act:
    scope = "client"
    ends_a_life = False
    proves: Literal["at-once", "before-healing"] = "at-once"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        self.id = identity
        NoOptions.model_validate(options)
        self._answer: Answer | None = None

    def verify(self, stage: SandboxStage) -> Proof:
        """It was accepted."""
        answer = self._answer
        return Proof(answer is not None and answer.ok, {"code": answer.code if answer else 0})

    def heal(self, stage: SandboxStage) -> None:
        """It is over."""


class Release(_Act):
    """The client gives its session back while the agent works."""

    name = "session.release"

    def available(self, capabilities: frozenset[str]) -> str | None:
        return None if "release" in capabilities else "sessions of this executor cannot be released"

    def describe(self) -> str:
        return "the client releases its session while the agent is at work"

    def inject(self, stage: SandboxStage) -> None:
        self._answer = stage.released = stage.api.release(stage.session)
        stage.gate = ""  # the agent is gone with its sandbox


class Cancel(_Act):
    """The client cancels its turn while the agent works."""

    name = "execution.cancel"

    def available(self, capabilities: frozenset[str]) -> str | None:
        return None if "cancel" in capabilities else "executions of this executor cannot be cancelled"

    def describe(self) -> str:
        return "the client cancels its turn while the agent is at work"

    def inject(self, stage: SandboxStage) -> None:
        self._answer = stage.api.cancel(stage.execution)


KINDS: Mapping[str, Callable[[str, dict[str, Any]], SandboxFault]] = {
    "session.release": Release,
    "execution.cancel": Cancel,
}
"""By their names in a scenario."""
