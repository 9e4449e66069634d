"""A record of a history in one short line, and whether it is a sign of trouble: the same in the page and in `tailproof show`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tailproof.history.access_records import Canary, Knock
from tailproof.history.execution_records import AgentSaid, Turn
from tailproof.history.pod_records import ContainerSeen, PodEvent, PodSeen
from tailproof.history.records import (
    Act,
    AnyRecord,
    BreakOff,
    ChildCall,
    ClientError,
    Counter,
    Effect,
    End,
    Exchange,
    Fault,
    Frame,
    Life,
    Missed,
    ModelCall,
    Note,
    Phase,
    Post,
    Pulse,
    Rendezvous,
    Run,
    Stall,
    WireCount,
)
from tailproof.history.server_records import (
    Child,
    Event,
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
from tailproof.outgoing.visible import clip

_ID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
LINE = 160
"""Characters of a line at most."""


def says(record: AnyRecord | Event) -> str:
    """What the record tells, in at most `LINE` visible characters."""
    return clip(_WORDS[type(record)](record), LINE)


def kind(record: AnyRecord | Event) -> str:
    """The word for its kind, as it stands in the file: `frame`, `model-call`."""
    return str(type(record).__struct_config__.tag)


def address(record: AnyRecord | Event) -> str:
    """Where it stands: `wire:81` is line 81, counted from 0, of `wire.jsonl`."""
    return clip(f"{record.witness}:{record.seq}", LINE)


def troubled(record: AnyRecord | Event) -> bool:
    """It shows that something went wrong or was made to: a refusal, a dropped frame, a death. No verdict: many a fault is planned."""
    sign = _TROUBLE.get(type(record))
    return sign is not None and bool(sign(record))


def route(path: str) -> str:
    """A path as a person reads it: an id of a conversation tells nothing there, and hides what was asked for."""
    return _ID.sub("*", path)


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _landed(record: Fault | Act) -> str:
    identity = record.fault if isinstance(record, Fault) else record.act
    return _joined(f"{identity} ({record.name}) {record.stage}", f"· {record.says}" if record.says else "")


def _life(life: Life) -> str:
    code = f"exit code {life.exit_code}" if life.exit_code is not None else ""
    killer = "OOM-killed" if life.oom_killed else "by us" if life.by_us else ""
    return _joined(f"life {life.epoch} {life.stage}", life.place, code, killer, life.detail)


def _request(one: Request) -> str:
    came = str(one.code) if one.code else "no answer"
    return _joined(
        f"{one.verb}: {one.method} {route(one.path)} → {came}", one.flaw, one.error, f"“{one.text}”" if one.text else ""
    )


def _event(event: Event) -> str:
    return _joined(event.name, f"[{event.role}]", event.call, event.status, event.text or event.id)


def _reading(one: Reading) -> str:
    told = f"{one.count} counted" if one.count >= 0 else ""
    whole = "" if one.complete else f"cut short: {one.error}"
    part = ", ".join(f"{word} {value}" for word, value in one.part.items())
    return _joined(f"{one.reader} {one.reading} {one.stage}", "final" if one.final else "", part, told, whole)


def _status(status: Status) -> str:
    return f"{status.raw or 'none'} ({status.neutral}) via {status.via}"


def _model_call(call: ModelCall) -> str:
    turn = f"turn {call.turn + 1}" if call.turn >= 0 else "side request"
    code = f"code {call.code}" if call.code != 200 else ""
    return _joined(f"request {call.request} {call.stage},", turn, code, ", ".join(call.calls), call.reply)


def _frame(frame: Frame) -> str:
    what = _joined(frame.name, frame.id) or "a frame"
    done = "" if frame.done == "passed" else _joined(frame.done, f"by {frame.rule}" if frame.rule else "")
    return _joined(f"{frame.direction} {frame.index} of connection {frame.conn}:", what, f"{frame.size} B", done)


def _exchange(one: Exchange) -> str:
    done = "" if one.done == "passed" else _joined(one.done, f"by {one.rule}" if one.rule else "")
    return _joined(f"{one.method} {route(one.path)} → {one.code or 'no answer'}", done, one.flaw, one.error)


def _pod(pod: PodSeen) -> str:
    ready = pod.conditions.get("Ready", "")
    containers = ", ".join(f"{name} {_container(one)}" for name, one in pod.containers.items())
    ending = "ending" if pod.ending else ""
    return _joined(f"{pod.pod}: {pod.phase}", pod.reason, ending, f"Ready={ready};" if ready else "", containers)


def _container(one: ContainerSeen) -> str:
    code = "" if one.exit_code is None else str(one.exit_code)
    return _joined(one.state, one.reason, code, f"({one.restarts} restarts)" if one.restarts else "")


def _post(post: Post) -> str:
    return _joined(f"request {post.number}, {len(post.batch)} events → {post.code or 'nothing'}", post.done, post.error)


def _turn(turn: Turn) -> str:
    return _joined(f"turn {turn.key} → {turn.code or 'no answer'}", turn.execution, turn.error)


def _agent(one: AgentSaid) -> str:
    return _joined(f"the agent {one.stage}", f"line {one.line}" if one.line else "", one.turn, one.says)


def _said(one: Said) -> str:
    came = _joined(one.back, f"closed with {one.code}" if one.code else "") or ("read" if one.read else "nothing")
    return f"{one.reading} sent {one.frame} ({one.size:,} bytes) → {came}"


def _listing(one: Listing) -> str:
    which = _joined(f"status {one.status}" if one.status else "", f"{len(one.asked)} by id" if one.asked else "")
    told = f"{one.count} counted" if one.count >= 0 else ""
    whole = "" if one.complete else f"cut short: {one.error}"
    return _joined(f"{one.reading}: {len(one.conversations)} conversations,", which, one.order, told, whole)


def _neighbour(one: Neighbour) -> str:
    shown = "" if one.when == "heard" else f"as {one.raw or one.code}"
    return _joined(one.when, shown, f"with {len(one.events)} events")


def _knock(one: Knock) -> str:
    return _joined(f"{one.method} {one.path} with key {one.key} → {one.code or 'no answer'}", one.error)


def _run(run: Run) -> str:
    raised = _joined(run.error_type, run.error)
    return _joined(f"run {run.number} {run.stage}", f"with status {run.status}" if run.status else "", raised)


def _counted(counters: dict[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in counters.items())


_WORDS: dict[type, Callable[[Any], str]] = {
    Phase: lambda one: _joined(one.name, one.detail),
    Rendezvous: lambda one: _joined(f"{one.point} {one.stage}", one.detail),
    Fault: _landed,
    Act: _landed,
    Life: _life,
    Counter: lambda one: f"{one.name} {one.value:g}",
    PodSeen: _pod,
    PodEvent: lambda one: _joined(one.reason, one.container, one.text),
    Request: _request,
    Event: _event,
    WholeEvent: _event,
    Stream: lambda one: _joined(f"{one.reading} {one.stage}", str(one.code or ""), one.flaw, one.reason),
    Said: _said,
    Listing: _listing,
    Neighbour: _neighbour,
    Reading: _reading,
    Status: _status,
    Child: lambda one: f"child {one.child}: {one.raw or one.code}",
    Vocabulary: lambda one: f"{one.source}: {', '.join(one.waited_for or one.words)}",
    Knock: _knock,
    Canary: lambda one: _joined(one.name, one.stage, one.place, one.detail, one.around),
    ModelCall: _model_call,
    ChildCall: lambda one: f"child {one.child}: turn {one.turn} {one.stage}",
    Effect: lambda one: f"{one.token} {one.stage}",
    Pulse: lambda one: f"what {one.token} left behind lives",
    Frame: _frame,
    Exchange: _exchange,
    Post: _post,
    Turn: _turn,
    AgentSaid: _agent,
    WireCount: lambda one: _counted(one.counters),
    Run: _run,
    ClientError: lambda one: f"{one.verb}: {one.error_type} {one.error}",
    Stall: lambda one: f"late by {one.late_ns / 1e6:.0f} ms",
    Missed: lambda one: _joined(f"waited {one.seconds:g} s for {one.waited_for}", f"saw {one.saw}" if one.saw else ""),
    BreakOff: lambda one: f"broken off by the {one.by} at {one.doing}: {one.says}",
    End: lambda one: f"the end, behind {one.records} records",
    Note: lambda one: one.text,
}

_TROUBLE: dict[type, Callable[[Any], object]] = {
    Fault: lambda one: one.stage == "unproven",
    Act: lambda one: one.stage == "unproven",
    Rendezvous: lambda one: one.stage == "missed",
    Life: lambda one: one.stage == "died",
    PodSeen: lambda one: any(container.exit_code for container in one.containers.values()),
    Request: lambda one: one.error or one.flaw or one.code >= 400,
    Stream: lambda one: one.stage == "flawed" or one.flaw,
    Reading: lambda one: not one.complete,
    Canary: lambda one: one.stage == "seen",
    ModelCall: lambda one: one.stage in ("stalled", "broken") or one.unpaired,
    Frame: lambda one: one.done in ("dropped", "duplicated", "reordered", "cut"),
    Exchange: lambda one: one.done not in ("passed", "upgraded", "delayed", "held") or one.flaw,
    Post: lambda one: one.done != "answered" or one.error,
    Turn: lambda one: one.error or one.code >= 400,
    Run: lambda one: one.stage == "raised",
    ClientError: lambda one: True,
    Stall: lambda one: True,
    Missed: lambda one: True,
    BreakOff: lambda one: True,
}
