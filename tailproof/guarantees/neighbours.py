"""Other conversations of the server: what was there when they were left still is when somebody comes back after a while, and what
happens elsewhere is not told to them.

They are no part of the trial, and nobody but their own user speaks in them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from tailproof.guarantees.verdict import Pointer, Verdict, at, holds, violated
from tailproof.history.plan import DAMAGE, DOWNGRADE, ON_OWN_DISK, plans
from tailproof.history.reader import History, derived
from tailproof.history.record import TERMINAL
from tailproof.history.server_records import Neighbour
from tailproof.history.traffic import left_alone, span_of
from tailproof.history.views import conversations, log_of, same

Pair = tuple[Neighbour, Neighbour]


@derived
def found_again(history: History) -> tuple[Pair, ...]:
    """Each as it was left, and as somebody found it while nothing was done to the server. None in a trial in which the disk suffers,
    or another release has it for a while."""
    if plans(history.header, DAMAGE, DOWNGRADE, *ON_OWN_DISK):
        return ()
    left: dict[str, Neighbour] = {}
    pairs: list[Pair] = []
    for one in history.neighbours:
        if one.when == "left":
            left[one.conversation] = one
        elif one.when == "found" and one.conversation in left and left_alone(history, *span_of(one)):
            pairs.append((left[one.conversation], one))
    return tuple(pairs)


def kept_events(history: History) -> Iterator[Verdict]:
    """What each had in its log is there when somebody comes back."""
    for left, found in found_again(history):
        if not left.complete or not found.complete:
            continue
        lost = [identity for identity in left.events if identity not in set(found.events)]
        if lost:
            yield violated(
                f"{len(lost)} of {len(left.events)} events of another conversation are not in its log any more",
                signature="lost-beside",
                expected=lost,
                seen=found.events,
                evidence=_both(left, found),
                lost=len(lost),
            )
        else:
            yield holds(
                f"all {len(left.events)} events of another conversation were found again",
                compared={"events": len(left.events)},
            )


@derived
def logs_of_all(history: History) -> Mapping[str, frozenset[str]]:
    """The ids in the log of each conversation that was read, those of the trial and those of others, but for the ids that several logs
    hold: these do not tell of which conversation they are. None at all when they are more than half of any log: servers may
    number their events."""
    found: dict[str, set[str]] = {}
    for conversation in conversations(history):
        log = log_of(history, conversation)
        if log is not None:
            found[conversation] = {event.id for event in log.events if event.durable and event.id}
    for one in history.neighbours:
        if one.when != "heard" and one.complete:
            found.setdefault(same(one.conversation), set()).update(one.events)
    times = Counter(identity for ids in found.values() for identity in ids)
    if any(sum(times[identity] > 1 for identity in ids) * 2 > len(ids) for ids in found.values()):
        return {}
    return {
        conversation: frozenset(identity for identity in ids if times[identity] == 1)
        for conversation, ids in found.items()
    }


def strangers(history: History, conversation: str, ids: Iterable[str]) -> list[str]:
    """Those that are in the log of another conversation; nothing can be said of one whose own log nobody has read."""
    logs = logs_of_all(history)
    if same(conversation) not in logs:
        return []
    elsewhere = frozenset[str]().union(*(log for other, log in logs.items() if other != same(conversation)))
    return [identity for identity in ids if identity in elsewhere]


def told_their_own(history: History) -> Iterator[Verdict]:
    """What was told to whoever listens to each is not in the log of another one."""
    for one in history.neighbours:
        if one.when != "heard" or same(one.conversation) not in logs_of_all(history):
            continue
        strange = strangers(history, one.conversation, one.events)
        if strange:
            yield violated(
                f"{len(strange)} of the {len(one.events)} events that a subscriber of a conversation got are in the log of another one",
                signature="told-beside",
                seen=strange,
                evidence=[at(one, f"{len(one.events)} events came to a subscriber of another conversation")],
                strange=len(strange),
            )
        elif one.events:
            yield holds(
                f"none of the {len(one.events)} events that a subscriber of a conversation got is of another one",
                compared={"events": len(one.events)},
            )


def kept_statuses(history: History) -> Iterator[Verdict]:
    """The end to which each had come is shown when somebody comes back."""
    for left, found in found_again(history):
        if left.neutral not in TERMINAL or not found.raw:
            continue
        if found.neutral != left.neutral:
            yield violated(
                f"the terminal status {left.raw} of another conversation became {found.raw} without a new message or run",
                signature=f"{left.neutral}-became-{found.neutral}-beside",
                expected=[left.raw],
                seen=[found.raw],
                evidence=_both(left, found),
            )
        else:
            yield holds(
                "the terminal status of another conversation was found again",
                compared={"terminal statuses": 1, "looks at one": 1},
            )


def _both(left: Neighbour, found: Neighbour) -> list[Pointer]:
    return [
        at(left, f"left as {left.raw} with {len(left.events)} events"),
        at(found, f"found as {found.raw} with {len(found.events)} events"),
    ]
