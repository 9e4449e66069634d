"""Who tries every route and stream that the server publishes with all kinds of keys, and who sends secrets: in requests that must be
rejected, and in one that must not."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tailproof.acts.user import UserAct
from tailproof.faults.fault import Proof, Stage
from tailproof.protocol.access import SpoiledWord
from tailproof.protocol.adapter import Answer, Api


def answered(code: int, error: str = "") -> str:
    """What the counter of the requests that got this answer is called: `answered with 422`; 0 stands for no answer."""
    return f"{_ANSWERED}{code}" if code else f"not answered: {error}".removesuffix(": ")


_ANSWERED = "answered with "


class ProbeOptions(BaseModel):
    """`with:` of `user.probe-access`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    exhaustive: bool = False
    """Every malformed key at every route, not one of them in turn."""


class SpoiledOptions(BaseModel):
    """`with:` of `user.send-spoiled`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    what: SpoiledWord
    """What stands in the requests: a key of the model, or a secret for the conversation."""


class GivenOptions(BaseModel):
    """`with:` of `user.give-secret`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern="^[A-Z][A-Z_]*$")
    """What the tools know it by. Its value is drawn."""


class _Asking(ABC):
    """Somebody asks the server for much at once. The loop stays where it is meanwhile."""

    name: str
    scope = "server"
    ends_a_life = False
    proves: Literal["at-once", "before-healing"] = "at-once"

    def __init__(self, identity: str) -> None:
        self.id = identity
        self._told: Mapping[str, int] = {}

    def available(self, capabilities: frozenset[str]) -> str | None:
        return None

    @abstractmethod
    def describe(self) -> str:
        """See `Fault`."""

    @abstractmethod
    def inject(self, stage: Stage) -> None:
        """See `Fault`."""

    def verify(self, stage: Stage) -> Proof:
        """The server's own answers prove that it was asked."""
        answers = sum(number for told, number in self._told.items() if told.startswith(_ANSWERED))
        return Proof(answers > 0, dict(self._told))

    def heal(self, stage: Stage) -> None:  # noqa: B027 - nothing, on purpose
        """Nothing was done that could be undone."""


class UserProbeAccess(_Asking):
    """Somebody tries all doors. Proven by the answers."""

    name = "user.probe-access"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity)
        self._options = ProbeOptions.model_validate(options)

    def describe(self) -> str:
        return (
            "somebody asks for every published route and stream without the key, with wrong ones and with the right one"
        )

    def inject(self, stage: Stage) -> None:
        self._told = stage.probe_access(stage.budget, exhaustive=self._options.exhaustive)


class UserSendSpoiled(_Asking):
    """A user makes mistakes in requests that hold secrets. Proven by the answers."""

    name = "user.send-spoiled"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity)
        self._what = SpoiledOptions.model_validate(options).what

    def describe(self) -> str:
        return f"a user sends requests that must be rejected, with a {self._what} in them"

    def inject(self, stage: Stage) -> None:
        self._told = stage.send_spoiled(stage.conversation, self._what, stage.budget)


class UserGiveSecret(UserAct):
    """A user gives the conversation one more secret while it is at work. Proven by the answer."""

    name = "user.give-secret"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity)
        self._name = GivenOptions.model_validate(options).name
        self._value = ""
        self.says = f"a user gives the conversation the secret {self._name}"

    def available(self, capabilities: frozenset[str]) -> str | None:
        return None if "can-take-secrets" in capabilities else "no conversation of this server is given secrets later"

    def inject(self, stage: Stage) -> None:
        self._value = stage.plant_secret(self._name)
        super().inject(stage)

    def ask(self, api: Api, conversation: str) -> Answer:
        return api.give_secret(conversation, self._name, self._value)

    def seen(self, stage: Stage) -> dict[str, Any]:
        """Nobody is shown a secret: that the server said yes is all that there is to see."""
        return {"seen": True}
