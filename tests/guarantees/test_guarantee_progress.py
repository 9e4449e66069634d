"""The guarantees of a loop that goes on, and of a server that answers meanwhile, row by row."""

from __future__ import annotations

from typing import Literal

import pytest
from guarantee_histories import HOLDS, INCONCLUSIVE, NOT_APPLICABLE, VIOLATED, Built, Row, calm, crashed

from tailproof.guarantees.catalogue import judge
from tailproof.history.records import Effect, Life, ModelCall, Phase, Rendezvous, Run
from tailproof.history.server_records import Event, Request, Status, Stream

SLOW = [{"tools": [{}]}, {"tools": [{}], "delay_s": 8}, {"finish": "All done."}]


def stuck(asked: float = 0.0, until: float = 60.0, stops: float = 0.0) -> Built:
    """The first run ends as stuck at about 3; a second message and run at 4.5, and the model is asked at `asked`, if at all."""
    built = (
        calm()
        .move(Life, {"stage": "stopped"}, stops or until - 2)
        .alter(Status, {"raw": "finished"}, raw="stuck", neutral="stuck")
    )
    built.ask(4.4, "send", text="try again").ask(4.5, "run")
    if asked:
        built.put(asked, ModelCall(stage="asked", turn=3, request=3, conversation="c1", said=["go", "try again"]))
        built.put(asked, ModelCall(stage="answered", turn=3, request=3, conversation="c1"))
        built.show(asked + 0.1, "running", "stream").show(asked + 0.2, "finished", "stream")
    at = 5.0
    while at < until:
        built.show(at, "finished" if asked and at > asked else "stuck")
        at += 5
    return built.put(until, Phase(name="ended"))


def on_a_slow_path() -> Built:
    """As `stuck`, while what passes between client and server is delayed."""
    built = stuck().fault(1.0, "intent").fault(1.05, "injected").fault(2.2, "proven")
    return built.fault(58.0, "healed")


def asked_on_a_slow_path() -> Built:
    """The client's run is on its way for 41 s, and the server begins at once when it has it."""
    built = (
        calm().alter(Status, {"raw": "finished"}, raw="stuck", neutral="stuck").move(Life, {"stage": "stopped"}, 58.0)
    )
    built.ask(4.4, "send", text="try again").ask(46.0, "run", took=41.0)
    built.fault(4.5, "intent").fault(4.6, "injected").fault(46.1, "proven").fault(46.2, "healed")
    built.put(46.01, ModelCall(stage="asked", turn=3, request=3, conversation="c1", said=["go", "try again"]))
    built.put(46.02, ModelCall(stage="answered", turn=3, request=3, conversation="c1"))
    return built.show(46.1, "running", "stream").show(46.2, "finished", "stream").put(60.0, Phase(name="ended"))


def dead_after_a_kill(tool_ended: bool) -> Built:
    """A server that was killed while a tool ran is ready again at 10; the next run at 16 never asks the model."""
    built = crashed().until(15.9)
    if tool_ended:
        built.put(3.0, Effect(token="token-a2", stage="end"))
    built.ask(16.0, "send", text="go on", epoch=1).ask(16.2, "run", epoch=1)
    for at in range(17, 90, 5):
        built.show(at, "error", epoch=1)
    return built.put(90.0, Phase(name="ended"))


def stands_still(until: float, begun: bool = False) -> Built:
    """After its first tool the run is seen as running, and asks for nothing more; `begun` is the tool that goes on."""
    built = calm().until(2.55)
    if begun:
        built.without(Effect, token="token-a2", stage="end")
    return built.show(until - 1, "running").put(until, Phase(name="ended"))


def said_so(ends: str, last: float = 2.85) -> Built:
    """The model says in its fourth answer that it is done, and the run ends with this status."""
    built = calm()
    for record in (Status, Event):
        if ends != "finished" and record is Status:
            built.alter(
                record, {"raw": "finished"}, raw=ends, neutral={"error": "failed", "paused": "interrupted"}[ends]
            )
    built.put(last, ModelCall(stage="asked", turn=3, request=3, conversation="c1", said=["go"]))
    return built.put(last, ModelCall(stage="answered", turn=3, request=3, conversation="c1"))


def died_at(moment: float) -> Built:
    """It says that it is done, the run ends with an error, and the server dies at some moment."""
    built = said_so("error").put(moment, Life(stage="died", epoch=0))
    return built.put(moment + 0.01, Life(stage="started", epoch=1))


def one_id_twice(*, by_the_model: bool = False) -> Built:
    """The log and the next request hold call 2 and its result twice."""
    built = calm()
    for reading in ("page:0", "page:1", "page:2", "page:3", "disk:9", "stream:0", "held:0", "callback:0"):
        for one in ("a2", "o2"):
            built.twice(reading, one)
            again = [record for _, record in built.placed if isinstance(record, Event) and record.reading == reading]
            next(record for record in reversed(again) if record.id == one).id = f"{one}-again"
    twice = ["the call call-2-0 stands there twice", "the result of call-2-0 stands there twice"]
    built.alter(ModelCall, {"stage": "asked", "turn": 2}, unpaired=twice)
    if by_the_model:
        built.alter(ModelCall, {"stage": "answered", "turn": 1}, calls=["call-2-0", "call-2-0"])
    return built


def slow(waited: float, verb: str = "load", begin: float = 2.8, code: int = 200) -> Built:
    """The model thinks from 2.7 to 12.7; somebody asks at `begin` and waits."""
    built = calm().plan(script=SLOW)
    built.put(2.7, ModelCall(stage="asked", turn=1, request=9, conversation="c1", said=["go"]))
    built.put(12.7, ModelCall(stage="answered", turn=1, request=9, conversation="c1"))
    built.move(Phase, {"name": "stopping"}, 20.0).move(Phase, {"name": "ended"}, 21.0)
    built.without(Phase, name="reading").move(Stream, {"reading": "stream:0", "stage": "closed"}, 20.5)
    for stage in built.placed[:]:
        if getattr(stage[1], "stage", "") == "stopped":
            built.placed.remove(stage)
    return built.ask(begin + waited, verb, code, waited, method="GET", path=f"/{verb}")


def guarded(waited: float) -> Built:
    """A guard runs from 2.7 to 12.7; somebody asks for the status at 2.8 and waits."""
    built = slow(waited, "status").without(ModelCall, request=9)
    built.plan(script=[{"tools": [{"token": "t1"}]}, {"finish": "done"}], agent={"guards": [{"seconds": 10.0}]})
    built.put(2.7, Effect(token="before-tool-t1", stage="begin", pid=77))
    return built.put(12.7, Effect(token="before-tool-t1", stage="end", pid=77))


def newcomer(after: float, begin: float = 2.9, stage: Literal["subscribed", "closed"] = "subscribed") -> Built:
    """The model thinks from 2.7 to 12.7; somebody subscribes at `begin` and is sent the first event so many seconds later."""
    built = _unasked()
    way = {"reading": "stream:newcomer", "conversation": "c1", "path": "direct", "witness": "user"}
    built.header.witnesses["user"] = ["stream"]
    return built.put(begin, Stream(stage="opened", **way)).put(begin + after, Stream(stage=stage, **way))


ROWS = [
    Row("loop.progress", "calm", HOLDS, calm),
    Row("loop.progress", "a-message-sets-a-stuck-run-going", HOLDS, lambda: stuck(5.0)),
    Row("loop.progress", "stuck-for-ever", VIOLATED, stuck, "never-asked"),
    Row("loop.progress", "stuck-and-stopped", INCONCLUSIVE, lambda: stuck(stops=8.0)),
    Row("loop.progress", "asked-on-a-slow-path", HOLDS, asked_on_a_slow_path),
    Row("loop.progress", "stuck-on-a-slow-path", VIOLATED, on_a_slow_path, "never-asked"),
    Row("loop.progress", "dead-after-a-kill", VIOLATED, lambda: dead_after_a_kill(True), "never-asked"),
    Row("loop.progress", "dead-after-a-kill-of-a-tool", VIOLATED, lambda: dead_after_a_kill(False), "never-asked"),
    Row("loop.progress", "asked-much-too-late", VIOLATED, lambda: stuck(55.0, 70.0), "never-asked"),
    Row("loop.progress", "stands-still", VIOLATED, lambda: stands_still(60), "stands-still"),
    Row(
        "loop.progress",
        "scripted-time-is-no-standstill",
        INCONCLUSIVE,
        lambda: stands_still(50).parameter("scripted", 30),
    ),
    Row("loop.progress", "a-tool-runs-on", INCONCLUSIVE, lambda: stands_still(60, begun=True)),
    Row(
        "loop.progress",
        "held-by-the-trial",
        INCONCLUSIVE,
        lambda: stands_still(60).put(2.52, Rendezvous(point="model-called:3", stage="reached")),
    ),
    Row("loop.progress", "broken-off-by-a-crash-and-pushed", HOLDS, crashed),
    Row(
        "loop.progress",
        "broken-off-by-a-crash",
        NOT_APPLICABLE,
        lambda: crashed().until(15.5).put(60, Phase(name="ended")),
    ),
    Row(
        "loop.progress",
        "nothing-was-said-since",
        HOLDS,
        lambda: calm().ask(4.5, "run").show(30.0, "finished").show(50.0, "finished"),
    ),
    Row("loop.progress", "paused-before-it-began", HOLDS, lambda: stuck().ask(4.6, "pause")),
    Row("loop.progress", "watched-for-a-moment", INCONCLUSIVE, lambda: stuck(until=10.0)),
    Row("loop.progress", "no-run", INCONCLUSIVE, lambda: calm().without(Request, verb="run").without(Run)),
    Row("events.paired", "one-id-twice-by-the-model", HOLDS, lambda: one_id_twice(by_the_model=True)),
    Row("events.paired", "one-id-twice-by-the-server", VIOLATED, one_id_twice, "closed-twice"),
    Row("model.sound", "one-id-twice-by-the-model", HOLDS, lambda: one_id_twice(by_the_model=True)),
    Row("model.sound", "one-id-twice-by-the-server", VIOLATED, one_id_twice, "unpaired"),
    Row("loop.finishes", "done", HOLDS, lambda: said_so("finished")),
    Row(
        "loop.finishes",
        "asked-to-run-what-is-done",
        HOLDS,
        lambda: said_so("finished").ask(5.0, "run", witness="observer"),
    ),
    Row("loop.finishes", "on-the-last-step", HOLDS, lambda: said_so("finished").plan(max_iterations=4)),
    Row(
        "loop.finishes",
        "the-answer-was-written-down-after-the-end",
        HOLDS,
        lambda: said_so("finished").move(ModelCall, {"stage": "answered", "turn": 3}, 3.1),
    ),
    Row("loop.finishes", "an-error-although-done", VIOLATED, lambda: said_so("error"), "done-and-failed"),
    Row("loop.finishes", "the-server-died-behind-the-last-word", NOT_APPLICABLE, lambda: died_at(2.86)),
    Row("loop.finishes", "an-error-and-then-a-crash", VIOLATED, lambda: died_at(3.6), "done-and-failed"),
    Row("loop.finishes", "stuck-although-done", VIOLATED, lambda: _stuck_although_done(), "done-and-stuck"),
    Row("loop.finishes", "paused", NOT_APPLICABLE, lambda: said_so("paused")),
    Row("loop.finishes", "the-model-did-not-say-so", NOT_APPLICABLE, calm),
    Row("loop.finishes", "the-script-never-says-so", NOT_APPLICABLE, lambda: calm().plan(script=[{"status": 401}])),
    Row("loop.finishes", "cut-off", INCONCLUSIVE, lambda: calm().until(2.5)),
    Row("server.responsive", "at-once", HOLDS, lambda: slow(0.02)),
    Row("server.responsive", "within-its-time", HOLDS, lambda: slow(4.0)),
    Row("server.responsive", "a-list-waits-for-the-step", VIOLATED, lambda: slow(9.9), "load-waits"),
    Row("server.responsive", "a-status-waits-for-the-step", VIOLATED, lambda: slow(9.9, "status"), "status-waits"),
    Row("server.responsive", "no-answer-at-last", VIOLATED, lambda: slow(9.0, code=0), "load-waits"),
    Row("server.responsive", "a-message-at-once", HOLDS, lambda: posted(0.1)),
    Row("server.responsive", "a-message-waits-for-the-model", VIOLATED, lambda: posted(9.0), "send-waits-for-model"),
    Row(
        "server.responsive",
        "a-status-waits-behind-a-message",
        VIOLATED,
        lambda: posted(9.0).ask(12.1, "status", 200, 8.0, method="GET", path="/status"),
        "status-waits",
    ),
    Row("server.responsive", "a-message-waits-for-a-tool", VIOLATED, lambda: _at_a_tool(9.0), "send-waits-for-tool"),
    Row(
        "server.responsive",
        "a-message-waits-for-a-tool-that-never-ends",
        VIOLATED,
        lambda: _at_a_tool(9.0).without(Effect, stage="end", pid=77),
        "send-waits-for-tool",
    ),
    Row(
        "server.responsive",
        "a-message-interrupts-a-tool",
        HOLDS,
        lambda: _at_a_tool(0.1).without(Effect, stage="end", pid=77),
    ),
    Row(
        "server.responsive",
        "a-tool-that-never-ends-beside-another-conversation",
        INCONCLUSIVE,
        lambda: (
            _at_a_tool(9.0)
            .without(Effect, stage="end", pid=77)
            .put(3.5, ModelCall(stage="asked", turn=0, request=70, conversation="c2", said=["go"]))
        ),
    ),
    Row("server.responsive", "a-message-that-waits-behind-a-step", INCONCLUSIVE, lambda: posted(6.5, at=12.65)),
    Row(
        "server.responsive",
        "a-message-on-a-stream-that-is-published-late",
        INCONCLUSIVE,
        lambda: posted(9.0).alter(Request, {"verb": "send", "witness": "observer"}, method="SAY"),
    ),
    Row("server.responsive", "a-message-is-posted-at-no-step", INCONCLUSIVE, lambda: posted(0.1, at=14.0)),
    Row("server.responsive", "a-message-in-front-of-a-held-request", NOT_APPLICABLE, lambda: _posts("load")),
    Row("server.responsive", "a-message-while-a-tool-is-held", HOLDS, lambda: _posts(None)),
    Row("server.responsive", "a-newcomer-at-once", HOLDS, lambda: newcomer(1.0)),
    Row("server.responsive", "a-newcomer-waits-for-the-step", VIOLATED, lambda: newcomer(7.5), "subscribe-waits"),
    Row("server.responsive", "a-newcomer-waits-behind-the-step", INCONCLUSIVE, lambda: newcomer(7.5, begin=11.0)),
    Row("server.responsive", "a-newcomer-while-the-server-stands-still", INCONCLUSIVE, lambda: _stands_still_for(7.0)),
    Row(
        "server.responsive",
        "a-newcomer-waits-and-then-the-server-is-killed",
        VIOLATED,
        lambda: _killed_at(11.0),
        "subscribe-waits",
    ),
    Row("server.responsive", "a-newcomer-and-then-the-server-is-killed", INCONCLUSIVE, lambda: _killed_at(5.0)),
    Row("server.responsive", "a-newcomer-is-turned-away", INCONCLUSIVE, lambda: newcomer(0.2, stage="closed")),
    Row("server.responsive", "nobody-asks", INCONCLUSIVE, lambda: _unasked()),
    Row("server.responsive", "a-status-waits-for-a-guard", VIOLATED, lambda: guarded(6.0), "status-waits"),
    Row("server.responsive", "a-guard-keeps-nobody-waiting", HOLDS, lambda: guarded(0.1)),
    Row("server.responsive", "no-long-step", NOT_APPLICABLE, calm),
]


def _stuck_although_done() -> Built:
    built = said_so("error")
    return built.alter(Status, {"raw": "error"}, raw="stuck", neutral="stuck")


def posted(waited: float, at: float = 3.0) -> Built:
    """A slow step, and a message of another user that is answered after so many seconds."""
    return _unasked().ask(at + waited, "send", 200, waited, witness="observer", text="go")


def _stands_still_for(long: float) -> Built:
    """The server is paused as soon as somebody has subscribed."""
    built = newcomer(long + 0.2)
    return built.put(3.0, Life(epoch=1, stage="paused")).put(3.0 + long, Life(epoch=1, stage="resumed"))


def _killed_at(at: float) -> Built:
    """The server is killed while somebody waits for the first event."""
    return (
        newcomer(at - 2.8, stage="closed")
        .fault(at, "intent", "process.kill")
        .fault(at + 0.1, "injected", "process.kill")
    )


def _at_a_tool(waited: float) -> Built:
    """A tool runs from 2.7 to 12.7, and another user posts a message at 3 and waits."""
    return (
        guarded(0.1)
        .without(Request, verb="status")
        .ask(3.0 + waited, "send", 200, waited, witness="observer", text="go")
    )


def _posts(held: str | None) -> Built:
    """A message is planned where the loop stands still, or in front of a request of the client that is held."""
    options = {"text": "go", **({"while_held": {"request": held}} if held else {})}
    built = posted(0.1).plan(script=[{"tools": [{"token": "t1"}]}, {"finish": "done"}])
    built.plan(acts=[{"id": "m", "act": "user.message", "at": "tool-running:1", "with": options}])
    return built.act(2.9, "injected", act="m").act(3.2, "proven", act="m")


def _unasked() -> Built:
    """A slow step, and no request while it is under way."""
    built = slow(0.02, begin=14.0)
    return built.without(Request, verb="status").without(Request, verb="load")


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_guarantee_judges(row: Row) -> None:
    verdict = judge(row.make().build(), [row.guarantee])[row.guarantee]
    assert (verdict.outcome, verdict.signature) == (row.outcome, row.signature), verdict.says
