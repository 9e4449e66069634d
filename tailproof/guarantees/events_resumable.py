"""A subscriber that comes back goes on where it left off."""

from __future__ import annotations

from tailproof.guarantees.events_log import per_conversation, without_log
from tailproof.guarantees.events_ordered import first_swap
from tailproof.guarantees.executions import events as executions
from tailproof.guarantees.executions.view import either, of_servers
from tailproof.guarantees.verdict import Guarantee, Level, Verdict, all_of, at, holds, inconclusive, violated
from tailproof.guarantees.witnesses import AGENT, ENGINE, LOG, STATUS, STREAM
from tailproof.history.header import Header
from tailproof.history.plan import resumes
from tailproof.history.reader import History
from tailproof.history.server_records import Event
from tailproof.history.timeline import down_after
from tailproof.history.views import EventList, Log, first_seen, lists_of, log_of, torn

_ORDINARY = frozenset({0, 1000, 1001, 1005, 1006, 1012})
"""No code, a normal end, an end of the server's, no code in the frame, a connection that broke, a restart."""


def resumable(history: History, conversation: str) -> Verdict:
    """A subscription that begins behind an event (by cursor or time), or at the beginning, brings everything that the log has from
    there on, and what comes after, without a gap.

    Judged on each subscription past the wire that asked for the past: every event of the log behind the one that it named, to the end of
    the log when it was open at the final reading, else to the last event that it received. A time names every event of
    that moment, so that more may come than was asked for; and where live events come between those that are repeated, twice is no gap.
    What had been seen before it subscribed comes in the order of the log.
    Bookkeeping at the very end of the log may be on its way still.
    """
    log = log_of(history, conversation)
    if log is None:
        return without_log(history, conversation)
    judged = [
        _received(history, log, one)
        for one in lists_of(history, conversation, "stream")
        if one.path == "resumed" and one.subscribed
    ]
    return all_of(judged, nothing="nobody who had left off was let in again")


def _received(history: History, log: Log, one: EventList) -> Verdict:
    assert one.subscribed is not None, "only those that were accepted are judged"
    after = one.subscribed.after
    if after and after not in log.position:
        return inconclusive(f"{one.reading} left off behind an event that the final log does not have")
    if one.closed is None and one.witness in torn(history):
        return inconclusive(f"the record of {one.witness} {one.reading} is incomplete")
    start = log.position[after] + 1 if after else 0
    known = {event.id for event in one.events if event.durable}
    highest = max((log.position[identity] for identity in known & log.position.keys()), default=-1)
    open_still = all(moment >= log.taken_ns for moment in _ends(history, one))
    due = log.events[start:] if open_still else log.events[start : highest + 1]
    missing = [event for event in due if event.id not in known and _is_due(event, log, highest)]
    if not missing and (swap := _disordered(history, log, one)) is not None:
        before, behind = swap
        return violated(
            f"{one.witness} {one.reading} was repeated {behind.name} {behind.id} behind {before.name} {before.id}; the log has them the "
            "other way round",
            signature="repeated-out-of-order",
            expected=[behind.id, before.id],
            seen=[before.id, behind.id],
            evidence=[at(before, "comes first"), at(behind, "comes after it")],
        )
    if not missing:
        return holds(
            f"{one.reading} went on behind event {start} of the log and received {len(due)} events",
            compared={"events": len(due), "subscriptions": int(not _thrown_out(one))},
        )
    gap = any(log.position[event.id] < highest for event in missing)
    return violated(
        f"{one.witness} {one.reading} asked for all behind event {start} of the log ({one.subscribed.since}) and never received "
        f"{len(missing)} of {len(due)} events",
        signature="gap" if gap else "nothing-repeated" if highest < 0 else "tail-not-delivered",
        expected=[event.id for event in missing],
        seen=[event.id for event in one.events[:10]],
        evidence=[
            at(one.subscribed, f"subscribed, {one.subscribed.since}"),
            *(at(event, f"{event.name} {event.id} is in the log") for event in missing),
        ],
        missing=len(missing),
        due=len(due),
    )


def _disordered(history: History, log: Log, one: EventList) -> tuple[Event, Event] | None:
    """Two events that were in the log before it subscribed, and came the other way round."""
    first = first_seen(history, one.conversation)
    past = [
        event
        for event in one.events
        if event.durable and event.role != "bookkeeping" and first[event.id] < one.began_ns
    ]
    return first_swap(past, log.position)


def _thrown_out(one: EventList) -> bool:
    """The server closed it with a reason of its own: what it was owed nobody knows."""
    return one.closed is not None and one.closed.code not in _ORDINARY


def _is_due(event: Event, log: Log, highest: int) -> bool:
    return event.role != "bookkeeping" or log.position[event.id] < highest


def _ends(history: History, one: EventList) -> list[int]:
    """When it ended, and the life of the server that it was made to."""
    return [moment for moment in (down_after(history, one.began_ns), one.ended_ns) if moment is not None]


def _resumes(header: Header) -> str:
    return "" if resumes(header) else "nobody comes back to where they left off"


GUARANTEES = (
    Guarantee(
        id="events.resumable",
        level=Level.MUST,
        promise="A subscriber that comes back with a cursor or a time goes on without a gap; what an agent printed while its executor was "
        "not attached is in the log, or a marker says that it is not.",
        hurts="subscribers that come back: they have a gap",
        judge=either(per_conversation(resumable), executions.resumable),
        applies=of_servers(_resumes),
        rests_on=frozenset({LOG, STREAM, ENGINE}),
        of_executors=frozenset({LOG, STREAM, STATUS, AGENT}),
    ),
)
