"""The order of the server's log: its time stamps, and what other readers show of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from tailproof.guarantees.events_log import per_conversation, place_of, without_log
from tailproof.guarantees.verdict import Guarantee, Level, Verdict, at, holds, inconclusive, violated
from tailproof.guarantees.witnesses import DISK, LOG, STREAM
from tailproof.history.plan import CLOCK, steps_s
from tailproof.history.reader import History
from tailproof.history.record import CLIENT
from tailproof.history.server_records import Event, moment
from tailproof.history.timeline import SECOND
from tailproof.history.views import Log, first_seen, lists_of, log_of

TIME_CHARS = 60
YEAR_ONE = datetime.min
"""A stamp of a hostile server may be as early as this: what is told since then can be shifted, and that could not."""
SEEN_LATE = timedelta(minutes=1)
"""An event may be seen so long after it was stamped."""
MICROSECOND = timedelta(microseconds=1)
Moment = tuple[bool, timedelta]
"""A time stamp: whether it names its zone, and how long after the year 1 it is."""


def ordered(history: History, conversation: str) -> Verdict:
    """The log's timestamps never go back, and the disk and every list of a client have its events in its order.

    The time stamps of the final log never decrease, and the disk and every client list show the events that they share with
    the log in the log's order (for subscriptions see `events.delivered`, for pages `events.paged`). Where a fault sets the
    server's own clock, each stamp from then on is of that clock or of the right one (with threads, libfaketime reads the true time
    now and then), unless the event would then be seen before it was stamped; the order is that of the log all the same. Bookkeeping
    events (statistics, titles) come from other threads than the loop and are counted apart.
    """
    log = log_of(history, conversation)
    if log is None:
        return without_log(history, conversation)
    loop = [event for event in log.events if event.role != "bookkeeping"]
    stamped = [event for event in loop if event.ts]
    back = _first_back(stamped, _readings(history, conversation, log))
    if back:
        earlier, event = back
        return violated(
            f"the log goes back in time: {event.name} of {event.ts} comes after {earlier.name} of {earlier.ts}",
            signature="time-goes-back",
            expected=[event.id, earlier.id],
            seen=[earlier.id, event.id],
            evidence=[at(earlier, earlier.ts), at(event, event.ts)],
        )
    place = {event.id: index for index, event in enumerate(loop)}
    readers = [one for one in lists_of(history, conversation, "disk", "held") if one.ids]
    for one in readers:
        swapped = first_swap(one.events, place)
        if swapped:
            before, behind = swapped
            return violated(
                f"{one.witness} {one.reading} has {behind.name} {behind.id} after {before.name} {before.id}; "
                "the log has them the other way round",
                signature=f"other-order-in-{place_of(one)}",
                expected=[behind.id, before.id],
                seen=[before.id, behind.id],
                evidence=[at(before, "comes first"), at(behind, "comes after it")],
            )
    odd = next((event for event in stamped if moment(event.ts) is None), None)
    if odd:
        return inconclusive(f"the time stamp of {odd.name} {odd.id} is not a time: {odd.ts[:TIME_CHARS]}")
    shared = sum(max(0, sum(event.id in place for event in one.events) - 1) for one in readers)
    return holds(
        f"{len(loop)} events in one order for {len(readers) + 1} readers",
        compared={"time stamps": len(stamped) if len(stamped) > 1 else 0, "events of other readers": shared},
        readers=len(readers) + 1,
    )


def first_swap(events: Iterable[Event], place: dict[str, int]) -> tuple[Event, Event] | None:
    """The first two neighbours (among the events that `place` knows) that go back, first sightings only."""
    known: set[str] = set()
    highest, last = -1, None
    for event in events:
        index = place.get(event.id)
        if index is None or (index < highest and event.id in known):
            continue
        known.add(event.id)
        if index < highest and last is not None:
            return last, event
        highest, last = index, event
    return None


def _first_back(
    events: Iterable[Event], readings: Callable[[Event, Moment], Sequence[timedelta]]
) -> tuple[Event, Event] | None:
    """The first event whose stamp is before that of its predecessor, with that predecessor; by whichever of the `readings` of a stamp goes
    on from there. What cannot be compared (no time, a zone here and none there) did not go back."""
    earlier: tuple[Event, Moment] | None = None
    for event in events:
        stamp = _moment(event)
        if stamp is None:
            continue
        told = readings(event, stamp)
        if earlier is not None and earlier[1][0] is stamp[0]:
            told = [one for one in told if one >= earlier[1][1]]
            if not told:
                return earlier[0], event
        earlier = event, (stamp[0], min(told))
    return None


def _moment(event: Event) -> Moment | None:
    stamp = moment(event.ts)
    if stamp is None:
        return None
    zoned = stamp.tzinfo is not None
    return zoned, stamp - (YEAR_ONE.replace(tzinfo=UTC) if zoned else YEAR_ONE)


def _readings(history: History, conversation: str, log: Log) -> Callable[[Event, Moment], Sequence[timedelta]]:
    """What time it was when an event was stamped: what the stamp says, or that by each clock to which a fault that is proven set the
    server's before the event was first seen. No event is seen before it was stamped: a reading that says so is none, unless all do."""
    steps = {
        fault.fault: timedelta(seconds=steps_s(history.header, fault.fault))
        for fault in history.faults
        if fault.stage == "proven" and fault.name == CLOCK
    }
    began = [
        (fault.t_ns, steps[fault.fault]) for fault in history.faults if fault.stage == "intent" and fault.fault in steps
    ]
    if not began:
        return lambda event, stamp: [stamp[1]]
    first = first_seen(history, conversation)
    anchor = _freshest(history, conversation, log, min(began)[0])

    def read(event: Event, stamp: Moment) -> Sequence[timedelta]:
        told = [stamp[1], *(stamp[1] - off for t_ns, off in began if t_ns <= first[event.id])]
        if anchor is None or anchor[1][0] is not stamp[0]:
            return told
        seen_s = (first[event.id] - anchor[0]) / SECOND
        latest = anchor[1][1] + timedelta(seconds=seen_s) + SEEN_LATE
        return [one for one in told if one <= latest] or told

    return read


def _freshest(history: History, conversation: str, log: Log, before_ns: int) -> tuple[int, Moment] | None:
    """Of the events of the loop that came on a subscription past the wire before this moment, the one that had been stamped least long
    before it came: when it came, and its stamp. None when they are stamped in several ways."""
    heard = [
        (event.t_ns, stamp)
        for one in lists_of(history, conversation, "stream")
        if one.path == "direct"
        for event in one.events
        if event.t_ns < before_ns
        and event.id in log.position
        and event.role != "bookkeeping"
        and (stamp := _moment(event))
    ]
    if len({zoned for _, (zoned, _) in heard}) != 1:
        return None
    return max(heard, key=lambda one: one[1][1] / MICROSECOND - one[0] / 1000)


GUARANTEES = (
    Guarantee(
        id="events.ordered",
        level=Level.MUST,
        promise="The log's timestamps never go back, and the disk and the client's list have its events in its order.",
        hurts="every reader of the conversation: it shows things in the wrong order",
        judge=per_conversation(ordered),
        rests_on=frozenset({LOG, STREAM, DISK, CLIENT}),
    ),
)
