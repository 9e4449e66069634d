"""What it costs to look at the conversation, beside what it costs to look at a short one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from tailproof.acts.beside import Beside
from tailproof.acts.probes import as_probe
from tailproof.acts.user import Options
from tailproof.faults.fault import Proof, Stage
from tailproof.history.records import Counter
from tailproof.history.timeline import SECOND
from tailproof.protocol.adapter import Answer, Api
from tailproof.waiting import Budget

FEW = 5
"""Events of a page: a short conversation has so many, too."""
TURNS = 3

READS: Mapping[str, Callable[[Api, str, Budget], Answer]] = {
    "status": lambda api, conversation, budget: api.status(conversation, budget)[0],
    "count": lambda api, conversation, budget: api.count(conversation, budget)[0],
    "page": lambda api, conversation, budget: api.page(conversation, size=FEW, budget=budget).answer,
    "page-newest": lambda api, conversation, budget: (
        api.page(conversation, size=FEW, ascending=False, budget=budget).answer
    ),
}


class CompareOptions(Options):
    """`with:` of `user.compare`."""

    times: Annotated[int, Field(ge=5, le=100)] = 15
    """How often each read is made of both."""


class UserCompare:
    """Another user reads this conversation and a short one of their own in turns, and looks at the clock. Proven by the answers, and
    by the events of the short one, of which there is a whole page."""

    name = "user.compare"
    scope = "server"
    ends_a_life = False
    proves: Literal["at-once", "before-healing"] = "at-once"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        self.id = identity
        self.options = CompareOptions.model_validate(options)
        self._short: Beside | None = None
        self._events = self._answered = 0

    def available(self, capabilities: frozenset[str]) -> str | None:
        return None

    def describe(self) -> str:
        return f"another user reads this conversation and a short one in turns, {self.options.times} times"

    def inject(self, stage: Stage) -> None:
        self._short = short = Beside.made(stage, self.id, TURNS)
        for answer in short.run(stage):
            stage.company.tell(as_probe(answer))
        api = stage.company.api()
        self._events = len(api.page(short.plan.conversation, size=FEW).events)
        both = (("long", stage.conversation), ("short", short.plan.conversation))
        for _ in range(self.options.times):
            for what, read in READS.items():
                for which, conversation in both:
                    answer = read(api, conversation, stage.budget)
                    self._answered += answer.ok
                    took_s = (answer.ended_ns - answer.began_ns) / SECOND
                    stage.company.tell(Counter(f"read.{what}.{which}", took_s, stage.server.epoch))

    def verify(self, stage: Stage) -> Proof:
        """The server answered every read, and the short conversation fills a page."""
        wanted = self.options.times * len(READS) * 2
        counters = {"answered": self._answered, "of": wanted, "events of a page": self._events}
        return Proof(self._answered == wanted and self._events == FEW, counters)

    def heal(self, stage: Stage) -> None:
        """The short one is deleted."""
        if self._short is not None and not self._short.gone:
            for answer in self._short.leave(stage):
                stage.company.tell(as_probe(answer))
