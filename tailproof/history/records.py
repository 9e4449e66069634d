"""What may stand in a history: one struct per kind of record.

A history is a directory: `header.json`, one JSON Lines file per witness and `payloads/`, a store by hash. Each line is one
of the structs below; its `kind` is the struct's tag. The words are neutral: an adapter has translated the protocol's own
before anything is written, so a guarantee never needs to know which server it judges.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tailproof.incoming.limits import Flaw

SEEDS = (-(1 << 63), (1 << 63) - 1)
"""The least seed and the greatest."""
READ_SCHEMAS = (1, 2, 3)
"""The versions that are read, oldest first."""
SCHEMA_VERSION = READ_SCHEMAS[-1]
"""2: each witness counts its records (`End`), the header says what each of them could see, and a break-off is a record. 3: what is
wrong with an answer or a stream itself is told (`flaw`), and so is what the harness ended (`cut`)."""

Role = Literal["message", "action", "observation", "rejection", "error", "status", "snapshot", "bookkeeping", "other"]
"""What an event is in the loop. `observation`, `rejection` and `error` (with a `call`) close an `action`; `status` carries a
status; `snapshot` is a whole state pushed to subscribers; `bookkeeping` (statistics, titles) may follow the end of a run."""

Neutral = Literal["queued", "active", "waiting", "idle", "done", "interrupted", "failed", "stuck", "none", "unknown"]
"""A status in neutral words. `active` runs; `done`, `failed` and `stuck` are terminal; `waiting` and `interrupted` wait for
someone; `none` means that the server shows no status; `unknown` that the adapter does not know the word."""

TERMINAL: frozenset[str] = frozenset({"done", "failed", "stuck"})
RESTING: frozenset[str] = TERMINAL | {"waiting", "interrupted", "idle"}


Moment = Annotated[int, Meta(ge=-(1 << 62), lt=1 << 62)]
"""Nanoseconds: two of them, and what lies between them, fit into 64 bits."""
Day = Annotated[float, Meta(ge=0, le=253_402_300_799)]
"""Seconds since 1970, to the end of the last year that a calendar has."""
Count = Annotated[int, Meta(ge=-(1 << 53), lt=1 << 53)]
"""Whatever is counted; a server may say what it likes."""


class Record(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False, tag_field="kind"):
    """What every record carries. The recorder fills these four fields in.

    `t_ns` is CLOCK_MONOTONIC of the host, in nanoseconds; `wall` is the time of day in seconds since 1970; `seq` counts the
    records of one witness from 0.
    """

    t_ns: Moment = 0
    wall: Day = 0.0
    witness: str = ""
    seq: Count = -1


Spec = Annotated[str, Meta(max_length=4096)]
Seed = Annotated[int, Meta(ge=SEEDS[0], le=SEEDS[1])]
Parameter = Annotated[float, Meta(ge=0, le=1e9)]


class Header(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`header.json`: who met whom, where, and what was decided up front."""

    schema: Count = 1
    """Which version of this file wrote it. Those of the first did not say so."""
    trial: Spec
    scenario: Spec
    seed: Seed
    target: Spec
    """The target as it was asked for, for example `pypi:1.58.0`."""
    client: Spec
    """The client as it was asked for, for example `sdk:1.58.0` or `plain`."""
    versions: dict[str, Spec] = {}
    """harness, server, client (its own release), engine, python and image digest, where they are known."""
    machine: dict[str, str | int] = {}
    parameters: dict[str, Parameter] = {}
    """Every T and N in force (`status.crash`: seconds, ...): the adapter's defaults overridden by the scenario."""
    facts: dict[str, bool | str | int] = {}
    """What the protocol promises, as the adapter has it: `crash_policy`, `ends_with_snapshot`, `deferred_init`,
    `page_size`, ...; and `client_tells`, what the client reports (`held`, `callbacks`, `status`, `exit`; parted by blanks)."""
    witnesses: dict[str, list[str]] = {}
    """What each witness of this trial is able to see: witness -> `log`, `stream`, `status`, `requests`, ... (`guarantees.witnesses`).
    A witness that does not stand here is none of this trial (the disk of a server that somebody else runs)."""
    plan: dict[str, Any] = {}
    """The scenario as it was loaded, with the random choices already made."""
    started: Day = 0.0


class Phase(Record, tag="phase"):
    """The trial enters a phase: preparing, starting, driving, healing, recovering, reading, stopping, removing, ended."""

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
    """How this life follows the last: `first`, `in-place`, `new-container`, `new-process`."""
    survivors: list[str] = []
    """Command lines of processes of the trial that outlived the server."""
    detail: str = ""


class Counter(Record, tag="counter"):
    """A reading of the engine or the kernel: `memory.oom_kill`, `memory.peak`, ..."""

    name: str
    value: float
    epoch: Count = 0


class Request(Record, tag="request"):
    """The harness or the client under test asked the server for something, and what it got.

    Every read of a witness stands here too, because reads act: a page of events may load a conversation from disk.
    `t_ns` is the moment of the answer and `began_ns` that of the question.
    """

    verb: Literal[
        "create", "send", "run", "pause", "interrupt", "resume", "delete", "init", "status", "load", "probe", "ready"
    ]
    """`status` reads a status without loading; `load` reads events and may load; `probe` is a route tried for its code."""
    method: str = ""
    path: str = ""
    code: Count = 0
    """The HTTP status; 0 when there was none."""
    error: str = ""
    """Why there was none (refused, reset, timeout, ...), or what is wrong with the one that came."""
    flaw: Flaw = ""
    """What kind of wrong that is; empty when the answer was whole, or when none came."""
    cut: bool = False
    """The harness ended it, for want of time or because it was told to: that says nothing of the server."""
    began_ns: Moment = 0
    conversation: str = ""
    epoch: Count = 0
    text: str = ""
    """The first 200 characters of a message that was sent, or of an unexpected answer."""
    rule: str = ""
    """The rule of the wire that touched it, for a request that was read from the wire: its answer is no word of the server's."""


class Sighting(Record, tag="event"):
    """One event of the server, as one witness saw it on one occasion: all of it but its body.

    This is what a history holds once it is read back; what is written is an `Event`. `reading` names the list it stands in
    (see `Reading` and `Stream`): the order of the records of one reading is the order in which the witness saw them.
    """

    reading: str
    """`stream:1`, `page:3`, `disk:0`, `callback:0`, `held:0`: unique within the witness."""
    id: str
    name: str
    """The protocol's own word for the kind, for example `ActionEvent`."""
    conversation: str = ""
    role: Role = "other"
    durable: bool = True
    """False for what the server never persists: snapshots, deltas, transient errors."""
    call: str = ""
    """Pairs an action with what closes it (OpenHands: the tool call id)."""
    status: str = ""
    """The raw status that a `status` or `snapshot` event carries."""
    ts: str = ""
    """The event's own time stamp, as written by the server. It never orders witnesses."""
    source: str = ""
    text: str = ""
    """The first 200 characters of what a person would read."""
    digest: str = ""
    """Hash of the canonical JSON body; equal digests mean equal events."""
    size: Count = 0
    """Bytes of the body as it was received."""
    epoch: Count = 0
    """The life of the server in which it was seen."""


class Event(Sighting, tag="event"):
    """A sighting with its body, as it is written down."""

    body: Any = None
    """The event itself when it is small, in the first sighting of each `digest`; large ones are in the store under that name.
    Guarantees do not read it."""


class Stream(Record, tag="stream"):
    """A subscription: opened, accepted, or closed; or something came on it that is not to be taken."""

    reading: str
    stage: Literal["opened", "subscribed", "flawed", "closed"]
    conversation: str = ""
    path: str = ""
    """`direct` (past the wire) or `wire`."""
    code: Count = 0
    reason: str = ""
    """How it ended; of `flawed`, what came, in half a sentence."""
    flaw: Flaw = ""
    """Of `flawed`: what kind of wrong that is."""
    epoch: Count = 0


class Reading(Record, tag="reading"):
    """A list was read: all pages of the log, the disk, what a client holds. `begin`, then its events, then `end`."""

    reading: str
    stage: Literal["begin", "end"]
    reader: Literal["rest", "disk", "client"]
    conversation: str = ""
    final: bool = False
    """The last reading of this reader in the trial: what the guarantees call the log."""
    order: Literal["ascending", "descending", "as-held"] = "ascending"
    page_size: Count = 0
    count: Count = -1
    """What the server's own counter said at the end of the reading; -1 when it was not asked."""
    pages: Count = 0
    complete: bool = True
    """False when a page failed or the reading was cut short; `error` says why."""
    error: str = ""
    epoch: Count = 0


class Status(Record, tag="status"):
    """A status that somebody saw. `after_load` tells a read behind a load of the conversation from a plain one."""

    conversation: str
    via: Literal["rest", "stream", "disk", "client"]
    raw: str
    neutral: Neutral
    epoch: Count = 0
    after_load: bool = False


class Vocabulary(Record, tag="vocabulary"):
    """The status words that the server publishes, and where; or, with `waited_for`, those that a client waits for and where it
    says so (`poll.py:31`, or a request)."""

    words: list[str]
    source: str
    waited_for: list[str] = []


class ModelCall(Record, tag="model-call"):
    """The scripted model was asked, or answered. `turn` counts the replies of the script from 0; -1 for a side request."""

    stage: Literal["asked", "held", "answered", "broken"]
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


class Effect(Record, tag="effect"):
    """A tool command ran: it appended its token to the journal. Counted at `begin`; `end` tells that it ran through."""

    token: str
    stage: Literal["begin", "end"]
    pid: Count = 0
    host: str = ""
    after_ns: Moment = 0


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
    | Life
    | Counter
    | Request
    | Event
    | Stream
    | Reading
    | Status
    | Vocabulary
    | ModelCall
    | Effect
    | Frame
    | Exchange
    | WireCount
    | Run
    | ClientError
    | Stall
    | Missed
    | BreakOff
    | End
    | Note
)
