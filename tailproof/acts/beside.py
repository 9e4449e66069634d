"""Other conversations of the same server, beside that of the trial."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from tailproof.acts.counting import Counts
from tailproof.acts.neighbours import look_at
from tailproof.acts.probes import as_probe
from tailproof.acts.user import Options
from tailproof.faults.fault import Proof, Stage
from tailproof.model.conversation import PlayedScript
from tailproof.model.script import ToolCall, Turn
from tailproof.protocol.adapter import Answer
from tailproof.protocol.conversation import ConversationPlan
from tailproof.protocol.hearing import Hearing
from tailproof.waiting import Cancelled, DeadlineMissed

RUN_S = 60.0
AT_ONCE_S = 2.0
GONE = 404
MOST_STAY = 100
"""Each is listened to, in a thread."""


class ConversationOptions(Options):
    """`with:` of `user.conversation`."""

    count: Annotated[int, Field(ge=1, le=50)] = 1
    """So many side by side."""
    rounds: Annotated[int, Field(ge=1, le=100)] = 1
    """So often, one set behind the other; each is deleted before the next."""
    turns: Annotated[int, Field(ge=0, le=20)] = 1
    """Tool calls of each. 0: nothing is said in it, and nothing runs."""
    stay: bool = False
    """None is deleted before the end of the trial, and whoever has spoken in theirs listens to it until then, or until the server ends."""

    @model_validator(mode="after")
    def _few_stay(self) -> ConversationOptions:
        if self.stay and self.count * self.rounds > MOST_STAY:
            raise ValueError(f"at most {MOST_STAY} conversations stay, and these are {self.count * self.rounds}")
        return self


@dataclass(slots=True)
class Beside:
    """One conversation, and how far it got."""

    plan: ConversationPlan
    played: PlayedScript
    turns: int
    """Tool calls in it."""
    done: bool = False
    gone: bool = False
    hearing: Hearing | None = None
    """Of its user, from its creation on, in the life of the server in which that was."""

    @classmethod
    def made(cls, stage: Stage, name: str, turns: int) -> Beside:
        """One that the server does not know yet."""
        calls = [Turn(tools=[ToolCall(run=f"echo {number}", journal=False)]) for number in range(turns)]
        return cls(*stage.company.beside(name, [*calls, Turn(finish="done")]), turns)

    def another(self, number: int) -> Beside:
        """One more that asks the same address for the same answers. Servers keep a client, and its connection, for each address of a
        model: with one of its own, each conversation would seem to leave something behind."""
        workspace = f"{self.plan.workspace}-{number}"
        plan = replace(self.plan, conversation=str(uuid.uuid4()), workspace=workspace)
        return Beside(plan, self.played, self.turns)

    def run(self, stage: Stage, *, listens: bool = False) -> Iterator[Answer]:
        """Create it and run it to its end; its user `listens` if they speak at all. Raises DeadlineMissed."""
        api, conversation = stage.company.api(), self.plan.conversation
        created = api.create(self.plan)
        if created.ok:
            stage.company.others.add(conversation)
        yield created
        if self.turns:
            if listens:
                self.hearing = hearing = stage.company.hear(conversation)
                hearing.wait_begun(stage.budget)
            yield api.send(conversation, "go", run=True)

            def rested() -> bool:
                return stage.adapter.neutral(api.status(conversation)[1]) == "done"

            stage.budget.wait_for(f"{self.played.name} to end", rested, within=RUN_S, every=0.3)
        self.done = True

    def leave(self, stage: Stage) -> Iterator[Answer]:
        """Delete it."""
        api, conversation = stage.company.api(), self.plan.conversation
        stage.company.others.discard(conversation)
        deleted = api.delete(conversation)
        if deleted.ok:
            stage.company.deleted.add(conversation)
        yield deleted
        self.gone = api.status(conversation)[0].code == GONE


class UserConversation:
    """Another user has conversations of their own: each is created, run to its end and, unless it is to stay, deleted. What stays and was
    spoken in is listened to. Proven by the model, which was asked for the last turn of each, and by 404 for the status of those that
    were deleted."""

    name = "user.conversation"
    scope = "server"
    ends_a_life = False
    proves: Literal["at-once", "before-healing"] = "before-healing"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        self.id = identity
        self.options = ConversationOptions.model_validate(options)
        self._all: list[Beside] = []
        self._over = threading.Event()
        self._failed = ""
        self._counts = Counts()
        self._one_of_them: Beside | None = None

    def available(self, capabilities: frozenset[str]) -> str | None:
        return None

    def describe(self) -> str:
        often = f", {self.options.rounds} times" if self.options.rounds > 1 else ""
        does = "creates and runs" if self.options.stay else "creates, runs and deletes"
        return f"another user {does} {self.options.count} other conversations{often}"

    def inject(self, stage: Stage) -> None:
        threading.Thread(target=self._act, args=(stage,), name=f"user-{self.id}", daemon=True).start()
        # What stays is there for what comes next.
        seconds = RUN_S * self.options.rounds if self.options.stay else AT_ONCE_S
        try:
            stage.budget.wait_event("the other conversations to begin", self._over, within=seconds)
        except DeadlineMissed:
            return  # they go on beside the loop: `verify` waits for them

    def verify(self, stage: Stage) -> Proof:
        """The model was asked for the last turn of each, and each is gone from the server, unless it stays."""
        stage.budget.wait_event("the other conversations to end", self._over, within=RUN_S * self.options.rounds)
        wanted = self.options.count * self.options.rounds
        ended = sum(one.done for one in self._all)
        if self._one_of_them is not None and self.options.turns:
            ended = min(ended, self._one_of_them.played.answered(self.options.turns))
        gone = sum(one.gone for one in self._all)
        counters: dict[str, Any] = {"run to their end": ended, "deleted": gone, "of": wanted}
        if self._failed:
            counters["failed"] = self._failed
        return Proof(ended == wanted and gone == (0 if self.options.stay else wanted), counters)

    def heal(self, stage: Stage) -> None:
        """Whatever is left of them is deleted, and nobody listens any more."""
        hearings = [one.hearing for one in self._all if one.hearing is not None]
        for hearing in hearings:
            hearing.leave()
        for hearing in hearings:
            stage.company.tell(hearing.heard())
        for one in self._all:
            one.hearing = None
            if not one.gone:
                stage.company.others.discard(one.plan.conversation)
                stage.company.api().delete(one.plan.conversation)

    def _act(self, stage: Stage) -> None:
        try:
            for round_ in range(1, self.options.rounds + 1):
                self._round(stage)
                self._counts.take(stage, when_let_go=round_ == self.options.rounds and not self.options.stay)
        except (Cancelled, DeadlineMissed) as missed:
            self._failed = str(missed)
        self._over.set()

    def _round(self, stage: Stage) -> None:
        if self._one_of_them is None:
            self._one_of_them = Beside.made(stage, self.id, self.options.turns)
        begun = len(self._all)
        fresh = [self._one_of_them.another(begun + number) for number in range(self.options.count)]
        self._all += fresh
        threads = [
            threading.Thread(target=self._one, args=(stage, one), name=one.plan.conversation, daemon=True)
            for one in fresh
        ]
        for thread in threads:
            thread.start()
        stage.budget.wait_for(
            "the other conversations of a round to end",
            lambda: not any(thread.is_alive() for thread in threads),
            within=RUN_S,
            saw=lambda: f"{sum(one.done for one in fresh)} of {len(fresh)} have ended",
        )

    def _one(self, stage: Stage, one: Beside) -> None:
        for answer in self._asked(stage, one):
            stage.company.tell(as_probe(answer))
            if not answer.ok:
                self._failed = self._failed or f"{answer.verb} got {answer.code or answer.error}"
                return
        if self.options.stay:
            look_at(stage, one.plan.conversation, "left")

    def _asked(self, stage: Stage, one: Beside) -> Iterator[Answer]:
        yield from one.run(stage, listens=self.options.stay)
        if not self.options.stay:
            yield from one.leave(stage)
