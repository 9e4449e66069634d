"""The guarantees of what users say, what the model is told and what waits for a confirmation, row by row."""

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
    lived,
    log_of_run,
    opened,
)

from tailproof.guarantees.catalogue import judge
from tailproof.history.extent import extent_of
from tailproof.history.plan import IN_A_COPY
from tailproof.history.records import Effect, Life, ModelCall, Phase, Run
from tailproof.history.server_records import Event, Request, Status

LISTS = ("stream:0", "callback:0", "held:0", "page:0", "page:1", "page:2", "disk:9")


def logged(built: Built, identity: str, text: str, behind: str = "o2", source: str = "user") -> Built:
    """A message that stands in every list of the log, behind another event."""
    for reading in (*LISTS, "page:3"):
        index = next(
            place
            for place, (_, one) in enumerate(built.placed)
            if isinstance(one, Event) and (one.reading, one.id) == (reading, behind)
        )
        message = event(identity, "message", 0.55, text=text, source=source)
        message.reading = reading
        built.placed.insert(index + (reading != "page:3"), (built.placed[index][0], message))
    return built


def posted(at: float = 2.58, text: str = "and hurry", **fields: object) -> Built:
    """A calm run into which a second message is posted at `at`. The model is asked at 2.29, 2.49 and 2.69; it ends at 2.9."""
    return logged(calm().ask(at, "send", text=text, **fields), "m2", text)


def told(built: Built, *said: str, turn: int = 2) -> Built:
    """What the last request to the model holds."""
    return built.alter(ModelCall, {"stage": "asked", "turn": turn}, said=list(said))


LONG = f"{'and on ' * 60}and to the end, {'where it says so in many words, ' * 4}once and for all"


def kept_as(text: str, sent: str = LONG) -> Built:
    """A long message that was sent, and what of it is in the log."""
    built = posted(text=sent[:200], extent=extent_of(sent))
    return built.alter(Event, {"id": "m2"}, text=text[:200].strip(), extent=extent_of(text))


def two_kept(first: str, second: str) -> Built:
    """Two long messages that begin alike were sent, and are in the log in the other order."""
    built = kept_as(second, first).ask(2.6, "send", text=second[:200], extent=extent_of(second))
    return logged(built, "m3", "", "m2").alter(Event, {"id": "m3"}, text=first[:200].strip(), extent=extent_of(first))


def named(**results: str) -> Built:
    """A run whose script names its tools, and whose last request to the model tells these results of its first two calls."""
    built = calm().plan(script=[{"tools": [{"token": f"token-a{turn}"}]} for turn in range(4)])
    told = {"call-1-0": "done token-a1", "call-2-0": "done token-a2"}
    told |= {name.replace("_", "-"): text for name, text in results.items()}
    return built.alter(ModelCall, {"stage": "asked", "turn": 2}, results=told)


def unanswered(**end: str) -> Built:
    """The only message never gets to the model; the run ends otherwise than it should."""
    built = calm().alter(ModelCall, {"stage": "asked"}, said=[])
    return built.alter(Status, {"raw": "finished"}, **end) if end else built


def killed(again: bool) -> Built:
    """The server dies in the middle of a run that has not told the model anything yet."""
    built = crashed().alter(ModelCall, {"stage": "asked"}, said=[]).alter(ModelCall, {"turn": 2}, said=["go"])
    return built if again else built.without(Request, verb="run", epoch=1).without(ModelCall, turn=2, stage="asked")


def killed_long_after(at: float) -> Built:
    """A run ends soon before 3 without a message that it was given at 2.45; the server is killed `at`, and nobody runs it again."""
    built = opened("plain")
    built.plan(script=[{"tools": [{}]}, {"tools": [{}]}, {"finish": "All done."}])
    log = log_of_run(2)
    log.insert(4, event("m9", "message", 0.35, text="and hurry", source="user"))
    lived(built, log, 2.1, 1.0, "stream:0")
    built.show(2.3, "running").ask(2.3, "status")
    built.ask(2.45, "send", text="and hurry")
    built.put(at, Life(stage="died", epoch=0, exit_code=137, by_us=True))
    built.put(at + 1, Life(stage="started", epoch=1)).put(at + 2, Life(stage="ready", epoch=1))
    built.show(at + 3, "finished", epoch=1).ask(at + 3, "status", epoch=1)
    built.put(at + 3.5, Phase(name="reading")).ask(at + 4, "load", epoch=1)
    built.read(at + 4, "page:0", log, final=True, page_size=100, epoch=1)
    return built.put(at + 9, Phase(name="ended"))


def stopped_at_once() -> Built:
    """The run is seen to have ended without the message, and the server is stopped a tenth of a second later."""
    built = posted().without(Run)
    built.placed = [
        (at, one) for at, one in built.placed if not (isinstance(one, Status) and one.via == "rest" and 2.9 < at < 6.5)
    ]
    built.without(Status, via="stream", raw="finished")
    return built.move(Life, {"stage": "stopped"}, 6.9)


def resting(**plan: object) -> Built:
    """A message is posted to a conversation that has finished, and nobody runs it again."""
    built = logged(calm().ask(4.5, "send", text="one more thing"), "m2", "one more thing", behind="b1")
    built.show(4.55, "idle", "stream").alter(Status, {"raw": "finished"})
    return built.act(4.4, "proven", **plan)


def waiting(confirmed: bool = True, began: float = 5.0) -> Built:
    """An action waits for a confirmation from 2.4 on; at 4 somebody asks for a run, at `began` the tool begins."""
    built = calm(1).plan(confirmation="always")
    built.alter(Status, {"raw": "finished"}, raw="waiting", neutral="waiting")
    if confirmed:
        built.ask(4.0, "run", witness="observer")
    return built.move(Effect, {"stage": "begin"}, began).move(Effect, {"stage": "end"}, began + 0.1)


def told_not_to(then: str) -> Built:
    """A message is posted to what waits, which shows this status then, and somebody asks for a run; the tool begins behind it."""
    raw = {"idle": "idle", "waiting": "waiting_for_confirmation"}[then]
    built = waiting().ask(3.0, "send", text="do not", witness="observer").without(Status, via="rest")
    return built.put(3.1, Status(raw=raw, neutral=then, via="rest", conversation="c1", witness="observer"))


def risky(risk: str, began: float = 5.0) -> Built:
    """The same of an agent that waits for risky actions alone, and a model that calls the action so."""
    script = [{"tools": [{"token": "token-a1", "risk": risk}]}, {"finish": "done"}]
    return waiting(began=began).plan(confirmation="never", agent={"confirms_risks": True}, script=script)


def lagging(after: float) -> Built:
    """A poll still says `waiting` so long after somebody has confirmed the action, and none had said so before; at 5 the tool begins."""
    built = waiting().without(Status, via="rest")
    waits = {"raw": "waiting", "neutral": "waiting", "conversation": "c1", "witness": "observer"}
    return (
        built.put(4.1, Status(raw="running", neutral="active", via="stream", conversation="c1", witness="observer"))
        .put(4.0 + after, Status(via="rest", **waits))
        .put(5.5, Status(via="stream", **waits))
    )


ROWS = [
    Row("loop.answered", "calm", HOLDS, calm),
    Row("loop.answered", "killed-long-after-its-end", VIOLATED, lambda: killed_long_after(50.0), "never-answered"),
    Row("loop.answered", "killed-right-at-its-end", HOLDS, lambda: killed_long_after(3.2)),
    Row("loop.answered", "stopped-right-at-its-end", INCONCLUSIVE, stopped_at_once),
    Row(
        "loop.answered",
        "posted-while-a-tool-ran-and-told-in-the-next-request",
        HOLDS,
        lambda: told(posted(), "go", "and hurry"),
    ),
    Row("loop.answered", "two-messages-told-as-one", HOLDS, lambda: told(posted(), "go and hurry")),
    Row("loop.answered", "the-same-text-twice", HOLDS, lambda: told(posted(text="go"), "go", "go")),
    Row(
        "loop.answered",
        "an-agent-that-repeats-what-it-was-told",
        HOLDS,
        lambda: logged(calm(), "m2", "go", source="agent"),
    ),
    Row("loop.answered", "run-again-after-a-death", HOLDS, lambda: killed(again=True)),
    Row(
        "loop.answered",
        "a-lost-message-is-for-another-guarantee",
        HOLDS,
        lambda: calm().ask(2.58, "send", text="and hurry"),
    ),
    Row("loop.answered", "posted-at-the-last-reply", VIOLATED, lambda: posted(2.75), "never-answered"),
    Row("loop.answered", "told-only-before-it-was-said", VIOLATED, lambda: posted(2.58), "never-answered"),
    Row("loop.answered", "the-same-text-twice-and-told-once", VIOLATED, lambda: posted(text="go"), "never-answered"),
    Row(
        "loop.answered",
        "posted-with-a-run-to-a-resting-conversation",
        VIOLATED,
        lambda: resting(text="one more thing", run=True),
        "never-answered",
    ),
    Row(
        "loop.answered",
        "what-was-said-in-a-copy",
        VIOLATED,
        lambda: logged(calm(), "m2", IN_A_COPY, behind="o3"),
        "message-of-a-copy",
    ),
    Row(
        "loop.answered",
        "stored-twice-under-two-ids",
        VIOLATED,
        lambda: logged(calm(), "m2", "go", behind="m1"),
        "doubled-message",
    ),
    Row(
        "loop.answered",
        "stored-twice-by-a-retry-after-a-lost-answer",
        VIOLATED,
        lambda: told(logged(posted().ask(2.55, "send", 0, text="and hurry"), "m3", "and hurry"), "go", "and hurry"),
        "doubled-message",
    ),
    Row("loop.answered", "paused", NOT_APPLICABLE, lambda: unanswered(raw="paused", neutral="interrupted")),
    Row("loop.answered", "failed", NOT_APPLICABLE, lambda: unanswered(raw="error", neutral="failed")),
    Row("loop.answered", "stuck", NOT_APPLICABLE, lambda: unanswered(raw="stuck", neutral="stuck")),
    Row("loop.answered", "an-action-waits", NOT_APPLICABLE, lambda: unanswered(raw="waiting", neutral="waiting")),
    Row("loop.answered", "deleted", NOT_APPLICABLE, lambda: unanswered().ask(2.8, "delete")),
    Row("loop.answered", "killed-and-not-run-again", NOT_APPLICABLE, lambda: killed(again=False)),
    Row(
        "loop.answered",
        "posted-without-a-run-to-a-resting-conversation",
        NOT_APPLICABLE,
        lambda: resting(text="one more thing").alter(Request, {"verb": "send", "text": "go"}, code=409),
    ),
    Row("loop.answered", "still-running", INCONCLUSIVE, lambda: unanswered(raw="running", neutral="active")),
    Row("loop.answered", "nobody-saw-the-status", INCONCLUSIVE, lambda: unanswered().without(Status)),
    Row(
        "loop.answered",
        "the-end-was-hardly-watched",
        INCONCLUSIVE,
        lambda: posted(2.75).alter(Status, {"raw": "finished"}, raw="running", neutral="active").show(8.9, "finished"),
    ),
    Row(
        "loop.answered",
        "behind-what-is-kept-of-a-long-message",
        INCONCLUSIVE,
        lambda: told(posted(), "x" * 200),
    ),
    Row("loop.answered", "nobody-said-anything", INCONCLUSIVE, lambda: calm().without(Request, verb="send")),
    Row("events.complete", "a-long-message", HOLDS, lambda: kept_as(LONG)),
    Row("events.complete", "a-long-message-without-its-end", VIOLATED, lambda: kept_as(LONG[:300]), "cut-message"),
    Row("events.complete", "a-long-message-with-something-behind-it", HOLDS, lambda: kept_as(f"{LONG} (by mail)")),
    Row(
        "events.complete", "a-long-message-with-other-blanks", HOLDS, lambda: kept_as(LONG.replace("end, ", "end,\r\n"))
    ),
    Row(
        "events.complete",
        "a-long-message-without-its-middle",
        INCONCLUSIVE,
        lambda: kept_as(LONG.replace("and to the end, ", "")),
    ),
    Row(
        "events.complete",
        "a-long-message-of-before-their-lengths-were-kept",
        HOLDS,
        lambda: kept_as(LONG[:300]).alter(Request, {"verb": "send"}, extent=None),
    ),
    Row(
        "events.complete",
        "long-messages-that-begin-alike",
        HOLDS,
        lambda: two_kept(LONG, LONG[:300]),
    ),
    Row("model.sound", "calm", HOLDS, calm),
    Row("model.sound", "told-of-a-crash", HOLDS, crashed),
    Row(
        "model.sound",
        "a-side-request-that-pairs-nothing",
        HOLDS,
        lambda: calm().put(2.3, ModelCall(stage="asked", turn=-1, request=9, unpaired=["the call x has no result"])),
    ),
    Row(
        "model.sound",
        "a-call-without-a-result",
        VIOLATED,
        lambda: calm().alter(ModelCall, {"stage": "asked", "turn": 1}, unpaired=["the call call-1-0 has no result"]),
        "unpaired",
    ),
    Row(
        "model.sound",
        "a-result-twice",
        VIOLATED,
        lambda: calm().alter(
            ModelCall, {"stage": "asked", "turn": 2}, unpaired=["the result of call-1-0 stands there twice"]
        ),
        "unpaired",
    ),
    Row("model.sound", "each-call-has-its-own-result", HOLDS, named),
    Row("model.sound", "the-result-of-the-call-before", VIOLATED, lambda: named(call_2_0="done token-a1"), "swapped"),
    Row(
        "model.sound",
        "two-results-changed-places",
        VIOLATED,
        lambda: named(call_1_0="done token-a2", call_2_0="done token-a1"),
        "swapped",
    ),
    Row(
        "model.sound",
        "its-own-result-behind-what-came-late",
        HOLDS,
        lambda: named(call_2_0="done token-a1\ndone token-a2"),
    ),
    Row("model.sound", "a-result-that-names-no-tool", HOLDS, lambda: named(call_2_0="the server was restarted")),
    Row("model.sound", "a-result-that-names-a-tool-of-nobody", HOLDS, lambda: named(call_2_0="done my-token")),
    Row(
        "model.sound",
        "a-result-that-was-cut-may-name-its-own-tool-later",
        HOLDS,
        lambda: named(call_2_0=f"done token-a1\n{'x' * 200}"[:200]),
    ),
    Row(
        "model.sound",
        "what-came-late-of-a-tool-while-the-next-did-not-run-through",
        HOLDS,
        lambda: named(call_2_0="done token-a1").without(Effect, token="token-a2", stage="end"),
    ),
    Row(
        "model.sound",
        "a-script-that-does-not-name-its-tools-so",
        HOLDS,
        lambda: named(call_2_0="done token-a1").plan(script=[{"tools": [{}]}]),
    ),
    Row("model.sound", "no-request-holds-a-call", HOLDS, lambda: calm(1)),
    Row("model.sound", "the-model-was-never-asked", INCONCLUSIVE, lambda: calm(0)),
    Row("model.sound", "no-tools-in-the-script", NOT_APPLICABLE, lambda: calm().plan(script=[{"say": "Hello."}])),
    Row("loop.consent", "confirmed-by-another-user", HOLDS, waiting),
    Row(
        "loop.consent",
        "confirmed-by-the-client",
        HOLDS,
        lambda: waiting(confirmed=False).put(4.0, Run(stage="called", number=1, conversation="c1")),
    ),
    Row(
        "loop.consent",
        "confirmed-by-a-request-whose-answer-was-lost",
        HOLDS,
        lambda: waiting(confirmed=False).ask(4.0, "run", 0, witness="observer"),
    ),
    Row("loop.consent", "waits-to-the-end", HOLDS, lambda: waiting(confirmed=False).without(Effect)),
    Row("loop.consent", "told-not-to-and-run-again", VIOLATED, lambda: told_not_to("idle"), "ran-unconfirmed"),
    Row("loop.consent", "waits-for-its-confirmation-still", HOLDS, lambda: told_not_to("waiting")),
    Row("loop.consent", "ran-at-once", VIOLATED, lambda: waiting(began=2.45), "ran-unconfirmed"),
    Row(
        "loop.consent",
        "ran-after-a-message",
        VIOLATED,
        lambda: waiting(confirmed=False).ask(4.0, "send", text="wait"),
        "ran-unconfirmed",
    ),
    Row(
        "loop.consent",
        "ran-although-the-run-was-refused",
        VIOLATED,
        lambda: waiting(confirmed=False).ask(4.0, "run", 409, witness="observer"),
        "ran-unconfirmed",
    ),
    Row("loop.consent", "what-is-harmless-waits-for-nobody", HOLDS, lambda: risky("low", began=2.45)),
    Row("loop.consent", "what-is-risky-waits", VIOLATED, lambda: risky("high", began=2.45), "ran-unconfirmed"),
    Row("loop.consent", "what-is-risky-was-confirmed", HOLDS, lambda: risky("high")),
    Row("loop.quiet", "a-poll-that-lags-behind-the-stream-says-nothing", HOLDS, lambda: lagging(0.3)),
    Row("loop.consent", "the-model-never-called", INCONCLUSIVE, lambda: waiting().without(ModelCall).without(Effect)),
    Row("loop.consent", "nothing-waits-for-a-confirmation", NOT_APPLICABLE, calm),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_guarantee(row: Row) -> None:
    verdict = judge(row.make().build(), [row.guarantee])[row.guarantee]
    assert (verdict.outcome, verdict.signature) == (row.outcome, row.signature), verdict.says


@pytest.mark.parametrize("guarantee", ["loop.answered", "model.sound"])
def test_a_history_of_before_the_model_wrote_down_what_it_was_told_convicts_nobody(guarantee: str) -> None:
    built = posted(2.75).alter(ModelCall, {"stage": "asked"}, said=[], unpaired=["the call x has no result"])
    built.header.schema = 1
    assert judge(built.build(), [guarantee])[guarantee].outcome is INCONCLUSIVE


def test_a_message_that_was_never_answered_shows_where_it_stands() -> None:
    verdict = judge(posted(2.75).build(), ["loop.answered"])["loop.answered"]
    assert [pointer.says for pointer in verdict.evidence] == [
        "accepted with 200: 'and hurry'",
        "MessageEvent m2 in the log",
        "the model was asked for turn 2",
        "finished via stream",
    ]
    assert verdict.measured["later_requests"] == 0


def test_a_death_in_between_does_not_hide_a_message_that_a_later_run_forgot() -> None:
    built = killed(again=True).alter(ModelCall, {"turn": 2}, said=["something else"])
    assert judge(built.build(), ["loop.answered"])["loop.answered"].signature == "never-answered"
