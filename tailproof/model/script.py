"""What the scripted model answers, turn by turn. Scenario files embed these models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

REPLIES = 100_000
"""The most that a script gives, repetitions and tool calls counted each."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ToolCall(_Strict):
    """One call of the terminal tool. It writes `token` into the tool journal before and after what it does."""

    token: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)] | None = None
    """How the journal calls this effect; by default `t<turn>` or `t<turn>-<call>`, both counted from 1."""
    run: str | None = None
    """A shell command to run between the two lines of the journal."""
    gate: bool = False
    """Hold the tool until the trial opens its gate."""
    journal: bool = True
    """False for a command that is sent as it stands, without journal and gate."""

    @model_validator(mode="after")
    def _possible(self) -> ToolCall:
        if not self.journal and (self.gate or self.token is not None):
            raise ValueError("`journal: false` leaves no room for `gate` and `token`")
        if not self.journal and self.run is None:
            raise ValueError("`journal: false` needs a command in `run`")
        return self


class Turn(_Strict):
    """One reply of the model: exactly one of `say`, `finish`, `tools` and `status`."""

    say: str | None = None
    """A final text answer: it ends the run."""
    finish: str | None = None
    """A call of the finish tool: it ends the run."""
    tools: Annotated[list[ToolCall], Field(min_length=1)] | None = None
    """One call of the terminal tool, or several in parallel."""
    status: Literal[401, 429, 500, 529] | None = None
    """The model answers with an HTTP error instead: 529 is Anthropic's word for overloaded."""
    times: Annotated[int, Field(ge=1, le=REPLIES)] | None = None
    """With `status`: how often, before the next turn is given; for ever when it is missing."""
    thought: str = ""
    """What the model says beside its tool calls."""
    delay_s: Annotated[float, Field(ge=0, le=600)] = 0.0
    """How long the model thinks."""
    hold: bool = False
    """Keep the reply until the trial releases it."""
    repeat: Annotated[int, Field(ge=1, le=REPLIES)] = 1
    """Give this turn so many times; the copies have the number of the turn in common, and tokens of their own."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Turn:
        given = [name for name in ("say", "finish", "tools", "status") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"a turn has exactly one of say, finish, tools and status; this one has {given or 'none'}")
        if self.times is not None and self.status is None:
            raise ValueError("`times` belongs to `status`")
        if self.repeat > 1 and (self.gated or self.hold or self.status is not None):
            raise ValueError("`repeat` cannot be combined with `gate`, `hold` or `status`: write the turns out")
        return self

    @property
    def gated(self) -> bool:
        """A tool of this turn waits for its gate."""
        return any(call.gate for call in self.tools or ())

    @property
    def ends_run(self) -> bool:
        """The server's run ends with this turn."""
        return self.say is not None or self.finish is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One tool call, with its token decided."""

    token: str
    run: str
    gate: bool
    journal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One reply, after repetition: what the script gives at one position."""

    position: int
    """Counts the replies from 0, repetitions counted each. A model error has the position of the reply that follows it."""
    turn: int
    """The turn of the script, from 0."""
    plan: Turn
    commands: Sequence[Command] = ()


def steps_of(script: Sequence[Turn]) -> tuple[list[Step], dict[int, list[Step]]]:
    """The replies by position, and the model errors that come before a position."""
    replies: list[Step] = []
    errors: dict[int, list[Step]] = {}
    for number, turn in enumerate(script):
        if turn.status is not None:
            errors.setdefault(len(replies), []).append(Step(position=len(replies), turn=number, plan=turn))
            continue
        for copy in range(turn.repeat):
            commands = _commands(turn, number, copy)
            replies.append(Step(position=len(replies), turn=number, plan=turn, commands=commands))
    return replies, errors


def tokens_of(script: Sequence[Turn], turn: int) -> list[str]:
    """The tokens that the tools of turn `turn` (from 0) write, gated ones first; empty when it writes none."""
    replies, _ = steps_of(script)
    commands = [command for step in replies if step.turn == turn for command in step.commands if command.journal]
    return [command.token for command in sorted(commands, key=lambda command: not command.gate)]


def _commands(turn: Turn, number: int, copy: int) -> tuple[Command, ...]:
    calls = turn.tools or []
    commands = []
    for index, call in enumerate(calls):
        token = call.token or (f"t{number + 1}" if len(calls) == 1 else f"t{number + 1}-{index + 1}")
        if turn.repeat > 1:
            token = f"{token}.{copy + 1}"
        commands.append(Command(token=token, run=call.run or "", gate=call.gate, journal=call.journal))
    return tuple(commands)
