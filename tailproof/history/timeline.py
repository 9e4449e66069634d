"""What happened when: statuses, runs, deaths, and what may have caused a change of status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tailproof.history.plan import PASSING, is_of_the_path, is_seeded
from tailproof.history.reader import History, derived
from tailproof.history.record import CLIENT, SETTLED, TERMINAL, Record
from tailproof.history.records import ClientError, Fault, Life, Run
from tailproof.history.server_records import Request, Status
from tailproof.history.views import belongs, same

SECOND = 1_000_000_000
STARTERS = frozenset({"create", "send", "run", "resume", "init"})
"""Requests that may set a conversation going; `pause`, `interrupt`, `reject` and `delete` change a status, too."""
ALREADY_RUNNING = 409
NOT_THERE = frozenset({404, 410})
CHANGERS = STARTERS | {"pause", "interrupt", "reject", "delete"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """A life of the server that ended, and the life after it."""

    epoch: int
    died: Life
    restarted: Life | None
    ready: Life | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunRun:
    """A run of a conversation that the server accepted (or that a client believes to have begun)."""

    conversation: str
    began_ns: int
    """When it was asked for."""
    record: Request | Run
    until_ns: int
    """When the next run was asked for, or the end of the history."""


def seconds(nanoseconds: int) -> float:
    """For people: two places are enough."""
    return round(nanoseconds / SECOND, 2)


def accepted(request: Request) -> bool:
    """The server said yes."""
    return 200 <= request.code < 300


def deletions(history: History, conversation: str) -> tuple[Request, ...]:
    """Requests that deleted it, as they were accepted."""
    return tuple(
        request
        for request in history.requests
        if request.verb == "delete" and accepted(request) and belongs(history, conversation, request.conversation)
    )


@derived
def deleted_unsaid(history: History) -> tuple[Request, ClientError] | None:
    """Somebody else's deletion of the conversation before anything was said in it, and the word of the client that it could say nothing any
    more, when it was told that there is no such conversation. None when anybody was heard, the model was asked, or the conversation
    was shown since."""
    refused = next((one for one in history.client_errors if one.verb == "send"), None)
    heard = any(one.verb in ("send", "run") and accepted(one) for one in history.requests)
    told = [one for one in history.requests if one.verb == "send" and one.witness == CLIENT]
    conversations = {same(one.conversation) for one in told}
    if refused is None or heard or history.model_calls or history.runs or len(conversations) != 1:
        return None
    (conversation,) = conversations
    gone = next((one for one in deletions(history, conversation) if one.witness != CLIENT), None)
    if gone is None or (gone.began_ns or gone.t_ns) > refused.t_ns or told[-1].code not in NOT_THERE:
        return None
    shown = any(
        one.verb in ("status", "load") and accepted(one) and (one.began_ns or one.t_ns) > gone.t_ns
        for one in history.requests
        if belongs(history, conversation, one.conversation)
    )
    return None if shown else (gone, refused)


@derived
def last_record(history: History) -> Record:
    """Where the record ends: nothing is known of what came later. Raises ValueError for a history without records."""
    return max((shelf[-1] for shelf in history.shelves() if shelf), key=lambda record: record.t_ns)


def last_ns(history: History) -> int:
    """The last moment of the history: nothing is known of what came later."""
    return max((shelf[-1].t_ns for shelf in history.shelves() if shelf), default=0)


@derived
def statuses_of(history: History, conversation: str) -> tuple[Status, ...]:
    """What showed a status, in the order of the common clock; `none` is the absence of one and left out."""
    return tuple(
        status
        for status in history.statuses
        if status.neutral != "none" and belongs(history, conversation, status.conversation)
    )


@derived
def clean_statuses(history: History, conversation: str) -> tuple[Status, ...]:
    """Statuses that a healthy reader saw on the API: pages and streams past the wire, nothing of the client under test."""
    return tuple(
        status
        for status in statuses_of(history, conversation)
        if status.witness != CLIENT and status.via in ("rest", "stream")
    )


def at_work(history: History, conversation: str, moment_ns: int) -> Status | None:
    """The status of a run that was under way at a moment, as far as anybody had seen: the log may have grown since."""
    before = [status for status in clean_statuses(history, conversation) if status.t_ns <= moment_ns]
    return before[-1] if before and before[-1].neutral == "active" else None


@derived
def changers(history: History, conversation: str) -> tuple[tuple[int, int], ...]:
    """(asked, answered) of everything that may change a status: requests whatever their answer, runs of a client, and what
    went through the wire that was not a plain read."""
    causes = [
        (request.began_ns or request.t_ns, request.t_ns)
        for request in history.requests
        if request.verb in CHANGERS and belongs(history, conversation, request.conversation)
    ]
    causes += [(run.t_ns, run.t_ns) for run in history.runs if run.stage == "called"]
    causes += [
        (exchange.began_ns or exchange.t_ns, exchange.t_ns)
        for exchange in history.exchanges
        if exchange.method.upper() not in ("GET", "HEAD", "OPTIONS")
    ]
    return tuple(sorted(causes))


@derived
def runs_of(history: History, conversation: str) -> tuple[BegunRun, ...]:
    """The runs that were accepted, oldest first; those of a client that nobody saw asking the server count, too. A script has asked
    for its run before it is seen to run: what it asked for since its last run is that run. What other users asked for in the same moment
    is one run, and a client that was refused because somebody else's is on goes along with that."""
    asked_for = [
        request
        for request in history.requests
        if request.verb == "run" and belongs(history, conversation, request.conversation)
    ]
    begun: list[tuple[int, Request | Run]] = []
    under_way_ns: dict[str, int] = {}
    for request in sorted(filter(accepted, asked_for), key=lambda one: one.began_ns or one.t_ns):
        if not 0 < request.began_ns < under_way_ns.get(request.witness, 0):
            begun.append((request.began_ns or request.t_ns, request))
        under_way_ns[request.witness] = max(under_way_ns.get(request.witness, 0), request.t_ns)
    since_ns = 0
    for called, back in client_runs(history, conversation):
        end = back.t_ns if back else last_ns(history)
        asked = any(
            called.t_ns <= began <= end or (record.witness == called.witness and since_ns < began < called.t_ns)
            for began, record in begun
        )
        joined = any(
            request.code == ALREADY_RUNNING and request.witness == called.witness and called.t_ns <= request.t_ns <= end
            for request in asked_for
        ) and any(record.witness != called.witness and since_ns < began < called.t_ns for began, record in begun)
        if not asked and not joined:
            begun.append((called.t_ns, called))
        since_ns = back.t_ns if back else called.t_ns
    begun.sort(key=lambda one: one[0])
    ends = [*(began for began, _ in begun[1:]), last_ns(history)]
    return tuple(
        BegunRun(conversation=conversation, began_ns=began, record=record, until_ns=until)
        for (began, record), until in zip(begun, ends, strict=False)
    )


@derived
def client_runs(history: History, conversation: str) -> tuple[tuple[Run, Run | None], ...]:
    """Each call of the client's `run()` with its return or exception, None when it never ended."""
    mine = [run for run in history.runs if belongs(history, conversation, run.conversation)]
    called = [run for run in mine if run.stage == "called"]
    backs = {(run.witness, run.number): run for run in mine if run.stage != "called"}
    return tuple((run, backs.get((run.witness, run.number))) for run in called)


@derived
def deaths(history: History) -> tuple[Death, ...]:
    """Every death of the server. An orderly stop is none."""
    return tuple(_death(history, life) for life in history.lives if life.stage == "died")


@derived
def ends(history: History) -> tuple[Death, ...]:
    """Every death of the server, and every stop after which it was started again. The stop in which a long history is seeded, at the end
    of the first life, is none: the conversation is not there yet."""
    first = 1 if is_seeded(history.header) else 0
    over = (
        _death(history, life)
        for life in history.lives
        if life.stage == "died" or (life.stage == "stopped" and life.epoch >= first)
    )
    return tuple(end for end in over if end.died.stage == "died" or end.restarted is not None)


def _death(history: History, life: Life) -> Death:
    return Death(
        epoch=life.epoch,
        died=life,
        restarted=_first(history.lives, life.epoch + 1, "started"),
        ready=_first(history.lives, life.epoch + 1, "ready"),
    )


@derived
def passing(history: History, epoch: int) -> Life | None:
    """The end of a life that is a part of a fault: it began between the fault's intent and its proof, and was over before the fault was
    healed. Whether it served is nobody's business."""
    started = _first(history.lives, epoch, "started")
    end = next((life for life in history.lives if life.epoch == epoch and life.stage in ("died", "stopped")), None)
    if started is None or end is None:
        return None
    for fault in {one.fault for one in history.faults if one.name in PASSING}:
        when = {one.stage: one.t_ns for one in history.faults if one.fault == fault}
        proven = when.get("proven", when.get("unproven", 0))
        if when["intent"] < started.t_ns < proven and end.t_ns < when.get("healed", 0):
            return end
    return None


def down_after(history: History, moment_ns: int) -> int | None:
    """When the server that lived at this moment died or was stopped; None when it did not."""
    downs = (
        life.t_ns for life in history.lives if life.stage in ("died", "stopped", "removed") and life.t_ns > moment_ns
    )
    return min(downs, default=None)


@derived
def settled_at(history: History, conversation: str, began_ns: int, until_ns: int) -> Status | None:
    """The status with which a run came to rest for good: the first of the last unbroken row of one settled status in this
    span. What a reader was shown before the span and is still shown at its beginning says nothing about the run (a poll may lag
    behind the stream, also where only the stream had shown it), and neither does `idle` after its end: the next message does that
    before the next run begins."""
    found: Status | None = None
    stale: dict[str, str] = {}
    newest = ""
    fresh: set[str] = set()
    for status in clean_statuses(history, conversation):
        if status.t_ns < began_ns:
            stale[status.via] = newest = status.neutral
        elif status.t_ns > until_ns:
            break
        elif status.via in fresh or status.neutral not in (stale.get(status.via), newest):
            fresh.add(status.via)
            if status.neutral == "idle" and found is not None:
                continue
            if status.neutral not in SETTLED:
                found = None
            elif found is None or found.neutral != status.neutral:
                found = status
    return found


@derived
def wire_faults(history: History) -> tuple[Fault, ...]:
    """Faults that were put on the client's path."""
    return tuple(fault for fault in history.faults if fault.stage == "injected" and is_of_the_path(fault.name))


def terminal(status: Status) -> bool:
    """The status ends a run."""
    return status.neutral in TERMINAL


def _first(lives: Sequence[Life], epoch: int, stage: str) -> Life | None:
    return next((life for life in lives if life.epoch == epoch and life.stage == stage), None)
