"""What a receiver of webhooks gets, row by row."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from guarantee_histories import HOLDS, INCONCLUSIVE, NOT_APPLICABLE, VIOLATED, Built, Row, calm

from tailproof.guarantees.catalogue import judge
from tailproof.history.records import Life, Post
from tailproof.history.server_records import Neighbour

LOG = ("m1", "u1", "a1", "o1", "a2", "o2", "a3", "o3", "f1", "b1")
"""Stored between 2.1 and 3.0; the server is asked to end at 7.4 and has ended at 8."""


def posted(*batches: tuple[float, Sequence[str], int], built: Built | None = None, flush_s: float = 1.0) -> Built:
    """A calm run whose events are posted: when, which, and the answer (0: the connection was reset)."""
    built = built or calm()
    built.plan(server={"hooks": {"batch": 5, "flush_s": flush_s, "retries": 1, "retry_s": 1}})
    built.parameter("hooks.delivered", 1.0)
    built.header.witnesses["hooks"] = ["posts"]
    for number, (at, batch, code) in enumerate(batches):
        post = Post(number=number, path="/events/c1", conversation="c1", batch=list(batch), witness="hooks")
        post.code, post.done, post.began_ns = code, "answered" if code else "reset", int(at * 1e9)
        built.put(at, post)
    return built


def beside(built: Built, *batches: Sequence[str], log: str = "xyz", complete: bool = True) -> Built:
    """Another user has the conversation `c2`, and these are posted as of it."""
    built.header.witnesses["user"] = ["stream"]
    built.put(4.9, Neighbour(conversation="c2", when="left", events=list(log), complete=complete, witness="user"))
    for number, batch in enumerate(batches):
        post = Post(number=10 + number, path="/events/c2", conversation="c2", batch=list(batch), witness="hooks")
        post.code, post.began_ns = 200, int(3.6e9)
        built.put(3.6, post)
    return built


def out(built: Built, began: float, ended: float | None) -> Built:
    """An outage of the receiver."""
    built.fault(began, "intent", "hooks.down").fault(began, "injected", "hooks.down")
    if ended is not None:
        built.fault(ended - 0.01, "proven", "hooks.down").fault(ended, "healed", "hooks.down")
    return built


def killed(built: Built) -> Built:
    """The server does not end in the time that it is given."""
    return built.alter(Life, {"stage": "stopped"}, exit_code=-9)


FIRST, LAST = LOG[:5], LOG[5:]
ROWS: list[Row] = [
    Row("hooks.delivered", "all of them", HOLDS, lambda: posted((2.6, FIRST, 200), (3.5, LAST, 204))),
    Row(
        "hooks.delivered",
        "again what failed",
        HOLDS,
        lambda: out(posted((2.6, FIRST, 0), (4.0, FIRST, 200), (4.1, LAST, 200)), 2.0, 3.0),
    ),
    Row(
        "hooks.delivered",
        "posted because the server ends",
        HOLDS,
        lambda: posted((2.6, FIRST, 200), (7.7, LAST, 200), flush_s=300),
    ),
    Row(
        "hooks.delivered",
        "killed before they were due",
        HOLDS,
        lambda: killed(posted((2.6, FIRST, 200), flush_s=300)),
    ),
    Row(
        "hooks.delivered",
        "kept over an end in an outage",
        HOLDS,
        lambda: out(posted((2.6, FIRST, 200), (7.8, LAST, 0), (8.5, LAST, 200), flush_s=300), 7.0, 8.2),
    ),
    Row(
        "hooks.delivered",
        "kept over a kill",
        HOLDS,
        lambda: killed(posted((2.6, FIRST, 200), (8.5, LAST, 200), flush_s=300)),
    ),
    Row(
        "hooks.delivered",
        "kept over a kill and a slow start",
        HOLDS,
        lambda: killed(posted((2.6, FIRST, 200), (60.2, LAST, 200), flush_s=5)).put(60.0, Life(stage="ready", epoch=1)),
    ),
    Row(
        "hooks.delivered",
        "kept over an end for no reason",
        VIOLATED,
        lambda: posted((2.6, FIRST, 200), (8.5, LAST, 200), flush_s=300),
        "late",
    ),
    Row(
        "hooks.delivered",
        "bookkeeping in another place",
        HOLDS,
        lambda: posted((2.6, ("b1", *FIRST), 200), (3.5, LAST[:-1], 200)),
    ),
    Row("hooks.delivered", "nothing at all", VIOLATED, lambda: posted(), "nothing-posted"),
    Row("hooks.delivered", "the last batch", VIOLATED, lambda: posted((2.6, FIRST, 200)), "tail-not-posted"),
    Row(
        "hooks.delivered",
        "the last batch after an outage",
        VIOLATED,
        lambda: out(posted((2.6, FIRST, 200), (3.2, LAST, 503), (4.2, LAST, 503)), 2.9, 4.3),
        "tail-not-posted",
    ),
    Row("hooks.delivered", "a hole", VIOLATED, lambda: posted((2.6, LOG[:2], 200), (3.5, LAST, 200)), "gap"),
    Row(
        "hooks.delivered",
        "lost at the stop",
        VIOLATED,
        lambda: posted((2.6, FIRST, 200), flush_s=300),
        "tail-not-posted",
    ),
    Row(
        "hooks.delivered",
        "only because the server ends",
        VIOLATED,
        lambda: posted((2.6, FIRST, 200), (7.7, LAST, 200)),
        "late",
    ),
    Row(
        "hooks.delivered",
        "twice",
        VIOLATED,
        lambda: posted((2.6, FIRST, 200), (3.0, FIRST, 200), (3.5, LAST, 200)),
        "doubled",
    ),
    Row("hooks.delivered", "reversed", VIOLATED, lambda: posted((2.6, LAST, 200), (3.5, FIRST, 200)), "out-of-order"),
    Row(
        "hooks.delivered",
        "each conversation its own",
        HOLDS,
        lambda: beside(posted((2.6, FIRST, 200), (3.5, LAST, 200)), "xy", "z"),
    ),
    Row(
        "hooks.delivered",
        "what nobody has seen in any log",
        HOLDS,
        lambda: beside(posted((2.6, [*FIRST, "late"], 200), (3.5, LAST, 200)), "xyz", ["later"]),
    ),
    Row(
        "hooks.delivered",
        "with those of another conversation",
        VIOLATED,
        lambda: beside(posted((2.6, [*FIRST, "x"], 200), (3.5, LAST, 200)), "yz"),
        "posted-for-another",
    ),
    Row(
        "hooks.delivered",
        "with those of another conversation and not taken",
        VIOLATED,
        lambda: beside(posted((2.5, ["x"], 0), (2.6, FIRST, 200), (3.5, LAST, 200)), "xyz"),
        "posted-for-another",
    ),
    Row(
        "hooks.delivered",
        "once more as of another conversation",
        VIOLATED,
        lambda: beside(posted((2.6, FIRST, 200), (3.5, LAST, 200)), ["x", "a1"]),
        "posted-for-another",
    ),
    Row(
        "hooks.delivered",
        "as of one whose log nobody read",
        HOLDS,
        lambda: beside(posted((2.6, FIRST, 200), (3.5, LAST, 200)), ["a1"], complete=False),
    ),
    Row(
        "hooks.delivered",
        "as of one that nobody knows",
        HOLDS,
        lambda: posted((2.6, FIRST, 200), (3.5, LAST, 200)).put(
            3.6, Post(number=9, conversation="c3", batch=["a1"], code=200, witness="hooks")
        ),
    ),
    Row("hooks.delivered", "no webhooks", NOT_APPLICABLE, calm),
    Row(
        "hooks.delivered",
        "the receiver's record breaks off",
        INCONCLUSIVE,
        lambda: posted((2.6, FIRST, 200)).blind("hooks"),
    ),
    Row(
        "hooks.delivered",
        "an outage to the end",
        INCONCLUSIVE,
        lambda: out(posted(), 1.0, None),
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_guarantee_says_what_it_must(row: Row) -> None:
    verdict = judge(row.make().build(), [row.guarantee])[row.guarantee]
    assert (verdict.outcome, verdict.signature) == (row.outcome, row.signature), verdict.says
