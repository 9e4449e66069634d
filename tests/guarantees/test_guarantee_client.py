"""What a client is judged by, row by row."""

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
    cut,
    event,
    subscribed,
)

from tailproof.guarantees.catalogue import judge
from tailproof.history.records import BreakOff, ClientError, Exchange, Frame, Life, ModelCall, Phase, Rendezvous, Run
from tailproof.history.server_records import Event, Reading, Request, Status, Stream, Vocabulary


def never_returned() -> Built:
    """The run ended, the client was waited for, and it did not come back."""
    return calm().without(Run, stage="returned").put(30.0, Phase(name="ended"))


LISTS = ("events.tail", "events.middle", "events.callbacks", "stream.resumed", "status.client", "cost.reconcile")


def skewed(client: str = "1.11.0", built: Built | None = None) -> Built:
    """The client is of another release than the server."""
    built = built or calm()
    built.header.versions = {"client": client, "server": "1.58.0"}
    return built


def own(built: Built) -> Built:
    return skewed("1.58.0", built)


def told(built: Built, cut: str = "") -> Built:
    """What the callbacks got is reported up to its end, or is `cut` short."""
    return built.alter(Reading, {"reading": "callback:0", "stage": "end"}, complete=not cut, error=cut)


def counted_otherwise(built: Built) -> Built:
    """The TypeScript client, whose numbers say nothing of the server's."""
    built.header.client = "ts:1.39.0"
    return skewed("1.39.0", built)


def refused(verb: str = "create", said: str = "422 Unprocessable Entity: llm.stream is not permitted") -> Built:
    """The client raised before it ran."""
    built = calm().until(1.6).put(1.6, ClientError(verb=verb, error_type="HTTPStatusError", error=said))
    return built.put(2.0, Phase(name="ended"))


def unsaid(deleted_at: float = 1.3, heard: bool = False, code: int = 404) -> Built:
    """Another user deletes the conversation before the client can say anything."""
    built = own(refused("send", f"{code}").ask(deleted_at, "delete")).client_asks(1.59, "send", code, text="go")
    return built.client_asks(1.28, "send", text="go") if heard else built


def of_plain(built: Built) -> Built:
    built.header.client = "plain"
    return built


def gave_up_at_once(created: bool = False) -> Built:
    """The client says nothing but that it failed, and nobody has subscribed: unless it was `created`, there is no conversation."""
    built = calm().until(0.9)
    if created:
        built.client_asks(1.0, "create", 201)
    built.put(1.1, ClientError(verb="create", error_type="RuntimeError", error=""))
    return built.put(1.1, BreakOff("client", "create", "the client failed to create")).put(2.0, Phase(name="ended"))


def failed_by_server() -> Built:
    """The client raised because its message was answered with 500."""
    built = refused("send", "500 Internal Server Error").alter(ClientError, {}, verb="send")
    return built.client_asks(1.59, "send", 500, text="go")


def deleted(back: str = "raised", at: float = 3.0) -> Built:
    """Another user deletes the conversation while the client runs."""
    built = calm().until(2.5).ask(2.6, "delete", witness="trial").put(20.0, Phase(name="ended"))
    if back:
        built.put(at, Run(stage=back, conversation="c1", error_type="NotFound" if back == "raised" else ""))
    return built


def deletes_itself(back: str = "returned", code: int = 0) -> Built:
    """A script deletes its own conversation, while it runs or behind its end."""
    built = calm(client="script:poll.py").without(Run, stage="returned").fact(client_tells="exit")
    built.client_asks(3.5, "delete")
    return built.put(3.8, Run(stage=back, conversation="c1", exit_code=code, error_type="exit code 1" if code else ""))


def rested(raw: str, back: float | None = 3.4) -> Built:
    """The run is paused, or waits for the user, at 3.2."""
    built = calm().alter(Status, {"raw": "finished"}, raw=raw, neutral={"paused": "interrupted"}.get(raw, raw))
    if back is None:
        return built.without(Run, stage="returned").put(30.0, Phase(name="ended"))
    return built.move(Run, {"stage": "returned"}, back).move(Status, {"via": "client"}, back)


def late(*, healed: float, fault: str, ending: float | None = None) -> Built:
    """The client returns 18 s after the end of the run, and one second after the healing of a fault; `ending` is when the trial
    began to heal what was left."""
    back = healed + 1.0
    built = calm().move(Run, {"stage": "returned"}, back).move(Status, {"via": "client"}, back)
    built.fault(2.2, "injected", fault, "g").fault(2.3, "proven", fault, "g").fault(healed, "healed", fault, "g")
    built.put(back + 0.1, Phase(name="ended"))
    return built if ending is None else built.put(ending, Phase(name="healing"))


def raised(method: str, done: str, at: float = 2.05, rule: str = "f") -> Built:
    """A fault ate the answer to a request, and the client raised; the run ended well."""
    built = calm().alter(Run, {"stage": "returned"}, stage="raised", error_type="ReadTimeout", error="timed out")
    return built.put(at, Exchange(conn=5, method=method, path="/run", done=done, rule=rule))


def exited(code: int) -> Built:
    """A script, which tells nothing but its exit code."""
    built = calm(client="script:poll.py").fact(client_tells="exit")
    return built.alter(
        Run, {"stage": "returned"}, stage="raised" if code else "returned", exit_code=code, error_type="", reading=""
    )


def knocks(count: int, every: float, began: float = 2.4, done: str = "refused") -> Built:
    """The client tries to subscribe again and again."""
    built = cut(again=None)
    for index in range(count):
        built.put(
            began + index * every, Exchange(conn=10 + index, method="GET", path="/stream", done=done, upgrade=True)
        )
    return built


def asks(method: str, code: int, count: int, every: float, built: Built | None = None, path: str = "/x") -> Built:
    built = built or calm()
    for index in range(count):
        built.put(2.2 + index * every, Exchange(conn=3, method=method, path=path, code=code))
    return built


def broke_again() -> Built:
    """The wire cuts the new stream, too, before the server has said anything on it, and the run returns before there is another one."""
    built = cut().without(Frame, conn=2)
    built.put(2.59, Frame(conn=2, direction="up", index=0, size=9, done="cut", rule="f"))
    return built.put(2.6, Stream(reading="wire:2", stage="closed", path="wire", code=1001, witness="wire"))


def silent_on_codes(built: Built) -> Built:
    """The adapter says nothing of close codes."""
    del built.header.facts["fatal_closes"]
    return built


def waits_for(*places: tuple[str, str]) -> Built:
    """A script says in these places which status it waits for."""
    built = calm()
    for source, word in places:
        built.put(1.1, Vocabulary(words=[], source=source, waited_for=[word]))
    return built


ROWS = [
    Row("events.callbacks", "calm", HOLDS, calm),
    Row("events.callbacks", "long-log", HOLDS, lambda: calm(20)),
    Row("events.callbacks", "statistics-after-the-end", HOLDS, lambda: calm().forget("callback:0", "b1")),
    Row("events.callbacks", "repaired-after-a-cut", HOLDS, cut),
    Row(
        "events.callbacks",
        "snapshot-twice",
        HOLDS,
        lambda: (
            calm()
            .put(3.3, *(event("s1", "snapshot", durable=False) for _ in "12"))
            .alter(Event, {"reading": ""}, reading="callback:0")
        ),
    ),
    Row(
        "events.callbacks",
        "what-stood-in-the-log-before-is-history",
        HOLDS,
        lambda: (
            calm()
            .move(Event, {"reading": "stream:0", "id": "m1"}, 1.1)
            .forget("callback:0", "m1")
            .move(Request, {"verb": "send"}, 1.12)
            .alter(Request, {"verb": "send"}, began_ns=1_100_000_000)
            .move(Exchange, {"path": "/send"}, 1.12)
        ),
    ),
    Row(
        "events.callbacks",
        "late-because-the-wire-withheld-it",
        HOLDS,
        lambda: (
            calm()
            .swap("callback:0", "o1", "f1")
            .put(2.4, Frame(conn=1, direction="down", index=3, size=9, done="dropped", id="o1"))
            .put(2.4, Frame(conn=1, direction="down", index=9, size=9, done="reordered", id="f1"))
        ),
    ),
    Row("events.callbacks", "missing-in-the-middle", VIOLATED, lambda: calm().forget("callback:0", "a2"), "missing"),
    Row("events.callbacks", "missing-at-the-end", VIOLATED, lambda: calm().forget("callback:0", "f1"), "missing"),
    Row(
        "events.callbacks",
        "repair-does-not-tell",
        VIOLATED,
        lambda: cut().forget("callback:0", "o1", "a2"),
        "missing",
    ),
    Row("events.callbacks", "doubled", VIOLATED, lambda: calm().twice("callback:0", "a2"), "doubled"),
    Row(
        "events.callbacks",
        "repaired-too-late-after-a-cut",
        VIOLATED,
        lambda: cut().swap("callback:0", "o1", "o3"),
        "out-of-order",
    ),
    Row("events.callbacks", "out-of-order", VIOLATED, lambda: calm().swap("callback:0", "a2", "o2"), "out-of-order"),
    Row(
        "events.callbacks",
        "out-of-order-and-nobody-knows-what-the-wire-withheld",
        INCONCLUSIVE,
        lambda: (
            calm()
            .swap("callback:0", "o1", "f1")
            .put(2.4, Frame(conn=1, direction="down", index=3, size=9, done="dropped", id=""))
        ),
    ),
    Row("events.callbacks", "log-not-read", INCONCLUSIVE, lambda: calm().until(5.5)),
    Row("events.callbacks", "plain-client", NOT_APPLICABLE, lambda: calm(client="plain")),
    Row("events.callbacks", "never-returned", INCONCLUSIVE, lambda: calm().without(Run, stage="returned")),
    Row(
        "events.callbacks",
        "another-release",
        NOT_APPLICABLE,
        lambda: skewed().forget("callback:0", "a2", "o2"),
    ),
    Row("events.callbacks", "told-to-the-end", VIOLATED, lambda: told(calm().forget("callback:0", "o2")), "missing"),
    Row(
        "events.callbacks", "not-told-to-the-end", INCONCLUSIVE, lambda: told(calm().forget("callback:0", "o2"), "cut")
    ),
    Row("events.callbacks", "all-told-before-it-broke-off", HOLDS, lambda: told(calm(), "cut")),
    Row(
        "events.callbacks",
        "doubled-and-not-told-to-the-end",
        VIOLATED,
        lambda: told(calm().forget("callback:0", "o2").twice("callback:0", "a1"), "cut"),
        "doubled",
    ),
    Row("stream.resumed", "back-at-once", HOLDS, cut),
    Row("stream.resumed", "back-at-the-second-attempt", HOLDS, lambda: subscribed(knocks(1, 1), 2, 2.6)),
    Row(
        "stream.resumed",
        "back-once-the-network-is",
        HOLDS,
        lambda: (
            cut(again=3.5)
            .parameter("stream.resumed", 1.0)
            .fault(2.25, "injected", "network.down", "g")
            .fault(2.3, "proven", "network.down", "g")
            .fault(3.4, "healed", "network.down", "g")
            .fault(2.2, "intent", "network.down", "g")
        ),
    ),
    Row(
        "stream.resumed",
        "never",
        VIOLATED,
        lambda: (
            cut(again=None)
            .parameter("stream.resumed", 1.0)
            .put(3.4, Rendezvous(point="reconnected", stage="missed", detail="the client is away"))
        ),
        "never-came-back",
    ),
    Row(
        "stream.resumed",
        "late",
        VIOLATED,
        lambda: cut(again=3.8).parameter("stream.resumed", 1.0),
        "came-back-late",
    ),
    Row(
        "stream.resumed",
        "silent",
        VIOLATED,
        lambda: silent_after(cut(), 2.3),
        "silent-after-return",
    ),
    Row("stream.resumed", "unanswered", INCONCLUSIVE, lambda: cut().without(Frame, conn=2)),
    Row(
        "stream.resumed",
        "unanswered-when-the-run-was-over",
        NOT_APPLICABLE,
        lambda: cut(again=5.0).without(Frame, conn=2),
    ),
    Row("stream.resumed", "broke-again-and-the-run-was-over", NOT_APPLICABLE, broke_again),
    Row(
        "stream.resumed",
        "broke-again-and-gave-up",
        VIOLATED,
        lambda: broke_again().parameter("stream.resumed", 1.0),
        "never-came-back",
    ),
    Row(
        "stream.resumed",
        "silent-and-nobody-knows-what-the-wire-withheld",
        INCONCLUSIVE,
        lambda: silent_after(cut(), 2.3).put(
            2.4, Frame(conn=1, direction="down", index=3, size=9, done="dropped", id="")
        ),
    ),
    Row(
        "stream.resumed",
        "a-code-that-its-protocol-does-not-call-fatal",
        VIOLATED,
        lambda: silent_on_codes(cut(again=None, code=4004).parameter("stream.resumed", 1.0)),
        "never-came-back",
    ),
    Row("stream.resumed", "calm", NOT_APPLICABLE, calm),
    Row("stream.resumed", "client-tells-nothing", NOT_APPLICABLE, lambda: cut().fact(client_tells="exit")),
    Row("stream.resumed", "run-came-back-first", NOT_APPLICABLE, lambda: cut(again=None)),
    Row("stream.resumed", "fatal-close-code", NOT_APPLICABLE, lambda: cut(again=None, code=4004)),
    Row("stream.resumed", "server-died", NOT_APPLICABLE, lambda: cut(again=None).put(2.4, Life(stage="died", epoch=0))),
    Row("stream.resumed", "plain-client", NOT_APPLICABLE, lambda: calm(client="plain")),
    Row("status.client", "calm", HOLDS, calm),
    Row(
        "status.client",
        "shows-the-error-that-it-raises-for",
        HOLDS,
        lambda: (
            calm()
            .alter(Status, {"raw": "finished"}, raw="error", neutral="failed")
            .alter(Run, {"stage": "returned"}, stage="raised")
        ),
    ),
    Row(
        "status.client",
        "came-back-early-and-says-so",
        HOLDS,
        lambda: calm().without(Status, raw="finished").show(3.9, "running").show(4.0, "running", "client"),
    ),
    Row(
        "status.client",
        "stale",
        VIOLATED,
        lambda: calm().alter(Status, {"via": "client"}, raw="running", neutral="active"),
        "shows-stale-active",
    ),
    Row(
        "status.client",
        "a-poll-from-before-the-stream-told-is-no-excuse",
        VIOLATED,
        lambda: (
            calm()
            .alter(Status, {"via": "client"}, raw="running", neutral="active")
            .without(Status, via="rest")
            .show(2.9, "running")
            .show(3.0, "finished", "stream")
        ),
        "shows-stale-active",
    ),
    Row(
        "status.client",
        "wrong",
        VIOLATED,
        lambda: calm().alter(Status, {"via": "client"}, raw="stuck", neutral="stuck"),
        "shows-wrong-stuck",
    ),
    Row(
        "status.client",
        "no-status-shown",
        INCONCLUSIVE,
        lambda: calm().without(Status, via="client").alter(Run, {"stage": "returned"}, status=""),
    ),
    Row("status.client", "plain-client", NOT_APPLICABLE, lambda: calm(client="plain")),
    Row("loop.returns", "never-returned-and-waited-for", VIOLATED, never_returned, "never-returned"),
    *(Row(one, "loop-returns-says-why", NOT_APPLICABLE, never_returned) for one in LISTS if one != "stream.resumed"),
    Row("status.client", "never-returned", INCONCLUSIVE, lambda: calm().without(Run, stage="returned")),
    Row(
        "status.client",
        "raised-during-a-fault-on-the-path",
        NOT_APPLICABLE,
        lambda: (
            cut()
            .alter(Run, {"stage": "returned"}, stage="raised")
            .alter(Status, {"via": "client"}, raw="running", neutral="active")
        ),
    ),
    Row("loop.returns", "paused", HOLDS, lambda: rested("paused")),
    Row("loop.returns", "waits-for-the-user", HOLDS, lambda: rested("waiting")),
    Row(
        "loop.returns",
        "paused-and-resumed-by-another",
        HOLDS,
        lambda: (
            calm()
            .without(Status, raw="finished")
            .show(3.2, "paused")
            .show(4.2, "paused")
            .ask(5.0, "run")
            .show(5.2, "running")
            .show(5.6, "finished")
        ),
    ),
    Row("loop.returns", "deleted-under-it", HOLDS, deleted),
    Row("loop.returns", "script-that-exits-well", HOLDS, lambda: exited(0)),
    Row("loop.returns", "script-that-exits-with-an-error", VIOLATED, lambda: exited(1), "raised-although-done"),
    Row(
        "loop.returns",
        "never-from-a-pause",
        VIOLATED,
        lambda: rested("paused", None),
        "never-returned-from-paused",
    ),
    Row(
        "loop.returns",
        "never-from-a-wait",
        VIOLATED,
        lambda: rested("waiting", None),
        "never-returned-from-waiting",
    ),
    Row("loop.returns", "late-from-a-pause", VIOLATED, lambda: rested("paused", 17.0), "late-return-from-paused"),
    Row("loop.returns", "after-the-network-came-back", HOLDS, lambda: late(healed=20.0, fault="wire.down")),
    Row(
        "loop.returns",
        "after-the-network-came-back-at-the-end-of-the-trial",
        HOLDS,
        lambda: late(healed=20.0, fault="wire.down", ending=19.9),
    ),
    Row(
        "loop.returns",
        "never-with-a-network-that-came-back-at-the-end-of-the-trial",
        INCONCLUSIVE,
        lambda: late(healed=20.0, fault="wire.down", ending=19.9).without(Run, stage="returned"),
    ),
    Row("loop.returns", "after-a-slow-route-was-healed", HOLDS, lambda: late(healed=20.0, fault="wire.delay-response")),
    Row(
        "loop.returns",
        "late-and-healed-because-of-it",
        VIOLATED,
        lambda: late(healed=20.0, fault="wire.delay-response", ending=19.9),
        "late-return",
    ),
    Row(
        "loop.returns",
        "late-and-a-users-act-was-healed",
        VIOLATED,
        lambda: late(healed=20.0, fault="process.pause").act(2.2, "proven", "user.pause").act(20.0, "ended"),
        "late-return",
    ),
    Row("loop.returns", "deletes-its-own-conversation", HOLDS, deletes_itself),
    Row(
        "loop.bounded",
        "asks-whether-its-own-deletion-worked",
        HOLDS,
        lambda: asks("GET", 404, 12, 0.5, deletes_itself()),
    ),
    Row("loop.returns", "never-told-of-the-deletion", VIOLATED, lambda: deleted(""), "never-returned-from-deleted"),
    Row("loop.returns", "as-if-not-deleted", VIOLATED, lambda: deleted("returned"), "silent-deletion"),
    Row("loop.returns", "late-after-the-deletion", VIOLATED, lambda: deleted(at=15.0), "late-return-from-deleted"),
    Row(
        "loop.returns",
        "without-a-run",
        VIOLATED,
        lambda: (
            calm()
            .without(Status, raw="finished")
            .without(Status, raw="running")
            .alter(ModelCall, {}, turn=-1)
            .show(5.2, "idle")
            .show(5.9, "idle")
        ),
        "returned-without-a-run",
    ),
    Row(
        "loop.returns",
        "raises-for-a-failing-read-before-the-end",
        VIOLATED,
        lambda: raised("GET", "refused"),
        "raised-although-done",
    ),
    Row("loop.returns", "answer-to-the-run-lost", NOT_APPLICABLE, lambda: raised("POST", "reset-after")),
    Row("loop.returns", "answer-to-the-run-late", NOT_APPLICABLE, lambda: raised("POST", "delayed")),
    Row("loop.returns", "repair-is-refused", NOT_APPLICABLE, lambda: raised("GET", "refused", 3.6)),
    Row("loop.returns", "another-release", NOT_APPLICABLE, skewed),
    Row("loop.bounded", "calm", HOLDS, calm),
    Row("loop.bounded", "backs-off", HOLDS, lambda: knocks(6, 1.1)),
    Row("loop.bounded", "polls-while-the-server-fails", HOLDS, lambda: asks("GET", 503, 40, 0.25)),
    Row("loop.bounded", "one-after-a-fatal-close", HOLDS, lambda: cut(code=4004)),
    Row(
        "loop.bounded",
        "notices-the-deletion",
        HOLDS,
        lambda: asks("GET", 404, 3, 0.3, deleted()),
    ),
    Row("loop.bounded", "hammers", VIOLATED, lambda: knocks(30, 0.05), "reconnects-without-back-off"),
    Row("loop.bounded", "steady-but-for-ever", VIOLATED, lambda: knocks(40, 0.3), "reconnects-without-back-off"),
    Row(
        "loop.bounded",
        "hammers-an-open-door",
        VIOLATED,
        lambda: knocks(30, 0.05, done="upgraded"),
        "reconnects-without-back-off",
    ),
    Row(
        "loop.bounded",
        "posts-again-and-again",
        VIOLATED,
        lambda: asks("POST", 503, 30, 0.3),
        "retries-without-back-off",
    ),
    Row(
        "loop.bounded",
        "reads-again-and-again",
        VIOLATED,
        lambda: asks("GET", 500, 30, 0.05),
        "retries-without-back-off",
    ),
    Row("loop.bounded", "polls-without-pause", VIOLATED, lambda: asks("GET", 200, 60, 0.03), "polls-without-pause"),
    Row(
        "loop.bounded",
        "comes-back-after-a-fatal-close",
        VIOLATED,
        lambda: (
            knocks(20, 1.0)
            .put(2.35, Stream(reading="wire:9", stage="opened", path="wire", witness="wire"))
            .put(2.36, Stream(reading="wire:9", stage="closed", path="wire", code=4001, witness="wire"))
        ),
        "comes-back-after-fatal-close",
    ),
    Row(
        "loop.bounded",
        "asks-for-what-is-deleted",
        VIOLATED,
        lambda: asks("GET", 404, 40, 0.5, deleted("")),
        "goes-on-after-deletion",
    ),
    Row("loop.bounded", "plain-client", NOT_APPLICABLE, lambda: calm(client="plain")),
    Row("loop.bounded", "no-request-recorded", INCONCLUSIVE, lambda: calm().without(Exchange)),
    Row("client.compatible", "works", HOLDS, skewed),
    Row("client.compatible", "refuses-with-a-word", HOLDS, lambda: skewed(built=refused())),
    Row(
        "client.compatible",
        "run-raises-with-a-word",
        HOLDS,
        lambda: skewed().alter(Run, {"stage": "returned"}, stage="raised", error="POST /run was answered 422"),
    ),
    Row(
        "client.compatible", "refuses-without-a-word", VIOLATED, lambda: skewed(built=refused(said="")), "unclear-error"
    ),
    Row(
        "client.compatible",
        "loses-events",
        VIOLATED,
        lambda: skewed().forget("held:0", "a2", "o2"),
        "loses-events-silently",
    ),
    Row(
        "client.compatible",
        "hangs",
        VIOLATED,
        lambda: skewed().without(Run, stage="returned").put(30.0, Phase(name="ended")),
        "hangs",
    ),
    Row("client.compatible", "spins", VIOLATED, lambda: skewed(built=asks("GET", 200, 60, 0.03)), "spins"),
    Row("client.compatible", "gave-up-at-once", VIOLATED, lambda: skewed(built=gave_up_at_once()), "unclear-error"),
    Row("client.compatible", "gave-up-unseen", INCONCLUSIVE, lambda: skewed(built=gave_up_at_once(created=True))),
    Row("client.works", "own-release", HOLDS, lambda: own(calm())),
    Row("client.works", "unknown-release", HOLDS, calm),
    Row(
        "client.works",
        "raises-in-its-run",
        HOLDS,
        lambda: own(calm()).alter(Run, {"stage": "returned"}, stage="raised"),
    ),
    Row("client.works", "own-release-refuses", VIOLATED, lambda: own(refused()), "own-release-fails"),
    Row(
        "client.works",
        "releases-that-cannot-be-compared",
        VIOLATED,
        lambda: counted_otherwise(refused()),
        "cannot-create",
    ),
    Row(
        "client.works",
        "gives-up-under-a-fault-before-any-run",
        INCONCLUSIVE,
        lambda: own(cut().without(Run).put(2.4, ClientError(verb="create", error_type="E", error="x"))),
    ),
    Row("client.works", "deleted-before-it-spoke", NOT_APPLICABLE, lambda: own(refused("send").ask(1.3, "delete"))),
    *(
        Row(guarantee, "deleted-before-anything-was-said", NOT_APPLICABLE, unsaid)
        for guarantee in ("loop.terminates", "loop.once", "model.sound")
    ),
    *(
        Row("loop.terminates", name, INCONCLUSIVE, built)
        for name, built in (
            ("something-was-said-before", lambda: unsaid(heard=True)),
            ("unsaid-and-not-deleted", lambda: unsaid().without(Request, verb="delete")),
            ("deleted-when-it-could-not-speak", lambda: unsaid(deleted_at=1.7)),
            ("deleted-by-the-client", lambda: unsaid().alter(Request, {"verb": "delete"}, witness="client")),
            ("its-deletion-failed", lambda: unsaid().alter(Request, {"verb": "delete"}, code=500)),
            ("refused-for-another-reason", lambda: unsaid(code=409)),
            ("shown-after-its-deletion", lambda: unsaid().ask(1.5, "status")),
            ("another-one-was-deleted", lambda: unsaid().alter(Request, {"verb": "delete"}, conversation="c2")),
            ("deleted-unsaid-and-a-witness-is-blind", lambda: unsaid().blind("observer")),
            (
                "deleted-unsaid-and-the-harness-failed",
                lambda: unsaid().put(1.9, BreakOff("harness", "wire", "it died")),
            ),
        )
    ),
    Row("status.known", "deleted-unsaid-and-no-words-known", INCONCLUSIVE, lambda: unsaid().without(Vocabulary)),
    Row("server.works", "refuses-what-is-deleted", HOLDS, lambda: of_plain(unsaid())),
    Row(
        "server.works", "refuses-what-is-deleted-as-wrong", VIOLATED, lambda: of_plain(unsaid(code=400)), "send-refused"
    ),
    Row(
        "client.works",
        "deleted-after-it-gave-up",
        VIOLATED,
        lambda: own(refused("send").ask(1.7, "delete")),
        "own-release-fails",
    ),
    Row("client.works", "never-ran", INCONCLUSIVE, lambda: own(calm()).without(Run)),
    Row("client.works", "another-release-refuses", NOT_APPLICABLE, lambda: skewed(built=refused())),
    Row("client.works", "the-server-failed-it", NOT_APPLICABLE, lambda: own(failed_by_server())),
    Row("client.works", "plain-client", NOT_APPLICABLE, lambda: calm(client="plain")),
    Row("client.compatible", "one-release", NOT_APPLICABLE, lambda: own(calm())),
    Row("client.compatible", "unknown-release", NOT_APPLICABLE, calm),
    Row(
        "client.compatible",
        "under-a-fault",
        NOT_APPLICABLE,
        lambda: own(cut().put(1.6, ClientError(verb="send", error_type="E", error="x"))),
    ),
    Row("client.compatible", "plain-client", NOT_APPLICABLE, crashed),
    Row("status.known", "script-waits-for-what-there-is", HOLDS, lambda: waits_for(("poll.py:31", "finished"))),
    Row(
        "status.known",
        "script-waits-for-stopped",
        VIOLATED,
        lambda: waits_for(("poll.py:31", "stopped"), ("poll.py:40", "finished")),
        "waits-for-unknown",
    ),
    Row(
        "cost.reconcile",
        "asks-again-for-pages-that-a-fault-spoiled",
        HOLDS,
        lambda: spoiled_pages(10),
    ),
]


def silent_after(built: Built, moment: float) -> Built:
    """Callbacks that hear nothing any more."""
    late = [
        one.id for at, one in built.placed if isinstance(one, Event) and one.reading == "callback:0" and at > moment
    ]
    return built.forget("callback:0", *late)


def spoiled_pages(count: int) -> Built:
    """The client asks for its one page again until a fault lets it through."""
    built = calm(500)
    for index in range(count):
        page = Exchange(conn=3, method="GET", path="/events?cursor=a500", down_bytes=90_000, rule="f")
        page.code, page.done = (500, "passed") if index % 2 else (200, "truncated")
        built.put(3.5 + index / 100, page)
    return built.put(3.9, Exchange(conn=3, method="GET", path="/events?cursor=a500", code=200, down_bytes=90_000))


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_client(row: Row) -> None:
    verdict = judge(row.make().build(), [row.guarantee])[row.guarantee]
    assert (verdict.outcome, verdict.signature) == (row.outcome, row.signature), verdict.says


@pytest.mark.parametrize("identity", LISTS)
def test_a_mere_skew_is_no_lost_event(identity: str) -> None:
    built = skewed().forget("held:0", "a2", "f1").forget("callback:0", "a2")
    verdict = judge(built.build())[identity]
    assert verdict.outcome is NOT_APPLICABLE
    assert "the client is 1.11.0 and the server 1.58.0" in verdict.says


def test_every_place_that_waits_for_an_unknown_status_is_shown() -> None:
    verdict = judge(waits_for(("poll.py:31", "stopped"), ("poll.py:47", "done")).build())["status.known"]
    assert [pointer.says for pointer in verdict.evidence] == [
        "poll.py:31 waits for 'stopped'",
        "poll.py:47 waits for 'done'",
    ]


def test_frames_still_on_their_way_when_the_client_left_are_not_missing() -> None:
    def left(at: float) -> Built:
        built = calm().parameter("lag", 2.0).forget("callback:0", "f1", "b1")
        return built.put(at, Stream(reading="wire:1", stage="closed", path="wire", witness="wire"))

    assert judge(left(4.5).build())["events.callbacks"].outcome is HOLDS
    assert judge(left(8.0).build())["events.callbacks"].outcome is VIOLATED


def test_what_is_missing_is_told_of_which_part_of_the_log() -> None:
    short = judge(calm().forget("held:0", "f1").build())["events.tail"]
    assert " events of the log was missing from the client's list of " in short.says
    long = judge(calm(20).forget("held:0", "m1", "u1", "a10").build())
    assert "2 of 20 events, the first and last 10 of the log's " in long["events.tail"].says
    assert " events, those between the first and last 10 of the log's " in long["events.middle"].says


def test_what_the_client_lacks_and_holds_is_told_by_its_place_in_the_log() -> None:
    verdict = judge(calm().forget("held:0", "f1").build())["events.tail"]
    assert verdict.expected == ("#9 StatusEvent f1",)
    assert verdict.seen[-3:] == (
        "#8 ObservationEvent o3",
        "#10 BookkeepingEvent b1",
        "not in the log: SnapshotEvent s1",
    )
