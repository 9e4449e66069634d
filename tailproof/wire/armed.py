"""A rule in force: does it mean this frame or request, how often has it fired, and what stands still because of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from time import monotonic
from typing import Any

import msgspec

from tailproof.incoming.json import UNREADABLE
from tailproof.wire.framing import Framing, Unit
from tailproof.wire.peek import escaped
from tailproof.wire.rules import Match, Rule

_decode = msgspec.json.Decoder().decode
_ABSENT = object()
CLOCK_TICK_S = 0.001
"""The loop counts whole milliseconds: a timer may end this much early, and nothing is delayed by less than was asked."""


class FrameMatch:
    """The part of a match that looks at one message."""

    __slots__ = ("_fields", "_first", "_hints", "_last", "_names")

    def __init__(self, match: Match) -> None:
        names = [match.name] if isinstance(match.name, str) else match.name
        self._names = None if names is None else frozenset(escaped(name) for name in names)
        self._first = match.first or 0
        self._last = match.last
        self._fields = [
            (tuple(path.split(".")), wanted if isinstance(wanted, list) else [wanted])
            for path, wanted in match.field.items()
        ]

    def meets(self, index: int, unit: Unit, raw: bytes, framing: Framing) -> bool:
        """Whether message number `index` of its lane is meant; `raw` is all of its frames."""
        if index < self._first or (self._last is not None and index > self._last):
            return False
        if self._names is not None and unit[4] not in self._names:
            return False
        return not self._fields or self._fields_meet(framing.split(raw)[2])

    def _fields_meet(self, payload: bytes) -> bool:
        try:
            body = _decode(payload)
        except UNREADABLE:
            return False
        return all(_at(body, path) in wanted for path, wanted in self._fields)


def _at(body: Any, path: Sequence[str]) -> Any:
    for name in path:
        if isinstance(body, dict):
            body = body.get(name, _ABSENT)
        elif isinstance(body, list) and name.isdecimal() and int(name) < len(body):
            body = body[int(name)]
        else:
            return _ABSENT
    return body


class Armed:
    """One rule from its addition to its removal; its counts outlive it."""

    __slots__ = (
        "_fired", "_loop", "_parked", "_seen", "_tell", "began", "counts", "frame", "id", "removed", "rule", "until",
    )  # fmt: skip

    def __init__(
        self, rule: Rule, counts: Counter[str], loop: asyncio.AbstractEventLoop, tell: Callable[[Armed], None]
    ) -> None:
        self.rule = rule
        self.id = rule.id
        self.counts = counts
        self.frame = FrameMatch(rule.match)
        self.until = FrameMatch(rule.until) if isinstance(rule.until, Match) else None
        self.removed = False
        self.began = monotonic()
        """When it was put into force."""
        self._loop = loop
        self._tell = tell
        self._seen = 0
        self._fired = 0
        self._parked: dict[Parked, None] = {}
        counts.update({"matched": 0, "done": 0})

    @property
    def spent(self) -> bool:
        """It has fired as often as it may, or was removed."""
        return self.removed or (self.rule.times > 0 and self._fired >= self.rule.times)

    @property
    def firings(self) -> int:
        """How often it has fired since it was added."""
        return self._fired

    def on_route(self, path: str) -> bool:
        """Whether the path (without query) is on the rule's route."""
        return self.rule.match.route is None or fnmatchcase(path, self.rule.match.route)

    def takes_message(self, index: int, unit: Unit, raw: bytes, framing: Framing) -> bool:
        """Whether it acts on this message; counts `matched` and, for `nth`, what was seen."""
        return self.frame.meets(index, unit, raw, framing) and self._count()

    def takes_request(self, connection: int, method: str, path: str) -> bool:
        """Whether it acts on this request."""
        match = self.rule.match
        return (
            (match.connection is None or match.connection == connection)
            and (match.method is None or match.method.upper() == method)
            and self.on_route(path)
            and self._count()
        )

    def fired(self) -> None:
        """Its effect has happened once more."""
        self._fired += 1
        self.counts["done"] += 1
        self._tell(self)

    def park(self, then: Callable[[], None], seconds: float | None) -> Parked:
        """Call `then` once: after `seconds`, or when the rule lets go (None: only then)."""
        parked = Parked(self, then)
        self._parked[parked] = None
        if seconds is not None:
            parked.timer = self._loop.call_later(seconds + CLOCK_TICK_S, parked.go)
        return parked

    def let_go(self) -> None:
        """Everything parked goes on now, in order."""
        for parked in list(self._parked):
            parked.go()

    def unpark(self, parked: Parked) -> None:
        """Forget something parked (it went on, or its connection is gone)."""
        self._parked.pop(parked, None)

    def _count(self) -> bool:
        self.counts["matched"] += 1
        self._seen += 1
        return self.rule.match.nth is None or self._seen == self.rule.match.nth


class Parked:
    """A request or answer that stands still because of a rule."""

    __slots__ = ("_armed", "_then", "timer")

    def __init__(self, armed: Armed, then: Callable[[], None]) -> None:
        self._armed = armed
        self._then = then
        self.timer: asyncio.TimerHandle | None = None

    def go(self) -> None:
        """Go on now. Called at most once with effect."""
        if self.cancel():
            self._then()

    def cancel(self) -> bool:
        """Never go on; False if it already did."""
        alive = self in self._armed._parked
        self._armed.unpark(self)
        if self.timer is not None:
            self.timer.cancel()
        return alive
