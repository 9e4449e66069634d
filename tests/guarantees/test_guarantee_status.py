"""The status guarantees, row by row."""

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
    crashed,
    event,
    log_of_run,
)

from tailproof.guarantees.catalogue import judge
from tailproof.history.records import Exchange, Fault, Life, ModelCall, Phase
from tailproof.history.server_records import Event, Request, Status, Stream, Vocabulary


def dormant() -> Built:
    """Probed while dormant, initialised at 0.9, then a calm run."""
    built = calm().plan(server={"dormant": True})
    for index, path in enumerate(("/conversations", "/settings", "/tools")):
        built.ask(0.5 + index / 10, "probe", 503, method="GET", path=path)
    return built.ask(0.9, "init", method="POST", path="/init")


def stuck_after_restart(until: float = 75.0) -> Built:
    """GET alone says `running` until somebody loads, long after T."""
    built = crashed().until(10.5).put(99.0, Phase(name="ended"))
    at = 11.0
    while at < until:
        built.show(at, "running").ask(at, "status")
        at += 0.5
    return built


def hopeless() -> Built:
    """Running for ever, also after a load, and no way to run again."""
    built = stuck_after_restart().ask(76.0, "load").show(76.5, "running", after_load=True)
    return built.ask(77.0, "run", 409, method="POST", path="/run")


def lazy() -> Built:
    """Shown as running until somebody loads; then all is well."""
    built = stuck_after_restart().ask(76.0, "load").show(76.5, "error", after_load=True)
    return built.ask(77.0, "run", 200, method="POST", path="/run")


def woken(*words: str) -> Built:
    """Shown as interrupted until somebody loads, and as this from then on: nobody works on it."""
    built = crashed().until(14.2).ask(14.3, "load", epoch=1)
    for at, word in zip((76.0, 76.5), (words[0], words[-1]), strict=True):
        built.show(at, word, after_load=True, epoch=1)
    built.ask(77.0, "run", epoch=1, witness="trial", method="POST", path="/run")
    return built.put(80.0, Phase(name="ended"))


def deaf(another_leaves: bool) -> Built:
    """The stream never tells the end of the run, which REST shows for a quarter of a minute."""
    built = calm()
    built.placed = [(at + 12 if at > 4.5 else at, record) for at, record in built.placed]
    built.without(Status, via="stream", raw="finished").forget("stream:0", "f1", "s1")
    for at in range(5, 15, 2):
        built.show(at, "finished").ask(at, "status")
    if another_leaves:
        built.header.witnesses["user"] = ["stream"]
        way = {"reading": "stream:back", "conversation": "c1", "path": "unread", "witness": "user"}
        for moment, stage in ((2.6, "opened"), (2.6, "subscribed"), (3.0, "closed")):
            built.put(moment, Stream(stage=stage, **way))
    return built


def posted_at_the_last_reply(at: float) -> Built:
    """Another user posts a message, and the run ends and goes on at once; the model was asked last before 2.9."""
    last = 2.9
    built = calm().ask(at, "send", witness="observer", text="one more thing")
    return (
        built.move(ModelCall, {"turn": 2, "stage": "asked"}, last)
        .show(3.25, "running", "stream")
        .show(3.3, "finished", "stream")
    )


def paused() -> Built:
    """What was broken off is shown as paused afterwards, and nothing else marks it."""
    built = crashed().alter(Status, {"raw": "error"}, raw="paused", neutral="interrupted")
    return built.alter(Event, {"id": "e2"}, role="observation")


ROWS = [
    Row("status.known", "calm", HOLDS, calm),
    Row(
        "status.known",
        "waits-for-a-published-word",
        HOLDS,
        lambda: calm().alter(Vocabulary, {}, waited_for=["finished"]),
    ),
    Row("status.known", "word-that-nobody-published", VIOLATED, lambda: calm().show(3.0, "sleeping"), "unknown-status"),
    Row(
        "status.known",
        "waits-for-stopped",
        VIOLATED,
        lambda: calm().alter(Vocabulary, {}, waited_for=["stopped"]),
        "waits-for-unknown",
    ),
    Row("status.known", "no-status-seen", INCONCLUSIVE, lambda: calm().without(Status)),
    Row("status.known", "nothing-published", INCONCLUSIVE, lambda: calm().without(Vocabulary)),
    Row("status.agree", "calm", HOLDS, calm),
    Row("status.agree", "deaf", VIOLATED, lambda: deaf(False), "stream-active-rest-done"),
    Row("status.agree", "deaf-and-another-leaves", VIOLATED, lambda: deaf(True), "stream-active-rest-done"),
    Row("status.agree", "kill-tool-running", HOLDS, crashed),
    Row("status.agree", "rest-behind-for-a-moment", HOLDS, lambda: calm().show(3.25, "running").show(3.3, "finished")),
    Row(
        "status.agree",
        "stream-closed-before-the-change",
        HOLDS,
        lambda: (
            calm()
            .move(Stream, {"stage": "closed"}, 7.2)
            .show(7.3, "idle")
            .alter(Status, {"via": "disk"}, raw="idle", neutral="idle")
        ),
    ),
    Row(
        "status.agree",
        "rest-stays-behind",
        VIOLATED,
        lambda: (
            calm()
            .move(Stream, {"stage": "closed"}, 30.0)
            .without(Status, via="rest", raw="finished")
            .show(4.0, "running")
            .show(7.0, "running")
            .show(9.5, "running")
        ),
        "stream-done-rest-active",
    ),
    Row(
        "status.agree",
        "disk-not-written-by-an-orderly-stop",
        VIOLATED,
        lambda: calm().alter(Status, {"via": "disk"}, raw="running", neutral="active"),
        "disk-active-rest-done",
    ),
    Row(
        "status.agree",
        "disk-not-written-at-a-quick-death",
        INCONCLUSIVE,
        lambda: (
            calm()
            .parameter("status.agree", 10.0)
            .alter(Life, {"stage": "stopped"}, stage="died")
            .alter(Status, {"via": "disk"}, raw="running", neutral="active")
        ),
    ),
    Row(
        "status.agree",
        "differs-at-the-end-of-the-watch",
        INCONCLUSIVE,
        lambda: calm().without(Status, via="disk").show(6.9, "running"),
    ),
    Row(
        "status.agree",
        "one-reader",
        INCONCLUSIVE,
        lambda: calm().without(Status, via="stream").without(Status, via="disk"),
    ),
    Row("status.final", "calm", HOLDS, calm),
    Row("status.final", "kill-tool-running", HOLDS, crashed),
    Row("status.final", "new-run", HOLDS, lambda: calm().ask(5.0, "run").show(5.1, "running")),
    Row(
        "status.final",
        "message-under-way-when-it-was-read",
        HOLDS,
        lambda: calm().ask(4.5, "send", took=0.6).show(4.6, "idle"),
    ),
    Row(
        "status.final",
        "client-runs-through-the-wire",
        HOLDS,
        lambda: calm().put(5.0, *calm_run_again()).show(5.2, "running"),
    ),
    Row(
        "status.final",
        "goes-on-for-a-message-of-before-its-end",
        HOLDS,
        lambda: calm().ask(2.55, "send", text="one more thing").show(3.4, "running", "stream"),
    ),
    Row(
        "status.final",
        "opened-right-after-a-short-run",
        VIOLATED,
        lambda: (
            calm().move(Request, {"verb": "run"}, 2.7).move(Exchange, {"path": "/run"}, 2.7).show(3.5, "idle", "stream")
        ),
        "done-became-idle",
    ),
    Row("status.final", "finished-became-running", VIOLATED, lambda: calm().show(5.5, "running"), "done-became-active"),
    Row(
        "status.final",
        "forgotten-over-restart",
        VIOLATED,
        lambda: calm().put(5.0, Life(stage="stopped", epoch=0), Life(stage="started", epoch=1)).show(5.5, "idle"),
        "done-became-idle",
    ),
    Row(
        "status.final",
        "finished-became-error-on-stream",
        VIOLATED,
        lambda: calm().show(5.0, "error", "stream"),
        "done-became-failed",
    ),
    Row(
        "status.final",
        "goes-on-for-a-message-that-it-had-not-heard",
        HOLDS,
        lambda: posted_at_the_last_reply(2.95),
    ),
    Row(
        "status.final",
        "goes-on-although-it-had-heard-every-message",
        VIOLATED,
        lambda: posted_at_the_last_reply(2.3),
        "done-became-active",
    ),
    Row("status.final", "nothing-ended", INCONCLUSIVE, lambda: calm().until(2.6).put(2.7, Phase(name="ended"))),
    Row(
        "status.final",
        "rests-without-having-ended",
        NOT_APPLICABLE,
        lambda: calm().alter(Status, {"raw": "finished"}, raw="paused", neutral="interrupted"),
    ),
    Row(
        "status.final",
        "rejected-while-it-waited",
        NOT_APPLICABLE,
        lambda: (
            calm()
            .alter(Status, {"raw": "finished"}, raw="waiting", neutral="waiting")
            .ask(6.95, "reject", witness="observer")
            .show(7.0, "idle", "stream")
            .without(Status, via="rest", raw="waiting")
            .alter(Status, {"via": "disk"}, raw="idle", neutral="idle")
        ),
    ),
    Row("status.crash", "marked-and-usable", HOLDS, crashed),
    Row(
        "status.crash",
        "server-promises-interrupted",
        HOLDS,
        lambda: crashed("interrupted").alter(Status, {"raw": "error"}, raw="paused", neutral="interrupted"),
    ),
    Row(
        "status.crash",
        "runs-again-by-itself",
        HOLDS,
        lambda: (
            lazy()
            .fact(crash_policy="run-again")
            .put(12.0, ModelCall(stage="asked", turn=2, conversation="c1"))
            .alter(Status, {"raw": "error"}, raw="running", neutral="active")
        ),
    ),
    Row(
        "status.crash",
        "marked-by-an-event",
        HOLDS,
        lambda: crashed().alter(Status, {"raw": "error"}, raw="paused", neutral="interrupted"),
    ),
    Row("status.crash", "running-until-loaded", VIOLATED, lazy, "running-after-restart"),
    Row("status.crash", "running-once-loaded", VIOLATED, lambda: woken("running"), "running-after-load"),
    Row("status.crash", "running-for-a-moment-once-loaded", HOLDS, lambda: woken("running", "error")),
    Row("status.crash", "running-for-ever", VIOLATED, hopeless, "running-after-restart+running-after-load+not-usable"),
    Row(
        "status.crash",
        "unmarked",
        VIOLATED,
        lambda: (
            crashed()
            .alter(Status, {"raw": "error"}, raw="idle", neutral="idle")
            .alter(Event, {"id": "e2"}, role="observation")
        ),
        "unmarked",
    ),
    Row(
        "status.crash",
        "refused-after-restart",
        VIOLATED,
        lambda: crashed().alter(Request, {"verb": "run", "epoch": 1}, code=404),
        "not-usable",
    ),
    Row("status.crash", "watched-too-briefly", INCONCLUSIVE, lambda: stuck_after_restart(30).ask(31.0, "run", 200)),
    Row("status.crash", "never-pushed", INCONCLUSIVE, lambda: crashed().without(Request, verb="run", epoch=1)),
    Row("status.crash", "never-ready-again", INCONCLUSIVE, lambda: crashed().until(9)),
    Row("status.crash", "calm", NOT_APPLICABLE, calm),
    Row(
        "status.crash",
        "died-at-rest",
        NOT_APPLICABLE,
        lambda: (
            crashed().show(3.7, "finished").alter(Status, {"via": "disk", "epoch": 0}, raw="finished", neutral="done")
        ),
    ),
    Row("status.crash", "paused-before-and-after", HOLDS, lambda: paused().show(3.8, "paused").ask(3.7, "pause")),
    *(
        Row("status.crash", name, VIOLATED, built, "unmarked")
        for name, built in (
            ("paused-and-nobody-asked", lambda: paused().show(3.8, "paused")),
            ("the-pause-was-refused", lambda: paused().show(3.8, "paused").ask(3.7, "pause", 409)),
            ("paused-and-running-again", lambda: paused().ask(3.6, "pause").show(3.7, "paused").show(3.8, "running")),
            ("paused-and-asked-to-run", lambda: paused().ask(3.6, "pause").show(3.7, "paused").ask(3.85, "run")),
            ("paused-for-the-client-alone", lambda: paused().ask(2.2, "pause").show(3.9, "paused", "client")),
        )
    ),
    Row(
        "status.crash",
        "ended-between-the-last-look-and-the-death",
        NOT_APPLICABLE,
        lambda: (
            crashed()
            .read(4.5, "disk:8", [*log_of_run(2)[:5], event("f8", "status", 0.5, status="finished")])
            .show(4.6, "finished", "disk")
        ),
    ),
    Row(
        "status.crash",
        "the-disk-is-behind-and-tells-of-an-earlier-end",
        HOLDS,
        lambda: (
            crashed()
            .read(1.9, "page:8", [event("f8", "status", 0.0, status="finished")])
            .read(4.5, "disk:8", [event("f8", "status", 0.0, status="finished")])
            .show(4.6, "finished", "disk")
        ),
    ),
    Row(
        "status.crash",
        "the-disk-lacks-the-start-that-was-heard",
        HOLDS,
        lambda: (
            crashed().read(4.5, "disk:8", [event("f8", "status", 0.0, status="finished")]).show(4.6, "finished", "disk")
        ),
    ),
    Row(
        "status.crash",
        "stopped-in-order-while-it-ran",
        HOLDS,
        lambda: (
            crashed()
            .alter(Life, {"stage": "died"}, stage="stopped")
            .alter(Fault, {"fault": "f"}, name="process.restart")
            .plan(faults=[{"id": "f", "fault": "process.restart", "at": "created"}])
        ),
    ),
    Row("status.gated", "dormant-then-open", HOLDS, dormant),
    Row("status.gated", "asked-while-it-was-initialised", HOLDS, lambda: dormant().ask(0.91, "probe", 503)),
    Row(
        "status.gated",
        "refuses-for-a-moment",
        VIOLATED,
        lambda: dormant().ask(0.95, "probe", 503),
        "still-gated",
    ),
    Row(
        "status.gated",
        "fails-for-a-moment",
        VIOLATED,
        lambda: dormant().ask(0.95, "probe", 500),
        "fails-once-initialised",
    ),
    Row(
        "status.gated",
        "served-while-dormant",
        VIOLATED,
        lambda: dormant().alter(Request, {"path": "/tools"}, code=200),
        "served-while-dormant",
    ),
    Row(
        "status.gated",
        "other-refusal",
        VIOLATED,
        lambda: dormant().alter(Request, {"path": "/tools"}, code=401),
        "not-503-while-dormant",
    ),
    Row("status.gated", "closed-again", VIOLATED, lambda: dormant().ask(5.0, "status", 503), "still-gated"),
    Row(
        "status.gated",
        "cannot-be-initialised",
        VIOLATED,
        lambda: dormant().alter(Request, {"verb": "init"}, code=500),
        "init-refused",
    ),
    Row("status.gated", "nothing-probed", INCONCLUSIVE, lambda: dormant().without(Request, verb="probe")),
    Row("status.gated", "no-answer-to-init", INCONCLUSIVE, lambda: dormant().alter(Request, {"verb": "init"}, code=0)),
    Row("status.gated", "started-open", NOT_APPLICABLE, calm),
]


def calm_run_again() -> list[Exchange]:
    return [Exchange(conn=2, method="POST", path="/run", code=200, began_ns=4_950_000_000)]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_status(row: Row) -> None:
    verdict = judge(row.make().build(), [row.guarantee])[row.guarantee]
    assert (verdict.outcome, verdict.signature) == (row.outcome, row.signature), verdict.says
