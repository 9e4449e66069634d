"""What a healthy subscriber gets."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from tailproof.guarantees.events_log import per_conversation, sent_messages, without_log
from tailproof.guarantees.verdict import (
    Guarantee,
    Level,
    Outcome,
    Verdict,
    all_of,
    at,
    holds,
    inconclusive,
    violated,
)
from tailproof.guarantees.witnesses import ENGINE, LOG, MODEL, STREAM, WIRE
from tailproof.history.reader import History
from tailproof.history.record import CLIENT
from tailproof.history.server_records import Event
from tailproof.history.timeline import SECOND, down_after, wire_faults
from tailproof.history.views import EventList, Log, first_seen, lists_of, log_of, torn

BEHIND_NS = 2 * SECOND
"""What nobody had seen so long behind the begin of a subscription was published to it, too: a stream may lag."""
UNTOUCHED = frozenset({"passed", "control"})


def delivered(history: History, conversation: str) -> Verdict:
    """A subscriber with a healthy connection receives every event after subscribing, in log order.

    Judged on every subscription past the wire, and on those through the wire when no fault touched it. Each must have received one
    contiguous part of the final log: from its first event on, or, if that is earlier, from the first user message that the server
    accepted after the subscription, or the first event that somebody else was sent well behind its begin and nobody had seen before.
    To the end of the log when it was open at the final reading; to the last event received when the server died or the subscription
    was closed before. Bookkeeping at the very end of the log may be on its way still, and its place in the row is free.
    """
    log = log_of(history, conversation)
    if log is None:
        return without_log(history, conversation)
    judged = [
        _received(history, conversation, log, one)
        for one in lists_of(history, conversation, "stream")
        if one.subscribed and (one.path == "direct" or (one.path == "wire" and _healthy_wire(history)))
    ]
    verdicts = [verdict for verdict in judged if verdict is not None]
    nothing = "nothing was due to any subscription" if judged else "nobody subscribed over a healthy connection"
    verdict = all_of(verdicts, nothing=nothing)
    if verdict.outcome is Outcome.HOLDS:
        return replace(
            verdict, says=f"{len(verdicts)} subscriptions received the log from where they began, in its order"
        )
    return verdict


def _healthy_wire(history: History) -> bool:
    return not wire_faults(history) and all(frame.done in UNTOUCHED for frame in history.frames)


def _received(history: History, conversation: str, log: Log, one: EventList) -> Verdict | None:
    """None for a subscription to which nothing was due."""
    received = [event for event in one.events if event.durable and event.id in log.position]
    to_the_end = _open_at_the_end(history, log, one)
    if to_the_end and one.closed is None and one.witness in torn(history):
        return inconclusive(f"the record of {one.witness} {one.reading} is incomplete")
    start = _start(history, conversation, one, received, log)
    if start is None:
        return _silent(history, log, one)
    known = {event.id for event in received}
    last = len(log.events) if to_the_end else max((log.position[event.id] for event in received), default=-1) + 1
    due = log.events[start:last]
    missing = [event for event in due if event.id not in known]
    highest = max((log.position[event.id] for event in received), default=-1)
    missing = [event for event in missing if event.role != "bookkeeping" or log.position[event.id] < highest]
    if missing:
        behind = sum(log.position[event.id] > highest for event in missing)
        return violated(
            f"{one.witness} {one.reading} never received {len(missing)} of the {len(due)} events due to it",
            signature="tail-not-delivered" if behind else "gap",
            expected=[event.id for event in missing],
            seen=[event.id for event in received[-10:]],
            evidence=[
                *(at(record, "subscribed") for record in (one.subscribed,) if record),
                *(at(event, f"{event.name} {event.id} is in the log") for event in missing),
            ],
            missing=len(missing),
            due=len(due),
        )
    row = [event for event in _once(received) if event.role != "bookkeeping"]
    for earlier, event in pairwise(row):
        if log.position[event.id] < log.position[earlier.id]:
            return violated(
                f"{one.witness} {one.reading} received {event.name} {event.id} after {earlier.name} {earlier.id}; "
                "the log has them the other way round",
                signature="out-of-order",
                expected=[event.id, earlier.id],
                seen=[earlier.id, event.id],
                evidence=[at(earlier, "received first"), at(event, "received after it")],
            )
    return holds(f"{one.witness} {one.reading} received {len(due)} events", compared={"events": len(due)})


def _once(events: list[Event]) -> list[Event]:
    return list({event.id: event for event in reversed(events)}.values())[::-1]


def _ends(history: History, one: EventList) -> list[int]:
    """When the subscription ended, and the life of the server that it was made to."""
    return [moment for moment in (down_after(history, one.began_ns), one.ended_ns) if moment is not None]


def _open_at_the_end(history: History, log: Log, one: EventList) -> bool:
    return all(moment >= log.taken_ns for moment in _ends(history, one))


def _start(history: History, conversation: str, one: EventList, received: list[Event], log: Log) -> int | None:
    """Where in the log the part begins that the subscription had to receive; None when nothing tells."""
    if not received and not _open_at_the_end(history, log, one):
        return None
    ends = _ends(history, one)
    messages = [
        place
        for send, place in sent_messages(history, conversation)
        if place is not None and (send.began_ns or send.t_ns) > one.began_ns and all(send.t_ns < end for end in ends)
    ]
    later = [log.position[identity] for identity in _published_later(history, conversation, log, one)]
    return min((*(log.position[event.id] for event in received), *messages, *later), default=None)


def _published_later(history: History, conversation: str, log: Log, one: EventList) -> list[str]:
    """Events of the loop that somebody who was subscribed before got while this subscription was open, and that nobody had seen until well
    behind its begin."""
    if one.subscribed is None or history.stalls:
        return []
    since_ns = one.subscribed.t_ns + BEHIND_NS
    ends = _ends(history, one)
    first = first_seen(history, conversation)
    got = {
        identity
        for other in lists_of(history, conversation, "stream")
        if other.path == "direct" and other.began_ns < one.began_ns
        for identity in other.ids
    }
    return [
        event.id
        for event in log.events
        if event.role != "bookkeeping"
        and event.id in got
        and first[event.id] > since_ns
        and all(first[event.id] < end for end in ends)
    ]


def _silent(history: History, log: Log, one: EventList) -> Verdict | None:
    """A subscription that received nothing: a violation only if the loop is known to have gone on while it was open."""
    if not _open_at_the_end(history, log, one):
        return None
    before = {event.id for event in history.events if event.t_ns < one.began_ns}
    new = [event for event in log.events if event.id not in before and event.role in ("action", "message")]
    asked = [
        call for call in history.model_calls if call.stage == "asked" and call.turn >= 0 and call.t_ns > one.began_ns
    ]
    if not new or not asked:
        return None
    return violated(
        f"{one.witness} {one.reading} received nothing, although the loop wrote {len(new)} more events",
        signature="nothing-received",
        expected=[event.id for event in new],
        evidence=[at(asked[0], "the loop asked the model"), *(at(event, f"{event.name} in the log") for event in new)],
        missing=len(new),
    )


GUARANTEES = (
    Guarantee(
        id="events.delivered",
        level=Level.MUST,
        promise="A subscriber with a healthy connection receives every event after subscribing, in log order.",
        hurts="subscribers with a healthy connection",
        judge=per_conversation(delivered),
        rests_on=frozenset({LOG, STREAM, MODEL, ENGINE, WIRE, CLIENT}),
    ),
)
