"""Parts of the log, as its filters give them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from tailproof.guarantees.events_log import per_conversation, without_log
from tailproof.guarantees.verdict import Guarantee, Level, Verdict, at, excused, holds, inconclusive, violated
from tailproof.guarantees.witnesses import DISK, LOG, STREAM
from tailproof.history.header import Header
from tailproof.history.reader import History
from tailproof.history.server_records import Event, moment
from tailproof.history.timeline import at_work
from tailproof.history.views import EventList, Log, lists_of, log_of

MOST_EVENTS = 300
"""Longer logs are not read in parts: a filter may look at each event, and that takes its time."""
NOT_FOUND = 404
TRANSIENT = frozenset({NOT_FOUND, 408, 429, 503})
"""Answers that say nothing of what was asked for."""


def filtered(history: History, conversation: str) -> Verdict:
    """A filter gives exactly the part of the log that it says, each event once, in the order asked for, and the count with the same
    filter is that of the part.

    Judged on the readings of a part that follow the final one of the whole log, whose events say what belongs to a part: names and
    sources are equal, a part since a time includes what was stamped then, and one before a time does not, and whoever
    asks for an event by its id is given that one. What a message says is kept to its first 200 characters, so that a message which
    does not seem to hold a text may be given; one that does hold it must be. Events that came into the log behind its final reading
    may follow at the newest end, and may be counted.
    """
    log = log_of(history, conversation)
    if log is None:
        return without_log(history, conversation)
    if log.read_as.source != "page":
        return inconclusive("the final log could be read from the disk only, not in parts")
    parts = [
        one
        for one in lists_of(history, conversation, "part")
        if one.began_ns >= log.taken_ns and one.end and _part(one)
    ]
    if not parts and len(log.events) > MOST_EVENTS and log.read_as.end:
        said = f"{len(log.events)} events: logs of up to {MOST_EVENTS} are read in parts"
        return excused(f"the log has {said}", evidence=[at(log.read_as.end, said)])
    judged, broken = 0, list[EventList]()
    for one in parts:
        assert one.end is not None
        if one.complete and _timed(log, _part(one)):
            verdict = _against(history, log, one)
            judged += 1
        elif one.end.code >= 400 and (one.end.code not in TRANSIENT or _is_unknown(one, parts)):
            verdict = violated(
                f"the log is given, and its part with {_said(_part(one))} is not: {one.end.code}",
                signature="refused",
                evidence=[at(one.end, one.end.error)],
            )
        else:
            verdict = None
            broken += [one] if one.end.code and not one.complete else []
        if verdict is not None:
            return verdict
    if not judged:
        return inconclusive("no part of the log was read to its end")
    if broken:
        return inconclusive(broken[0].why_incomplete)
    return holds(
        f"{judged} parts of the log of {len(log.events)} events are what their filters say",
        compared={"parts": judged, "events": sum(len(one.ids) for one in parts)},
        in_log=len(log.events),
    )


def _is_unknown(one: EventList, parts: Sequence[EventList]) -> bool:
    """The server does not find the event with an id, though parts of the log are given behind it."""
    unknown = one.end is not None and one.end.code == NOT_FOUND and "id" in _part(one)
    return unknown and any(other.complete and other.began_ns > one.began_ns for other in parts)


def _part(one: EventList) -> Mapping[str, str]:
    return one.end.part if one.end else {}


def _said(part: Mapping[str, str]) -> str:
    return ", ".join(f"{word} {value!r}" for word, value in part.items())


def _timed(log: Log, part: Mapping[str, str]) -> bool:
    """Nothing stands in the way of comparing the times that the part asks for."""
    asked = [part[word] for word in ("since", "before") if word in part]
    stamps = [moment(stamp) for stamp in (*asked, *((event.ts for event in log.events) if asked else ()))]
    return all(stamps) and len({stamp.tzinfo is None for stamp in stamps if stamp}) <= 1


def _meets(event: Event, part: Mapping[str, str]) -> bool:
    stamp = moment(event.ts) or datetime.min
    return (
        part.get("name", event.name) == event.name
        and part.get("source", event.source) == event.source
        and part.get("id", event.id) == event.id
        and ("text" not in part or (event.role == "message" and part["text"].lower() in event.text.lower()))
        and ("since" not in part or stamp >= datetime.fromisoformat(part["since"]))
        and ("before" not in part or stamp < datetime.fromisoformat(part["before"]))
    )


def _may_meet(event: Event, part: Mapping[str, str]) -> bool:
    """It does, but for what is not kept of a message."""
    rest = {word: value for word, value in part.items() if word != "text"}
    return _meets(event, rest) and ("text" not in part or event.role == "message")


def _against(history: History, log: Log, one: EventList) -> Verdict | None:
    """None when the reading is the part of the log that was asked for."""
    assert one.end is not None
    part = _part(one)
    given = one.events if one.ascending else one.events[::-1]
    wanted = [event.id for event in log.read_as.events if _meets(event, part)]
    lacking = list((Counter(wanted) - Counter(one.ids)).elements())
    others = [event.id for event in given if not _may_meet(event, part)]
    extra = Counter(one.ids) - Counter(log.read_as.ids)
    doubled = [identity for identity, times in extra.items() if identity in log.position or times > 1]
    newest = len(log.position)
    places = [(log.position.get(event.id, newest), event.id) for event in given]
    backward = [identity for (before, _), (place, identity) in pairwise(places) if place < before]
    for wrong, what, signature in (
        (lacking, f"lacks {len(lacking)} events that are it", "lacks-its-own"),
        (others, f"holds {len(others)} events that are not", "holds-others"),
        (doubled, f"holds {len(doubled)} events twice", "doubled"),
        (backward, "has another order than the log", "other-order"),
    ):
        if wrong:
            direction = "oldest first" if one.ascending else "newest first"
            return violated(
                f"read {direction}, the part of the log with {_said(part)} {what}",
                signature=signature,
                expected=lacking or wanted,
                seen=one.ids if wrong is lacking else wrong,
                evidence=[at(one.end, f"{_said(part)}, page size {one.end.page_size}, {direction}")],
                read=len(one.ids),
                of_it=len(wanted),
            )
    return _counted(history, log, one)


def _counted(history: History, log: Log, one: EventList) -> Verdict | None:
    assert one.end is not None
    part, count = _part(one), one.end.count
    later = {
        event.id
        for other in lists_of(history, one.conversation)
        for event in other.events
        if event.durable and event.id not in log.position and _may_meet(event, part)
    }
    growing = at_work(history, one.conversation, log.taken_ns) is not None
    if count < 0 or len(one.ids) <= count <= len(one.ids) + len(later) or (growing and count > len(one.ids)):
        return None
    return violated(
        f"the server counts {count} events with {_said(part)}; its pages hold {len(one.ids)}",
        signature="count-differs",
        expected=[str(len(one.ids))],
        seen=[str(count)],
        evidence=[at(one.end, f"{_said(part)}, count {count}")],
        count=count,
        read=len(one.ids),
    )


def _filters(header: Header) -> str:
    return "" if header.facts.get("filters") else "no log of this protocol is read in parts"


GUARANTEES = (
    Guarantee(
        id="events.filtered",
        level=Level.MUST,
        promise="A filter gives exactly the part of the log that it says, in the order asked for, and its count is that of the part.",
        hurts="readers who ask for a part of a conversation: something of it is missing, or is not what they asked for",
        judge=per_conversation(filtered),
        applies=_filters,
        rests_on=frozenset({DISK, LOG, STREAM}),
    ),
)
