"""What the client under test holds when its run returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tailproof.guarantees.about import client_reports
from tailproof.guarantees.events_log import per_conversation, sent_messages, without_log
from tailproof.guarantees.loop_returns import without_return
from tailproof.guarantees.verdict import (
    Guarantee,
    Level,
    Pointer,
    Verdict,
    all_of,
    at,
    excused,
    holds,
    inconclusive,
    violated,
)
from tailproof.guarantees.witnesses import LOG, STREAM, WIRE
from tailproof.history.reader import History
from tailproof.history.record import CLIENT, SETTLED
from tailproof.history.records import Run
from tailproof.history.server_records import Event
from tailproof.history.timeline import client_runs
from tailproof.history.views import EventList, Log, lists_of, log_of, neutral_of

STRICT = 10
"""The first and the last so many events are `events.tail`'s, the others `events.middle`'s. Parameter `events.tail`."""

Part = Callable[[list[Event]], list[Event]]
"""Chooses from the log of a run the events that a guarantee is about."""


def tail(history: History, conversation: str) -> Verdict:
    """When the client's run returns, it holds the first 10 and the last 10 events of the log.

    *The log* is what was persisted before the authoritative end of that run: the status event that ended it, and what a
    healthy subscriber got between it and the snapshot with which the server ends a run. Bookkeeping (statistics, titles) after
    the status event does not count, nor does what belongs to a later run. A client that tells of no list (the plain protocol
    client, a script) is not judged, nor is one of another release than the server.
    """
    strict = _strict(history)
    return _judge(
        history,
        conversation,
        lambda due: due if len(due) <= 2 * strict else due[:strict] + due[-strict:],
        f"the first and last {strict}",
    )


def middle(history: History, conversation: str) -> Verdict:
    """When the client's run returns, it also holds all events of the log between the first 10 and the last 10.

    The log is that of `events.tail`; one of up to 20 events has no middle.
    """
    strict = _strict(history)
    return _judge(
        history,
        conversation,
        lambda due: due[strict:-strict] if len(due) > 2 * strict else [],
        f"those between the first and last {strict}",
    )


def _strict(history: History) -> int:
    return max(1, int(history.header.parameters.get("events.tail", STRICT)))


def _judge(history: History, conversation: str, part: Part, which: str) -> Verdict:
    """`which` says what part of a log that is longer than both ends together."""
    backs = [back for _, back in client_runs(history, conversation) if back is not None]
    returned = [back for back in backs if back.stage == "returned"]
    if not returned and backs:
        return excused("no run of the client returned", evidence=[at(back, f"run() {back.stage}") for back in backs])
    if not returned:
        return without_return(history, conversation)
    log = log_of(history, conversation)
    if log is None:
        return without_log(history, conversation)
    return all_of((_one_run(history, conversation, log, run, part, which) for run in returned), nothing="")


def _one_run(history: History, conversation: str, log: Log, returned: Run, part: Part, which: str) -> Verdict:
    held = next(
        (
            one
            for one in lists_of(history, conversation, "held")
            if one.reading == returned.reading and one.witness == returned.witness
        ),
        None,
    )
    if held is None or not held.complete:
        return inconclusive("the record of what the client held when its run returned is incomplete")
    end = end_of_run(history, conversation, log, returned)
    if end is None:
        return inconclusive("the log shows no end of the run that the client returned from")
    whole = [event for event in log.events[: end + 1] if event.durable]
    due = part(whole)
    if not due:
        return excused(f"a log of {len(whole)} events has no middle", evidence=[at(log.events[end], "ends the run")])
    known = set(held.ids)
    missing = [event for event in due if event.id not in known]
    if not missing:
        return holds(
            f"the client held all {len(due)} events that were due when its run returned",
            compared={"events": len(due)},
            in_log=len(whole),
            held=len(held.ids),
        )
    edge = _strict(history)
    gone = {event.id for event in missing}
    where = "middle"
    if gone & {event.id for event in whole[-edge:]}:
        where = "tail"
    elif gone & {event.id for event in whole[:edge]}:
        where = "head"
    of = " of the log" if len(due) == len(whole) else f", {which} of the log's {len(whole)},"
    return violated(
        f"{len(missing)} of {len(due)} events{of} {'was' if len(missing) == 1 else 'were'} missing from the client's list "
        f"of {len(held.ids)} when its run returned",
        signature=f"missing-{where}",
        expected=[_placed(event, log.position) for event in missing],
        seen=[_placed(event, log.position) for event in held.events[-edge:]],
        evidence=[at(returned, f"run returned with status {returned.status or 'unknown'}"), *_found(missing)],
        missing=len(missing),
        due=len(due),
        in_log=len(whole),
        held=len(held.ids),
    )


def _placed(event: Event, position: Mapping[str, int]) -> str:
    """`#22 Observation e-22`: its place in the log, counted from 1, tells what is lost of what."""
    place = f"#{position[event.id] + 1}" if event.id in position else "not in the log:"
    return f"{place} {event.name} {event.id}"


def _found(missing: list[Event]) -> list[Pointer]:
    return [at(event, f"{event.name} {event.id} is in the log") for event in missing]


def end_of_run(history: History, conversation: str, log: Log, returned: Run) -> int | None:
    """The place in the log of the last event that counts for this run."""
    until = _before_the_next(history, conversation, log, returned)
    backs = [back for _, back in client_runs(history, conversation) if back is not None and back.t_ns < returned.t_ns]
    start = _before_the_next(history, conversation, log, backs[-1]) if backs else 0
    neutral = neutral_of(history)
    places = [
        place
        for place, event in enumerate(log.events[:until])
        if place >= start and event.role == "status" and neutral.get(event.status) in SETTLED
    ]
    if not places:
        return None
    end = places[-1]
    for one in lists_of(history, conversation, "stream"):
        if one.path == "direct":
            end = max(end, _before_the_snapshot(log, one, end, until))
    return end


def _before_the_next(history: History, conversation: str, log: Log, returned: Run) -> int:
    """The place where the next run of the client begins: its message, or what was first seen after it was called."""
    later = [
        place for send, place in sent_messages(history, conversation) if place is not None and send.t_ns > returned.t_ns
    ]
    if later:
        return min(later)
    called = [run.t_ns for run, _ in client_runs(history, conversation) if run.t_ns > returned.t_ns]
    if not called:
        return len(log.events)
    places = [
        log.position[event.id]
        for one in lists_of(history, conversation, "stream")
        for event in one.events
        if one.path == "direct"
        and event.t_ns > min(called)
        and event.id in log.position
        and event.role != "bookkeeping"
    ]
    return min(places, default=len(log.events))


def _before_the_snapshot(log: Log, one: EventList, end: int, until: int) -> int:
    """The last place that a subscriber saw between the status event at `end` and the snapshot after it."""
    ended, last = False, end
    for event in one.events:
        place = log.position.get(event.id)
        if place == end:
            ended = True
        elif ended and event.role == "snapshot":
            return last
        elif ended and place is not None and end < place < until and event.role != "bookkeeping":
            last = max(last, place)
    return end


HOLDS_A_LIST = client_reports("held", "the client tells of no list that it holds")
RESTS_ON = frozenset({LOG, STREAM, CLIENT, WIRE})

GUARANTEES = (
    Guarantee(
        id="events.tail",
        level=Level.MUST,
        promise="When the client's run returns, it holds the first 10 and the last 10 events of the log.",
        hurts="users of the client: its list lacks how the conversation began or ended",
        judge=per_conversation(tail),
        applies=HOLDS_A_LIST,
        rests_on=RESTS_ON,
    ),
    Guarantee(
        id="events.middle",
        level=Level.SHOULD,
        promise="When the client's run returns, it also holds all events of the log between the first 10 and the last 10.",
        hurts="users of the client: its list has a gap",
        judge=per_conversation(middle),
        applies=HOLDS_A_LIST,
        rests_on=RESTS_ON,
    ),
)
