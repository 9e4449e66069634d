"""Whether a server that is asked to end does so, and takes nothing with it."""

from __future__ import annotations

from collections.abc import Iterator

from tailproof.guarantees.verdict import Guarantee, Level, Verdict, all_of, at, excused, holds, inconclusive, violated
from tailproof.guarantees.witnesses import DISK, ENGINE, LOG, STREAM
from tailproof.history.header import Header
from tailproof.history.plan import GRACE_S, STOP, grace_of, plans
from tailproof.history.reader import History
from tailproof.history.record import CLIENT
from tailproof.history.records import Life
from tailproof.history.server_records import Event
from tailproof.history.timeline import seconds
from tailproof.history.views import conversations, lists_of

KILLED = 137
"""The exit code of a server that was killed because it had not ended in time."""
IN_ORDER = frozenset({0, 130, 143})
"""A server ends with success, or passes on the signal that it got."""


def stops(history: History) -> Verdict:
    """A server that is asked to end (SIGTERM) ends by itself within the grace that it was given, and everything that it had shown
    before is on its disk.

    Judged for each stop that the scenario plans. `outlived-its-grace` is a server that had to be killed, unless it was given less than
    the usual 10 s: then only what is on its disk counts. `died-of-it` is one that ended by another signal, `lost-at-stop` one
    whose disk lacks durable events that somebody saw past the wire before the stop.
    """
    asked = [fault for fault in history.faults if fault.name == STOP and fault.stage == "intent"]
    return all_of(
        (_one_stop(history, fault.fault, fault.t_ns) for fault in asked), nothing="the server was not asked to end"
    )


def _one_stop(history: History, fault: str, asked_ns: int) -> Verdict:
    over = next((life for life in history.lives if life.stage in ("stopped", "died") and life.t_ns > asked_ns), None)
    grace_s = grace_of(history.header, fault)
    if over is None:
        return inconclusive("nobody saw the server end", grace_s=grace_s)
    took_s = seconds(over.t_ns - asked_ns)
    if over.stage == "died" or not over.by_us:
        return excused("the server ended by itself before it was asked to", evidence=[at(over, over.stage)])
    if over.exit_code == KILLED and grace_s < GRACE_S:
        return _kept(history, over, grace_s, took_s)
    if over.exit_code == KILLED:
        return violated(
            f"{grace_s:g} s after it was asked to end, the server still ran and had to be killed",
            signature="outlived-its-grace",
            expected=[f"an end within {grace_s:g} s"],
            seen=[f"exit code {over.exit_code}"],
            evidence=[at(over, f"ended, exit code {over.exit_code}")],
            timed=True,
            limit_s=grace_s,
            took_s=took_s,
        )
    if over.exit_code is not None and over.exit_code > 128 and over.exit_code not in IN_ORDER:
        return violated(
            f"the server died of being asked to end (exit code {over.exit_code})",
            signature="died-of-it",
            expected=[str(code) for code in sorted(IN_ORDER)],
            seen=[str(over.exit_code)],
            evidence=[at(over, f"ended, exit code {over.exit_code}")],
        )
    return _kept(history, over, grace_s, took_s)


def _kept(history: History, over: Life, grace_s: float, took_s: float) -> Verdict:
    """What was shown before the stop is on the disk behind it."""
    shown = lost = 0
    missing: list[Event] = []
    read = False
    for conversation in conversations(history):
        disk = _disk_behind(history, conversation, over)
        if disk is None:
            continue
        read = True
        for event in _shown_before(history, conversation, over):
            shown += 1
            if event.id not in disk:
                lost += 1
                missing.append(event)
    if missing:
        return violated(
            f"{lost} of {shown} events that were shown before the stop are not on the disk behind it",
            signature="lost-at-stop",
            expected=[event.id for event in missing],
            evidence=[at(over, "ended"), *(at(event, f"{event.name} {event.id}") for event in missing)],
            limit_s=grace_s,
            took_s=took_s,
            lost=lost,
        )
    return holds(
        f"the server ended by itself {took_s} s after it was asked to" + (", and lost nothing" if read else ""),
        compared={"stops": 1, "events": shown},
        limit_s=grace_s,
        took_s=took_s,
    )


def _disk_behind(history: History, conversation: str, over: Life) -> frozenset[str] | None:
    """The ids on the disk, read between this end and the next start."""
    started = min(
        (life.t_ns for life in history.lives if life.stage == "started" and life.t_ns > over.t_ns), default=None
    )
    for one in lists_of(history, conversation, "disk"):
        if one.complete and one.began_ns > over.t_ns and (started is None or one.began_ns < started):
            return frozenset(one.ids)
    return None


def _shown_before(history: History, conversation: str, over: Life) -> Iterator[Event]:
    seen: set[str] = set()
    for one in lists_of(history, conversation, "stream", "page"):
        if one.witness == CLIENT:
            continue
        for event in one.events:
            if event.durable and event.epoch == over.epoch and event.t_ns < over.t_ns and event.id not in seen:
                seen.add(event.id)
                yield event


def _is_stopped(header: Header) -> str:
    return "" if plans(header, STOP) else "nothing in this scenario asks the server to end"


GUARANTEES = (
    Guarantee(
        id="server.stops",
        level=Level.MUST,
        promise="A server that is asked to end does so within its grace, and everything that it had shown is on its disk.",
        hurts="operators who stop or update the server, and users who lose what was shown",
        judge=stops,
        applies=_is_stopped,
        rests_on=frozenset({ENGINE, DISK, STREAM, LOG}),
        rests_on_time=True,
    ),
)
