"""What the client did on its path, as the wire saw it: its streams, its attempts to subscribe, and when the path was hurt."""

from __future__ import annotations

from dataclasses import dataclass

from tailproof.history.reader import History, derived
from tailproof.history.records import Exchange, Run, Stream
from tailproof.history.timeline import CLIENT, is_of_the_path

SPOILED = frozenset({"refused", "reset-before", "reset-after", "truncated", "black-hole", "broken"})
"""What became of an exchange whose client did not get the server's answer, or not all of it."""
SUBTLE = frozenset(
    {
        *("wire.hold", "wire.delay", "wire.drop", "wire.drop-last", "wire.duplicate", "wire.reorder", "wire.silence"),
        "wire.cut",
    }
)
"""Faults of frames: they hurt a stream that is open, and nobody who subscribes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientStream:
    """A stream of the client through the wire."""

    number: int
    """The wire's number of the connection."""
    opened: Stream
    closed: Stream | None
    answered_ns: int | None
    """When the server sent the first frame on it: from then on it is a subscription for sure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hurt:
    """The time from the intent of a fault of the path that was injected to its healing (None: never healed)."""

    name: str
    began_ns: int
    healed_ns: int | None

    def on_at(self, moment_ns: int, *, slack_ns: int = 0) -> bool:
        """It was on at this moment."""
        return self.began_ns <= moment_ns and (self.healed_ns is None or moment_ns <= self.healed_ns + slack_ns)


@derived
def client_streams(history: History) -> tuple[ClientStream, ...]:
    """Every stream through the wire, in the order in which they were opened."""
    closed = {one.reading: one for one in history.streams if one.path == "wire" and one.stage == "closed"}
    answered: dict[int, int] = {}
    for frame in history.frames:
        if frame.direction == "down" and frame.done != "control":
            answered.setdefault(frame.conn, frame.t_ns)
    found = []
    for one in history.streams:
        if one.stage == "opened" and one.reading.startswith("wire:"):
            number = int(one.reading.partition(":")[2])
            found.append(
                ClientStream(
                    number=number,
                    opened=one,
                    closed=closed.get(one.reading),
                    answered_ns=answered.get(number),
                )
            )
    return tuple(found)


@derived
def attempts(history: History) -> tuple[Exchange, ...]:
    """Every attempt to subscribe, answered or not, in the order in which they were begun."""
    asked = [one for one in history.exchanges if one.upgrade or one.done == "upgraded"]
    return tuple(sorted(asked, key=began))


def began(exchange: Exchange) -> int:
    """When it was begun."""
    return exchange.began_ns or exchange.t_ns


@derived
def hurts(history: History) -> tuple[Hurt, ...]:
    """When the path of the client was hurt, fault by fault."""
    healed = {fault.fault: fault.t_ns for fault in history.faults if fault.stage == "healed"}
    # What an injection did is seen at the wire before it is written down as done.
    meant = {fault.fault: fault.t_ns for fault in history.faults if fault.stage == "intent"}
    return tuple(
        Hurt(name=fault.name, began_ns=meant.get(fault.fault, fault.t_ns), healed_ns=healed.get(fault.fault))
        for fault in history.faults
        if fault.stage == "injected" and is_of_the_path(fault)
    )


def hurt_at(history: History, moment_ns: int, *, slack_ns: int = 0) -> bool:
    """Whether a fault was on the path at this moment."""
    return any(hurt.on_at(moment_ns, slack_ns=slack_ns) for hurt in hurts(history))


@derived
def server_down(history: History) -> tuple[int, ...]:
    """When the server died or was stopped under the client. What happened before the client came is nothing to it: the server
    of a grown history was stopped once."""
    came = min((exchange.began_ns or exchange.t_ns for exchange in history.exchanges), default=0)
    return tuple(
        life.t_ns for life in history.lives if life.stage in ("died", "stopped", "removed") and life.t_ns > came
    )


@derived
def last_run_of_client(history: History) -> Run | None:
    """How the newest run of the client came back; None when it did not, or when there was none."""
    mine = [run for run in history.runs if run.witness == CLIENT]
    return mine[-1] if mine and mine[-1].stage != "called" else None
