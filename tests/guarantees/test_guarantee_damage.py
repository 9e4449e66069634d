"""The guarantees where a fault has damaged the server's disk, or set its clock, row by row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from guarantee_histories import HOLDS, INCONCLUSIVE, NOT_APPLICABLE, VIOLATED, Built, Row, calm, crashed

from tailproof.guarantees.catalogue import judge
from tailproof.history.records import BreakOff, Fault, Life, Phase
from tailproof.history.server_records import Event, Reading, Request

SHOWN_AGAIN = ("disk:0", "page:9", "page:0", "page:1", "page:2", "disk:1")
"""What was read between the damage and the end."""


def damaged(*destroyed: str, to: str = "observation") -> Built:
    """The server is killed while tool 2 runs, a file is damaged, and it comes back."""
    built = crashed().alter(Fault, {"name": "process.kill"}, name="disk.damage")
    built.header.plan["faults"] = [{"id": "f", "fault": "disk.damage", "at": "tool-running:2", "with": {"to": to}}]
    built.alter(Fault, {"stage": "proven"}, destroyed=list(destroyed))
    for reading in SHOWN_AGAIN:
        for identity in set(built.ids(reading)) & set(destroyed):
            built.forget(reading, identity)
    return built


def refused(code: int, to: str = "observation") -> Built:
    """Listing fails when it is asked for again."""
    return damaged(to=to).alter(Request, {"verb": "load"}, code=code)


def without_room(*, ends: float = 4.7, started: float = 4.6, after: bool = True) -> Built:
    """The server is killed while tool 2 runs, and started while its disk is full: that life ends by itself. Once there is room it is
    started again, at 5, unless nobody does."""
    built = crashed().alter(Fault, {"name": "process.kill"}, name="disk.full-at-start")
    built.header.plan["faults"] = [{"id": "f", "fault": "disk.full-at-start", "at": "tool-running:2"}]
    built.move(Fault, {"stage": "proven"}, 4.8)
    for _, record in built.placed:
        if getattr(record, "epoch", 0) == 1:
            record.epoch = 2  # type: ignore[attr-defined]
    if not after:
        built.until(4.9).put(20.0, BreakOff("server", "ready", "not ready again"), Phase(name="ended"))
    return built.put(started, Life(stage="started", epoch=1)).put(ends, Life(stage="died", epoch=1, exit_code=1))


def shifted(back_s: float, *, at: str, built: Callable[[], Built] = calm) -> Built:
    """From this event on, the stamps are of a clock that was set back by so many seconds."""
    history = built()
    stamps = {one.id: one.ts for _, one in history.placed if isinstance(one, Event)}
    for identity in [name for name, ts in stamps.items() if ts >= stamps[at]]:
        earlier = f"2026-01-01T{12 - int(back_s // 3600):02d}{stamps[identity][13:]}"
        history.alter(Event, {"id": identity}, ts=earlier)
    return history


def true_once(stamp: str = "") -> Built:
    """The clock is set back while the tools run, and one event is stamped by the true one all the same, or with that `stamp`."""
    true = next(one.ts for _, one in calm().placed if isinstance(one, Event) and one.id == "a3")
    return shifted(3 * 3600, at="o1", built=stepped(-3)).alter(Event, {"id": "a3"}, ts=stamp or true)


def one_early(hours: int, event: str, back_s: float) -> Built:
    """The clock is set by so many hours while the tools run; one event is stamped as if it had been earlier, by that clock."""
    built = shifted(-hours * 3600, at="a2", built=stepped(hours, at=2.35))
    stamp = next(one.ts for _, one in built.placed if isinstance(one, Event) and one.id == event)
    early = datetime.fromisoformat(stamp) - timedelta(seconds=back_s)
    return built.alter(Event, {"id": event}, ts=early.isoformat())


def stepped(hours: float, at: float = 2.1) -> Callable[[], Built]:
    """A run in which a fault sets the server's clock."""

    def run() -> Built:
        built = calm()
        for moment, stage in ((at, "intent"), (at + 0.1, "injected"), (at + 0.2, "proven"), (5.0, "healed")):
            built.fault(moment, stage, "clock.step")
        built.header.plan["faults"][0]["with"] = {"hours": hours}
        return built

    return run


ROWS = [
    Row("server.returns", "ends-without-room", HOLDS, without_room),
    Row(
        "server.returns",
        "ends-when-there-is-room",
        VIOLATED,
        lambda: without_room(started=4.85, ends=4.95),
        "dies-again",
    ),
    Row("server.returns", "never-healed", VIOLATED, lambda: without_room(after=False), "dies-again"),
    Row("status.crash", "ends-without-room", HOLDS, without_room),
    Row("status.crash", "ends-without-room-and-no-start-after-it", INCONCLUSIVE, lambda: without_room(after=False)),
    Row("loop.explained", "ends-without-room", HOLDS, without_room),
    Row(
        "loop.explained",
        "ends-without-room-and-nothing-tells",
        VIOLATED,
        lambda: (
            without_room().forget("page:0", "e2").forget("page:1", "e2").forget("page:2", "e2").forget("disk:1", "e2")
        ),
        "unexplained",
    ),
    Row("events.spared", "observation-torn", HOLDS, lambda: damaged("o1")),
    Row("events.spared", "message-torn", HOLDS, lambda: damaged("m1", to="message")),
    Row("events.spared", "nothing-damaged", NOT_APPLICABLE, calm),
    Row("events.spared", "listing-500", VIOLATED, lambda: refused(500), "listing-fails"),
    Row("events.spared", "listing-422", VIOLATED, lambda: refused(422), "listing-fails"),
    Row("events.spared", "state-torn-and-refused", NOT_APPLICABLE, lambda: refused(404, "state")),
    Row("events.spared", "state-torn-and-500", VIOLATED, lambda: refused(500, "state"), "listing-fails"),
    Row("events.spared", "another-is-gone", VIOLATED, lambda: damaged("o1").forget("page:0", "a1"), "takes-others"),
    Row("events.spared", "disk-not-read", INCONCLUSIVE, lambda: damaged("o1").without(Reading, reading="disk:0")),
    Row("events.complete", "the-damaged-one-is-gone", HOLDS, lambda: damaged("o1")),
    Row("events.complete", "the-damaged-message-is-gone", HOLDS, lambda: damaged("m1")),
    Row(
        "events.complete",
        "one-beside-the-damaged-is-gone",
        VIOLATED,
        lambda: damaged("o1").forget("page:0", "a1").forget("disk:1", "a1"),
        "lost-after-persisting",
    ),
    Row("events.paired", "the-end-was-destroyed", HOLDS, lambda: damaged("o1")),
    Row("events.paired", "another-end-is-gone", VIOLATED, lambda: damaged("a1").forget("page:0", "o3"), "unclosed"),
    Row("events.stable", "the-damaged-one-is-gone", HOLDS, lambda: damaged("o1")),
    Row("server.returns", "damaged", HOLDS, lambda: damaged("o1")),
    Row(
        "server.returns",
        "damaged-state-and-not-found",
        HOLDS,
        lambda: damaged(to="state").ask(10.5, "status", 404, epoch=1),
    ),
    Row(
        "server.returns",
        "damaged-and-dies",
        VIOLATED,
        lambda: damaged("o1").until(6.0).put(6.0, Life(stage="died", epoch=1, exit_code=5)),
        "dies-again",
    ),
    Row("events.ordered", "clock-set-back", HOLDS, lambda: shifted(3 * 3600, at="o2", built=stepped(-3))),
    Row("events.ordered", "clock-set-back-and-the-true-time-read-once", HOLDS, true_once),
    Row(
        "events.ordered",
        "clock-set-back-and-another-time-read-once",
        VIOLATED,
        lambda: true_once("2026-01-01T11:00:00"),
        "time-goes-back",
    ),
    Row("events.ordered", "clock-set-forward", HOLDS, lambda: one_early(3, "a3", 0)),
    Row(
        "events.ordered",
        "clock-set-forward-and-one-is-early",
        VIOLATED,
        lambda: one_early(3, "a3", 3600),
        "time-goes-back",
    ),
    Row(
        "events.ordered",
        "clock-set-back-and-the-last-is-early",
        VIOLATED,
        lambda: one_early(-3, "f1", -2 * 3600),
        "time-goes-back",
    ),
    Row(
        "events.ordered",
        "clock-set-back-and-the-earliest-time",
        VIOLATED,
        lambda: true_once("0001-01-01T00:00:00"),
        "time-goes-back",
    ),
    Row(
        "events.ordered",
        "clock-set-back-later",
        VIOLATED,
        lambda: shifted(3 * 3600, at="o2", built=stepped(-3, at=4.5)),
        "time-goes-back",
    ),
    Row(
        "events.ordered",
        "clock-set-back-by-less",
        VIOLATED,
        lambda: shifted(3 * 3600, at="o2", built=stepped(-0.5)),
        "time-goes-back",
    ),
    Row("events.ordered", "nobody-set-the-clock", VIOLATED, lambda: shifted(3 * 3600, at="o2"), "time-goes-back"),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_guarantee(row: Row) -> None:
    verdict = judge(row.make().build(), [row.guarantee])[row.guarantee]
    assert (verdict.outcome, verdict.signature) == (row.outcome, row.signature), verdict.says
