"""The guarantees of loop, cost and server, row by row."""

from __future__ import annotations

import pytest
from guarantee_histories import HOLDS, INCONCLUSIVE, NOT_APPLICABLE, VIOLATED, Built, Row, calm, crashed, subscribed

from tailproof.guarantees.catalogue import judge
from tailproof.history.records import (
    BreakOff,
    Effect,
    Exchange,
    Fault,
    Frame,
    Life,
    ModelCall,
    Phase,
    Rendezvous,
    Run,
    Stall,
)
from tailproof.history.server_records import Event, Request, Status, Stream


def never_ends(until: float) -> Built:
    """The run is seen as running, again and again."""
    built = calm().until(2.6).put(until + 1, Phase(name="ended"))
    at = 3.0
    while at < until:
        built.show(at, "running")
        at += 1
    return built


def frozen(until: float, name: str) -> Built:
    """The run is seen as running, under a fault that is healed at 50."""
    built = never_ends(until).fault(2.1, "intent", name).fault(2.15, "injected", name).fault(2.2, "proven", name)
    return built.fault(50.0, "healed", name)


def failed(back: str = "raised") -> Built:
    """A run that ends in an error."""
    built = calm().alter(Status, {"raw": "finished"}, raw="error", neutral="failed")
    return built.alter(
        Run, {"stage": "returned"}, stage=back, error_type="ConversationRunError" if back == "raised" else ""
    )


def second_run(returned: float) -> Built:
    """A second message, which makes the conversation idle, and a second run from 4.6 to 6.5."""
    built = calm().ask(4.45, "send", text="again").show(4.5, "idle", "stream").ask(4.6, "run")
    built.put(4.55, Run(stage="called", number=1, conversation="c1"))
    built.show(4.65, "running", "stream").show(5.9, "running").show(6.5, "finished", "stream")
    return built.put(returned, Run(stage="returned", number=1, conversation="c1", status="finished", neutral="done"))


def paused_at_rest() -> Built:
    """The run ended just before somebody asked for a pause, and no status was seen since."""
    return calm().until(3.2).ask(3.25, "pause").put(6.0, Phase(name="ended"))


def ignored_pause() -> Built:
    """A pause that is shown at 2.3, and a run that asks the model at 3.5 and finishes at 5."""
    built = calm().alter(Status, {"raw": "finished"}, raw="running", neutral="active")
    built.ask(2.25, "pause").show(2.3, "paused", "stream")
    built.put(3.5, ModelCall(stage="asked", turn=3, request=3, conversation="c1", said=["go"]))
    return built.show(5.0, "finished", "stream").show(5.1, "finished")


def long_run(reads: int, each: int, tools: int = 500) -> Built:
    """A log of about a thousand events, 1,000 bytes each; the client reads `reads` pages of `each` bytes before it returns."""
    built = calm(tools)
    for index in range(reads):
        path = f"/events?cursor={index}"
        built.put(3.5 + index / 100, Exchange(conn=3, method="GET", path=path, code=200, down_bytes=each))
    for at in (2.2, 2.6, 3.6):
        built.put(at, Exchange(conn=3, method="GET", path="/status", code=200, down_bytes=900_000))
        built.ask(at, "status", witness="client", method="GET", path="/status")
    return built


def hung_up(waited: float) -> Built:
    """The client ends a request itself after so many seconds without an answer."""
    built = calm().ask(13.0, "load", 0, waited, witness="client", method="GET", path="/events", error="broken")
    began = int((13.0 - waited) * 1e9)
    exchange = Exchange(conn=4, method="GET", path="/events", done="broken", ended_by="client", began_ns=began)
    return built.put(13.0, exchange).move(Phase, {"name": "stopping"}, 13.5).move(Life, {"stage": "stopped"}, 14.0)


def broke(verb: str, code: int) -> Built:
    """The plain client is refused, and the trial breaks off."""
    built = calm(client="plain").until(1.0).put(1.5, BreakOff("client", verb, f"the client failed to {verb}"))
    return built.client_asks(1.4, verb, code, text="no").put(2.0, Phase(name="ended"))


def dies_by_itself(after: str = "process.kill") -> Built:
    """The server was killed, was ready again at 10, and dies by itself 11 s later."""
    built = crashed().alter(Fault, {}, name=after).without(Life, stage="stopped")
    built.put(20.85, Life(stage="died", epoch=1, exit_code=139))
    return built.move(Stream, {"reading": "stream:1", "stage": "closed"}, 20.86)


def turned_away() -> Built:
    """Observer and client are refused their subscriptions."""
    built = (
        calm(client="plain").until(1.19).put(1.2, Stream(reading="stream:0", stage="closed", path="direct", code=4001))
    )
    built.without(Exchange, upgrade=True).without(Frame).without(Stream, path="wire")
    built.put(1.16, Exchange(conn=1, method="GET", path="/stream", code=403, upgrade=True))
    return built.put(1.5, BreakOff("server", "subscribe", "not accepted")).put(2.0, Phase(name="ended"))


def gone(again: float) -> Built:
    """The server was killed and started again at 5; it dies again at `again`, or just never gets ready."""
    built = crashed().until(5.0).put(20.0, BreakOff("server", "ready", "not ready again"), Phase(name="ended"))
    return built.put(again, Life(stage="died", epoch=1, exit_code=1)) if again else built


def asked_again(at: float = 5.0) -> Built:
    """Two other users ask in the same moment for a run of what is done."""
    return calm().ask(at, "run", witness="observer").ask(at + 0.01, "run", witness="observer")


def rejected() -> Built:
    """The run comes to wait for a confirmation, and another user rejects what waits."""
    built = calm().alter(Status, {"raw": "finished"}, raw="waiting", neutral="waiting")
    built.ask(5.0, "reject", witness="observer").show(5.1, "idle", "stream")
    return built.without(Status, via="rest", raw="waiting").show(6.9, "idle")


def ended_at(at: float = 2.3, code: int = 1011, *, by_server: bool = True) -> Built:
    """The observer's subscription is closed; the loop asks the model from 2.1 to 3.1."""
    end = {"reading": "stream:0", "stage": "closed"}
    return calm().alter(Stream, end, code=code, by_server=by_server).move(Stream, end, at)


def another_leaves(*, by_server: bool, path: str = "resumed") -> Built:
    """A second subscriber is gone while the loop goes on."""
    since = "all" if path == "resumed" else "now"
    way = {"reading": "stream:another", "conversation": "c1", "path": path, "witness": "user", "since": since}
    built = calm().put(2.12, Stream(stage="opened", **way)).put(2.13, Stream(stage="subscribed", **way))
    built.header.witnesses["user"] = ["stream"]
    return built.put(2.3, Stream(stage="closed", code=1000, by_server=by_server, **way))


def client_thrown_out() -> Built:
    """The server says goodbye to the client, through the wire."""
    end = Stream(reading="wire:1", stage="closed", path="wire", witness="wire", code=1000, by_server=True)
    return calm().put(2.3, end)


def ended_in_its_second_life() -> Built:
    """`crashed`, with the phases of a real trial; the observer's second subscription is closed before the loop goes on."""
    built = crashed().put(4.2, Phase(name="recovering")).put(16.2, Phase(name="driving"))
    end = {"reading": "stream:1", "stage": "closed"}
    return built.alter(Stream, end, code=1011, by_server=True).move(Stream, end, 16.6)


def of_somebody_else(built: Built) -> Built:
    """The server is run by others."""
    built.header.target = "url:https://example.org"
    return built


def between_two_runs() -> Built:
    """The server says goodbye at rest, and a second run begins behind that."""
    built = ended_at(3.5)
    return built.put(5.0, ModelCall(stage="asked", turn=5, request=99, conversation="c1", said=["go"]))


ROWS = [
    Row("loop.terminates", "two-ask-in-the-same-moment-for-what-is-done", HOLDS, asked_again),
    Row(
        "loop.terminates",
        "goes-along-with-the-run-of-another",
        HOLDS,
        lambda: calm().alter(Request, {"verb": "run"}, code=409).ask(1.85, "run", witness="observer"),
    ),
    Row("loop.terminates", "calm", HOLDS, calm),
    Row(
        "loop.terminates",
        "late-but-within-its-budget-after-healing",
        HOLDS,
        lambda: frozen(60, "process.pause").show(61.0, "finished"),
    ),
    Row(
        "loop.terminates",
        "a-fault-of-the-clients-path-is-no-excuse",
        VIOLATED,
        lambda: frozen(60, "wire.delay"),
        "still-running",
    ),
    Row(
        "loop.terminates",
        "a-word-that-nobody-knows-is-no-rest",
        VIOLATED,
        lambda: never_ends(60).show(60.0, "pondering"),
        "still-running",
    ),
    Row(
        "loop.terminates",
        "held-by-the-trial-itself",
        HOLDS,
        lambda: never_ends(60).put(50.0, Rendezvous(point="tool-running:3", stage="released")).show(61.0, "finished"),
    ),
    Row(
        "loop.terminates",
        "the-end-of-driving-is-no-excuse",
        VIOLATED,
        lambda: never_ends(60).put(50.0, Rendezvous(point="end", stage="released")),
        "still-running",
    ),
    Row(
        "loop.terminates",
        "waits-for-the-user",
        HOLDS,
        lambda: calm().alter(Status, {"raw": "finished"}, raw="waiting", neutral="waiting"),
    ),
    Row("loop.terminates", "still-running", VIOLATED, lambda: never_ends(60), "still-running"),
    Row("loop.terminates", "ended-late", VIOLATED, lambda: never_ends(60).show(60.5, "finished"), "late-end"),
    Row(
        "loop.terminates",
        "never-begun",
        VIOLATED,
        lambda: calm().until(2.01).show(3.0, "idle").show(40.0, "idle"),
        "never-begun",
    ),
    Row("loop.terminates", "watched-too-briefly", INCONCLUSIVE, lambda: never_ends(20)),
    Row("loop.terminates", "nothing-seen", INCONCLUSIVE, lambda: calm().without(Status)),
    Row(
        "loop.terminates", "cut-off-by-a-crash", NOT_APPLICABLE, lambda: crashed().without(Request, verb="run", epoch=1)
    ),
    Row("loop.terminates", "no-run", INCONCLUSIVE, lambda: calm().without(Request, verb="run").without(Run)),
    Row("loop.terminates", "a-second-message-before-a-second-run", HOLDS, lambda: second_run(6.6)),
    Row(
        "loop.terminates",
        "a-script-was-seen-to-run-after-it-had-asked",
        HOLDS,
        lambda: calm().alter(Request, {"verb": "run"}, witness="client").move(Run, {"stage": "called"}, 2.3),
    ),
    Row("loop.returns", "calm", HOLDS, calm),
    Row("loop.returns", "raises-an-error", HOLDS, failed),
    Row(
        "loop.returns",
        "late-by-the-lag",
        HOLDS,
        lambda: calm().parameter("lag", 5.0).move(Run, {"stage": "returned"}, 17.0),
    ),
    Row("loop.returns", "late", VIOLATED, lambda: calm().move(Run, {"stage": "returned"}, 17.0), "late-return"),
    Row(
        "loop.returns",
        "never",
        VIOLATED,
        lambda: calm().without(Run, stage="returned").put(30.0, Phase(name="ended")),
        "never-returned",
    ),
    Row("loop.returns", "as-if-all-were-well", VIOLATED, lambda: failed("returned"), "silent-error"),
    Row(
        "loop.returns",
        "raises-although-done",
        VIOLATED,
        lambda: calm().alter(Run, {"stage": "returned"}, stage="raised", error_type="TimeoutError"),
        "raised-although-done",
    ),
    Row(
        "loop.returns",
        "while-the-run-goes-on",
        VIOLATED,
        lambda: calm().without(Status, raw="finished").show(4.5, "running").show(5.5, "running").show(5.9, "finished"),
        "returned-early",
    ),
    Row("loop.returns", "a-second-message-before-a-second-run", HOLDS, lambda: second_run(6.6)),
    Row("loop.returns", "returned-from-the-second-run-at-once", VIOLATED, lambda: second_run(4.66), "returned-early"),
    Row("loop.returns", "trial-ended-before-it-was-late", INCONCLUSIVE, lambda: calm().without(Run, stage="returned")),
    Row("loop.returns", "plain-client", NOT_APPLICABLE, lambda: calm(client="plain")),
    Row("loop.returns", "run-without-end", INCONCLUSIVE, lambda: calm().without(Status)),
    Row("loop.once", "calm", HOLDS, calm),
    Row("loop.once", "kill-tool-running", HOLDS, crashed),
    Row(
        "loop.once",
        "runs-again-after-restart",
        VIOLATED,
        lambda: crashed().put(17.0, Effect(token="token-a2", stage="begin")),
        "ran-twice",
    ),
    Row(
        "loop.once",
        "runs-twice-at-once",
        VIOLATED,
        lambda: calm().put(2.6, Effect(token="token-a2", stage="begin")),
        "ran-twice",
    ),
    Row("loop.once", "never-pushed", INCONCLUSIVE, lambda: crashed().until(15.5)),
    Row("loop.once", "no-tool-ran", INCONCLUSIVE, lambda: calm(3).without(Effect).alter(ModelCall, {}, results={})),
    Row("loop.once", "no-tool-in-the-script", NOT_APPLICABLE, lambda: calm(0)),
    Row("loop.quiet", "calm", HOLDS, calm),
    Row("loop.quiet", "kill-tool-running", HOLDS, crashed),
    Row("loop.quiet", "title-of-the-conversation", HOLDS, lambda: calm().put(5.0, ModelCall(stage="asked", turn=-1))),
    Row(
        "loop.quiet",
        "new-run",
        HOLDS,
        lambda: calm().ask(5.0, "run").put(5.5, ModelCall(stage="asked", turn=4)).show(5.2, "running"),
    ),
    Row(
        "loop.quiet",
        "new-run-while-the-old-end-is-still-shown",
        HOLDS,
        lambda: (
            calm()
            .ask(5.0, "run")
            .show(5.01, "finished")
            .put(6.6, ModelCall(stage="asked", turn=4))
            .show(7.2, "finished")
        ),
    ),
    Row(
        "loop.quiet",
        "new-run-that-the-stream-shows-before-the-poll",
        HOLDS,
        lambda: (
            calm()
            .ask(5.0, "run")
            .show(5.1, "running", "stream")
            .show(5.2, "finished")
            .put(6.6, ModelCall(stage="asked", turn=4))
            .show(7.2, "finished", "stream")
            .show(7.3, "finished")
        ),
    ),
    Row(
        "loop.quiet",
        "model-called-after-end",
        VIOLATED,
        lambda: calm().put(5.0, ModelCall(stage="asked", turn=4)),
        "model-called-after-end",
    ),
    Row(
        "loop.quiet",
        "tool-ran-after-end",
        VIOLATED,
        lambda: calm().put(5.0, Effect(token="late", stage="begin")),
        "tool-ran-after-end",
    ),
    Row(
        "loop.quiet",
        "after-pause",
        VIOLATED,
        lambda: (
            calm()
            .until(2.3)
            .ask(2.4, "pause")
            .show(2.5, "paused")
            .put(3.5, ModelCall(stage="asked", turn=2))
            .put(4.0, Phase(name="ended"))
        ),
        "model-called-after-end",
    ),
    Row(
        "loop.quiet",
        "after-deletion",
        VIOLATED,
        lambda: (
            calm()
            .until(2.3)
            .ask(2.4, "delete")
            .put(3.5, ModelCall(stage="asked", turn=2))
            .put(4.0, Phase(name="ended"))
        ),
        "model-called-after-end",
    ),
    Row("loop.quiet", "paused-after-its-end", HOLDS, paused_at_rest),
    Row(
        "loop.quiet",
        "set-going-by-a-pause-after-its-end",
        VIOLATED,
        lambda: paused_at_rest().put(5.0, ModelCall(stage="asked", turn=4)),
        "model-called-after-end",
    ),
    Row("loop.quiet", "runs-again-after-a-pause", INCONCLUSIVE, lambda: paused_at_rest().show(3.6, "running")),
    Row("loop.quiet", "goes-on-to-its-end-after-a-pause", VIOLATED, ignored_pause, "model-called-after-end"),
    Row(
        "loop.quiet",
        "goes-on-after-a-pause-because-it-was-asked-to",
        HOLDS,
        lambda: ignored_pause().ask(3.3, "run", witness="observer"),
    ),
    Row("loop.quiet", "asked-to-run-what-is-done", HOLDS, lambda: asked_again(3.2)),
    Row("loop.quiet", "rejected-while-it-waited", HOLDS, rejected),
    Row(
        "loop.quiet",
        "goes-on-after-a-rejection",
        VIOLATED,
        lambda: rejected().put(5.5, ModelCall(stage="asked", turn=4)),
        "model-called-after-end",
    ),
    Row("loop.quiet", "not-watched", INCONCLUSIVE, lambda: calm().until(3.2)),
    Row("loop.quiet", "never-at-rest", INCONCLUSIVE, lambda: calm().until(2.6)),
    Row("loop.explained", "kill-tool-running", HOLDS, crashed),
    Row(
        "loop.explained",
        "server-that-runs-again",
        HOLDS,
        lambda: crashed("run-again").alter(Event, {"id": "e2"}, role="observation"),
    ),
    Row("loop.explained", "no-error-event", VIOLATED, lambda: crashed().everywhere_forget("e2"), "unexplained"),
    Row(
        "loop.explained",
        "an-observation-as-if-it-had-ended",
        VIOLATED,
        lambda: crashed().alter(Event, {"id": "e2"}, role="observation"),
        "unexplained",
    ),
    Row(
        "loop.explained",
        "model-is-not-told",
        VIOLATED,
        lambda: crashed().alter(ModelCall, {"turn": 2}, results={"call-1-0": "done"}),
        "unseen-by-model",
    ),
    Row("loop.explained", "model-not-asked-again", INCONCLUSIVE, lambda: crashed().without(ModelCall, turn=2)),
    Row("loop.explained", "log-not-read", INCONCLUSIVE, lambda: crashed().until(19)),
    Row("loop.explained", "calm", NOT_APPLICABLE, calm),
    Row("loop.explained", "a-tool-ran-without-an-action", INCONCLUSIVE, lambda: crashed().everywhere_forget("a2")),
    Row(
        "loop.explained",
        "every-action-had-ended",
        NOT_APPLICABLE,
        lambda: crashed().everywhere_forget("a2").without(Effect, token="token-a2"),
    ),
    Row("cost.reconcile", "nothing-fetched", HOLDS, lambda: long_run(0, 0)),
    Row("cost.reconcile", "repairs-one-page", HOLDS, lambda: long_run(1, 100_000)),
    Row("cost.reconcile", "reads-everything", VIOLATED, lambda: long_run(11, 95_000), "reads-whole-history"),
    Row("cost.reconcile", "reads-more-than-missed", VIOLATED, lambda: long_run(4, 100_000), "reads-more-than-missed"),
    Row(
        "cost.reconcile",
        "reads-everything-and-nobody-knows-what-it-missed",
        INCONCLUSIVE,
        lambda: long_run(11, 95_000).put(3.0, Frame(conn=1, direction="down", index=3, size=9, done="dropped", id="")),
    ),
    Row("cost.reconcile", "no-request-recorded", INCONCLUSIVE, lambda: calm(500).without(Exchange)),
    Row("cost.reconcile", "log-not-read", INCONCLUSIVE, lambda: calm(500).until(5.5)),
    Row("cost.reconcile", "short-log", NOT_APPLICABLE, calm),
    Row("cost.reconcile", "client-holds-no-list", NOT_APPLICABLE, lambda: long_run(0, 0).fact(client_tells="exit")),
    Row(
        "cost.reconcile",
        "most-was-missed",
        NOT_APPLICABLE,
        lambda: long_run(11, 95_000).alter(Frame, {"name": "ActionEvent"}, done="dropped"),
    ),
    Row("server.ready", "calm", HOLDS, calm),
    Row("server.ready", "refuses-what-is-wrong", HOLDS, lambda: calm().ask(5.0, "run", 409)),
    Row("server.ready", "dying-of-our-fault", HOLDS, lambda: crashed().ask(3.95, "status", 500)),
    Row(
        "server.ready", "fault-on-the-path-of-the-client", HOLDS, lambda: calm().client_asks(3.0, "send", 502, rule="f")
    ),
    Row("server.ready", "dormant", HOLDS, lambda: calm().ask(1.02, "status", 503).ask(1.05, "init")),
    Row(
        "server.ready", "5xx", VIOLATED, lambda: calm().alter(Request, {"verb": "create"}, code=500), "5xx-after-ready"
    ),
    Row("server.ready", "5xx-after-restart", VIOLATED, lambda: crashed().ask(15.0, "load", 500), "5xx-after-ready"),
    Row("server.ready", "late", VIOLATED, lambda: crashed().parameter("server.ready", 4.0), "late-ready"),
    Row("server.ready", "never-ready", INCONCLUSIVE, lambda: calm().until(0.5)),
    Row("server.ready", "nothing-asked", INCONCLUSIVE, lambda: calm().without(Request)),
    Row("server.ready", "nobody-saw-it-start", INCONCLUSIVE, lambda: calm().without(Life)),
    Row(
        "server.ready", "the-client-gets-500", VIOLATED, lambda: calm().client_asks(3.0, "send", 500), "5xx-after-ready"
    ),
    Row(
        "server.ready",
        "nobody-gets-an-answer",
        VIOLATED,
        lambda: calm().ask(5.0, "status", 0, took=2.0, error="timeout"),
        "no-answer-after-ready",
    ),
    Row("server.ready", "a-client-that-hung-up", HOLDS, lambda: hung_up(2.0)),
    Row("server.ready", "a-client-that-lost-its-patience", VIOLATED, lambda: hung_up(9.0), "no-answer-after-ready"),
    Row(
        "server.ready",
        "reads-that-wait-for-the-step-under-way",
        HOLDS,
        lambda: calm().fact(reads_wait_for_steps=True).ask(5.0, "status", 0, took=2.0, error="timeout"),
    ),
    Row("server.works", "calm", HOLDS, calm),
    Row("server.works", "kill-tool-running", HOLDS, crashed),
    Row("server.works", "refuses-to-create", VIOLATED, lambda: broke("create", 422), "create-refused"),
    Row("server.works", "dies-again-after-a-kill", VIOLATED, dies_by_itself, "died-by-itself"),
    Row("server.works", "dies-behind-a-full-disk", HOLDS, lambda: dies_by_itself("disk.full")),
    Row("server.works", "dies-on-a-damaged-disk", HOLDS, lambda: dies_by_itself("disk.damage")),
    Row("server.works", "a-run-was-under-way", INCONCLUSIVE, lambda: broke("run", 409).show(0.9, "running")),
    Row(
        "server.works", "no-run-was-under-way", VIOLATED, lambda: broke("run", 409).show(0.9, "finished"), "run-refused"
    ),
    Row(
        "server.works", "has-nothing-for-what-was-deleted", INCONCLUSIVE, lambda: broke("send", 404).ask(1.3, "delete")
    ),
    Row(
        "server.works",
        "has-nothing-for-what-is-deleted-later",
        VIOLATED,
        lambda: broke("send", 404).ask(1.45, "delete"),
        "send-refused",
    ),
    Row(
        "server.works",
        "fails-for-what-was-deleted",
        VIOLATED,
        lambda: broke("send", 500).ask(1.3, "delete"),
        "send-fails",
    ),
    Row("server.works", "fails-to-take-a-message", VIOLATED, lambda: broke("send", 500), "send-fails"),
    Row(
        "server.works",
        "dies-by-itself",
        VIOLATED,
        lambda: calm().put(5.0, Life(stage="died", epoch=0, exit_code=1)),
        "died-by-itself",
    ),
    Row("server.works", "turns-everybody-away", VIOLATED, turned_away, "subscription-refused"),
    Row("server.works", "turns-the-observer-away-alone", INCONCLUSIVE, lambda: subscribed(turned_away(), 1, 1.15)),
    Row("server.works", "ends-a-subscription-while-the-loop-goes-on", VIOLATED, ended_at, "subscription-ended"),
    Row(
        "server.works",
        "says-goodbye-while-the-loop-goes-on",
        VIOLATED,
        lambda: ended_at(code=1000),
        "subscription-ended",
    ),
    Row("server.works", "says-goodbye-between-two-runs", VIOLATED, between_two_runs, "subscription-ended"),
    Row("server.works", "says-goodbye-in-its-second-life", VIOLATED, ended_in_its_second_life, "subscription-ended"),
    Row(
        "server.works",
        "says-goodbye-before-somebody-deletes-it",
        VIOLATED,
        lambda: ended_at().ask(5.5, "delete"),
        "subscription-ended",
    ),
    Row("server.works", "the-harness-hangs-up", HOLDS, lambda: ended_at(by_server=False)),
    Row(
        "server.works",
        "throws-another-user-out",
        VIOLATED,
        lambda: another_leaves(by_server=True),
        "subscription-ended",
    ),
    Row(
        "server.works",
        "one-subscriber-at-a-time",
        VIOLATED,
        lambda: another_leaves(by_server=True, path="direct"),
        "subscription-ended",
    ),
    Row("server.works", "another-user-leaves", HOLDS, lambda: another_leaves(by_server=False)),
    Row("server.works", "throws-the-client-out", VIOLATED, client_thrown_out, "subscription-ended"),
    Row(
        "server.works",
        "a-client-goes-on-a-bad-path",
        HOLDS,
        lambda: (
            client_thrown_out().fault(2.2, "intent").fault(2.21, "injected").fault(2.5, "proven").fault(2.6, "healed")
        ),
    ),
    Row("server.works", "ends-a-subscription-behind-the-last-step", HOLDS, lambda: ended_at(3.5)),
    Row("server.works", "ends-the-subscription-to-what-is-deleted", HOLDS, lambda: ended_at().ask(2.29, "delete")),
    Row(
        "server.works",
        "ends-the-subscription-to-what-is-being-deleted",
        HOLDS,
        lambda: ended_at().ask(2.4, "delete", 0, 0.2, cut=True),
    ),
    Row("server.works", "a-gateway-goes-away", HOLDS, lambda: of_somebody_else(ended_at(code=1001))),
    Row(
        "server.works",
        "a-subscription-ends-while-the-server-is-paused",
        HOLDS,
        lambda: ended_at().put(2.2, Life(stage="paused", epoch=0)).put(2.31, Life(stage="resumed", epoch=0)),
    ),
    Row(
        "server.works",
        "a-subscription-ends-while-the-harness-stands-still",
        HOLDS,
        lambda: ended_at().put(2.2, Stall(late_ns=9)),
    ),
    Row("server.returns", "kill-tool-running", HOLDS, crashed),
    Row(
        "server.returns",
        "after-an-orderly-stop",
        HOLDS,
        lambda: crashed().alter(Life, {"stage": "died"}, stage="stopped").alter(Fault, {}, name="process.restart"),
    ),
    Row("server.returns", "dies-again", VIOLATED, lambda: gone(6.0), "dies-again"),
    Row(
        "server.returns",
        "never-ready-again",
        VIOLATED,
        lambda: gone(0).put(120.0, Phase(name="ended")),
        "never-ready-again",
    ),
    Row("server.returns", "nobody-waited", INCONCLUSIVE, lambda: gone(0)),
    Row(
        "server.returns",
        "not-found-at-first",
        VIOLATED,
        lambda: crashed().ask(10.5, "status", 404, epoch=1),
        "conversation-not-found",
    ),
    Row("server.returns", "not-found-before-it-was-ready", HOLDS, lambda: crashed().ask(9.5, "status", 404, epoch=1)),
    Row(
        "server.returns",
        "not-found-once-deleted",
        HOLDS,
        lambda: crashed().ask(21.0, "delete", epoch=1).ask(21.5, "status", 404, epoch=1),
    ),
    Row(
        "server.returns",
        "another-was-not-found",
        HOLDS,
        lambda: crashed().ask(10.5, "status", 404, epoch=1, conversation="c2"),
    ),
    Row("server.returns", "calm", NOT_APPLICABLE, calm),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_loop(row: Row) -> None:
    verdict = judge(row.make().build(), [row.guarantee])[row.guarantee]
    assert (verdict.outcome, verdict.signature) == (row.outcome, row.signature), verdict.says


def test_a_log_too_short_for_its_cost_says_how_long_it_must_be() -> None:
    verdict = judge(calm().build())["cost.reconcile"]
    assert verdict.outcome is NOT_APPLICABLE
    assert "must have 600" in verdict.says
