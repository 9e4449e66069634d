"""The server's log: nothing acknowledged is lost from it, nothing is in it twice, nothing in it changes."""

from __future__ import annotations

from collections.abc import Callable

from tailproof.guarantees.neighbours import kept_events, told_their_own
from tailproof.guarantees.verdict import (
    Guarantee,
    Level,
    Verdict,
    all_of,
    at,
    excused,
    holds,
    inconclusive,
    violated,
)
from tailproof.guarantees.witnesses import DISK, LOG, MODEL, STREAM, TOOL, WIRE
from tailproof.history.reader import History
from tailproof.history.record import CLIENT, CLOSERS
from tailproof.history.records import ModelCall
from tailproof.history.server_records import Event, Request
from tailproof.history.timeline import accepted, deletions
from tailproof.history.views import (
    EventList,
    Log,
    belongs,
    conversations,
    destroyed_events,
    lists_of,
    log_of,
    no_log,
)

NO_EVENTS = "no event was seen in this trial"


def per_conversation(judge: Callable[[History, str], Verdict]) -> Callable[[History], Verdict]:
    """Judge each conversation for itself: the worst answer is that of the trial."""

    def judge_all(history: History) -> Verdict:
        return all_of((judge(history, conversation) for conversation in conversations(history)), nothing=NO_EVENTS)

    return judge_all


def without_log(history: History, conversation: str) -> Verdict:
    """The answer where there is no final log to judge by."""
    gone = deletions(history, conversation)
    if gone:
        return excused(
            "the conversation was deleted, its log with it", evidence=[at(gone[0], f"deleted with {gone[0].code}")]
        )
    return inconclusive(no_log(history, conversation))


def complete(history: History, conversation: str) -> Verdict:
    """Every event that any witness saw acknowledged or persisted is in the server's final log.

    *Seen* is a durable event on any subscription, page, disk (of any life of the server), callback or client list, before the
    final reading began; a user message that the server accepted (2xx), to its end; and a tool call whose result the loop told
    the model: it and its end are in the log. What the log shows at last is on the disk when the server has ended (`not-persisted`):
    without that the next start takes it back. Not due is what a fault destroyed on the disk. What only the last reading of the disk
    holds, behind all that the log holds, came after the reading and is counted apart. Snapshots and deltas are not durable.
    What a subscriber to a conversation of another user gets is not in the log of another conversation instead (`told-beside`).
    """
    log = log_of(history, conversation)
    if log is None:
        return without_log(history, conversation)
    lost: dict[str, Event] = {}
    later, persisted = 0, False
    others = [one for one in lists_of(history, conversation) if one is not log.read_as]
    for one in others:
        if set(one.ids) - log.position.keys():
            missing, after = _missing(one, log)
            later += after
            persisted = persisted or (bool(missing) and one.source in ("page", "disk"))
            for event in missing:
                lost.setdefault(event.id, event)
    messages = sent_messages(history, conversation)
    unsaid = [send for send, place in messages if place is None]
    if lost:
        return violated(
            f"{len(lost)} events that were seen are not in the final log of {len(log.events)} events",
            signature="lost-after-persisting" if persisted else "lost-after-publishing",
            expected=lost,
            evidence=[at(event, f"{event.name} {event.id} was seen here") for event in lost.values()],
            lost=len(lost),
            in_log=len(log.events),
        )
    if unsaid:
        return violated(
            f"{len(unsaid)} user messages were accepted but are not in the final log",
            signature="lost-message",
            expected=[send.text for send in unsaid],
            evidence=[at(send, f"accepted with {send.code}: {send.text[:60]!r}") for send in unsaid],
            lost=len(unsaid),
        )
    pairs = [(send, log.events[place]) for send, place in messages if place is not None]
    cut = [(send, event) for send, event in pairs if _cut_short(send, event)]
    if cut:
        return _shortened(cut)
    told = _told_to_the_model(history, conversation, log)
    unlogged = _unlogged(told, log)
    if unlogged:
        calls = list(unlogged)
        return violated(
            f"the model was told how {len(calls)} of {len(told)} tool calls ended, but the log does not have "
            f"{'them with their results' if len(calls) > 1 else 'it with its result'}",
            signature="unlogged-call",
            expected=calls,
            evidence=[at(call, f"the model is told the result of {identity}") for identity, call in unlogged.items()],
            lost=len(calls),
            in_log=len(log.events),
        )
    unkept = _not_on_disk(history, conversation, log)
    if unkept:
        return violated(
            f"{len(unkept)} of {len(log.events)} events of the final log were not on the disk when the server had ended",
            signature="not-persisted",
            expected=[event.id for event in unkept],
            evidence=[at(event, f"{event.name} {event.id} was shown here") for event in unkept],
            lost=len(unkept),
            in_log=len(log.events),
        )
    other = next((event for send, event in pairs if _is_another(send, event)), None)
    if other is not None:
        return inconclusive(
            f"the message {other.id} in the log begins like one that was sent, is no longer, and has another text"
        )
    seen = {event.id for one in others for event in one.events if event.durable and event.id in log.position}
    return holds(
        f"all {len(seen)} events that were seen are among the {len(log.events)} of the final log",
        compared={"events": len(seen), "messages": len(messages), "tool calls": len(told)},
        in_log=len(log.events),
        lists=len(others),
        later=later,
    )


def _shortened(cut: list[tuple[Request, Event]]) -> Verdict:
    lengths = [(send.extent.chars, event.extent.chars) for send, event in cut if send.extent and event.extent]
    sent, kept = lengths[0]
    return violated(
        f"{len(cut)} user messages were accepted and are in the final log without their ends: {kept} of {sent} characters",
        signature="cut-message",
        expected=[
            f"{send.text[:60]!r} and so on, {sent} characters"
            for (send, _), (sent, _) in zip(cut, lengths, strict=True)
        ],
        seen=[
            f"{event.text[:60]!r} and so on, {kept} characters"
            for (_, event), (_, kept) in zip(cut, lengths, strict=True)
        ],
        evidence=[
            pointer
            for send, event in cut
            for pointer in (at(send, f"accepted with {send.code}"), at(event, f"{event.name} {event.id} in the log"))
        ],
        sent=sent,
        kept=kept,
    )


def complete_everywhere(history: History) -> Verdict:
    """The conversations of the trial, and those of others to which somebody came back or listened."""
    own = (complete(history, conversation) for conversation in conversations(history))
    return all_of((*own, *kept_events(history), *told_their_own(history)), nothing=NO_EVENTS)


def _not_on_disk(history: History, conversation: str, log: Log) -> list[Event]:
    """What the final pages hold and the final reading of the disk does not."""
    last = next((one for one in reversed(lists_of(history, conversation, "disk")) if one.final and one.complete), None)
    if last is None or log.read_as.source != "page":
        return []
    kept = set(last.ids)
    return [event for event in log.events if event.durable and event.id not in kept]


def _told_to_the_model(history: History, conversation: str, log: Log) -> dict[str, ModelCall]:
    """Tool call -> the first request that tells the model its result, before the final reading began."""
    told: dict[str, ModelCall] = {}
    damaged = {event.call for event in destroyed_events(history)}
    for call in history.model_calls:
        if call.stage == "asked" and call.t_ns < log.taken_ns and belongs(history, conversation, call.conversation):
            for identity in call.results.keys() - damaged:
                told.setdefault(identity, call)
    return told


def _unlogged(told: dict[str, ModelCall], log: Log) -> dict[str, ModelCall]:
    actions = {event.call for event in log.events if event.role == "action"}
    ends = {event.call for event in log.events if event.role in CLOSERS}
    return {identity: call for identity, call in told.items() if identity not in actions or identity not in ends}


def _missing(one: EventList, log: Log) -> tuple[list[Event], int]:
    """The events of a list that the final reading had to find and did not, and how many others it lacks: it had to find what
    was seen before it began, and on the disk also what stands before an event that it did find."""
    edge = max((index for index, identity in enumerate(one.ids) if identity in log.position), default=-1)
    missing, later = [], 0
    for index, event in enumerate(one.events):
        if event.id in log.position or not event.durable or not event.id:
            continue
        seen_ns = one.began_ns if one.source == "disk" else event.t_ns
        if seen_ns < log.taken_ns or (one.source == "disk" and index < edge):
            missing.append(event)
        else:
            later += 1
    return missing, later


def sent_messages(history: History, conversation: str) -> list[tuple[Request, int | None]]:
    """Each user message that the server accepted, and its place in the final log (None: not there), without those that a fault
    destroyed on the disk."""
    sends = [
        request
        for request in history.requests
        if request.verb == "send"
        and accepted(request)
        and request.text
        and belongs(history, conversation, request.conversation)
    ]
    log = log_of(history, conversation)
    if log is None or not sends:
        return []
    for event in destroyed_events(history):
        gone = next(
            (send for send in sends if event.role == "message" and send.text.strip() == event.text.strip()), None
        )
        if gone:
            sends.remove(gone)
    free = {place: event for place, event in enumerate(log.events) if event.role == "message"}
    placed: dict[int, int] = {}
    for fits in (_is_the_same, _begins_the_same, _holds):
        for number, send in enumerate(sends):
            if number not in placed:
                found = next((place for place, event in free.items() if fits(send, event)), None)
                if found is not None:
                    placed[number] = found
                    del free[found]
    return [(send, placed.get(number)) for number, send in enumerate(sends)]


def _is_the_same(send: Request, event: Event) -> bool:
    return _begins_the_same(send, event) and send.extent == event.extent


def _begins_the_same(send: Request, event: Event) -> bool:
    return send.text.strip() == event.text.strip()


def _holds(send: Request, event: Event) -> bool:
    return send.text.strip() in event.text


def _cut_short(send: Request, event: Event) -> bool:
    """The message in the log begins like the one that was sent, is shorter and has another end. One that is longer has got more, and
    nobody says what; of an older record nothing is known."""
    sent, kept = send.extent, event.extent
    return sent is not None and kept is not None and kept.chars < sent.chars and kept.end != sent.end


def _is_another(send: Request, event: Event) -> bool:
    sent, kept = send.extent, event.extent
    return sent is not None and kept is not None and kept.chars <= sent.chars and kept.digest != sent.digest


def unique(history: History, conversation: str) -> Verdict:
    """No id appears twice in a log or in a client's list.

    Judged on the final reading of the log, every reading of the disk, every list that a client holds, and every subscription
    past the wire (none of ours asks for a replay, so the server has no reason to say a thing twice).
    """
    judged = [
        one
        for one in lists_of(history, conversation, "page", "disk", "held", "stream")
        if one.source in ("disk", "held") or (one.source == "page" and one.final) or one.path == "direct"
    ]
    for one in judged:
        if len(set(one.ids)) == len(one.ids):
            continue
        again, known = [], set()
        for event in one.events:
            if event.id in known and event.durable and event.id:
                again.append(event)
            known.add(event.id)
        if again:
            return violated(
                f"{len(again)} events appear twice in {one.witness} {one.reading}",
                signature=f"twice-in-{place_of(one)}",
                seen=[event.id for event in again],
                evidence=[at(event, f"{event.name} {event.id} once more") for event in again],
                doubled=len(again),
                length=len(one.ids),
            )
    return holds(
        f"no id appears twice in any of {len(judged)} lists",
        compared={"events": sum(len(one.ids) for one in judged)},
        lists=len(judged),
    )


def place_of(one: EventList) -> str:
    """Where a list was seen, in a word of a signature."""
    return {"page": "log", "disk": "disk", "held": "client", "stream": "stream"}[one.source]


GUARANTEES = (
    Guarantee(
        id="events.complete",
        level=Level.MUST,
        promise="Every event that any witness saw acknowledged or persisted is in the server's final log.",
        hurts="every reader of the conversation: what happened is not on record",
        judge=complete_everywhere,
        rests_on=frozenset({LOG, STREAM, DISK, MODEL, TOOL, WIRE, CLIENT}),
    ),
    Guarantee(
        id="events.unique",
        level=Level.MUST,
        promise="No id appears twice in a log or in a client's list.",
        hurts="every reader of the conversation: it shows things twice",
        judge=per_conversation(unique),
        rests_on=frozenset({LOG, STREAM, DISK, CLIENT}),
    ),
)
