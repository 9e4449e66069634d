"""The log through its pages, and its actions with what closes them."""

from __future__ import annotations

from collections.abc import Mapping

from tailproof.guarantees.events_filtered import TRANSIENT
from tailproof.guarantees.events_log import per_conversation, without_log
from tailproof.guarantees.verdict import MOST, Guarantee, Level, Verdict, at, excused, holds, inconclusive, violated
from tailproof.guarantees.witnesses import LOG, MODEL, STATUS, STREAM, doubled_by_the_model
from tailproof.history.header import Header
from tailproof.history.plan import calls_tools
from tailproof.history.reader import History
from tailproof.history.record import CLOSERS, SETTLED
from tailproof.history.server_records import Event
from tailproof.history.timeline import SECOND, at_work, clean_statuses, seconds
from tailproof.history.traffic import left_alone
from tailproof.history.views import EventList, Log, destroyed_events, lists_of, log_of

SLACK_NS = SECOND
"""A server may publish an event a moment before it is in its log."""


def paged(history: History, conversation: str) -> Verdict:
    """At any page size, pages concatenate to exactly the log; count, ascending and descending agree; the cursor's
    inclusiveness is the same everywhere. Pages that are read earlier hold what was published before they were asked for.

    The readings that follow the final one in time are compared with it: each holds the events of the log, each as often as the log
    does, in its order (or exactly reversed). Events that were appended after the final reading may follow at the newest end. Each
    size and direction is given, not refused (4xx); a reading that breaks off otherwise (a cursor that comes a second time) leaves
    the question open. The server's counter lies between the length of its own reading and that of the longest; it may be beyond
    that where the run had not ended when the log was read. A reading that was cut short holds no more events than the server
    counted behind it: logs only grow. One that was read whole holds every event of the log that had been published a second before it was
    asked for, if nothing was done to the server since: who subscribes first and then reads the pages misses nothing. Pages
    of no event, or of more than the server gives at once, are refused (4xx); a server that gives the log all the same does no harm.
    """
    for one in lists_of(history, conversation, "page"):
        if one.reader == "rest" and not one.complete and one.end and 0 <= one.end.count < len(one.ids):
            return violated(
                f"the server counts {one.end.count} events; its pages held {len(one.ids)} and had not ended",
                signature="pages-do-not-end",
                expected=[f"{one.end.count} events"],
                seen=[f"{len(one.ids)} events on {one.end.pages} pages"],
                evidence=[at(one.end, f"page size {one.end.page_size}, count {one.end.count}")],
                count=one.end.count,
                read=len(one.ids),
            )
    log = log_of(history, conversation)
    if log is None:
        return without_log(history, conversation)
    if log.read_as.source != "page":
        return inconclusive("the final log could be read from the disk only, not in pages")
    earlier = [
        one
        for one in lists_of(history, conversation, "page")
        if one.reader == "rest" and one.complete and one.began_ns < log.taken_ns
    ]
    shown = 0
    for one in earlier:
        due = _published(history, conversation, log, one)
        shown += len(due)
        verdict = _stale(one, due)
        if verdict:
            return verdict
    most = int(history.header.facts.get("page_size", 0))
    readings, outside, broken = list[EventList](), list[EventList](), list[EventList]()
    for one in lists_of(history, conversation, "page"):
        if one.witness == log.read_as.witness and (one is log.read_as or one.began_ns >= log.taken_ns):
            if _is_outside(one, most):
                outside.append(one)
            elif one.complete:
                readings.append(one)
            elif one.end and 400 <= one.end.code < 500 and one.end.code not in TRANSIENT:
                return violated(
                    f"the log is given, and its pages of {one.end.page_size} are not: {one.end.code}",
                    signature="refused",
                    evidence=[at(one.end, one.end.error)],
                )
            elif one.end and one.end.code:
                broken.append(one)
    if len(readings) < 2:
        return inconclusive("the log was read with one page size only")
    if not any(one.end and 0 < one.end.page_size < len(one.ids) for one in readings):
        return inconclusive(f"every reading of {len(log.events)} events fitted into one page")
    for one in readings:
        verdict = _against(log.read_as, one)
        if verdict:
            return verdict
    for one in outside:
        verdict = _refused(log.read_as, one)
        if verdict:
            return verdict
    growing = at_work(history, conversation, log.taken_ns) is not None
    longest = max(len(one.ids) for one in readings)
    for one in readings:
        if (
            one.end
            and one.end.count >= 0
            and (one.end.count < len(one.ids) or (longest < one.end.count and not growing))
        ):
            return violated(
                f"the server counts {one.end.count} events; its pages hold {len(one.ids)}",
                signature="count-differs",
                expected=[str(len(one.ids))],
                seen=[str(one.end.count)],
                evidence=[at(one.end, f"page size {one.end.page_size}, count {one.end.count}")],
                count=one.end.count,
                read=len(one.ids),
            )
    if broken:
        return inconclusive(broken[0].why_incomplete)
    sizes = sorted({one.end.page_size for one in readings if one.end})
    refused = ", ".join(str(one.end.page_size) for one in outside if one.end)
    return holds(
        f"{len(readings)} readings with page sizes {', '.join(map(str, sizes))} show one log of {len(log.events)} events"
        + (f"; {refused} do no harm" if refused else ""),
        compared={
            "readings": len(readings),
            "events": sum(len(one.ids) for one in readings),
            "events of earlier readings": shown,
        },
        in_log=len(log.events),
    )


def _published(history: History, conversation: str, log: Log, one: EventList) -> Mapping[str, Event]:
    """The events of the log that were seen on a healthy subscription or on pages so early that the reading owes them, each as it was seen
    first. What was seen while something was done to the server may be stored when that is over."""
    first: dict[str, Event] = {}
    for other in lists_of(history, conversation, "stream", "page"):
        for event in other.events if other.path != "wire" else ():
            if event.t_ns <= one.began_ns - SLACK_NS and event.id in log.position and event.durable:
                first[event.id] = min(event, first.get(event.id, event), key=lambda seen: seen.t_ns)
    ended_ns = one.ended_ns or one.began_ns
    return {identity: event for identity, event in first.items() if left_alone(history, event.t_ns, ended_ns)}


def _stale(one: EventList, due: Mapping[str, Event]) -> Verdict | None:
    """None when the reading holds what is due."""
    lacking = [due[identity] for identity in due.keys() - set(one.ids)]
    if not lacking:
        return None
    oldest = min(lacking, key=lambda event: event.t_ns)
    return violated(
        f"pages lacked {len(lacking)} of {len(due)} events that had been published before they were asked for",
        signature="stale-pages",
        expected=[event.id for event in lacking],
        seen=one.ids,
        evidence=[
            *(at(record, f"{one.witness} {one.reading}") for record in (one.begin,) if record),
            *(at(event, f"{event.name} {event.id} came on {event.reading}") for event in lacking[:MOST]),
        ],
        timed=True,
        limit_s=SLACK_NS / SECOND,
        took_s=seconds(one.began_ns - oldest.t_ns),
        lacking=len(lacking),
        read=len(one.ids),
    )


def _is_outside(one: EventList, most: int) -> bool:
    """It was asked for with a page size that the server does not offer, and something was said to that."""
    return one.end is not None and most > 0 and one.end.code > 0 and not 0 < one.end.page_size <= most


def _refused(log: EventList, one: EventList) -> Verdict | None:
    """None when pages of this size were refused, or show the log."""
    assert one.end is not None
    end = one.end
    if 400 <= end.code < 500 or (one.complete and _against(log, one) is None):
        return None
    return violated(
        f"pages of {end.page_size} events are neither refused nor the log: {end.code}, {len(one.ids)} of {len(log.ids)} events",
        signature="outside-the-limits",
        expected=["4xx"],
        seen=[str(end.code)],
        evidence=[at(end, f"page size {end.page_size}: {end.error or f'{len(one.ids)} events on {end.pages} pages'}")],
        page_size=end.page_size,
        read=len(one.ids),
        in_log=len(log.ids),
    )


def _against(log: EventList, one: EventList) -> Verdict | None:
    """None when the reading shows the log."""
    ids = one.ids if one.ascending else one.ids[::-1]
    if ids[: len(log.ids)] == log.ids and not set(ids[len(log.ids) :]) & set(log.ids):
        return None
    size = one.end.page_size if one.end else 0
    lacking = [identity for identity in log.ids if identity not in set(ids)]
    extra = len(ids) - len(set(ids))
    if lacking:
        what, signature = f"lacks {len(lacking)} events", "lost-between-pages"
    elif extra > len(log.ids) - len(set(log.ids)):
        what, signature = f"holds {extra} events twice", "doubled-between-pages"
    else:
        what, signature = "has another order", "other-order-in-pages"
    direction = "oldest first" if one.ascending else "newest first"
    evidence = [at(record, f"page size {size}, {direction}") for record in (log.end, one.end) if record]
    return violated(
        f"read {direction} with page size {size}, the log {what}",
        signature=signature,
        expected=lacking or log.ids,
        seen=ids,
        evidence=evidence,
        page_size=size,
        read=len(ids),
        in_log=len(log.ids),
    )


def paired(history: History, conversation: str) -> Verdict:
    """Every action ends with exactly one observation, rejection or error event.

    Judged on the final log, by call id, once the conversation has come to rest; as long as it runs when the log is read, or waits for a
    confirmation, an action may be open, but none may be closed twice. One whose end a fault destroyed on the disk may stay open. A call
    id that the model itself gave to several calls of one reply has as many ends.
    """
    log = log_of(history, conversation)
    if log is None:
        return without_log(history, conversation)
    actions = {event.call: event for event in log.events if event.role == "action" and event.call}
    closers: dict[str, list[Event]] = {call: [] for call in actions}
    for event in log.events:
        if event.role in CLOSERS and event.call in closers:
            closers[event.call].append(event)
    given = doubled_by_the_model(history)
    twice = {call: events for call, events in closers.items() if len(events) > given.get(call, 1)}
    if twice:
        doubled = [event for events in twice.values() for event in events]
        return violated(
            f"{len(twice)} of {len(actions)} actions were closed more than once",
            signature="closed-twice",
            expected=twice,
            seen=[event.id for event in doubled],
            evidence=[at(event, f"{event.name} closes {event.call}") for event in doubled],
            actions=len(actions),
            twice=len(twice),
        )
    ends_destroyed = {event.call for event in destroyed_events(history) if event.role in CLOSERS}
    unclosed = [action for call, action in actions.items() if not closers[call] and call not in ends_destroyed]
    if not unclosed:
        return holds(f"each of {len(actions)} actions has exactly one end", compared={"actions": len(actions)})
    statuses = clean_statuses(history, conversation)
    if statuses and statuses[-1].neutral == "waiting":
        return excused(
            f"{len(unclosed)} of {len(actions)} actions wait for a confirmation",
            evidence=[at(statuses[-1], f"{statuses[-1].raw} via {statuses[-1].via}")],
        )
    if not statuses or statuses[-1].neutral not in SETTLED:
        return inconclusive(
            f"{len(unclosed)} of {len(actions)} actions are open, and no witness saw the run end or wait "
            f"(last status: {statuses[-1].raw if statuses else 'none'})",
            actions=len(actions),
            open=len(unclosed),
        )
    if (running := at_work(history, conversation, log.taken_ns)) is not None:
        return inconclusive(
            f"{len(unclosed)} of {len(actions)} actions are open in a log that was read before the run was seen to end "
            f"({running.raw} then)",
            actions=len(actions),
            open=len(unclosed),
        )
    return violated(
        f"{len(unclosed)} of {len(actions)} actions never ended, though the conversation rests ({statuses[-1].raw})",
        signature="unclosed",
        expected=[action.call for action in unclosed],
        evidence=[
            *(at(action, f"{action.name} {action.call}") for action in unclosed),
            at(statuses[-1], statuses[-1].raw),
        ],
        actions=len(actions),
        open=len(unclosed),
    )


def _has_actions(header: Header) -> str:
    return "" if calls_tools(header) else "no turn of the script calls a tool"


GUARANTEES = (
    Guarantee(
        id="events.paged",
        level=Level.MUST,
        promise="At any page size, pages concatenate to exactly the log; count and directions agree; none lacks what was published before.",
        hurts="readers of long conversations: pages skip or repeat events",
        judge=per_conversation(paged),
        rests_on=frozenset({LOG, STREAM}),
        rests_on_time=True,
    ),
    Guarantee(
        id="events.paired",
        level=Level.MUST,
        promise="Every action ends with exactly one observation, rejection or error event.",
        hurts="readers and the model: a tool call has no end, or two",
        judge=per_conversation(paired),
        applies=_has_actions,
        rests_on=frozenset({LOG, MODEL, STATUS, STREAM}),
    ),
)
