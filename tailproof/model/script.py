"""What the scripted model answers, turn by turn. Scenario files embed these models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

REPLIES = 100_000
"""The most that a script gives, repetitions and tool calls counted each."""


Failure = Literal["silent", "stalls", "cut"]
"""How a model can give no whole answer."""


Leaves = Literal["job", "detached"]
"""How what a command leaves behind hangs on its terminal: a terminal that is closed takes its jobs with it, and nothing else."""
Risk = Literal["low", "high"]
"""What a model can say of a tool call."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ToolCall(_Strict):
    """One call of the terminal tool, or with `mcp` of that of an MCP server. It writes `token` into the tool journal before and after
    what it does. With `tool` or `arguments` it is a call that cannot be carried out, with `child` one of the tool that starts a child."""

    token: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)] | None = None
    """How the journal calls this effect; by default `t<turn>` or `t<turn>-<call>`, both counted from 1."""
    run: str | None = None
    """A shell command to run between the two lines of the journal."""
    gate: bool = False
    """Hold the tool until the trial opens its gate."""
    journal: bool = True
    """False for a command that is sent as it stands, without journal and gate."""
    stubborn: bool = False
    """It ignores whatever asks it to end (INT, TERM, HUP), from its first line in the journal to its last."""
    leaves: Leaves | None = None
    """What the command leaves behind that goes on for minutes: a `job` of its terminal, or a process that is `detached` from it. It
    writes into the tool journal that it lives, twice a second."""
    tool: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=60)] | None = None
    """Call the tool of this name, which the server need not have, instead of the terminal."""
    arguments: str | None = None
    """Send this text as the arguments of the call, whatever it is."""
    same_id: bool = False
    """The call has the id of the one before it in the same turn."""
    child: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=40)] | None = None
    """Start the child of this name (`children` of the scenario)."""
    mcp: bool = False
    """Call the tool of the MCP server that the agent has (`agent: {mcp: true}` in the scenario) instead of the terminal. The variable
    MCP_SERVER_PID of `run` is the id of its process."""
    risk: Risk | None = None
    """What the model says of it, to an agent that asks (`agent: {confirms_risks: true}`)."""

    @model_validator(mode="after")
    def _possible(self) -> ToolCall:
        if not self.journal and (self.gate or self.token is not None):
            raise ValueError("`journal: false` leaves no room for `gate` and `token`")
        if self.stubborn and not self.journal:
            raise ValueError("`stubborn` needs the journal")
        if self.leaves and (not self.journal or self.token is None):
            raise ValueError("`leaves` needs the journal, and a `token` of its own")
        of_another_tool = [name for name in ("tool", "arguments", "child") if getattr(self, name) is not None]
        if not self.journal and self.run is None and not of_another_tool:
            raise ValueError("`journal: false` needs a command in `run`, or a `tool`, `arguments` or `child`")
        if self.journal and of_another_tool:
            raise ValueError(f"a call with `{of_another_tool[0]}` writes no journal: say `journal: false`")
        if self.child is not None and (self.run is not None or len(of_another_tool) > 1):
            raise ValueError("a `child` is started with nothing else: no `run`, `tool` or `arguments` beside it")
        if self.risk and (self.token is None or self.mcp or of_another_tool):
            raise ValueError("`risk` is told of a call of the terminal that has a `token`")
        if self.mcp and of_another_tool:
            raise ValueError(f"`mcp` names the tool already: no `{of_another_tool[0]}` beside it")
        return self


class Turn(_Strict):
    """One reply of the model: exactly one of `say`, `finish`, `tools`, `status` and `fails`."""

    say: str | None = None
    """A final text answer: it ends the run."""
    finish: str | None = None
    """A call of the finish tool: it ends the run."""
    tools: Annotated[list[ToolCall], Field(min_length=1)] | None = None
    """One call of the terminal tool, or several in parallel."""
    status: Literal[401, 429, 500, 529] | None = None
    """The model answers with an HTTP error instead: 529 is Anthropic's word for overloaded."""
    fails: Failure | None = None
    """The model gives no whole answer: it takes the request and says nothing (`silent`), begins an answer and says nothing more
    while the connection stays open (`stalls`), or ends the connection within its answer (`cut`)."""
    retry_after_s: Annotated[int, Field(ge=0, le=600)] | None = None
    """With `status`: the seconds of its `Retry-After`."""
    times: Annotated[int, Field(ge=1, le=REPLIES)] | None = None
    """With `status` and `fails`: how often, before the next turn is given; for ever when it is missing."""
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
        given = [name for name in ("say", "finish", "tools", "status", "fails") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a turn has exactly one of say, finish, tools, status and fails; this one has {given or 'none'}"
            )
        if self.times is not None and not self.is_an_error:
            raise ValueError("`times` belongs to `status` and `fails`")
        if self.retry_after_s is not None and self.status is None:
            raise ValueError("`retry_after_s` belongs to `status`")
        if self.repeat > 1 and (self.gated or self.hold or self.is_an_error):
            raise ValueError(
                "`repeat` cannot be combined with `gate`, `hold`, `status` or `fails`: write the turns out"
            )
        if self.tools and self.tools[0].same_id:
            raise ValueError("`same_id` needs a call before it in the same turn")
        return self

    @property
    def is_an_error(self) -> bool:
        """It leaves no reply in the conversation: the same request is answered with the next turn one day, or never."""
        return self.status is not None or self.fails is not None

    @property
    def gated(self) -> bool:
        """A tool of this turn waits for its gate."""
        return any(call.gate for call in self.tools or ())

    @property
    def child(self) -> str:
        """The first child that this turn starts; empty when it starts none."""
        return next((call.child for call in self.tools or () if call.child), "")

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
    tool: str | None = None
    arguments: str | None = None
    same_id: bool = False
    child: str | None = None
    leaves: Leaves | None = None
    stubborn: bool = False
    mcp: bool = False
    risk: Risk | None = None


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
        if turn.is_an_error:
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
        command = Command(
            token=token,
            run=call.run or "",
            gate=call.gate,
            journal=call.journal,
            tool=call.tool,
            arguments=call.arguments,
            same_id=call.same_id,
            child=call.child,
            leaves=call.leaves,
            stubborn=call.stubborn,
            mcp=call.mcp,
            risk=call.risk,
        )
        commands.append(command)
    return tuple(commands)
