"""The script of one conversation while it is played: what is held, what was asked, what comes next."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tailproof.history.records import ModelCall
from tailproof.model import mcp
from tailproof.model.journal import command_of
from tailproof.model.position import call_id, position_of
from tailproof.model.reply import FINISH_TOOL, TERMINAL_TOOL, Call, Reply
from tailproof.model.request import Messages, Request, results_in, said_in, told_in, unpaired_in
from tailproof.model.script import Command, Failure, Risk, Step, Turn, steps_of
from tailproof.outgoing.masking import Masker
from tailproof.waiting import Budget

SIDE_REPLY = "A scripted side answer"
AFTER_THE_END = "The script is over."
BROKEN_OFF = "The script breaks off in this sentence."
ASIDE = -1
"""The turn of a request that is none of the loop: it wants a title, or a summary."""
NO_WHOLE_ANSWER = 0
"""The code of an answer that never came to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What the model decided to answer to one request."""

    turn: int
    reply: Reply | None
    """None for an HTTP error."""
    code: int = 200
    delay_s: float = 0.0
    fails: Failure | None = None
    """The reply is not told to its end, or not at all."""
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildScript:
    """A conversation or a task that the agent starts with the tool `tool`. Servers give a child the model of its parent: its requests come
    to the same address, and are known by `task`, with which they begin."""

    task: str
    tool: str
    arguments: dict[str, Any]
    played: PlayedScript


class Told(Protocol):
    """Who is told what a script is asked and what it answers: a witness, or somebody who tells one in other words."""

    @property
    def masker(self) -> Masker:
        """What must not be written."""

    def write(self, record: ModelCall) -> None:
        """Take it down."""


@dataclass(slots=True)
class PlayedScript:
    """One conversation of the scripted model. `name` is the conversation's id in the history; it may be told later."""

    name: str
    url: str
    """The base URL that the server is given for this conversation, ending in `/v1`."""
    script: Sequence[Turn]
    journal: str
    """The tool journal directory, as the tools see it."""
    witness: Told
    calls: str = "call"
    """How the ids of its tool calls begin. Two scripts that are played in one conversation need two words."""
    children: Mapping[str, ChildScript] = field(default_factory=dict)
    """The conversations that its tool calls start, by name."""
    aside_errors: int = 0
    """So many requests outside the loop are answered with 500, before one gets an answer."""
    risks: Mapping[Risk, Mapping[str, Any]] = field(default_factory=dict)
    """How the arguments of a tool call say its risk."""
    _replies: list[Step] = field(init=False)
    _errors: dict[int, list[Step]] = field(init=False)
    _held: set[int] = field(init=False)
    _asked: Counter[int] = field(init=False, default_factory=Counter)
    _answered: Counter[int] = field(init=False, default_factory=Counter)
    _errors_given: Counter[int] = field(init=False, default_factory=Counter)
    _last: int = field(init=False, default=-1)
    _changed: threading.Condition = field(init=False, default_factory=threading.Condition)
    _closing: bool = field(init=False, default=False)
    _still: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._replies, self._errors = steps_of(self.script)
        self._held = {number for number, turn in enumerate(self.script) if turn.hold}

    def asked_by(self, request: Request) -> PlayedScript:
        """Whose script answers this request: that of the child whose task the user gives in it first, or this one."""
        said = next((message.text for message in request.messages if message.role == "user"), "")
        return next((child.played for child in self.children.values() if said.startswith(child.task)), self)

    def hold(self, turn: int) -> None:
        """Keep the reply of turn `turn` (from 0) back until it is released."""
        with self._changed:
            self._held.add(turn)

    def release(self, turn: int) -> None:
        """Let the reply of turn `turn` go, now and later. Idempotent."""
        with self._changed:
            self._held.discard(turn)
            self._changed.notify_all()

    def stand_still(self) -> None:
        """Keep every reply back, whatever turn it is of, until `go_on`."""
        with self._changed:
            self._still = True

    def go_on(self) -> None:
        """Undo `stand_still`; a turn that is held for itself stays held. Idempotent."""
        with self._changed:
            self._still = False
            self._changed.notify_all()

    def release_all(self) -> None:
        """Hold nothing any more."""
        with self._changed:
            self._held.clear()
            self._still = False
            self._changed.notify_all()

    def wait_called(self, turn: int, budget: Budget, *, times: int = 1) -> None:
        """Until the model was asked for turn `turn` (from 0) `times` times. Raises as `Budget.wait_for` does."""
        budget.wait_for(
            f"the model to be asked for turn {turn + 1} of the script",
            lambda: self._asked[turn] >= times,
            saw=self._progress,
        )

    def wait_answered(self, turn: int, budget: Budget, *, times: int = 1) -> None:
        """Until turn `turn` (from 0) was answered `times` times. Raises as `Budget.wait_for` does."""
        budget.wait_for(
            f"the model to answer turn {turn + 1} of the script",
            lambda: self._answered[turn] >= times,
            saw=self._progress,
        )

    def asked(self, turn: int) -> int:
        """How often the model was asked for turn `turn` (from 0)."""
        return self._asked[turn]

    def answered(self, turn: int) -> int:
        """How often turn `turn` (from 0) was answered."""
        return self._answered[turn]

    def total(self) -> int:
        """How many requests of the loop there were; side requests are not counted."""
        return sum(times for turn, times in self._asked.items() if turn >= 0)

    def close(self) -> None:
        """Nothing is held or delayed any more."""
        for child in self.children.values():
            child.played.close()
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def ask(self, request: int, asked: Request) -> Answered:
        """Decide the answer to a request, and record the question. Side requests (no tools) never move the script."""
        messages = asked.messages
        with self._changed:
            answer = self._decide(request, messages) if asked.tools else self._aside(request)
            self._asked[answer.turn] += 1
            self._last = answer.turn
        loop = messages if answer.turn >= 0 else []  # a side request (a title, a summary) may quote as it likes
        self._write(
            "asked",
            request,
            answer,
            messages=len(messages),
            results=results_in(messages, self.witness.masker),
            said=said_in(loop, self.witness.masker),
            told=told_in(loop),
            unpaired=unpaired_in(loop, self.witness.masker),
        )
        return answer

    def wait_to_go(self, request: int, answer: Answered) -> None:
        """Sit out the delay of the turn and its hold."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing, timeout=answer.delay_s)
            held = self._still or answer.turn in self._held
        if held:
            self._write("held", request, answer)
            with self._changed:
                self._changed.wait_for(lambda: self._closing or not (self._still or answer.turn in self._held))

    def told(self, request: int, answer: Answered) -> None:
        """The answer has left."""
        self._write("answered", request, answer)
        with self._changed:
            self._answered[answer.turn] += 1

    def fell_silent(self, request: int, answer: Answered) -> None:
        """Nothing more will be said, although somebody waits for it."""
        self._write("stalled", request, answer)

    def wait_closing(self, seconds: float) -> bool:
        """Until the trial is over, or the time is; whether it is over."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closing, timeout=seconds)

    def broke(self, request: int, answer: Answered) -> None:
        """The answer did not come to its end: nobody was there any more to hear it, or the script breaks it off."""
        self._write("broken", request, answer)

    def _aside(self, request: int) -> Answered:
        if self._errors_given[ASIDE] < self.aside_errors:
            self._errors_given[ASIDE] += 1
            return Answered(turn=ASIDE, reply=None, code=500)
        return Answered(turn=ASIDE, reply=Reply(id=f"reply-{request}", text=SIDE_REPLY))

    def _decide(self, request: int, messages: Messages) -> Answered:
        position = position_of(messages)
        # An HTTP error leaves no trace in the messages: this is the one thing that has to be counted.
        identity = f"reply-{request}"
        for step in self._errors.get(position, ()):
            if step.plan.times is None or self._errors_given[step.turn] < step.plan.times:
                self._errors_given[step.turn] += 1
                return _error(identity, step)
        if position >= len(self._replies):
            over = len(self.script) + position - len(self._replies)
            return Answered(turn=over, reply=Reply(id=identity, text=AFTER_THE_END))
        step = self._replies[position]
        return Answered(turn=step.turn, reply=self._reply(identity, step), delay_s=step.plan.delay_s)

    def _reply(self, identity: str, step: Step) -> Reply:
        plan = step.plan
        if plan.say is not None:
            return Reply(id=identity, text=plan.say)
        if plan.finish is not None:
            finish = Call(
                id=call_id(step.position, 0, self.calls), tool=FINISH_TOOL, arguments={"message": plan.finish}
            )
            return Reply(id=identity, text=plan.thought, calls=(finish,))
        calls: list[Call] = []
        for index, command in enumerate(step.commands):
            own = call_id(step.position, index, self.calls)
            calls.append(self._call(calls[-1].id if command.same_id else own, command))
        return Reply(id=identity, text=plan.thought, calls=calls)

    def _call(self, identity: str, command: Command) -> Call:
        if command.child is not None:
            child = self.children[command.child]
            return Call(id=identity, tool=child.tool, arguments=child.arguments)
        if command.mcp:
            return Call(id=identity, tool=mcp.TOOL, arguments=mcp.arguments(command_of(command, self.journal)))
        return Call(
            id=identity,
            tool=command.tool or TERMINAL_TOOL,
            # Old releases reject arguments that they do not know: only the tool's own.
            arguments={
                "command": command_of(command, self.journal),
                **(self.risks[command.risk] if command.risk else {}),
            },
            broken=command.arguments,
        )

    def _write(self, stage: Any, request: int, answer: Answered, **asked: Any) -> None:
        told = stage in ("answered", "broken") and answer.reply is not None
        self.witness.write(
            ModelCall(
                stage=stage,
                conversation=self.name,
                request=request,
                turn=answer.turn,
                reply=answer.reply.text[:200] if told and answer.reply else "",
                calls=[call.id for call in answer.reply.calls] if answer.reply else [],
                code=answer.code,
                **asked,
            )
        )

    def _progress(self) -> str:
        return f"turn {self._last + 1} was asked for last" if self._asked else "the model was not asked at all"


def _error(identity: str, step: Step) -> Answered:
    plan = step.plan
    if plan.fails is not None:
        reply = Reply(id=identity, text=BROKEN_OFF)
        return Answered(turn=step.turn, reply=reply, code=NO_WHOLE_ANSWER, delay_s=plan.delay_s, fails=plan.fails)
    code = plan.status or 500
    return Answered(turn=step.turn, reply=None, code=code, delay_s=plan.delay_s, retry_after_s=plan.retry_after_s)
