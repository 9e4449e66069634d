"""How runs end, which status follows which, and how servers stop: row by row."""

from __future__ import annotations

import pytest
from guarantee_histories import (
    HOLDS,
    INCONCLUSIVE,
    NOT_APPLICABLE,
    VIOLATED,
    Built,
    Row,
    calm,
    closed,
    crashed,
    event,
    lived,
    log_of_run,
    opened,
)

from tailproof.guarantees.catalogue import judge
from tailproof.history.records import Effect, Life
from tailproof.history.server_records import Event, Request, Status

LOGS = ("stream:0", "page:0", "page:1", "page:2", "page:3", "disk:9")


def with_statuses(*words: str) -> Built:
    """A calm run whose log holds these statuses instead of its own, one behind the other, before its last bookkeeping."""
    log = [one for one in log_of_run(2) if one.role != "status"]
    said = [event(f"u{place}", "status", 0.9 + place / 100, status=word) for place, word in enumerate(words)]
    log = [log[0], *said[:1], *log[1:-1], *said[1:], log[-1]]
    built = opened("plain")
    built.plan(script=[{"tools": [{}]}, {"tools": [{}]}, {"finish": "All done."}])
    lived(built, log, 2.1, 1.0, "stream:0")
    for at, raw in ((2.5, "running"), (3.2, "finished"), (4.2, "finished")):
        built.show(at, raw).ask(at, "status")
    return closed(built, log)


def two_runs(first_is_logged: bool, lag: float = 0.0, via: str = "rest", *, on_its_stream: bool = False) -> Built:
    """GET (or the stream alone) and, where it is logged, the log say that the first run finished, before the second begins. With a
    `lag` the first was paused and the events of the second are seen so much later."""
    one, other = log_of_run(2), log_of_run(2, 3, 2.0)
    if not first_is_logged:
        one = [event for event in one if event.status != "finished"]
    built = opened("plain")
    built.plan(script=[*({"tools": [{}]} for _ in range(4)), {"finish": "All done."}], messages=["go", "go on"])
    lived(built, one, 2.1, 1.0, "stream:0")
    first = "paused" if lag else "finished"
    for at, raw in ((2.5, "running"), (3.3, first), (3.8, first)):
        built.show(at, raw, via).ask(at, "status")
    built.client_asks(4.0, "send", text="go on").client_asks(4.2, "run")
    lived(built, other, 4.3, 1.0, "stream:0", turn=2)
    later = [one for one in built.placed if isinstance(one[1], Event) and one[0] > 4.2]
    built.placed = [one for one in built.placed if one not in later] + [(at + lag, one) for at, one in later]
    for at, raw in ((4.6, "running"), (5.4, "finished"), (5.6, "finished")):
        built.show(at, raw).ask(at, "status")
    if on_its_stream:
        told = event("x1", "status", 0.9, status="finished")
        told.reading = "stream:0"
        built.put(3.2, told)
    return closed(built, [*one, *other])


def behind_the_end(role: str, **fields: object) -> Built:
    """Something stands in the log behind the end of the run."""
    built = calm()
    for reading in ("page:0", "disk:9"):
        late = event("x1", role, 2.0, **fields)
        late.reading = reading
        built.put(6.05 if reading == "page:0" else 8.26, late)
    return built


def stopped(code: int = 0, disk: bool = True, shows: str = "running") -> Built:
    """`crashed`, but the server was asked to end, and did so at 4 with this exit code; the disk says `shows` behind it."""
    built = crashed()
    built.placed = [one for one in built.placed if getattr(one[1], "name", "") != "process.kill"]
    built.plan(faults=[])
    for at, stage in ((3.5, "intent"), (4.05, "injected"), (4.1, "proven"), (10.1, "healed")):
        built.fault(at, stage, "process.restart")
    built.alter(Life, {"epoch": 0, "stage": "died"}, stage="stopped", exit_code=code)
    built.alter(
        Status, {"via": "disk", "epoch": 0}, raw=shows, neutral={"running": "active", "paused": "interrupted"}[shows]
    )
    if not disk:
        built.forget("disk:0", "a2")
    return built


def confirmed_and_killed(begun: bool, refused: bool = False) -> Built:
    """A confirmation is accepted at 3.5, the server is killed at 4, and the next life waits for it again; the tool had `begun` or not."""
    built = crashed().everywhere_forget("e2").without(Effect, token="token-a2")
    if refused:
        built.alter(Request, {"verb": "run", "epoch": 1}, code=409)
    for at, raw in ((3.0, "waiting"), (3.5, "running"), *((at, "waiting") for at in (11.0, 12.0, 13.0, 14.5, 15.1))):
        built.placed = [one for one in built.placed if not (isinstance(one[1], Status) and abs(one[0] - at) < 0.01)]
        built.show(at, raw, epoch=int(at > 5), after_load=at == 14.5)
    return built.put(3.7, Effect(token="token-a2", stage="begin")) if begun else built


def killed_again(ready: bool) -> Built:
    """`crashed`, but the life that began at 4.5 was killed at once, before or as soon as it was ready."""
    built = crashed()
    for _, one in built.placed:
        if getattr(one, "epoch", 0) == 1:
            one.epoch = 2  # type: ignore[union-attr]
    built.put(4.5, Life(stage="started", epoch=1))
    if ready:
        built.put(4.6, Life(stage="ready", epoch=1))
    return built.put(4.7, Life(stage="died", epoch=1, exit_code=137, by_us=True))


def killed_twice(what: str) -> Built:
    """`crashed`, but the first life died at 3.9 and the second, which nobody asked for anything, at 4: the disk is read behind that. The
    action of the first is under way, or has its result (`done`), or the second life wrote that it was broken off (`marked`)."""
    built = crashed()
    for _, one in built.placed:
        if getattr(one, "epoch", 0) == 1:
            one.epoch = 2  # type: ignore[union-attr]
        if isinstance(one, Life) and one.epoch == 0 and one.stage == "died":
            one.epoch = 1
    built.put(3.85, Life(stage="died", epoch=0, exit_code=137, by_us=True)).put(3.9, Life(stage="started", epoch=1))
    built.put(3.95, Life(stage="ready", epoch=1))
    if what == "done":
        built.everywhere_forget("a2").without(Effect, token="token-a2")
    if what == "marked":
        late = event("e2", "error", 0.55, call="call-2-0")
        late.reading = "disk:0"
        built.put(4.35, late)
    return built


def killed_soon(**lost: bool) -> Built:
    """`stopped`, but it was given 0.3 s, and killed."""
    built = stopped(137, **lost)
    built.header.plan["faults"][0]["with"] = {"grace": 0.3}
    return built


ROWS = [
    Row("events.terminal", "calm", HOLDS, calm),
    Row("events.terminal", "kill-tool-running", HOLDS, crashed),
    Row("events.terminal", "two-runs", HOLDS, lambda: two_runs(True)),
    Row("events.terminal", "a-stream-behind-the-second-run", HOLDS, lambda: two_runs(False, 1.5)),
    Row("events.terminal", "the-first-end-is-not-logged", VIOLATED, lambda: two_runs(False), "done-not-logged"),
    Row(
        "events.terminal",
        "the-first-end-is-not-logged-and-its-run-is-answered-late",
        VIOLATED,
        lambda: two_runs(False).move(Request, {"verb": "run", "began_ns": 1_980_000_000}, 2.3),
        "done-not-logged",
    ),
    Row(
        "events.terminal",
        "two-runs-are-asked-for-before-the-first-one-ends",
        HOLDS,
        lambda: two_runs(False).ask(2.6, "run", witness="observer"),
    ),
    Row(
        "events.terminal",
        "the-first-end-is-not-logged-and-a-run-was-refused",
        VIOLATED,
        lambda: two_runs(False).ask(2.6, "run", 409, witness="observer"),
        "done-not-logged",
    ),
    Row(
        "events.terminal",
        "an-end-that-a-stream-tells-in-its-order",
        VIOLATED,
        lambda: two_runs(False, via="stream", on_its_stream=True),
        "done-not-logged",
    ),
    Row("events.terminal", "an-end-that-only-a-stream-tells-of", HOLDS, lambda: two_runs(False, via="stream")),
    Row("events.terminal", "error-event-behind-the-end", HOLDS, lambda: behind_the_end("error")),
    Row("events.terminal", "words-of-the-user-behind-the-end", HOLDS, lambda: behind_the_end("message", source="user")),
    Row(
        "events.terminal",
        "result-behind-the-end",
        VIOLATED,
        lambda: behind_the_end("observation", call="call-9-0"),
        "events-after-end",
    ),
    Row(
        "events.terminal",
        "answer-behind-the-end",
        VIOLATED,
        lambda: behind_the_end("message", source="agent"),
        "events-after-end",
    ),
    Row(
        "events.terminal",
        "finished-twice",
        VIOLATED,
        lambda: with_statuses("running", "finished", "finished"),
        "ended-twice",
    ),
    Row(
        "events.terminal",
        "finished-then-failed",
        VIOLATED,
        lambda: with_statuses("running", "finished", "error"),
        "ended-twice",
    ),
    Row("events.terminal", "end-not-in-the-log", VIOLATED, lambda: with_statuses("running"), "done-logged-as-active"),
    Row("events.terminal", "log-holds-no-statuses", NOT_APPLICABLE, lambda: with_statuses()),
    Row("events.terminal", "no-log", INCONCLUSIVE, lambda: calm().until(5.0)),
    Row("status.legal", "calm", HOLDS, calm),
    Row("status.legal", "kill-tool-running", HOLDS, crashed),
    Row(
        "status.legal",
        "run-again",
        HOLDS,
        lambda: with_statuses("running", "finished", "running", "finished"),
    ),
    Row(
        "status.legal",
        "paused-until-asked",
        HOLDS,
        lambda: calm().show(2.6, "paused").ask(2.7, "run").show(2.8, "running"),
    ),
    Row(
        "status.legal",
        "paused-and-then-finished",
        VIOLATED,
        lambda: with_statuses("running", "paused", "finished"),
        "interrupted-to-done",
    ),
    Row(
        "status.legal",
        "idle-in-the-middle",
        VIOLATED,
        lambda: with_statuses("running", "idle", "running"),
        "active-to-idle",
    ),
    Row(
        "status.legal",
        "goes-on-by-itself",
        VIOLATED,
        lambda: calm().show(4.3, "paused").show(5.5, "running"),
        "moved-by-itself-to-active",
    ),
    Row(
        "status.legal",
        "a-pause-sets-nothing-going",
        VIOLATED,
        lambda: calm().show(4.3, "paused").ask(4.4, "pause").show(5.5, "running"),
        "moved-by-itself-to-active",
    ),
    Row(
        "status.legal",
        "paused-and-broken-off-by-a-crash",
        VIOLATED,
        lambda: crashed().ask(3.85, "pause").show(3.9, "paused", "rest").ask(3.0, "run"),
        "moved-by-itself-to-active",
    ),
    Row("status.legal", "protocol-does-not-say", NOT_APPLICABLE, lambda: calm().fact(transitions="")),
    Row("status.legal", "no-status-seen", INCONCLUSIVE, lambda: with_statuses().without(Status)),
    Row("server.stops", "in-order", HOLDS, stopped),
    Row("server.stops", "with-its-signal", HOLDS, lambda: stopped(143)),
    Row("server.stops", "had-to-be-killed", VIOLATED, lambda: stopped(137).parameter("lag", 0.0), "outlived-its-grace"),
    Row("server.stops", "had-less-time-than-usual", HOLDS, killed_soon),
    Row("server.stops", "had-less-time-and-lost", VIOLATED, lambda: killed_soon(disk=False), "lost-at-stop"),
    Row("server.stops", "died-of-it", VIOLATED, lambda: stopped(139), "died-of-it"),
    Row("server.stops", "lost-an-action", VIOLATED, lambda: stopped(disk=False), "lost-at-stop"),
    Row("server.stops", "never-asked-to-end", NOT_APPLICABLE, calm),
    Row("server.stops", "killed", NOT_APPLICABLE, crashed),
    Row("status.crash", "stopped-while-running", HOLDS, stopped),
    Row(
        "status.crash",
        "stopped-and-paused-by-it",
        NOT_APPLICABLE,
        lambda: stopped(shows="paused").show(3.9, "paused"),
    ),
    Row(
        "status.crash",
        "stopped-while-running-and-refused",
        VIOLATED,
        lambda: stopped().alter(Request, {"verb": "run", "witness": "trial", "epoch": 1}, code=409),
        "not-usable",
    ),
    Row("status.crash", "killed-again-while-starting", HOLDS, lambda: killed_again(False)),
    Row("status.crash", "killed-again-when-ready", HOLDS, lambda: killed_again(True)),
    Row("server.returns", "killed-again-while-starting", HOLDS, lambda: killed_again(False)),
    Row("loop.explained", "waits-for-its-confirmation-again", NOT_APPLICABLE, lambda: confirmed_and_killed(False)),
    Row("loop.explained", "waits-though-it-was-begun", VIOLATED, lambda: confirmed_and_killed(True), "unexplained"),
    Row("status.crash", "waits-for-its-confirmation-again", HOLDS, lambda: confirmed_and_killed(False)),
    Row("status.crash", "waits-and-takes-none", VIOLATED, lambda: confirmed_and_killed(False, True), "not-usable"),
    Row("status.crash", "waits-though-it-was-begun", VIOLATED, lambda: confirmed_and_killed(True), "unmarked"),
    Row("loop.explained", "killed-again-when-ready", HOLDS, lambda: killed_again(True)),
    Row("loop.explained", "killed-before-anybody-read-its-disk", HOLDS, lambda: killed_twice("open")),
    Row("loop.explained", "marked-by-the-life-that-was-killed", HOLDS, lambda: killed_twice("marked")),
    Row("loop.explained", "killed-twice-at-rest", NOT_APPLICABLE, lambda: killed_twice("done")),
    Row(
        "loop.explained",
        "killed-twice-and-nobody-marked-it",
        VIOLATED,
        lambda: killed_twice("open").everywhere_forget("e2"),
        "unexplained",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_ends(row: Row) -> None:
    verdict = judge(row.make().build(), [row.guarantee])[row.guarantee]
    assert (verdict.outcome, verdict.signature) == (row.outcome, row.signature), verdict.says
