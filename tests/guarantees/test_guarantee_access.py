"""Who is let in, and what becomes of secrets."""

from __future__ import annotations

from typing import Any, cast

import pytest
from guarantee_histories import HOLDS, INCONCLUSIVE, NOT_APPLICABLE, VIOLATED, Built, Row, calm

from tailproof.guarantees.catalogue import judge
from tailproof.history.access_records import Canary, Key, Knock


def tried(*knocks: Knock) -> Built:
    """Somebody tried doors, and these were the answers."""
    built = calm().act(0.5, "intent", "user.probe-access").act(0.9, "proven", "user.probe-access")
    for number, one in enumerate(knocks):
        built.put(0.6 + number / 100, one)
    return built


def knock(code: int, key: str = "none", *, door: str = "route", **said: Any) -> Knock:
    path = "/things" if door == "route" else "/streams/{id}"
    place = "" if key == "none" else said.pop("place", "header")
    return Knock(
        door=cast(Any, door), method="GET", path=path, key=cast(Key, key), place=place, code=code, began_ns=1, **said
    )


def given(*canaries: Canary) -> Built:
    built = calm().plan(secrets=["TOKEN"])
    for number, canary in enumerate(
        (Canary("planted", "secret TOKEN", "creation"), Canary("searched", place="log", amount=500), *canaries)
    ):
        built.put(1.0 + number / 100, canary)
    return built


def seen(place: str, name: str = "secret TOKEN") -> Canary:
    return Canary("seen", name, place, "where it was")


ROWS = [
    Row("access.key", "all-refused", HOLDS, lambda: tried(knock(401), knock(403, "wrong"))),
    Row("access.key", "closed-for-the-key", HOLDS, lambda: tried(knock(4001, door="stream"), knock(401))),
    Row(
        "access.key",
        "dormant",
        HOLDS,
        lambda: tried(knock(503, dormant=True), knock(1013, door="stream", dormant=True)),
    ),
    Row("access.key", "open-to-anybody", HOLDS, lambda: tried(knock(200, open="documented"), knock(401))),
    Row("access.key", "the-right-one-is-none-of-it", HOLDS, lambda: tried(knock(200, "right"), knock(401))),
    Row("access.key", "too-long-to-be-read", HOLDS, lambda: tried(knock(431, "long"))),
    Row(
        "access.key",
        "nothing-was-looked-up-for-it",
        HOLDS,
        lambda: tried(knock(405), knock(422), knock(404), knock(401)),
    ),
    Row("access.key", "nobody-looked-at-a-key", INCONCLUSIVE, lambda: tried(knock(404), knock(422))),
    Row("access.key", "cut-by-us", INCONCLUSIVE, lambda: tried(knock(0, cut=True))),
    Row("access.key", "nobody-tries", NOT_APPLICABLE, calm),
    Row(
        "access.key",
        "served-without",
        VIOLATED,
        lambda: tried(knock(200), knock(401, "wrong")),
        "route-served-with-none-key",
    ),
    Row(
        "access.key",
        "served-with-a-wrong-one",
        VIOLATED,
        lambda: tried(knock(401), knock(204, "wrong")),
        "route-served-with-wrong-key",
    ),
    Row(
        "access.key",
        "served-with-a-part",
        VIOLATED,
        lambda: tried(knock(200, "prefix")),
        "route-served-with-prefix-key",
    ),
    Row(
        "access.key",
        "asked-again-on-the-same-connection",
        HOLDS,
        lambda: tried(knock(200, "right"), knock(401, "shown-before")),
    ),
    Row(
        "access.key",
        "another-spelling-is-sent-on-or-unknown",
        HOLDS,
        lambda: tried(knock(401), knock(307), knock(404)),
    ),
    Row(
        "access.key",
        "served-once-the-connection-has-shown-it",
        VIOLATED,
        lambda: tried(knock(401), knock(200, "right"), knock(200, "shown-before")),
        "route-served-with-shown-before-key",
    ),
    Row(
        "access.key", "stream-let-in", VIOLATED, lambda: tried(knock(101, door="stream")), "stream-served-with-none-key"
    ),
    Row(
        "access.key",
        "served-while-dormant",
        VIOLATED,
        lambda: tried(knock(200, dormant=True)),
        "dormant-route-served-with-none-key",
    ),
    Row(
        "access.key",
        "served-while-dormant-and-with-a-wrong-one-later",
        VIOLATED,
        lambda: tried(knock(101, door="stream", dormant=True), knock(200, "wrong")),
        "route-served-with-wrong-key",
    ),
    Row("access.accepted", "opened", HOLDS, lambda: tried(knock(200, "right"), knock(101, "right", door="stream"))),
    Row(
        "access.accepted",
        "a-door-that-was-out-of-order",
        HOLDS,
        lambda: tried(knock(500, "right"), knock(200, "right")),
    ),
    Row("access.accepted", "nobody-tries", NOT_APPLICABLE, lambda: tried(knock(200, "right")).plan(acts=[])),
    Row("access.accepted", "never-shown", INCONCLUSIVE, lambda: tried(knock(401))),
    Row("access.accepted", "refused", VIOLATED, lambda: tried(knock(401, "right")), "route-refuses-key-in-header"),
    Row(
        "access.accepted",
        "closed",
        VIOLATED,
        lambda: tried(knock(4001, "right", door="stream")),
        "stream-refuses-key-in-header",
    ),
    Row("access.secret", "nowhere", HOLDS, given),
    Row("access.secret", "no-secret-given", NOT_APPLICABLE, calm),
    Row(
        "access.secret",
        "nothing-searched",
        INCONCLUSIVE,
        lambda: calm().plan(secrets=["TOKEN"]).put(1.0, Canary("planted", "x")),
    ),
    Row("access.secret", "none-planted", INCONCLUSIVE, lambda: calm().plan(secrets=["TOKEN"])),
    *(
        Row("access.secret", f"in-{place}", VIOLATED, lambda place=place: given(seen(place)), f"secret-in-{place}")  # type: ignore[misc]
        for place in ("event", "answer", "download", "hook")
    ),
    Row(
        "access.secret",
        "session-key-in-event",
        VIOLATED,
        lambda: given(seen("event", "session key")),
        "session-key-in-event",
    ),
    Row("access.secret", "only-in-the-log", HOLDS, lambda: given(seen("log"))),
    Row(
        "access.secret",
        "two-of-them",
        VIOLATED,
        lambda: given(seen("event", "session key"), seen("answer")),
        "secret-in-answer+session-key-in-event",
    ),
    Row("access.traces", "nowhere", HOLDS, given),
    Row("access.traces", "only-in-an-answer", HOLDS, lambda: given(seen("answer"))),
    Row("access.traces", "no-secret-given", NOT_APPLICABLE, calm),
    Row(
        "access.traces",
        "nobody-can-read-either",
        NOT_APPLICABLE,
        lambda: (
            calm()
            .plan(secrets=["TOKEN"])
            .put(1.0, Canary("planted", "secret TOKEN"))
            .put(1.1, Canary("searched", place="answer", amount=9))
        ),
    ),
    Row(
        "access.traces",
        "nothing-searched",
        INCONCLUSIVE,
        lambda: calm().plan(secrets=["TOKEN"]).put(1.0, Canary("planted", "x")),
    ),
    *(
        Row("access.traces", f"in-{place}", VIOLATED, lambda place=place: given(seen(place)), f"secret-in-{place}")  # type: ignore[misc]
        for place in ("log", "disk")
    ),
    Row(
        "access.traces", "session-key-in-log", VIOLATED, lambda: given(seen("log", "session key")), "session-key-in-log"
    ),
    Row(
        "access.traces",
        "session-key-in-log-that-was-in-an-address",
        HOLDS,
        lambda: given(seen("log", "session key")).put(3.0, knock(101, "right", door="stream", place="query")),
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_who_is_let_in_and_what_gets_out(row: Row) -> None:
    verdict = judge(row.make().build(), [row.guarantee])[row.guarantee]
    assert (verdict.outcome, verdict.signature) == (row.outcome, row.signature), verdict.says


def test_every_secret_that_got_out_is_named_with_what_stands_around_it() -> None:
    twice = [
        Canary("seen", "secret TOKEN", "answer", "POST /work 422", '{"input": "<secret:secret TOKEN>"}') for _ in "12"
    ]
    judged = judge(given(*twice, seen("log", "session key")).build(), ["access.secret", "access.traces"])
    answer, log = judged["access.secret"], judged["access.traces"]
    assert answer.says == "the secret TOKEN comes back in an answer: POST /work 422"
    assert answer.seen == ('secret TOKEN in answer: POST /work 422: {"input": "<secret:secret TOKEN>"}',)
    assert len(answer.evidence) == 2
    assert log.says == "the session key stands in the server's log"
    assert log.seen == ("session key in log: where it was",)
    assert len(log.evidence) == 1
