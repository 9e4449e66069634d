"""What another user of the same server does to the conversation, past the wire: pause it, delete it, write into it."""

from __future__ import annotations

import contextlib
import threading
import time
from abc import ABC, abstractmethod
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tailproof.faults.fault import Proof, Stage
from tailproof.history.record import RESTING, Neutral
from tailproof.protocol.adapter import Answer, Api, RequestWord
from tailproof.waiting import Cancelled, DeadlineMissed
from tailproof.wire.handle import WireError
from tailproof.wire.rules import Match, Rule

ANSWER_S = 2.0
"""How long the loop is kept held for the answer: a server that answers between two steps can only do so when it is let go."""
PROOF_S = 30.0
ASKED_S = 10.0
"""How long the client has to send the request that a message is posted in front of."""
SEEN_S = 5.0
LAST_WORDS = " And that was all."
GONE = 404


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NoOptions(Options):
    """`with:` of an act that has nothing to say."""


class HeldRequest(Options):
    """The request of the client under test that stands still at the wire meanwhile."""

    request: RequestWord


class MessageOptions(Options):
    """`with:` of `user.message`."""

    text: str = Field(min_length=1)
    bytes: int = Field(default=0, ge=0, le=4 << 20)
    """The text is filled up to so many."""
    run: bool = False
    """Start a run with it."""
    while_held: HeldRequest | None = None
    """Post it while the client's next request of this kind is held at the wire; the loop goes on meanwhile unless another fault
    of the same point holds it. A client that sends none within 10 s gets the message all the same, and the fault is unproven."""


class UserAct(ABC):
    """One request of another user. It is sent in a thread: a server may answer only when the step under way has ended."""

    name: str
    says: str
    text = ""
    """What is sent along."""
    whole = ""
    """All of it, where `text` is only its beginning."""
    scope = "conversation"
    ends_a_life = False
    proves: Literal["at-once", "before-healing"] = "before-healing"

    def __init__(self, identity: str) -> None:
        self.id = identity
        self._answer: Answer | None = None
        self._answered = threading.Event()
        self._since_ns = 0

    def available(self, capabilities: frozenset[str]) -> str | None:
        return None

    def describe(self) -> str:
        return self.says

    def inject(self, stage: Stage) -> None:
        self._since_ns = time.monotonic_ns()
        threading.Thread(target=self._act, args=(stage,), name=f"user-{self.id}", daemon=True).start()
        try:
            stage.budget.wait_event(f"the server to answer {self.name}", self._answered, within=ANSWER_S)
        except DeadlineMissed:
            return  # it answers when the loop goes on: `verify` waits for it

    def verify(self, stage: Stage) -> Proof:
        """The answer of the server, and what a witness saw of it: the event, the status, or that the conversation is gone."""
        stage.budget.wait_event(f"the server to answer {self.name}", self._answered, within=PROOF_S)
        assert self._answer is not None, "an event that is set comes with its answer"
        counters: dict[str, Any] = {"answer": self._answer.code or self._answer.error}
        if not self._answer.ok:
            return Proof(False, counters)
        seen = self.seen(stage)
        return Proof(seen.pop("seen"), counters | seen)

    def heal(self, stage: Stage) -> None:  # noqa: B027 - nothing, on purpose
        """What a user did stays done."""

    @abstractmethod
    def ask(self, api: Api, conversation: str) -> Answer:
        """The request itself."""

    @abstractmethod
    def seen(self, stage: Stage) -> dict[str, Any]:
        """What a witness saw of it; `seen` says whether that proves it."""

    def _act(self, stage: Stage) -> None:
        answer = stage.observer.ask(self.ask, stage.conversation, text=self.text, whole=self.whole)
        self.done(stage, answer)
        self._answer = answer
        self._answered.set()

    def done(self, stage: Stage, answer: Answer) -> None:  # noqa: B027 - mostly nothing
        """What follows from the answer for the rest of the trial."""


class UserPause(UserAct):
    """Another user pauses the run. Proven by the status that an observer sees."""

    name = "user.pause"
    says = "another user pauses the run"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity)
        NoOptions.model_validate(options)

    def ask(self, api: Api, conversation: str) -> Answer:
        return api.pause(conversation)

    def seen(self, stage: Stage) -> dict[str, Any]:
        paused: Neutral = "interrupted"
        status = stage.observer.wait_status(
            "the run to be shown as paused",
            lambda status: status.neutral == paused,
            stage.budget.part(SEEN_S),
            since_ns=self._since_ns,
        )
        return {"seen": True, "status": f"{status.raw} via {status.via}"}


class UserDelete(UserAct):
    """Another user deletes the conversation. Proven by 404 for its status."""

    name = "user.delete"
    says = "another user deletes the conversation"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity)
        NoOptions.model_validate(options)

    def ask(self, api: Api, conversation: str) -> Answer:
        return api.delete(conversation)

    def done(self, stage: Stage, answer: Answer) -> None:
        stage.deleted = stage.deleted or answer.ok

    def seen(self, stage: Stage) -> dict[str, Any]:
        answer = stage.observer.ask(lambda api, conversation: api.status(conversation)[0], stage.conversation)
        return {"seen": answer.code == GONE, "its status is answered": answer.code}


class UserMessage(UserAct):
    """Another user writes into the conversation. Proven by the event that an observer gets."""

    name = "user.message"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity)
        self.options = MessageOptions.model_validate(options)
        self.text = self.options.text
        self.whole = self.text
        if self.options.bytes > len(self.text) + len(LAST_WORDS):
            # It ends with words of its own: one that was cut ends otherwise.
            self.whole = self.text.ljust(self.options.bytes - len(LAST_WORDS), ".") + LAST_WORDS
        self.says = f"another user posts {self.text!r}"
        if self.options.bytes:
            self.says += f" and so on, {len(self.whole):,} bytes"
        self._asked = 0
        if self.options.while_held is not None:
            held = self.options.while_held
            self.says += f" while the client waits for the answer to its {held.request} request"

    def inject(self, stage: Stage) -> None:
        if self.options.while_held is None:
            resting = bool(seen := stage.observer.statuses()) and seen[-1].neutral in RESTING
            super().inject(stage)
            if self.options.run and resting:
                wait_active(stage, self._since_ns)
            return
        self._since_ns = time.monotonic_ns()
        method, route = stage.adapter.route(self.options.while_held.request)
        stage.wire.add(Rule(id=self.id, do="hold", on="http", match=Match(method=method, route=route)))
        threading.Thread(target=self._act_while_held, args=(stage,), name=f"user-{self.id}", daemon=True).start()

    def heal(self, stage: Stage) -> None:
        if self.options.while_held is not None:
            stage.wire.remove(self.id)

    def ask(self, api: Api, conversation: str) -> Answer:
        return api.send(conversation, self.whole, run=self.options.run)

    def seen(self, stage: Stage) -> dict[str, Any]:
        reached = self._wait_seen(stage)
        counters: dict[str, Any] = {"seen": reached, "its event reached the observer": reached}
        if self.options.while_held is not None:
            counters["seen"] = reached and self._asked > 0
            counters["requests of the client held meanwhile"] = self._asked
        return counters

    def _act_while_held(self, stage: Stage) -> None:
        try:
            self._asked = self._wait_asked(stage)
            self._answer = stage.observer.ask(self.ask, stage.conversation, text=self.text, whole=self.whole)
            self._wait_seen(stage)
            stage.wire.remove(self.id)
        except (Cancelled, WireError):
            return  # the trial is ending: whoever waits for the answer says that there is none
        self._answered.set()

    def _wait_asked(self, stage: Stage) -> int:
        try:
            return stage.wire.wait_fired(self.id, stage.budget.part(ASKED_S))
        except DeadlineMissed:
            return 0

    def _wait_seen(self, stage: Stage) -> bool:
        try:
            stage.observer.wait_event(
                "the posted message to be streamed",
                lambda seen: seen.role == "message" and self.text in seen.text,
                stage.budget.part(SEEN_S),
                since_ns=self._since_ns,
            )
        except DeadlineMissed:
            return False
        return True


def wait_active(stage: Stage, since_ns: int) -> None:
    """The trial waits for the end of a run that it sees; whether the server starts one is for the guarantees to judge."""
    with contextlib.suppress(DeadlineMissed):
        stage.observer.wait_status(
            "the run of the posted message",
            lambda status: status.neutral == "active",
            stage.budget.part(SEEN_S),
            since_ns=since_ns,
        )
