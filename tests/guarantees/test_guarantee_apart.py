"""What one subscriber says on its stream, and what became of the others."""

from __future__ import annotations

from typing import Any

import pytest
from guarantee_histories import HOLDS, INCONCLUSIVE, NOT_APPLICABLE, VIOLATED, Built, Row, calm
from test_guarantee_messages import logged

from tailproof.guarantees.catalogue import judge
from tailproof.history.server_records import Said, Stream

MARK = "said-by-say-as-no-json"


def said(built: Built | None = None, **fields: Any) -> Built:
    """`calm`, and somebody who sends a frame at 2.3 that is no message."""
    built = built or calm()
    built.act(2.25, "intent", "user.say", frames=["no-json"]).act(2.65, "proven", "user.say")
    built.header.witnesses["user"] = ["stream"]
    way: dict[str, Any] = {"reading": "stream:say", "conversation": "c1", "path": "unread", "witness": "user"}
    frame: dict[str, Any] = {"frame": "no-json", "text": MARK, "back": "ServerErrorEvent", "read": True, **fields}
    built.put(2.26, Stream(stage="opened", **way), Stream(stage="subscribed", **way))
    built.put(2.6, Stream(stage="closed", **way))
    one = Said(reading="stream:say", conversation="c1", began_ns=2_300_000_000, witness="user", **frame)
    return built.put(2.6, one)


def another(ends: float, built: Built) -> Built:
    """Somebody else past the wire, whose subscription ends."""
    way: dict[str, Any] = {"reading": "stream:other", "conversation": "c1", "path": "direct", "witness": "user"}
    built.put(2.2, Stream(stage="opened", **way), Stream(stage="subscribed", **way))
    return built.put(ends, Stream(stage="closed", code=1011, reason="Internal Server Error", **way))


def cut_off(built: Built) -> Built:
    """The server ends the subscription of the observer."""
    return built.move(Stream, {"reading": "stream:0", "stage": "closed"}, 2.4)


def kept(text: str, source: str = "user") -> Built:
    """The log holds what was said."""
    return said(logged(calm(), "m2", text, source=source))


def faulted(built: Built) -> Built:
    """Something is done to the server meanwhile."""
    for at, stage in ((2.1, "intent"), (2.11, "injected"), (2.2, "proven"), (2.5, "healed")):
        built.fault(at, stage, "process.pause")
    return built


def unheard(at: float, act: str) -> Built:
    """A message that is said on a stream, or posted, is in the log, and the model never gets it."""
    built = logged(calm(), "m2", "mind it").act(at - 0.02, "intent", act, frames=["message"], text="mind it")
    built.act(at + 0.02, "proven", act)
    return built.ask(at, "send", text="mind it", method="SAY", witness="observer")


ROWS = [
    Row("stream.apart", "nobody-notices", HOLDS, said),
    Row("stream.apart", "its-own-stream-is-closed", HOLDS, lambda: said(back="", read=False, code=1009)),
    Row("stream.apart", "others-end-later", HOLDS, lambda: another(4.0, said())),
    Row("stream.apart", "others-end-before", HOLDS, lambda: another(2.25, said())),
    Row("stream.apart", "others-end-with-a-fault", HOLDS, lambda: faulted(another(2.4, said()))),
    Row("stream.apart", "a-message-is-kept", HOLDS, lambda: said(frame="message", text="go")),
    Row("stream.apart", "an-agent-repeats-it", HOLDS, lambda: kept(f"you said {MARK}", "agent")),
    Row("stream.apart", "others-end", VIOLATED, lambda: another(2.4, said()), "others-closed"),
    Row("stream.apart", "others-end-at-once", VIOLATED, lambda: another(3.5, said()), "others-closed"),
    Row("stream.apart", "the-observer-is-cut-off", VIOLATED, lambda: cut_off(said()), "others-closed"),
    Row("stream.apart", "stored", VIOLATED, lambda: kept(f'{{"{MARK}": '), "garbage-stored"),
    Row("stream.apart", "nothing-was-read", INCONCLUSIVE, lambda: said(back="", read=False)),
    Row("stream.apart", "nobody-else-listens", INCONCLUSIVE, lambda: said().without(Stream, path="direct")),
    Row("stream.apart", "nobody-speaks", NOT_APPLICABLE, calm),
    Row("loop.answered", "said-to-a-run", VIOLATED, lambda: unheard(2.58, "user.say"), "never-answered"),
    Row("loop.answered", "said-at-rest", VIOLATED, lambda: unheard(3.0, "user.say"), "never-answered"),
    Row("loop.answered", "posted-at-rest", HOLDS, lambda: unheard(3.0, "user.message")),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(row: Row) -> None:
    verdict = judge(row.make().build(), [row.guarantee])[row.guarantee]
    assert (verdict.outcome, verdict.signature) == (row.outcome, row.signature)
