"""What was read when: the lists of events in a history, and the one among them that is called the log.

A view is a pure function of a history, computed once for all guarantees (`derived`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from tailproof.history.reader import History, derived
from tailproof.history.record import Neutral
from tailproof.history.server_records import Event, Reading, Stream

Source = Literal["stream", "page", "part", "disk", "held", "callback", "other"]
"""Where a list was seen: on a subscription, in the pages of the log or of a part of it, on the disk, in what a client holds, in its
callbacks."""

_SOURCES: dict[str, Source] = {
    "stream": "stream",
    "page": "page",
    "part": "part",
    "disk": "disk",
    "held": "held",
    "callback": "callback",
}


@dataclass(slots=True, kw_only=True, eq=False)
class EventList:
    """The events that one witness saw on one occasion, in the order in which it saw them."""

    witness: str
    reading: str
    source: Source
    conversation: str
    events: list[Event]
    ids: list[str]
    began_ns: int
    """When the reading began or the subscription was accepted; without a record of that, when the first event was seen."""
    ended_ns: int | None
    """When the reading or the subscription ended; None when it never did."""
    subscribed: Stream | None = None
    closed: Stream | None = None
    begin: Reading | None = None
    end: Reading | None = None

    @property
    def path(self) -> str:
        """`direct` or `wire` for a subscription."""
        return self.subscribed.path if self.subscribed else ""

    @property
    def reader(self) -> str:
        """`rest`, `disk` or `client` for a reading."""
        known = self.begin or self.end
        return known.reader if known else ""

    @property
    def final(self) -> bool:
        """It is the last reading of its reader."""
        return bool((self.begin and self.begin.final) or (self.end and self.end.final))

    @property
    def ascending(self) -> bool:
        """It runs from the oldest event to the newest."""
        known = self.begin or self.end
        return known is None or known.order != "descending"

    @property
    def complete(self) -> bool:
        """It was read from its begin to its end."""
        return self.begin is not None and self.end is not None and self.end.complete

    @property
    def why_incomplete(self) -> str:
        """One sentence for a list that is not complete."""
        if self.end is not None and not self.end.complete:
            return f"{self.witness} {self.reading} was cut short: {self.end.error or 'no reason given'}"
        return f"{self.witness} {self.reading} has no {'begin' if self.begin is None else 'end'}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Log:
    """The server's own list of events, each id once, in its order: what everything else is compared with."""

    read_as: EventList
    events: Sequence[Event]
    position: dict[str, int]
    """id -> place in `events`."""

    @property
    def ids(self) -> list[str]:
        """The ids in log order."""
        return list(self.position)

    @property
    def taken_ns(self) -> int:
        """When the reading began: what was seen later need not be in it."""
        return self.read_as.began_ns


def same(conversation: str) -> str:
    """One spelling for one conversation: some readers write the UUID with hyphens, some without."""
    return conversation.replace("-", "")


@derived
def conversations(history: History) -> tuple[str, ...]:
    """Every conversation of the trial. Records that name none belong to the only one there is."""
    named: set[str] = set()
    for shelf in (history.events, history.readings, history.streams, history.statuses, history.runs, history.requests):
        named.update({record.conversation for record in shelf})
    named = {same(conversation) for conversation in named}
    named.discard("")
    return tuple(sorted(named)) or ("",)


def belongs(history: History, conversation: str, named: str) -> bool:
    """Whether a record that names the conversation `named` (or none) is about `conversation`."""
    return same(named) == conversation or (not named and len(conversations(history)) == 1)


@derived
def destroyed(history: History) -> frozenset[str]:
    """The ids of the events that a fault destroyed on the server's disk, as its proof tells: they are in no list, for nobody can
    be asked for them again."""
    return frozenset(
        identity for fault in history.faults if fault.stage == "proven" for identity in fault.destroyed if identity
    )


@derived
def destroyed_events(history: History) -> tuple[Event, ...]:
    """Each of them as it was seen first."""
    gone = destroyed(history)
    first: dict[str, Event] = {}
    for event in history.events if gone else ():
        if event.id in gone:
            first.setdefault(event.id, event)
    return tuple(first.values())


@derived
def lists(history: History) -> tuple[EventList, ...]:
    """Every list, in the order in which they were begun; a list without any event is one, too."""
    events: dict[tuple[str, str], list[Event]] = {}
    gone = destroyed(history)
    for event in history.events:
        if event.id in gone:
            continue
        key = (event.witness, event.reading)
        if key in events:
            events[key].append(event)
        else:
            events[key] = [event]
    streams: dict[tuple[str, str], list[Stream]] = {}
    for stream in history.streams:
        streams.setdefault((stream.witness, stream.reading), []).append(stream)
    readings: dict[tuple[str, str], list[Reading]] = {}
    for reading in history.readings:
        readings.setdefault((reading.witness, reading.reading), []).append(reading)
    found = []
    for key in sorted({*events, *streams, *readings}):
        seen = events.get(key, [])
        if any(one.seq > other.seq for one, other in pairwise(seen)):
            seen.sort(key=lambda event: event.seq)
        found += _split(history, key, seen, streams.get(key, ()), readings.get(key, ()))
    return tuple(sorted(found, key=lambda one: (one.began_ns, one.witness, one.reading)))


def _split(
    history: History,
    key: tuple[str, str],
    events: list[Event],
    streams: Sequence[Stream],
    readings: Sequence[Reading],
) -> list[EventList]:
    """One list per conversation: a stream may carry several."""
    only = conversations(history)[0] if len(conversations(history)) == 1 else ""
    occasions: tuple[Stream | Reading, ...] = (*streams, *readings)
    named = next((same(record.conversation) for record in occasions if record.conversation), only)
    spelled = {event.conversation for event in events}
    parts: dict[str, list[Event]] = {}
    if len(spelled) < 2:
        parts[next((same(name) for name in spelled if name), named)] = events
    else:
        for event in events:
            parts.setdefault(same(event.conversation) or named, []).append(event)
    return [_list(key, conversation, part, streams, readings) for conversation, part in parts.items()]


def _list(
    key: tuple[str, str],
    conversation: str,
    events: list[Event],
    streams: Sequence[Stream],
    readings: Sequence[Reading],
) -> EventList:
    subscribed = next((one for one in streams if one.stage == "subscribed"), None)
    closed = next((one for one in streams if one.stage == "closed"), None)
    begin = next((one for one in readings if one.stage == "begin"), None)
    end = next((one for one in readings if one.stage == "end"), None)
    occasions: tuple[Event | Stream | Reading, ...] = (*events[:1], *streams, *readings)
    opening = subscribed or begin
    closing = closed or end
    return EventList(
        witness=key[0],
        reading=key[1],
        source=_SOURCES.get(key[1].partition(":")[0], "other"),
        conversation=conversation,
        events=events,
        ids=[event.id for event in events],
        began_ns=opening.t_ns if opening else min(record.t_ns for record in occasions),
        ended_ns=closing.t_ns if closing else None,
        subscribed=subscribed,
        closed=closed,
        begin=begin,
        end=end,
    )


def lists_of(history: History, conversation: str, *sources: Source) -> list[EventList]:
    """The lists of one conversation, of the sources asked for (all when none is named)."""
    return [
        one for one in lists(history) if one.conversation == conversation and (not sources or one.source in sources)
    ]


@derived
def first_seen(history: History, conversation: str) -> dict[str, int]:
    """When each event was first seen by anybody, by its id."""
    first: dict[str, int] = {}
    for one in lists_of(history, conversation):
        for event in one.events:
            first[event.id] = min(event.t_ns, first.get(event.id, event.t_ns))
    return first


@derived
def log_of(history: History, conversation: str) -> Log | None:
    """The final log: the last reading of the pages, oldest first; the last reading of the disk when that one is missing or
    was cut short; None without either (`no_log` says why)."""
    sources: tuple[Source, ...] = ("page", "disk")
    for source in sources:
        for one in reversed(lists_of(history, conversation, source)):
            if one.final and one.complete and one.ascending:
                return _log(one)
    return None


def no_log(history: History, conversation: str) -> str:
    """Why there is no final log."""
    finals = [one for one in lists_of(history, conversation, "page", "disk") if one.final]
    if not finals:
        return "the log was not read at the end of the trial"
    return "the final log is not whole: " + "; ".join(one.why_incomplete for one in finals if not one.complete)


def _log(one: EventList) -> Log:
    position: dict[str, int] = dict(zip(dict.fromkeys(one.ids), range(len(one.ids)), strict=False))
    events: Sequence[Event] = one.events
    if len(position) < len(events):
        first: dict[str, Event] = {}
        for event in events:
            first.setdefault(event.id, event)
        events = list(first.values())
    return Log(read_as=one, events=events, position=position)


@derived
def neutral_of(history: History) -> dict[str, Neutral]:
    """Raw status -> neutral word, as the adapter translated it anywhere in the history."""
    return {status.raw: status.neutral for status in history.statuses}


@derived
def torn(history: History) -> frozenset[str]:
    """The witnesses whose file has an unreadable line: what they did not close may lack its end."""
    return frozenset(line.partition(".")[0] for line in history.damaged)
