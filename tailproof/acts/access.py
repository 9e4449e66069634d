"""What a stranger does, and who has the key: every route and stream that the server publishes is tried with all kinds of keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tailproof.faults.fault import Proof, Stage


class ProbeOptions(BaseModel):
    """`with:` of `user.probe-access`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    exhaustive: bool = False
    """Every malformed key at every route, not one of them in turn."""


class UserProbeAccess:
    """Somebody tries all doors. The loop stays where it is meanwhile."""

    name = "user.probe-access"
    scope = "server"
    ends_a_life = False
    proves: Literal["at-once", "before-healing"] = "at-once"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        self.id = identity
        self._options = ProbeOptions.model_validate(options)
        self._told: Mapping[str, int] = {}

    def available(self, capabilities: frozenset[str]) -> str | None:
        return None

    def describe(self) -> str:
        return (
            "somebody asks for every published route and stream without the key, with wrong ones and with the right one"
        )

    def inject(self, stage: Stage) -> None:
        self._told = stage.probe_access(stage.budget, exhaustive=self._options.exhaustive)

    def verify(self, stage: Stage) -> Proof:
        """The server's own answers prove that it was asked."""
        answers = sum(number for told, number in self._told.items() if told.startswith("answers "))
        return Proof(answers > 0, dict(self._told))

    def heal(self, stage: Stage) -> None:
        """Nothing was done that could be undone."""
