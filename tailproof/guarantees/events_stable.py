"""What was read once stays as it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from tailproof.guarantees.events_log import per_conversation, without_log
from tailproof.guarantees.verdict import Guarantee, Level, Pointer, Verdict, at, holds, inconclusive, violated
from tailproof.guarantees.witnesses import DISK, LOG, STREAM
from tailproof.history.reader import History
from tailproof.history.server_records import Event
from tailproof.history.views import EventList, Source, lists_of, log_of

LOOP = frozenset({"message", "action", "observation", "rejection", "error"})


def stable(history: History, conversation: str) -> Verdict:
    """An event that was read once never changes or disappears, even across restarts.

    Readings of the same kind are compared with each other: page with page, disk with disk, subscription with subscription.
    A page and a file may show different faces of one event; what a subscriber got and what the pages show are compared for the
    events of the loop (messages, actions and what closes them) where other events of that name look the same in both.
    *Changed*: the same id with another content. *Disappeared*: read once and missing from a whole reading of the same kind that
    was begun when the other had ended, though the final log has it; what the final log lacks is `events.complete`'s to convict.
    """
    kinds: tuple[Source, ...] = ("page", "disk", "stream")
    for source in kinds:
        first: dict[str, Event] = {}
        for one in lists_of(history, conversation, source):
            for event in one.events:
                known = first.setdefault(event.id, event)
                if known.digest != event.digest and event.durable and event.digest and known.digest:
                    return _changed(known, event, f"changed-in-{source}")
    restated = _changed_since_delivered(history, conversation)
    if restated:
        return _changed(*restated, "changed-since-delivered")
    log = log_of(history, conversation)
    compared, events = 0, 0
    for source in kinds[:2]:
        whole = [one for one in lists_of(history, conversation, source) if one.complete]
        early = [one for one in whole if log is None or source == "disk" or one.began_ns <= log.taken_ns]
        compared += len(whole)
        events += sum(len(one.ids) for one in whole[1:])
        for before, after in _in_turn(early):
            gone = set(before.ids) - set(after.ids)
            if log is not None:
                gone &= log.position.keys()
            if gone:
                return _disappeared(before, after, gone)
    if not compared:
        return without_log(history, conversation)
    if compared < 2:
        return inconclusive("events were read once only, so that nothing could be seen to change")
    return holds(
        f"no event changed or disappeared over {compared} readings",
        compared={"events read again": events},
        readings=compared,
    )


def _in_turn(readings: Sequence[EventList]) -> Iterator[tuple[EventList, EventList]]:
    """Each with all that had ended when it began: of two at once, nobody knows which was served first."""
    for before, after in combinations(readings, 2):
        if before.ended_ns is not None and before.ended_ns <= after.began_ns:
            yield before, after


def _changed(known: Event, event: Event, signature: str) -> Verdict:
    return violated(
        f"{event.name} {event.id} changed between {known.witness} {known.reading} and {event.witness} {event.reading}",
        signature=signature,
        expected=[f"{known.id} {known.digest}"],
        seen=[f"{event.id} {event.digest}"],
        evidence=[at(known, "as it was first read"), at(event, "as it was read later")],
    )


def _changed_since_delivered(history: History, conversation: str) -> tuple[Event, Event] | None:
    """An event of the loop that the pages show otherwise than the subscriber got it, though not all of its name differ."""
    pages = {event.id: event for one in lists_of(history, conversation, "page") for event in one.events}
    differ: list[tuple[Event, Event]] = []
    alike: set[str] = set()
    for one in lists_of(history, conversation, "stream"):
        for event in one.events:
            page = pages.get(event.id)
            if page is None or event.role not in LOOP or not event.digest or not page.digest:
                continue
            if event.text != page.text or event.call != page.call:
                return event, page
            if event.digest == page.digest:
                alike.add(event.name)
            else:
                differ.append((event, page))
    return next((pair for pair in differ if pair[0].name in alike), None)


def _disappeared(before: EventList, after: EventList, gone: set[str]) -> Verdict:
    evidence: Sequence[Pointer] = [
        at(event, f"{event.name} {event.id} was read here") for event in before.events if event.id in gone
    ]
    return violated(
        f"{len(gone)} events of {before.witness} {before.reading} are missing from {after.reading}",
        signature=f"disappeared-from-{before.source}",
        expected=[event.id for event in before.events if event.id in gone],
        evidence=evidence,
        gone=len(gone),
    )


GUARANTEES = (
    Guarantee(
        id="events.stable",
        level=Level.MUST,
        promise="An event that was read once never changes or disappears, even across restarts.",
        hurts="every reader of the conversation: what was read once is no longer true",
        judge=per_conversation(stable),
        rests_on=frozenset({LOG, STREAM, DISK}),
    ),
)
