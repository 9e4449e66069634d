"""Whether the log says once, and at the right place, how each run ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise, takewhile

from tailproof.guarantees.events_log import per_conversation, without_log
from tailproof.guarantees.executions import events as executions
from tailproof.guarantees.executions.view import either
from tailproof.guarantees.verdict import (
    Guarantee,
    Level,
    Pointer,
    Verdict,
    at,
    excused,
    holds,
    inconclusive,
    violated,
)
from tailproof.guarantees.witnesses import DISK, ENGINE, LOG, STATUS, STREAM
from tailproof.history.reader import History
from tailproof.history.record import CLIENT, SETTLED, TERMINAL
from tailproof.history.server_records import Event, Status
from tailproof.history.timeline import STARTERS, clean_statuses, down_after, runs_of, settled_at
from tailproof.history.views import Log, belongs, first_seen, lists_of, log_of, neutral_of


@dataclass(slots=True, kw_only=True)
class LoggedRun:
    """What stands in the log from one status `active` to the next."""

    began: Event
    ends: list[Event] = field(default_factory=list)
    """Status events that are terminal."""
    behind: list[Event] = field(default_factory=list)
    """What the agent did or said behind the first of them."""


def terminal(history: History, conversation: str) -> Verdict:
    """The log holds one terminal status for each run that came to one; nothing of that run stands behind it, and it is the status that
    the server shows.

    A run begins with a status event `active`. Of the run are actions, what closes them in good order, and messages of the agent; errors,
    statistics and words of the user may follow an end. A run that was broken off or stopped has no terminal status of its own. The status
    that GET shows before and behind the reading of the log must be the last one in it.
    """
    log = log_of(history, conversation)
    if log is None:
        return without_log(history, conversation)
    words = neutral_of(history)
    runs = _runs(history, log)
    if not runs:
        return _no_run(history, conversation, log)
    for run in runs:
        if len(run.ends) > 1:
            return violated(
                f"one run ended {len(run.ends)} times: {', '.join(event.status for event in run.ends)}",
                signature="ended-twice",
                expected=[run.ends[0].status],
                seen=[event.status for event in run.ends],
                evidence=[_place(log, event) for event in run.ends],
            )
        if run.behind:
            return violated(
                f"{len(run.behind)} events of a run stand behind its end ({run.ends[0].status}) in the log",
                signature="events-after-end",
                expected=[run.ends[0].id],
                seen=[event.id for event in run.behind],
                evidence=[_place(log, run.ends[0]), *(_place(log, event) for event in run.behind)],
            )
    for run, following in pairwise(runs):
        if not run.ends and (end := _not_logged(history, conversation, run, following)) is not None:
            return violated(
                f"the server showed {end.raw}, and the log has no end of that run before the next one begins",
                signature=f"{end.neutral}-not-logged",
                expected=[end.raw],
                evidence=[_place(log, run.began), at(end, f"{end.raw} via {end.via}"), _place(log, following.began)],
            )
    last = [event for event in log.events if event.role == "status" and event.status in words][-1]
    shown = _shown(history, conversation, log)
    if shown is not None and shown.neutral in TERMINAL and shown.neutral != words[last.status]:
        return violated(
            f"the server says {shown.raw}, and the last status in the log is {last.status}",
            signature=f"{shown.neutral}-logged-as-{words[last.status]}",
            expected=[shown.raw],
            seen=[last.status],
            evidence=[_place(log, last), at(shown, f"{shown.raw} via {shown.via}")],
        )
    ended = sum(len(run.ends) for run in runs)
    if not ended and words[last.status] in SETTLED | {"active"}:
        return excused(
            f"no run came to a terminal status (the last one is {last.status})", evidence=[_place(log, last)]
        )
    return holds(
        "each run that came to an end has one terminal status in the log, and nothing of it stands behind",
        compared={"ends": ended, "reads beside the log": int(shown is not None)},
        runs=len(runs),
    )


def _runs(history: History, log: Log) -> list[LoggedRun]:
    words = neutral_of(history)
    runs: list[LoggedRun] = []
    for event in log.events:
        neutral = words.get(event.status, "unknown") if event.role == "status" else None
        if neutral == "active":
            runs.append(LoggedRun(began=event))
        elif runs and neutral in TERMINAL:
            runs[-1].ends.append(event)
        elif runs and runs[-1].ends and _of_the_agent(event):
            runs[-1].behind.append(event)
    return runs


def _not_logged(history: History, conversation: str, run: LoggedRun, following: LoggedRun) -> Status | None:
    """How a run came to rest, as GET said, or a stream behind the begin of this run: else a stream may say late how the run before had
    ended. None when the server went down meanwhile. Once something has asked for the next run, a status at rest may be that of the
    next one, whose events may come later than its status."""
    first = first_seen(history, conversation)
    began_ns, until_ns = first[run.began.id], first[following.began.id]
    down = down_after(history, began_ns)
    if down is not None and down < until_ns:
        return None
    end = settled_at(history, conversation, began_ns, until_ns - 1)
    if end is None or end.neutral not in TERMINAL:
        return None
    if not _told_in_order(history, conversation, run, following, end):
        end = next(
            (
                one
                for one in clean_statuses(history, conversation)
                if one.via == "rest" and one.neutral == end.neutral and end.t_ns <= one.t_ns < until_ns
            ),
            None,
        )
    if end is None or any(began_ns < one.began_ns < end.t_ns for one in runs_of(history, conversation)):
        return None
    asked = [
        one
        for one in history.requests
        if one.verb in STARTERS
        and not 400 <= one.code < 500
        and belongs(history, conversation, one.conversation)
        and (one.began_ns or one.t_ns) < end.t_ns
        and one.t_ns > began_ns
    ]
    # One that was under way when the run began has begun it: its answer may come later than what it sets going.
    return end if all((one.began_ns or one.t_ns) < began_ns for one in asked) and len(asked) < 2 else None


def _told_in_order(history: History, conversation: str, run: LoggedRun, following: LoggedRun, end: Status) -> bool:
    """A stream brought the begin of this run, then this end, and not yet the begin of the next run."""
    for one in lists_of(history, conversation, "stream"):
        row = [event.id for event in one.events]
        if run.began.id in row:
            behind = one.events[row.index(run.began.id) + 1 :]
            mine = takewhile(lambda event: event.id != following.began.id, behind)
            if any(event.role == "status" and event.status == end.raw for event in mine):
                return True
    return False


def _of_the_agent(event: Event) -> bool:
    return event.role in ("action", "observation") or (event.role == "message" and event.source == "agent")


def _no_run(history: History, conversation: str, log: Log) -> Verdict:
    """Not every server, and no release of every one, writes its statuses into the log."""
    begun = [status for status in clean_statuses(history, conversation) if status.neutral == "active"]
    stated = [event for event in log.events if event.role == "status"]
    if begun and not stated:
        return excused(
            "the log of this server holds no statuses", evidence=[at(begun[0], f"{begun[0].raw}, not in the log")]
        )
    if begun:
        return inconclusive(f"the server was seen {begun[0].raw}, and the log has no such status")
    return inconclusive("no run was seen")


def _shown(history: History, conversation: str, log: Log) -> Status | None:
    """What GET said before and behind the reading of the log, if it said the same."""
    reads = [
        status for status in clean_statuses(history, conversation) if status.via == "rest" and status.witness != CLIENT
    ]
    before = [status for status in reads if status.t_ns <= log.taken_ns]
    ended_ns = log.read_as.ended_ns or log.taken_ns
    behind = [status for status in reads if status.t_ns >= ended_ns]
    if not before or not behind or before[-1].neutral != behind[0].neutral:
        return None
    return behind[0]


def _place(log: Log, event: Event) -> Pointer:
    return at(event, f"{event.status or event.name} at {log.position[event.id]}")


GUARANTEES = (
    Guarantee(
        id="events.terminal",
        level=Level.MUST,
        promise="The log holds one terminal status for each run that came to one, nothing of that run stands behind it, and it is the "
        "status that the server shows.",
        hurts="whoever learns from the log whether a run is over",
        judge=either(per_conversation(terminal), executions.terminal),
        rests_on=frozenset({LOG, STATUS, DISK, ENGINE}),
        of_executors=frozenset({LOG, STATUS, STREAM}),
    ),
)
