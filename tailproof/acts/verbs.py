"""What else another user asks for: a run, an interruption, a confirmation, a fork, or any verb of the protocol, often and at once."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from tailproof.acts.user import SEEN_S, NoOptions, Options, UserAct
from tailproof.faults.fault import Proof, Stage
from tailproof.history.plan import IN_A_COPY
from tailproof.history.record import Neutral
from tailproof.history.server_records import Event, Status
from tailproof.protocol.adapter import Answer, Api
from tailproof.protocol.conversation import ConversationPlan
from tailproof.waiting import DeadlineMissed

ANSWERS_S = 60.0
"""How long all answers to many requests are waited for."""
NO_INTERRUPT = "no run of this server can be interrupted"
NO_CONFIRMATION = "no agent of this server waits for a confirmation"
NO_FORK = "no conversation of this server can be forked"
NEXT_S = 30.0
"""How long an agent may take from an action that was confirmed to the next one that it waits for."""

Verb = Literal[
    "ready", "version", "vocabulary", "status", "count", "page", "page-newest", "list", "children", "create", "run", "pause",
    "interrupt", "send", "confirm", "reject", "fork", "delete",
]  # fmt: skip
"""What an `Api` can be asked for, but for the initialisation, which a server takes once, and streams (`user.subscribe`)."""

VERBS: Mapping[Verb, Callable[[Api, str], Answer]] = {
    "ready": lambda api, _: api.ready(),
    "version": lambda api, _: api.version()[0],
    "vocabulary": lambda api, _: api.vocabulary()[0],
    "status": lambda api, conversation: api.status(conversation)[0],
    "count": lambda api, conversation: api.count(conversation)[0],
    "list": lambda api, _: api.conversations()[0],
    "children": lambda api, conversation: api.children(conversation)[0],
    "run": lambda api, conversation: api.run(conversation),
    "pause": lambda api, conversation: api.pause(conversation),
    "interrupt": lambda api, conversation: api.interrupt(conversation),
    "send": lambda api, conversation: api.send(conversation, "one more word", run=False),
    "confirm": lambda api, conversation: api.confirm(conversation, yes=True),
    "reject": lambda api, conversation: api.confirm(conversation, yes=False),
    "delete": lambda api, conversation: api.delete(conversation),
}
"""Those that need to know nothing but the conversation, and of which the answer is all that is kept."""
PAGES: Mapping[Verb, bool] = {"page": True, "page-newest": False}
"""Those that show events, and whether the oldest come first."""
NEEDS: Mapping[Verb, tuple[str, str]] = {
    "interrupt": ("can-interrupt", NO_INTERRUPT),
    "confirm": ("can-confirm", NO_CONFIRMATION),
    "reject": ("can-confirm", NO_CONFIRMATION),
    "fork": ("can-fork", NO_FORK),
    "children": ("can-start-conversation", "no agent of this server starts conversations"),
}
"""The ability without which there is no such verb, and what is said then."""


class _ShownInStatus(UserAct):
    """An act that is proven by the status that follows it."""

    wanted: frozenset[Neutral]

    def seen(self, stage: Stage) -> dict[str, Any]:
        def shown(status: Status) -> bool:
            return status.neutral in self.wanted

        try:
            status = stage.observer.wait_status(
                f"what {self.name} leads to", shown, stage.budget.part(SEEN_S), since_ns=self._since_ns
            )
        except DeadlineMissed:
            return {"seen": False}
        return {"seen": True, "status": f"{status.raw} via {status.via}"}


class UserRun(_ShownInStatus):
    """Another user starts a run. Proven by the status that an observer sees."""

    name = "user.run"
    says = "another user starts a run"
    wanted = frozenset({"active"})

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity)
        NoOptions.model_validate(options)

    def ask(self, api: Api, conversation: str) -> Answer:
        return api.run(conversation)


class UserInterrupt(_ShownInStatus):
    """Another user interrupts the run. Proven by the status that an observer sees."""

    name = "user.interrupt"
    says = "another user interrupts the run"
    wanted = frozenset({"interrupted"})

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity)
        NoOptions.model_validate(options)

    def available(self, capabilities: frozenset[str]) -> str | None:
        return None if "can-interrupt" in capabilities else NO_INTERRUPT

    def ask(self, api: Api, conversation: str) -> Answer:
        return api.interrupt(conversation)


class _Confirming(UserAct):
    """An answer to an agent that waits for a confirmation."""

    yes: bool

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity)
        NoOptions.model_validate(options)
        self._closed_ns = 0

    def available(self, capabilities: frozenset[str]) -> str | None:
        return None if "can-confirm" in capabilities else NO_CONFIRMATION

    def ask(self, api: Api, conversation: str) -> Answer:
        return api.confirm(conversation, yes=self.yes)

    def seen(self, stage: Stage) -> dict[str, Any]:
        """The event that closes the action: a rejection, or what came of it."""

        def closed(event: Event) -> bool:
            return event.role == ("observation" if self.yes else "rejection")

        try:
            event = stage.observer.wait_event(
                "the action to be closed", closed, stage.budget.part(SEEN_S), since_ns=self._since_ns
            )
        except DeadlineMissed:
            return {"seen": False}
        self._closed_ns = event.t_ns
        return {"seen": True, "closed by": event.name}


class ConfirmOptions(Options):
    """`with:` of `user.confirm`."""

    then: Literal["confirm", "reject"] | None = None
    """What the user says when the agent waits once more, before the act is over."""


class UserConfirm(_Confirming):
    """Another user lets the agent do what it waits for, and may answer what it waits for next. Proven by the observation that follows,
    and by what closes the next action."""

    name = "user.confirm"
    says = "another user confirms the action"
    yes = True

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity, {})
        self.options = ConfirmOptions.model_validate(options)
        if self.options.then:
            self.says = f"{self.says}, and {self.options.then}s the next one"

    def seen(self, stage: Stage) -> dict[str, Any]:
        told = super().seen(stage)
        if self.options.then is None or not told["seen"]:
            return told
        try:
            waits = stage.observer.wait_status(
                "the agent to wait once more",
                lambda status: status.neutral == "waiting",
                stage.budget.part(NEXT_S),
                since_ns=self._closed_ns,
            )
        except DeadlineMissed:
            return {"seen": False, "closed by": told["closed by"]}
        self.yes, self._since_ns = self.options.then == "confirm", waits.t_ns
        answer = stage.observer.ask(self.ask, stage.conversation)
        after = super().seen(stage) if answer.ok else {"seen": False}
        return {**after, "the first one closed by": told["closed by"], "next answer": answer.code or answer.error}


class UserReject(_Confirming):
    """Another user does not let the agent do what it waits for. Proven by the rejection in the stream."""

    name = "user.reject"
    says = "another user rejects the action"
    yes = False


class UserFork(UserAct):
    """Another user makes a copy of the conversation and posts a message into the copy, which is removed at the end. Proven by the events
    that the copy holds."""

    name = "user.fork"
    says = "another user forks the conversation and posts into the copy"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity)
        NoOptions.model_validate(options)
        self._copy = str(uuid.uuid4())

    def available(self, capabilities: frozenset[str]) -> str | None:
        return None if "can-fork" in capabilities else NO_FORK

    def ask(self, api: Api, conversation: str) -> Answer:
        return api.fork(conversation, self._copy)

    def seen(self, stage: Stage) -> dict[str, Any]:
        """The copy holds events of its own."""
        api = stage.company.api()
        page = api.page(self._copy, budget=stage.budget)
        # No matter of the proof: what comes of it is looked for in the log of the original.
        posted = api.send(self._copy, IN_A_COPY, run=False)
        return {
            "seen": page.answer.ok and len(page.events) > 0,
            "events of the copy": len(page.events),
            "the message into the copy": posted.code or posted.error,
        }

    def heal(self, stage: Stage) -> None:
        stage.company.api().delete(self._copy)


class RequestOptions(Options):
    """`with:` of `user.request`."""

    verb: Verb
    times: Annotated[int, Field(ge=1, le=200)] = 1
    at_once: bool = False
    """All of them in the same moment; else one behind the other."""


class UserRequest(UserAct):
    """Another user asks for something, once or often. Proven by an answer to each request; one that was sent whole and waited for in vain
    was made, too, and that nobody answered it is judged by what was promised."""

    name = "user.request"

    def __init__(self, identity: str, options: dict[str, Any]) -> None:
        super().__init__(identity)
        self.options = RequestOptions.model_validate(options)
        self._plan: ConversationPlan | None = None
        self._copies: list[str] = []
        self._answers: list[Answer] = []
        self._readings = itertools.count()
        self._healed = threading.Event()
        self._threads: list[threading.Thread] = []
        times = "" if self.options.times == 1 else f" {self.options.times} times"
        self.says = f"another user asks for {self.options.verb}{times}{' at once' if self.options.at_once else ''}"

    def available(self, capabilities: frozenset[str]) -> str | None:
        needed, lacking = NEEDS.get(self.options.verb, ("", ""))
        return lacking if needed and needed not in capabilities else None

    def ask(self, api: Api, conversation: str) -> Answer:
        if self.options.verb == "create":
            assert self._plan is not None, "where there is a conversation, it was created"
            return api.create(self._plan)
        if self.options.verb == "fork":
            copy = str(uuid.uuid4())
            self._copies.append(copy)
            return api.fork(conversation, copy)
        return VERBS[self.options.verb](api, conversation)

    def inject(self, stage: Stage) -> None:
        self._plan = stage.plan
        if not self.options.at_once:
            super().inject(stage)
            return
        self._since_ns = 0
        together = threading.Barrier(self.options.times)
        self._threads = [
            threading.Thread(target=self._one, args=(stage, together), name=f"user-{self.id}-{number}", daemon=True)
            for number in range(self.options.times)
        ]
        for thread in self._threads:
            thread.start()
        self._wait_answered(stage, 2.0)

    def verify(self, stage: Stage) -> Proof:
        """Each of them has an answer of the server, whatever it is, or had all the time that there is for one."""
        self._wait_answered(stage, ANSWERS_S)
        came = Counter(f"answered {answer.code}" if answer.code else answer.error for answer in self._answers)
        made = sum(bool(answer.code) or answer.unanswered for answer in self._answers)
        return Proof(made == self.options.times, dict(came))

    def seen(self, stage: Stage) -> dict[str, Any]:
        return {"seen": bool(self._answers)}

    def heal(self, stage: Stage) -> None:
        """Copies are removed, and nobody begins to ask any more."""
        self._healed.set()
        for copy in self._copies:
            stage.company.api().delete(copy)

    def _wait_answered(self, stage: Stage, seconds: float) -> None:
        try:
            stage.budget.wait_for(
                f"the answers to {self.options.times} requests for {self.options.verb}",
                lambda: len(self._answers) >= self.options.times,
                within=seconds,
                saw=lambda: f"{len(self._answers)} answers",
            )
        except DeadlineMissed:
            return  # the loop goes on: `verify` waits longer, and counts

    def _act(self, stage: Stage) -> None:
        for _ in range(self.options.times):
            if self._healed.is_set():
                break
            self._ask(stage)
        self._answered.set()

    def _one(self, stage: Stage, together: threading.Barrier) -> None:
        together.wait()
        if not self._healed.is_set():
            self._ask(stage)

    def _ask(self, stage: Stage) -> None:
        if (ascending := PAGES.get(self.options.verb)) is not None:
            answer = stage.company.look(f"page:{self.id}-{next(self._readings)}", ascending=ascending)
        else:
            text = "one more word" if self.options.verb == "send" else ""
            answer = stage.observer.ask(self.ask, stage.conversation, text=text)
        if self.options.verb == "delete":
            stage.deleted = stage.deleted or answer.ok
        self._answers.append(answer)
