"""Whether whoever subscribes is told the status of that moment first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from tailproof.guarantees.status_legal import transitions
from tailproof.guarantees.verdict import Verdict, at, violated
from tailproof.history.reader import History, derived
from tailproof.history.record import Neutral
from tailproof.history.server_records import Event, Status, Stream
from tailproof.history.timeline import SECOND, changers, clean_statuses, seconds
from tailproof.history.views import belongs, first_seen, lists_of, neutral_of

FRESH_NS = SECOND
"""A status may be told a moment before whoever subscribes is greeted with it: a greeting so soon after a change is not judged."""
LATE_NS = SECOND
"""How much later than a greeting the stream may still tell of what was true when it came."""
HEALTHY = ("direct", "resumed")
Row = Sequence[Status | Stream]
"""One status, as often as it was seen without another between; or the end of a subscription that tells them."""


def greetings(history: History, conversation: str) -> tuple[Verdict | None, int]:
    """The first greeting that is not true, and how many were compared.

    A greeting is the first snapshot on a subscription past the wire that nobody had seen before it was opened: what is repeated tells of
    then. It may show whatever was shown from its opening to its coming, the status of before included: it waits for the step under way,
    and what it shows may be older than its coming, but never than its opening. Two readers are never quite at the same moment, so it is
    held only against a status that lasted, or that became another one by a single step, as the stream told it and a read behind the
    greeting confirmed; and only where nobody did what changes a status.
    """
    words = neutral_of(history)
    compared = 0
    for opened, greeting in _greeted(history, conversation):
        told = words.get(greeting.status, "unknown")
        around = _around(history, conversation, opened, greeting.t_ns)
        if told == "unknown" or not around:
            continue
        true = [status.neutral for status in around]
        if told not in true and len(set(true)) > 1 and not _impossible(history, true[0], told):
            continue
        compared += 1
        if told not in true:
            return _untrue(opened, greeting, told, around), compared
    return None, compared


def _greeted(history: History, conversation: str) -> Iterator[tuple[Stream, Event]]:
    openings = {(one.witness, one.reading): one for one in history.streams if one.stage == "opened" and not one.run}
    seen = first_seen(history, conversation)
    for one in lists_of(history, conversation, "stream"):
        opened = openings.get((one.witness, one.reading))
        if opened is None or opened.path not in HEALTHY:
            continue
        for event in one.events:
            if event.role == "snapshot" and event.status and seen[event.id] > opened.t_ns:
                yield opened, event
                break


def _impossible(history: History, before: Neutral, told: Neutral) -> bool:
    """The protocol has no step from the one to the other. One that it has may have been taken on the way to what was shown next."""
    known = transitions(history.header).get(before)
    return known is not None and told not in known


def _around(history: History, conversation: str, opened: Stream, came_ns: int) -> Sequence[Status]:
    """What was shown from before it was opened to behind its greeting. Empty where it may have been something else between: the stream
    that tells of changes was not heard, it told more than one, or somebody did what changes a status since the first of them was shown.
    """
    rows = _rows(history, conversation)
    begun = sum(row[0].t_ns <= opened.t_ns - FRESH_NS for row in rows)
    near = rows[begun - 1 : begun + 2] if begun else ()
    after = _read_behind(history, near, came_ns)
    if after is None:
        return ()
    until_ns = max(after.t_ns, came_ns + LATE_NS)
    touched = [row for row in near if row[0].t_ns <= until_ns]
    shown = [one for row in touched for one in row if isinstance(one, Status) and one.t_ns <= until_ns]
    if len(touched) > 2 or any(isinstance(row[0], Stream) for row in touched):
        return ()
    if any(one.epoch != opened.epoch or one.neutral == "unknown" for one in shown):
        return ()
    heard = _heard(rows, opened.t_ns)
    if heard is None or heard.neutral != shown[0].neutral:
        return ()
    moved = any(
        began < after.t_ns and (began > shown[0].t_ns or ended > opened.t_ns)
        for began, ended in changers(history, conversation)
    )
    return () if moved else shown


def _heard(rows: Sequence[Row], moment_ns: int) -> Status | None:
    """The last word of the stream, which may have come ahead of a read that was on its way; None when it has ended since."""
    told = (one for row in reversed(rows) for one in reversed(row) if isinstance(one, Stream) or one.via == "stream")
    last = next((one for one in told if one.t_ns <= moment_ns), None)
    return last if isinstance(last, Status) else None


def _read_behind(history: History, rows: Sequence[Row], moment_ns: int) -> Status | None:
    """The first read that was asked for then or later: an answer that was on its way may be of before."""
    asked = {(one.witness, one.t_ns) for one in history.requests if one.verb == "status" and one.began_ns >= moment_ns}
    shown = (one for row in rows for one in row if isinstance(one, Status))
    return next((one for one in shown if (one.witness, one.t_ns) in asked), None)


@derived
def _rows(history: History, conversation: str) -> tuple[Row, ...]:
    clean = clean_statuses(history, conversation)
    tellers = {status.witness for status in clean if status.via == "stream"}
    closed = [
        one
        for one in history.streams
        if one.stage == "closed" and one.witness in tellers and belongs(history, conversation, one.conversation)
    ]
    every: list[Status | Stream] = sorted((*clean, *closed), key=lambda one: one.t_ns)
    return tuple(list(row) for _, row in groupby(every, key=lambda one: isinstance(one, Status) and one.neutral))


def _untrue(opened: Stream, greeting: Event, told: Neutral, around: Sequence[Status]) -> Verdict:
    before = [one for one in around if one.t_ns <= opened.t_ns][-1]
    return violated(
        f"whoever subscribed was told {greeting.status} first, while it was {' and then '.join(_words(around))}",
        signature=f"greeted-{told}-is-{before.neutral}",
        expected=_words(around),
        seen=[greeting.status],
        evidence=[
            at(before, f"{before.raw} via {before.via}"),
            at(opened, f"{opened.witness} {opened.reading} opened"),
            at(greeting, f"{greeting.status} in its first snapshot"),
            at(around[-1], f"{around[-1].raw} via {around[-1].via}"),
        ],
        timed=True,
        limit_s=FRESH_NS / SECOND,
        took_s=seconds(opened.t_ns - around[0].t_ns),
    )


def _words(around: Sequence[Status]) -> list[str]:
    return list(dict.fromkeys(status.raw for status in around))
