"""What may be in a history: one struct per kind of record.

A history is a directory: `header.json`, one JSON Lines file per witness and `payloads/`, a store by hash. Each line is one
of the structs below; its `kind` is the struct's tag. The words are neutral: an adapter has translated the protocol's own
before anything is written, so a guarantee never needs to know which server it judges.
"""

from __future__ import annotations

from typing import Any, Literal

from tailproof.history.access_records import Canary, Knock
from tailproof.history.execution_records import AgentSaid, Turn
from tailproof.history.pod_records import PodEvent, PodSeen
from tailproof.history.record import Count, Moment, Neutral, Parameter, Record
from tailproof.history.server_records import (
    Child,
    Listing,
    Neighbour,
    Reading,
    Request,
    Said,
    Status,
    Stream,
    Vocabulary,
    WholeEvent,
)
from tailproof.incoming.limits import Flaw


class Phase(Record, tag="phase"):
    """The trial enters a phase: preparing, starting, driving, healing, recovering, reading, delivering, stopping, removing, ended."""

    name: str
    detail: str = ""


class Rendezvous(Record, tag="rendezvous"):
    """A named point of the loop was reached (and is held), or was let go."""

    point: str
    stage: Literal["reached", "released", "missed"]
    detail: str = ""


class Fault(Record, tag="fault"):
    """One step in the life of one fault. `intent` is on disk before anything is done."""

    fault: str
    """The id within the trial, for example `lag`."""
    name: str
    """The kind, for example `wire.delay`, `process.kill`, `memory.server`."""
    stage: Literal["intent", "injected", "proven", "unproven", "healed"]
    says: str = ""
    """What is done, in a sentence a user understands."""
    scope: str = ""
    proof: dict[str, Any] = {}
    """For `proven` and `unproven`: the counters that are not the fault's own, before and after."""
    destroyed: list[str] = []
    """Of `proven`: the ids of the events that nobody can read from the server's disk any more."""


class Act(Record, tag="act"):
    """One step in the life of one act: what a user or an operator did. `intent` is on disk before anything is done."""

    act: str
    """The id within the trial, for example `message`."""
    name: str
    """The kind, for example `user.message`."""
    stage: Literal["intent", "done", "proven", "unproven", "ended"]
    says: str = ""
    """What is done, in a sentence a user understands."""
    proof: dict[str, Any] = {}
    """For `proven` and `unproven`: what a witness saw of it."""


class Life(Record, tag="life"):
    """The server process or container starts, gets ready, dies or is stopped. One life is one epoch, counted from 0."""

    stage: Literal["started", "ready", "died", "stopped", "paused", "resumed", "removed"]
    epoch: Count
    host: str = ""
    pid: Count = 0
    exit_code: Count | None = None
    oom_killed: bool = False
    by_us: bool = False
    """The death was caused by the harness (a signal of ours, a stop), not by the kernel or the server itself."""
    place: str = ""
    """How this life follows the last: `first`, `in-place`, `new-host`, `new-process`."""
    survivors: list[str] = []
    """Command lines of processes of the trial that outlived the server."""
    detail: str = ""


class Counter(Record, tag="counter"):
    """A reading of the engine or the kernel (`memory.oom_kill`, `server.descriptors`, ...), or what a user timed (`read.page.long`, in
    seconds)."""

    name: str
    value: float
    epoch: Count = 0


class ModelCall(Record, tag="model-call"):
    """The scripted model was asked, or answered. `turn` counts the replies of the script from 0; -1 for a side request."""

    stage: Literal["asked", "held", "stalled", "answered", "broken"]
    """`stalled`: it says nothing more, and the connection stays open. `broken`: the answer did not come to its end."""
    conversation: str = ""
    request: Count = 0
    """Counts the requests of the trial from 0; joins `asked` with `answered`."""
    turn: Count = -1
    messages: Count = 0
    results: dict[str, str] = {}
    """Tool call id -> the first 200 characters of its result, as the loop told the model."""
    reply: str = ""
    calls: list[str] = []
    """Tool call ids in the reply."""
    code: Count = 200
    said: list[str] = []
    """Of `asked`: the first 200 characters of each user message that the request holds, in its order; of many the last 100."""
    told: Count = 0
    """Of `asked`: how many tool calls the request holds."""
    unpaired: list[str] = []
    """Of `asked`: each tool call without a result, result without a call, and call or result that stands there twice, as a
    sentence. None in a sound request."""


class ChildCall(Record, tag="child-call"):
    """Somebody asked the scripted model in the name of a child that the agent has started, or got the answer."""

    child: str
    """As the scenario calls it: its server may have no name for it."""
    stage: Literal["asked", "answered"]
    turn: Count = -1
    """Of the child's own script, from 0."""


class Effect(Record, tag="effect"):
    """A tool command ran: it appended its token to the journal. Counted at `begin`; `end` tells that it ran through."""

    token: str
    stage: Literal["begin", "end"]
    pid: Count = 0
    host: str = ""
    after_ns: Moment = 0


class Pulse(Record, tag="pulse"):
    """A process that a tool command left behind wrote into the journal that it lives."""

    token: str
    pid: Count = 0
    """Of the shell that left it behind, where that is known."""
    host: str = ""


class Frame(Record, tag="frame"):
    """A frame of a stream at the wire. Written once when it came in and once more when a rule did something to it."""

    conn: Count
    direction: Literal["up", "down"]
    index: Count
    """Counts the data frames of this connection and direction from 0."""
    size: Count
    done: Literal["passed", "delayed", "held", "dropped", "duplicated", "reordered", "cut", "control"] = "passed"
    rule: str = ""
    id: str = ""
    name: str = ""


class Exchange(Record, tag="exchange"):
    """One HTTP exchange or upgrade at the wire. `t_ns` is its end."""

    conn: Count
    method: str
    path: str
    code: Count = 0
    up_bytes: Count = 0
    down_bytes: Count = 0
    began_ns: Moment = 0
    done: Literal[
        "passed",
        "delayed",
        "held",
        "refused",
        "reset-before",
        "reset-after",
        "truncated",
        "black-hole",
        "upgraded",
        "broken",
    ] = "passed"
    """`refused` was answered by a rule, `broken` ended before it was complete (or the server could not be reached)."""
    rule: str = ""
    upgrade: bool = False
    """It asked for a WebSocket, whatever came of it."""
    ended_by: Literal["", "client", "server"] = ""
    """Of a `broken` one: who ended the connection first; empty when the wire did (a rule, its own end)."""
    passed_ns: Moment = 0
    """When its request was passed on to the server, or was to be; 0 when a rule kept it back for good."""
    flaw: Flaw = ""
    """What kind of wrong is with the answer itself, as far as the wire had to follow it; the client has got it as it came."""
    error: str = ""
    """What is wrong with it, in half a sentence."""


class Post(Record, tag="post"):
    """The receiver of webhooks was asked to take something. `t_ns` is the end of the request."""

    number: Count = 0
    """Counts the requests to the receiver from 0, in the order in which they came."""
    path: str = ""
    headers: list[str] = []
    """The names of its header fields."""
    conversation: str = ""
    batch: list[str] = []
    """The ids of the events that it brought, in their order; none for a request that is about something else."""
    code: Count = 0
    """What it was answered; 0 for nothing."""
    done: Literal["answered", "reset", "left-hanging", "broken"] = "answered"
    """`reset` and `left-hanging` by a fault; `broken` when the server ended the connection before its answer."""
    fault: str = ""
    """The fault that it met."""
    began_ns: Moment = 0
    error: str = ""
    """What is wrong with what it brought."""


class WireCount(Record, tag="wire-count"):
    """The wire's own counters, read around a fault: frames and bytes in and out, and what each rule matched."""

    counters: dict[str, Count]


class Run(Record, tag="run"):
    """The client under test called its `run()` or poll loop, or got back from it."""

    stage: Literal["called", "returned", "raised"]
    number: Count = 0
    conversation: str = ""
    status: str = ""
    neutral: Neutral = "none"
    error: str = ""
    error_type: str = ""
    reading: str = ""
    """The reading that lists what the client held at this moment."""
    exit_code: Count | None = None
    """Of a script: the code with which it ended. Any but 0 counts as raised."""


class ClientError(Record, tag="client-error"):
    """The client under test itself raised while it did something else than run: a finding about the client."""

    verb: str
    """`create` or `send`: it raised, or ended by itself (error type `Ended`). `decode`, `reconnect` or `subscribe`: it
    logged the exception or told a handler of errors, and went on, with an event of its stream that it could not read, after it
    had subscribed again, or without a stream."""
    error_type: str
    error: str
    conversation: str = ""


class Stall(Record, tag="stall"):
    """The supervisor itself, or a server that no processor was free for, was late by `late_ns`: what rests on time around here is not
    to be trusted."""

    late_ns: Moment


class Missed(Record, tag="missed"):
    """A wait ended without what it waited for."""

    waited_for: str
    seconds: Parameter
    saw: str = ""


class BreakOff(Record, tag="break-off"):
    """The trial could not go on as planned, and with whom: `by` is the one that did not do what was asked of it."""

    by: Literal["server", "client", "harness"]
    doing: str
    """What could not be done: `start`, `ready`, `create`, `subscribe`, `send`, `run`, `wire`, ..."""
    says: str


class End(Record, tag="end"):
    """The last record of a witness: it has said all that it had to say. A file without one was cut off, or its writer died."""

    records: Count
    """How many records of this witness stand before this one."""
    of_others: dict[str, Count] = {}
    """In the end of the trial's own witness, which is the last to end: how many records every other one wrote, its end included."""


class Note(Record, tag="note"):
    """Something worth reading that no guarantee stands on."""

    text: str


AnyRecord = (
    Phase
    | Rendezvous
    | Fault
    | Act
    | Life
    | Counter
    | PodSeen
    | PodEvent
    | Request
    | WholeEvent
    | Stream
    | Said
    | Listing
    | Neighbour
    | Reading
    | Status
    | Child
    | Vocabulary
    | Knock
    | Canary
    | ModelCall
    | ChildCall
    | Effect
    | Pulse
    | Frame
    | Exchange
    | Post
    | Turn
    | AgentSaid
    | WireCount
    | Run
    | ClientError
    | Stall
    | Missed
    | BreakOff
    | End
    | Note
)
