"""A fault of the server's clock: somebody sets it, by hours, while it runs."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tailproof.faults.fault import Proof, Stage
from tailproof.history.plan import CLOCK, MOST_HOURS
from tailproof.provision.faketime import HOW_TO_GET_IT
from tailproof.targets.target import TargetError

_HOUR_S = 3600.0
_SLACK_S = 90.0
"""How long an answer may take."""
_SEEN_S = 30.0


class StepOptions(BaseModel):
    """`with:` of `clock.step`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hours: float = Field(ge=-MOST_HOURS, le=MOST_HOURS)
    """Back, when it is negative."""


class Step:
    """The clock of the server and its tools goes forward or back at once, and goes on from there; healing sets it right."""

    name = CLOCK
    scope = "server"
    ends_a_life = False
    proves: Literal["at-once", "before-healing"] = "at-once"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        self.id = identity
        self.options = StepOptions.model_validate(options)
        self._step_s = self.options.hours * _HOUR_S
        if not self._step_s:
            raise ValueError("hours: a step of 0 hours is none")
        self._off_before_s = 0.0

    def available(self, capabilities: frozenset[str]) -> str | None:
        if "own-clock" not in capabilities:
            return f"the clock of this server cannot be set: use pypi:VERSION, src:DIR or docker:IMAGE, with libfaketime: {HOW_TO_GET_IT}"
        return None

    def describe(self) -> str:
        way = "forward" if self._step_s > 0 else "back"
        return f"the server's clock is set {way} by {abs(self.options.hours):g} hours"

    def inject(self, stage: Stage) -> None:
        self._off_before_s = _off_s(stage)
        stage.server.set_clock(self._step_s)

    def verify(self, stage: Stage) -> Proof:
        """By the date that the server itself writes into its answers; a server may write a new one once in a second."""
        off_s = stage.budget.wait_for(
            "an answer with the date of the clock that was set",
            lambda: off if abs((off := _off_s(stage)) - self._off_before_s - self._step_s) < _SLACK_S else None,
            within=_SEEN_S,
            every=0.5,
        )
        return Proof(
            True, {"server's clock off before, s": self._off_before_s, "server's clock off after, s": round(off_s)}
        )

    def heal(self, stage: Stage) -> None:
        stage.server.set_clock(0)


def _off_s(stage: Stage) -> float:
    """How far the server's clock is from ours, by its answer to whoever asks for a status. Raises TargetError: it does not say."""
    answer = stage.observer.ask(lambda api, conversation: api.status(conversation)[0], stage.conversation)
    try:
        said = parsedate_to_datetime(answer.date)
    except ValueError as error:
        raise TargetError(f"the server's answers have no date: {answer.code or answer.error}") from error
    return round(said.timestamp() - time.time())
