"""The event ledger of a trial: a row per event in the order of the log, a column per witness, and what each of them has of it.

The marks describe and judge nothing: whether what is lost or late breaks a promise is for the guarantees to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tailproof.history.reader import History, derived
from tailproof.history.record import CLIENT, CLOSERS
from tailproof.history.server_records import Event
from tailproof.history.views import EventList, conversations, destroyed, lists_of, log_of
from tailproof.reports.record_words import address

Mark = Literal["seen", "lost", "twice", "late", "unordered", "changed", "unseen"]
LATE_NS = 1_000_000_000
"""What comes longer after the event was in the log is late."""
COLUMNS = {
    "disk": "Disk",
    "rest": "REST",
    "observer": "Observer",
    "hooks": "Webhook",
    "callbacks": "Callbacks",
    "stream": "Client stream",
    "client": "Client list",
}
"""Column -> its title, in the order in which they are shown. Only those of witnesses that the trial has are in its ledger."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one witness has of one event; `after_ns` is the time since it was in the log, None where it was read and not told at
    once."""

    mark: Mark
    after_ns: int | None = None
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One event. `place` counts from 1 in the log, 0 for one that is not in it; `stamp` is the time that the log itself gives it (ISO 8601,
    empty for none), `at_ns` when somebody first saw it live. A server may stamp an event long before it publishes it: only the stamps
    are in the order of the log."""

    id: str
    name: str
    cause: str
    place: int
    stamp: str
    at_ns: int | None
    cells: tuple[Cell, ...]

    @property
    def plain(self) -> bool:
        """Everybody has it who should, once and as it was."""
        return self.place > 0 and all(cell.mark in ("seen", "unseen") for cell in self.cells)


@dataclass(slots=True)
class _Sight:
    """An event in one column: where it was seen first, and what is odd about it."""

    event: Event
    count: int = 1
    unordered: bool = False
    changed: bool = False


@dataclass(slots=True)
class _Column:
    """What one witness saw of one conversation."""

    id: str
    sights: dict[str, _Sight] = field(default_factory=dict)
    spans: list[tuple[int, int]] = field(default_factory=list)
    """Places in the log, from and to, of which it should have every event."""
    until_ns: int | None = None
    """Nothing is expected of what came into the log later."""
    live: bool = True
    """It was told each event when it happened."""

    def expects(self, place: int, at_ns: int | None) -> bool:
        if self.until_ns is not None and at_ns is not None and at_ns > self.until_ns:
            return False
        return any(first <= place <= last for first, last in self.spans)


def columns_of(history: History) -> list[str]:
    """The columns that the ledger of this trial has, as keys of `COLUMNS`."""
    found = {_column(one) for name in conversations(history) for one in lists_of(history, name)}
    found |= {"hooks"} if history.posts else set()
    return [name for name in COLUMNS if name in found]


@derived
def ledger(history: History) -> tuple[Row, ...]:
    """Every event that is kept, conversation by conversation, each in the order of its log; what is in no log stands behind it."""
    return tuple(_rows(history))


def _rows(history: History) -> Iterator[Row]:
    columns = columns_of(history)
    causes = _Causes(history)
    gone = destroyed(history)
    posted = _posted(history)
    framed = _first_frames(history)
    for conversation in conversations(history):
        seen = [_gathered(history, conversation, name, posted) for name in columns]
        places = _places(history, conversation)
        extra = _beside(seen, places)
        for event, place in (*((event, n) for n, event in enumerate(places.values(), 1)), *((e, 0) for e in extra)):
            at_ns = _at(event.id, seen, framed)
            if event.id not in gone:
                cells = tuple(_cell(column, event, place, at_ns) for column in seen)
                stamp = event.ts if place else ""
                yield Row(
                    id=event.id,
                    name=event.name,
                    cause=causes.of(event),
                    place=place,
                    stamp=stamp,
                    at_ns=at_ns,
                    cells=cells,
                )


def _column(one: EventList) -> str:
    if one.source == "stream":
        return "stream" if one.witness == CLIENT else "observer" if one.path == "direct" else ""
    return {"disk": "disk", "page": "rest", "callback": "callbacks", "held": "client"}.get(one.source, "")


def _places(history: History, conversation: str) -> dict[str, Event]:
    log = log_of(history, conversation)
    return dict(zip(log.position, log.events, strict=False)) if log else {}


def _beside(seen: Sequence[_Column], places: Mapping[str, Event]) -> list[Event]:
    """Events that are kept somewhere, or should be, and are not in the log."""
    found: dict[str, Event] = {}
    for column in seen:
        for identity, sight in column.sights.items():
            if identity not in places and sight.event.durable:
                found.setdefault(identity, sight.event)
    return sorted(found.values(), key=lambda event: event.t_ns)


def _gathered(history: History, conversation: str, name: str, posted: Mapping[str, Mapping[str, _Sight]]) -> _Column:
    log = log_of(history, conversation)
    known = log.position if log else {}
    last = len(known)
    mine = [one for one in lists_of(history, conversation) if _column(one) == name]
    restated = _restated(mine)
    column = _Column(id=name, live=name in ("observer", "hooks", "callbacks", "stream"))
    if name == "hooks":
        column.sights = dict(posted.get(conversation, {}))
        return column
    if name == "rest":
        mine = [log.read_as] if log and log.read_as in mine else []
        column.spans = [(1, last)] if mine else []
    elif name == "disk":
        mine = mine[-1:]
        column.spans = [(1, last)] if mine and mine[0].complete else []
    elif name == "client":
        mine = [_at_return(history, mine)]
        column.spans = [(1, last)]
    taken_ns = log.taken_ns if log else 0
    returned = [run.t_ns for run in history.runs if run.stage != "called" and run.witness == CLIENT]
    column.until_ns = max(returned, default=None) if name in ("client", "callbacks", "stream") else taken_ns
    for one in mine:
        _look(column, one, known)
        for identity in restated.intersection(one.ids):
            column.sights[identity].changed = True
        places = [known[identity] + 1 for identity in one.ids if identity in known]
        if column.live and places:
            to_the_end = one.ended_ns is None or one.ended_ns >= (column.until_ns or taken_ns)
            column.spans.append((min(places), last if to_the_end else max(places)))
    return column


def _at_return(history: History, held: Sequence[EventList]) -> EventList:
    """What the client held when its last run returned."""
    named = [run.reading for run in history.runs if run.reading]
    return next((one for one in reversed(held) if named and one.reading == named[-1]), held[-1])


def _restated(readings: Sequence[EventList]) -> set[str]:
    """The ids of the events that the same witness saw in two forms. A page and a file may show different faces of one event."""
    first: dict[str, str] = {}
    return {
        event.id
        for one in readings
        for event in one.events
        if event.durable and event.digest and first.setdefault(event.id, event.digest) != event.digest
    }


def _look(column: _Column, one: EventList, known: Mapping[str, int]) -> None:
    behind, here = -1, set[str]()
    for event in one.events:
        sight = column.sights.get(event.id)
        if sight is None:
            sight = column.sights[event.id] = _Sight(event)
        elif event.id in here:
            sight.count += 1
        here.add(event.id)
        # Bookkeeping comes from other threads than the loop: no promise holds it to an order.
        place = known.get(event.id, -1) if one.ascending and event.role != "bookkeeping" else -1
        sight.unordered = sight.unordered or 0 <= place < behind
        behind = max(behind, place)


def _posted(history: History) -> dict[str, dict[str, _Sight]]:
    """What the receiver of webhooks took, as sights of a live column."""
    found: dict[str, dict[str, _Sight]] = {}
    for post in history.posts:
        sights = found.setdefault(post.conversation.replace("-", ""), {})
        for identity in post.batch if post.code // 100 == 2 else ():
            if identity in sights:
                sights[identity].count += 1
            else:
                sights[identity] = _Sight(
                    Event(id=identity, name="", t_ns=post.t_ns, witness=post.witness, seq=post.seq, durable=False)
                )
    return found


def _first_frames(history: History) -> dict[str, int]:
    first: dict[str, int] = {}
    for frame in history.frames:
        if frame.id and frame.direction == "down":
            first.setdefault(frame.id, frame.t_ns)
    return first


def _at(identity: str, seen: Iterable[_Column], framed: Mapping[str, int]) -> int | None:
    live = [column.sights[identity].event.t_ns for column in seen if column.live and identity in column.sights]
    return min((*live, *((framed[identity],) if identity in framed else ())), default=None)


_UNSEEN = Cell("unseen")
_LOST = Cell("lost")


def _cell(column: _Column, event: Event, place: int, at_ns: int | None) -> Cell:
    sight = column.sights.get(event.id)
    if sight is None:
        if place:
            return _LOST if column.expects(place, at_ns) else _UNSEEN
        late = at_ns is None or column.until_ns is None or at_ns > column.until_ns
        return _LOST if column.id == "rest" and column.spans and not late else _UNSEEN
    after = sight.event.t_ns - at_ns if column.live and at_ns is not None else None
    return Cell(_mark(sight, after), after, address(sight.event))


def _mark(sight: _Sight, after_ns: int | None) -> Mark:
    if sight.count > 1:
        return "twice"
    if sight.changed:
        return "changed"
    if sight.unordered:
        return "unordered"
    return "late" if after_ns is not None and after_ns > LATE_NS else "seen"


class _Causes:
    """What of the script an event comes from."""

    def __init__(self, history: History) -> None:
        replies = [call for call in history.model_calls if call.stage in ("answered", "broken") and call.turn >= 0]
        self._calls: dict[str, int] = {}
        self._texts: dict[str, int] = {}
        for number, reply in enumerate(replies, 1):
            for identity in reply.calls:
                self._calls.setdefault(identity, number)
            if reply.reply:
                self._texts.setdefault(reply.reply[:_TEXT], number)
        self._tools = {identity: number for number, identity in enumerate(self._calls, 1)}

    def of(self, event: Event) -> str:
        """`model reply 2`, `tool call 1`, `message`; empty for what the server did by itself."""
        if event.role in CLOSERS and event.call in self._tools:
            return f"tool call {self._tools[event.call]}"
        if event.call in self._calls:
            return f"model reply {self._calls[event.call]}"
        if event.role == "message":
            number = self._texts.get(event.text[:_TEXT])
            return f"model reply {number}" if number and event.source != "user" else "message"
        return ""


_TEXT = 100
