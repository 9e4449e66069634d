"""Faults of the receiver of webhooks: it is down, slow, hangs, or refuses what it is asked to take."""

from __future__ import annotations

import errno
import socket
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tailproof.faults.fault import Make, Proof, Stage
from tailproof.hooks.receiver import Receiver, Trouble

MEETS_S = 45.0
"""How long a fault waits for the requests that have to meet it."""
_KNOCK_S = 2.0


class _Options(BaseModel):
    """`requests` is how many must have met the fault before it is healed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests: Annotated[int, Field(ge=1, le=1000)] = 1

    def trouble(self, fault: str) -> Trouble:
        """What the receiver does."""
        raise NotImplementedError

    def says(self) -> str:
        """The same for a user."""
        raise NotImplementedError


class DownOptions(_Options):
    """`with:` of `hooks.down`. Nobody can count who is refused by the kernel: that is proven by a knock of ours."""

    how: Literal["reset", "refused"] = "reset"

    def trouble(self, fault: str) -> Trouble:
        return Trouble(fault=fault, does="reset" if self.how == "reset" else "refuse-connections")

    def says(self) -> str:
        return "every connection to it is " + ("reset" if self.how == "reset" else "refused")


class SlowOptions(_Options):
    """`with:` of `hooks.slow`."""

    seconds: Annotated[float, Field(gt=0, le=600)]

    def trouble(self, fault: str) -> Trouble:
        return Trouble(fault=fault, does="slow", seconds=self.seconds)

    def says(self) -> str:
        return f"it answers {self.seconds:g} s late"


class HangOptions(_Options):
    """`with:` of `hooks.hang`."""

    def trouble(self, fault: str) -> Trouble:
        return Trouble(fault=fault, does="hang")

    def says(self) -> str:
        return "it takes requests and never answers"


class RefuseOptions(_Options):
    """`with:` of `hooks.refuse`."""

    code: Annotated[int, Field(ge=400, le=599)] = 503

    def trouble(self, fault: str) -> Trouble:
        return Trouble(fault=fault, does="answer", code=self.code)

    def says(self) -> str:
        return f"it answers {self.code}"


class HooksFault:
    """Proven by the receiver's own count of the requests that met it; it is well again when the next one is answered with 2xx."""

    scope = "hooks"
    ends_a_life = False
    proves: Literal["at-once", "before-healing"] = "before-healing"

    def __init__(self, identity: str, name: str, options: _Options) -> None:
        self.id = identity
        self.name = name
        self.options = options
        self._refuses = options.trouble(identity).does == "refuse-connections"

    def available(self, capabilities: frozenset[str]) -> str | None:
        return None

    def describe(self) -> str:
        return f"the receiver of webhooks: {self.options.says()}"

    def inject(self, stage: Stage) -> None:
        _of(stage).meet(self.options.trouble(self.id))

    def verify(self, stage: Stage) -> Proof:
        receiver = _of(stage)
        if self._refuses:
            refused = _is_refused(receiver.port)
            return Proof(refused, {"a connection is refused": refused})
        wanted = self.options.requests
        stage.budget.wait_for(
            f"{wanted} requests to the receiver of webhooks",
            lambda: receiver.met(self.id) >= wanted,
            within=MEETS_S,
            saw=lambda: f"{receiver.met(self.id)} requests",
        )
        return Proof(True, {"requests that met it": receiver.met(self.id)})

    def heal(self, stage: Stage) -> None:
        _of(stage).recover()


def _of(stage: Stage) -> Receiver:
    assert stage.hooks is not None, "a scenario with a fault of the receiver has a receiver"
    return stage.hooks


def _is_refused(port: int) -> bool:
    with socket.socket() as knock:
        knock.settimeout(_KNOCK_S)
        return knock.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


def _kind(name: str, options: type[_Options]) -> Make:
    def make(identity: str, given: dict[str, Any]) -> HooksFault:
        return HooksFault(identity, name, options.model_validate(given))

    return make


KINDS = {
    name: _kind(name, options)
    for name, options in (
        ("hooks.down", DownOptions),
        ("hooks.slow", SlowOptions),
        ("hooks.hang", HangOptions),
        ("hooks.refuse", RefuseOptions),
    )
}
