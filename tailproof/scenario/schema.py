"""What a scenario file may say. The JSON Schema of these models is published as `scenarios/scenario.schema.json`."""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from tailproof.history.plan import DOWNGRADE, FORK_BOMB
from tailproof.incoming.limits import SAID_CHARS
from tailproof.model.script import REPLIES, Turn
from tailproof.outgoing.visible import clip
from tailproof.scenario.agent import AgentPlan
from tailproof.scenario.points import OF_EXECUTIONS, Point

Family = Literal[
    "access", "calm", "clock", "crash", "disk", "ends", "history", "hooks", "init", "load", "memory", "messages", "model",
    "executor", "requests", "restart", "stream", "tools",
]  # fmt: skip
"""What a situation is about; the folder that its file is in."""

Tier = Literal["quick", "gate", "deep"]
TIERS: tuple[Tier, ...] = ("quick", "gate", "deep")
"""A tier holds all scenarios of the ones before it."""

SANDBOX_KINDS = ("agent", "worker", "sidecar", "executor", "edge", "kubelet", "session", "execution")
"""How the names of faults and acts begin that are done to an executor, its sandboxes, or its way to the cluster."""

_BYTES = re.compile(r"([0-9]{1,12})([kmg]?)")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def parse_bytes(text: str) -> int:
    """`512m` -> bytes. Raises ValueError for anything else."""
    match = _BYTES.fullmatch(text)
    if match is None:
        said = clip(repr(text), SAID_CHARS)
        raise ValueError(f"{said} is no amount of memory; write a number with k, m or g, for example 1g")
    return int(match[1]) * _UNITS[match[2]]


def _point(value: object) -> Point:
    if isinstance(value, Point):
        return value
    if not isinstance(value, str):
        raise ValueError("a point of the loop is a text, such as created or tool-running:1")
    return Point.parse(value)


def _check_bytes(text: str) -> str:
    parse_bytes(text)
    return text


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=80)]
"""Directories and tests are called so."""

PointText = Annotated[Point, PlainValidator(_point), PlainSerializer(str), WithJsonSchema({"type": "string"})]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _LandingPlan(_Strict):
    """What lands at a point of the loop."""

    id: Name
    at: PointText
    until: PointText | None = None
    """Where it is healed, or comes to its end. A fault that ends a life of the server is healed (the server is started again) at
    once."""
    lasts: Annotated[float, Field(gt=0, le=600)] | None = None
    """Healed, or ended, so many seconds after it landed, while the loop goes on; instead of `until`."""
    options: Annotated[dict[str, Any], Field(alias="with")] = {}
    """What the kind needs to know; checked when the scenario is loaded."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """Which act or fault it is."""

    @property
    @abstractmethod
    def called(self) -> str:
        """`fault kill`: what it is, and its id."""

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if self.lasts is not None and self.until is not None:
            raise ValueError(f"{self.called}: it ends either `until` a point or after what it `lasts`, not both")
        return self


class ActPlan(_LandingPlan):
    """One act of a user or an operator, and where it lands."""

    act: str
    """The kind: `user.message`, `user.pause`, ... (`tailproof list`)."""

    @property
    def kind(self) -> str:
        return self.act

    @property
    def called(self) -> str:
        return f"act {self.id}"


class FaultPlan(_LandingPlan):
    """One fault, where it lands and when it is healed."""

    fault: str
    """The kind: `wire.delay`, `process.kill`, `memory.server`, ... (`tailproof list`)."""
    hold_until: Literal["reconnected"] | None = None
    """The loop stays held at `at` until the client has subscribed again, or had the time that `stream.resumed` gives it."""

    @property
    def kind(self) -> str:
        return self.fault

    @property
    def called(self) -> str:
        return f"fault {self.id}"

    @model_validator(mode="after")
    def _can_hold(self) -> FaultPlan:
        if self.hold_until and not self.at.holds:
            raise ValueError(
                f"fault {self.id}: hold_until needs a point that holds the loop (tool-running:K, model-called:K, "
                f"final-reply), and {self.at} does not"
            )
        return self


class HooksPlan(_Strict):
    """The server posts events to a receiver of webhooks, in batches."""

    batch: Annotated[int, Field(ge=1, le=1000)] = 5
    """So many events are posted at once; fewer when the first of them has waited for `flush_s` seconds."""
    flush_s: Annotated[float, Field(gt=0, le=600)] = 2.0
    retries: Annotated[int, Field(ge=0, le=100)] = 1
    """How often a batch is posted again at once, each time after `retry_s` seconds."""
    retry_s: Annotated[int, Field(ge=0, le=600)] = 1


class ServerPlan(_Strict):
    """How the server is started."""

    environment: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=200)], str] = {}
    memory: Annotated[str, AfterValidator(_check_bytes)] | None = None
    """The limit of the container, for example `1g`. Needs a target that can limit memory."""
    processes: Annotated[int, Field(ge=100, le=1000)] | None = None
    """How many processes and threads its container may have. Needs a target that can limit them."""
    dormant: bool = False
    """Start it with deferred initialisation: it must refuse all work until it is initialised."""
    initialised_by: Literal["harness", "client"] = "harness"
    """Who initialises a dormant server: a script can be the one."""
    begins_as: Literal["own", "earlier"] = "own"
    """The release of its first life: that under test, or the one before it, from which it is upgraded at its first restart."""
    hooks: HooksPlan | None = None
    """Webhooks. Without them nobody is posted to."""


class ModelPlan(_Strict):
    """How the agent asks its model. Only the plain client creates a conversation with it."""

    patience_s: Annotated[int, Field(ge=1, le=600)] | None = None
    """How long it waits for an answer, and for the next piece of one, before it gives up and tries again; the server's own patience when
    it is missing."""
    retries: Annotated[int, Field(ge=1, le=10)] = 1
    """How often it tries for one answer before it gives up; some servers do not count the first try."""
    streams: bool = False
    """It wants its answers in pieces."""


class TerminalPlan(_Strict):
    """How the agent's terminal is set up. Only the plain client creates a conversation with it."""

    patience_s: Annotated[int, Field(ge=1, le=600)] | None = None
    """How long a command may say nothing new before the terminal gives it back to the model; 15 minutes when it is missing, so that
    no gate ends by itself."""
    shell: bool = False
    """A plain shell, also where the server has a multiplexer of terminals for it."""


EventBytes = Annotated[int, Field(ge=200, le=120_000)]


class SeededPlan(_Strict):
    """A long history: the conversation holds so many events before the client meets it."""

    events: Annotated[int, Field(ge=50, le=100_000)]
    """The real run at its beginning is counted, too."""
    bytes: EventBytes | Annotated[list[EventBytes], Field(min_length=2, max_length=2)] = 2000
    """The size of each event as it is stored; two numbers are the least and the most, drawn from the seed. Below about 1,000
    bytes an action with its observation does not fit, and updates of the state stand in their place."""

    @property
    def sizes(self) -> tuple[int, int]:
        """The least and the most."""
        least, most = self.bytes if isinstance(self.bytes, list) else (self.bytes, self.bytes)
        return min(least, most), max(least, most)


ContainerName = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]*[a-z0-9])?$", max_length=40)]
Command = Annotated[
    str,
    Field(
        pattern=r"^((EMIT|SLOWLY|LONG|EXIT|KILL) [0-9]{1,8}|SLEEP [0-9.]{1,6}|SPLIT|HALF|HOG|WORKER|TERMINAL (ok|error))$"
    ),
]
"""What the scripted agent does: prints lines (`SLOWLY` with pauses), one of so many bytes, one with a character in two writes, half a
line, its terminal line; sleeps; takes all memory itself or in a child; ends."""


class SidecarPlan(_Strict):
    """A container beside the agent."""

    name: ContainerName = "tools"
    does: Literal["idles", "ends", "holds-stdout"] = "idles"
    """It stays; it ends at once with 0; it keeps the agent's standard output open."""
    native: bool = False
    """An init container that stays (`restartPolicy: Always`)."""
    first: bool = False
    """It stands before the agent in the list of containers."""


class ChildPlan(_Strict):
    """What the agent starts with a tool of its server (`child` of a tool call): the model plays `script` in it."""

    kind: Literal["conversation", "task"] = "conversation"
    """A conversation of the same server, which works beside its parent; or a task of a sub-agent, whose end the tool call waits for."""
    script: Annotated[list[Turn], Field(min_length=1)]

    @model_validator(mode="after")
    def _leaves_no_tokens(self) -> ChildPlan:
        if any(call.journal or call.child for turn in self.script for call in turn.tools or ()):
            raise ValueError("the tools of a child write no journal and start no child: say `journal: false`")
        if any(turn.hold for turn in self.script):
            raise ValueError("nobody lets the replies of a child go: it has no `hold`")
        return self


class ExecutionPlan(_Strict):
    """A turn that an executor is asked for, and the sandbox that it runs in."""

    agent: Annotated[list[Command], Field(min_length=1, max_length=200)]
    """What the agent does in this turn."""
    memory: Annotated[str, AfterValidator(_check_bytes)] = "64m"
    """The limit of the agent's container."""
    restarts: Literal["Never", "OnFailure", "Always"] = "Never"
    """The pod's restartPolicy."""
    sidecars: list[SidecarPlan] = [SidecarPlan()]
    asks_again: bool = False
    """At the end the turn is asked for again under its key, and then another one under the same key."""

    @property
    def lines(self) -> int:
        """How many whole lines the agent prints before its terminal one."""
        counted = (command.partition(" ") for command in self.agent)
        return sum(int(what) if word in ("EMIT", "SLOWLY") else word in ("LONG", "SPLIT") for word, _, what in counted)


class Scenario(_Strict):
    """One situation: a script, the faults, where they land."""

    name: Name
    family: Family
    summary: str
    """One sentence: what happens, and what must be true afterwards."""
    tier: Tier = "gate"
    client: Literal["chosen", "plain"] = "chosen"
    """`chosen` is the client under test (`--client`); `plain` when the server alone is judged."""
    server: ServerPlan = ServerPlan()
    model: ModelPlan = ModelPlan()
    terminal: TerminalPlan = TerminalPlan()
    agent: AgentPlan = AgentPlan()
    script: list[Turn] = []
    """What the model answers; none for an execution, whose agent has a script of its own."""
    execution: ExecutionPlan | None = None
    """The target is an executor: this is the turn that it is asked for."""
    messages: Annotated[list[str], Field(min_length=1)] = ["go"]
    """What the user says; each message starts one run, the next one is sent when the run has ended."""
    max_iterations: Annotated[int, Field(ge=1, le=REPLIES)] = 100
    confirmation: Literal["never", "always"] = "never"
    """Whether the agent waits for a confirmation before each action."""
    secrets: Annotated[
        list[Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$", max_length=80)]], Field(max_length=20)
    ] = []
    """The names of secrets that the conversation is created with. Their values are drawn, and they are looked for wherever the
    server says or writes something, with a key of the model and one in requests that it must reject."""
    children: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=40)], ChildPlan] = {}
    """The conversations and tasks that its agent starts, by their names."""
    seeded: SeededPlan | None = None
    """The history that the conversation has when the client attaches to it."""
    acts: list[ActPlan] = []
    """What users and operators do meanwhile."""
    faults: list[FaultPlan] = []
    parameters: dict[str, Annotated[float, Field(ge=0, le=1_000_000)]] = {}
    """T and N that differ from the adapter's defaults."""
    guarantees: list[str] = ["*"]
    """Which guarantees are judged (globs)."""
    seconds: Annotated[float, Field(gt=0, le=3600)] = 180
    """The budget of the whole trial, its end included."""

    @property
    def landings(self) -> list[ActPlan | FaultPlan]:
        """What lands in it. Where acts and faults have one point, the acts come first, each kind in the order of the file."""
        return [*self.acts, *self.faults]

    @property
    def needs_earlier(self) -> bool:
        """A life of its server is of the release before that under test."""
        return self.server.begins_as == "earlier" or any(plan.fault == DOWNGRADE for plan in self.faults)

    @model_validator(mode="after")
    def _one_script(self) -> Self:
        of_executions = tuple(f"{word}." for word in SANDBOX_KINDS)
        for plan in self.landings:
            if plan.kind.startswith(of_executions) != (self.execution is not None):
                lacks = "needs" if self.execution is None else "is nothing that is done in"
                raise ValueError(f"{plan.called}: {plan.kind} {lacks} an `execution`")
        if self.execution is None and not self.script:
            raise ValueError("script: a conversation needs at least one turn")
        if self.execution is not None and self.script:
            raise ValueError("an `execution` has no script of a model: its agent has one")
        return self

    @model_validator(mode="after")
    def _points_exist(self) -> Scenario:
        for plan in self.landings:
            for point in (plan.at, plan.until or Point("end")):
                if (point.name in OF_EXECUTIONS) > (self.execution is not None):
                    raise ValueError(f"{plan.called}: {point} is a point of an `execution`")
                if self.execution is not None and point.name not in {*OF_EXECUTIONS, "created", "end"}:
                    raise ValueError(f"{plan.called}: {point} is no point of an `execution`")
                if self.execution is not None and point.number > self.execution.lines:
                    raise ValueError(f"{plan.called}: {point}, but the agent prints {self.execution.lines} lines")
                if self.execution is not None:
                    continue
                most = len(self.script) if point.of_a_turn else len(self.messages)
                if point.number > most:
                    counted = "turns" if point.of_a_turn else "messages"
                    raise ValueError(f"{plan.called}: {point}, but there are {most} {counted}")
                if point.name == "child-at-work" and not self.script[point.number - 1].child:
                    raise ValueError(f"{plan.called}: {point} needs a `child` that turn {point.number} starts")
                if point.name == "condensing" and self.agent.condenser is None:
                    raise ValueError(f"{plan.called}: {point} needs an agent that has a condenser")
                if point.name == "tool-running" and not self.script[point.number - 1].gated:
                    raise ValueError(f"{plan.called}: {point} needs `gate: true` on a tool of turn {point.number}")
        replies = sum(turn.repeat * len(turn.tools or [turn]) for turn in self.script)
        if replies > REPLIES:
            raise ValueError(f"the script has {replies:,} replies and tool calls; {REPLIES:,} are the most")
        if len({plan.id for plan in self.landings}) < len(self.landings):
            raise ValueError("two acts or faults have the same id")
        waits = [turn for turn in self.script if turn.fails in ("silent", "stalls")]
        if waits and self.model.patience_s is None:
            raise ValueError("a model that never answers (`silent`, `stalls`) needs `model: {patience_s: ...}`")
        if (self.model != ModelPlan() or self.terminal != TerminalPlan()) and self.client != "plain":
            raise ValueError("`model` and `terminal` need `client: plain`: no other client can be told")
        calls = [call for turn in self.script for call in turn.tools or ()]
        if any(call.mcp for call in calls) and not self.agent.mcp:
            raise ValueError("a call with `mcp` needs an agent that has an MCP server: `agent: {mcp: true}`")
        if any(call.risk for call in calls) and not self.agent.confirms_risks:
            raise ValueError("a call with `risk` needs an agent that asks for it: `agent: {confirms_risks: true}`")
        started = {call.child for call in calls if call.child}
        if started != self.children.keys():
            odd = sorted(started ^ self.children.keys())[0]
            raise ValueError(
                f"the child {odd} is {'not described in `children`' if odd in started else 'never started'}"
            )
        if self.children and self.client != "plain":
            raise ValueError("an agent that starts children is given by the plain client alone: `client: plain`")
        if self.secrets and self.client != "plain":
            raise ValueError("secrets are given by the plain client alone: `client: plain`")
        for plan in self.faults:
            if plan.fault.startswith("hooks.") and self.server.hooks is None:
                raise ValueError(f"{plan.called}: {plan.fault} needs a receiver of webhooks: `server: {{hooks: {{}}}}`")
            if plan.fault == FORK_BOMB and self.server.processes is None:
                raise ValueError(
                    f"{plan.called}: {plan.fault} needs a limit of processes: `server: {{processes: 300}}`"
                )
        if self.seeded and self.server.dormant:
            raise ValueError("a dormant server holds no conversation that could be seeded with a history")
        return self

    @property
    def scripted_s(self) -> float:
        """What the script takes: the model's time to think, and what its silence costs whoever waits for it."""
        thought = sum(turn.delay_s * turn.repeat for turn in self.script)
        patience = self.model.patience_s or 0
        most = self.model.retries + 1
        silent = sum(min(turn.times or most, most) for turn in self.script if turn.fails in ("silent", "stalls"))
        return thought + silent * patience
