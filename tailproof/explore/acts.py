"""The acts that are drawn beside a fault, and why others are not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tailproof.explore.faults import DURING, HELD, POINTS, Choice

NOTHING = Choice(kind="nothing")
"""No act: only the fault."""
_HELD = ("created", *HELD)
"""Where a message without a run lands: behind the end of a run, which a point that nobody holds may be, a client would wait for a run that
nobody has started."""
_ASKED: Mapping[str, tuple[str, ...]] = {"send": _HELD, "run": DURING, "confirm": DURING}
"""What starts a run does so while one is under way: nobody holds one that begins behind the last, and it may have ended or not when a fault
lands."""
_LIVE: Mapping[str, Any] = {"at": (*DURING, "terminal")}


def _all() -> Iterable[Choice]:
    yield Choice(kind="user.message", bucket="run", options={"text": "mind the tests", "run": True}, at=DURING)
    yield Choice(kind="user.message", bucket="no-run", options={"text": "mind the tests"}, at=_HELD)
    yield Choice(
        kind="user.message", bucket="100kB", options={"text": "mind it", "bytes": 100_000, "run": True}, at=DURING
    )
    yield Choice(kind="user.run", at=("created",), plain=True)
    yield Choice(kind="user.pause", at=DURING[1:], ends_run=True)
    yield Choice(kind="user.interrupt", at=DURING[1:], ends_run=True)
    yield Choice(kind="user.fork", at=POINTS[1:])
    for verb, times in (
        *(("status", 3), ("page", 3), ("page-newest", 1), ("list", 3), ("run", 2), ("send", 2)),
        *(("create", 2), ("confirm", 1), ("reject", 1)),
    ):
        yield Choice(
            kind="user.request",
            bucket=verb,
            options={"verb": verb, "times": times, "at_once": times > 1},
            plain=verb in ("run", "send", "confirm"),
            at=_ASKED.get(verb, POINTS),
        )
    yield Choice(kind="user.subscribe", bucket="now", **_LIVE)
    yield Choice(kind="user.subscribe", bucket="all", options={"from": "all"}, **_LIVE)
    yield Choice(kind="user.subscribe", bucket="cursor", options={"from": "cursor", "behind": 3}, at=DURING[3:])
    yield Choice(kind="user.subscribe", bucket="come-and-go", options={"rounds": 5}, **_LIVE)
    yield Choice(kind="user.stall", at=DURING)
    yield Choice(
        kind="user.say", bucket="message", options={"frames": ["message"], "text": "mind the tests"}, at=DURING
    )
    yield Choice(
        kind="user.say", bucket="garbage", options={"frames": ["no-json", "other-shape", "binary", "empty"]}, **_LIVE
    )
    yield Choice(kind="user.conversation", bucket="one", options={"count": 1, "turns": 2}, at=DURING)
    yield Choice(kind="user.conversation", bucket="three", options={"count": 3, "turns": 2}, at=DURING)
    yield Choice(kind="user.confirm", at=("returned",), plain=True)
    yield Choice(kind="user.reject", at=("returned",), plain=True)


ACTS: tuple[Choice, ...] = (NOTHING, *_all())
LEFT_OUT: Mapping[str, str] = {
    "memory.helper": "the terminals of what is drawn wait a quarter of an hour for a tool that says nothing any more: oom-helper",
    "user.compare": "it times reads of a long history, and what a fault does to their time is no defect",
    "user.delete": "a conversation that is gone breaks no promise any more, whatever happens then: deleted-under-it",
    "user.give-secret": "where a secret shows does not depend on where in a run it is given: secret-given-later",
    "user.list": "one conversation makes no list: conversations-listed",
    "user.probe-access": "whom a key lets in does not depend on where in a run it is tried: doors-tried tries it all",
    "user.send-spoiled": "what a rejected request is answered does not depend on the run: rejected-secret, rejected-model-key",
}
"""Kind -> why nothing of it is drawn."""
ANSWERS = frozenset({"user.confirm", "user.reject"})
"""Acts that answer an agent which waits for a confirmation."""
