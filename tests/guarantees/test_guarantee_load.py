"""What grows and what does not: row by row."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from guarantee_histories import HOLDS, INCONCLUSIVE, NOT_APPLICABLE, SECOND, VIOLATED, Built, Row, calm

from tailproof.guarantees.catalogue import judge
from tailproof.guarantees.cost_growth import READS
from tailproof.history.records import Counter, Life, ModelCall, Stall
from tailproof.history.server_records import Request
from tailproof.history.timeline import ends


def failing(*asked: float, code: int = 500, retries: int = 5) -> Built:
    """`calm`, but one more turn is asked for at these times, and each answer fails at once."""
    built = calm()
    built.plan(script=[{"tools": [{}]}, {"status": code}], model={"retries": retries})
    for number, at in enumerate(asked):
        which = {"turn": 7, "request": 100 + number, "conversation": "c1"}
        built.put(at, ModelCall(stage="asked", **which))
        built.put(at + 0.001, ModelCall(stage="answered", code=code, **which))
    return built


def come_and_go(
    row: Sequence[float], what: str = "processes", rounds: int = 10, act: str = "user.conversation", **options: object
) -> Built:
    """`calm`, in which four conversations or subscribers come and go so often; the kernel counts this behind each."""
    built = calm()
    built.header.witnesses["user"] = ["stream"]
    options = {"count": 4, "rounds": rounds, **options}
    for at, stage in ((2.0, "intent"), (2.1, "done"), (3.9, "proven")):
        built.act(at, stage, act, **options)
    for number, value in enumerate(row):
        built.put(2.2 + number / 10, Counter(f"server.{what}", value, witness="user"))
        built.put(2.2 + number / 10, Counter("server.memory_bytes", 3e8 + number * 1e7, witness="user"))
    return built


def read(long_s: float, short_s: float = 0.01, what: str = "page", times: int = 15) -> Built:
    """`calm` with a long history, which is read `times` times beside a short one; the first read is slow in both."""
    built = calm().plan(seeded={"events": 5000, "bytes": [500, 2000]})
    built.header.witnesses["user"] = ["stream"]
    for at, stage in ((1.2, "intent"), (1.3, "done"), (1.9, "proven")):
        built.act(at, stage, "user.compare")
    for one in READS:
        for number in range(times):
            for which, took_s in (("short", short_s), ("long", long_s if one == what else short_s)):
                value = took_s if number else 10 * took_s
                built.put(1.4 + number / 100, Counter(f"read.{one}.{which}", value, witness="user"))
    return built


def started_again(took_s: float) -> Built:
    """`calm` on a long history: the server was stopped at 1.01, and took so long to get ready again."""
    built = calm().plan(seeded={"events": 5000, "bytes": [500, 2000]})
    built.put(1.01, Life(stage="stopped", epoch=0, by_us=True)).put(1.02, Life(stage="started", epoch=1))
    return built.put(1.02 + took_s, Life(stage="ready", epoch=1))


def lost(built: Built, late_s: float) -> Built:
    return built.put(1.5, Stall(int(late_s * SECOND)))


STEADY = [5.0, 5, 6, 5, 5, 5, 6, 5, 5, 5]
GROWING = [5.0 + 4 * number for number in range(10)]
ROWS = [
    Row("model.bounded", "as-often-as-told", HOLDS, lambda: failing(3.1, 4.1, 5.6, 7.6, 9.6, 11.6)),
    Row("model.bounded", "pauses-that-grow", HOLDS, lambda: failing(3.1, 3.2, 3.4, 3.8, 4.6)),
    Row("model.bounded", "once-again", HOLDS, lambda: failing(3.1, 3.11, retries=1)),
    Row("model.bounded", "refused-once", HOLDS, lambda: failing(3.1, code=401)),
    Row("model.bounded", "refused-with-a-fresh-key", HOLDS, lambda: failing(3.1, 4.2, code=401)),
    Row("model.bounded", "told-to-try-often", HOLDS, lambda: failing(*(4.0 + 1.1 * n for n in range(13)), retries=12)),
    Row(
        "model.bounded",
        "each-run-anew",
        HOLDS,
        lambda: (
            failing(3.1, 4.2, code=401)
            .put(5.0, Request(verb="run", code=200, conversation="c1"))
            .put(5.1, *_refused(50), *_refused(51))
        ),
    ),
    Row(
        "model.bounded",
        "for-ever",
        VIOLATED,
        lambda: failing(*(4.0 + 1.1 * number for number in range(11))),
        "asks-for-ever",
    ),
    Row(
        "model.bounded",
        "at-once",
        VIOLATED,
        lambda: failing(*(3.1 + number / 50 for number in range(6))),
        "asks-without-pause",
    ),
    Row(
        "model.bounded",
        "at-a-steady-pace",
        VIOLATED,
        lambda: failing(*(3.1 + number * 0.3 for number in range(6))),
        "pauses-do-not-grow",
    ),
    Row(
        "model.bounded",
        "at-a-steady-pace-on-a-starved-machine",
        INCONCLUSIVE,
        lambda: lost(failing(*(3.1 + number * 0.3 for number in range(6))), 1.0),
    ),
    Row("model.bounded", "refused", VIOLATED, lambda: failing(3.1, 4.2, 5.3, code=401), "asks-after-refusal"),
    Row("model.bounded", "nothing-failed", INCONCLUSIVE, failing),
    Row("model.bounded", "a-model-that-never-fails", NOT_APPLICABLE, calm),
    Row("server.leaves-nothing", "about-as-many", HOLDS, lambda: come_and_go(STEADY)),
    Row("server.leaves-nothing", "as-many-descriptors", HOLDS, lambda: come_and_go(STEADY, "descriptors")),
    Row("server.leaves-nothing", "warming-up", HOLDS, lambda: come_and_go([5.0, 9, 14, 15, 15, 15, 15, 16, 15, 15])),
    Row("server.leaves-nothing", "comes-down-at-last", HOLDS, lambda: come_and_go([*GROWING[:-1], 5.0])),
    Row("server.leaves-nothing", "a-process-each", VIOLATED, lambda: come_and_go(GROWING), "leaks-processes"),
    Row(
        "server.leaves-nothing",
        "a-descriptor-each",
        VIOLATED,
        lambda: come_and_go(GROWING, "descriptors"),
        "leaks-descriptors",
    ),
    Row(
        "server.leaves-nothing",
        "a-descriptor-for-each-subscriber",
        VIOLATED,
        lambda: come_and_go(GROWING, "descriptors", 11, "user.subscribe"),
        "leaks-descriptors",
    ),
    Row(
        "server.leaves-nothing",
        "subscribers-that-leave-nothing",
        HOLDS,
        lambda: come_and_go(STEADY, "descriptors", 11, "user.subscribe"),
    ),
    Row("server.leaves-nothing", "nobody-counted", INCONCLUSIVE, lambda: come_and_go([])),
    Row("server.leaves-nothing", "counted-for-a-while", INCONCLUSIVE, lambda: come_and_go(GROWING[:6])),
    Row("server.leaves-nothing", "too-few-rounds", NOT_APPLICABLE, lambda: come_and_go(GROWING[:4], rounds=4)),
    Row("server.leaves-nothing", "they-stay", NOT_APPLICABLE, lambda: come_and_go(GROWING, stay=True)),
    Row("server.leaves-nothing", "nobody-else", NOT_APPLICABLE, calm),
    Row("cost.history", "as-fast", HOLDS, lambda: read(0.011)),
    Row("cost.history", "a-little-slower", HOLDS, lambda: read(0.049)),
    Row("cost.history", "a-difference-that-nobody-notices", HOLDS, lambda: read(0.04, 0.002)),
    *(
        Row("cost.history", f"{what}-grows", VIOLATED, lambda what=what: read(0.2, what=what), f"{what}-grows")  # type: ignore[misc]
        for what in READS
    ),
    Row("cost.history", "on-a-machine-that-stalled", INCONCLUSIVE, lambda: lost(read(0.2), 1.0)),
    Row("cost.history", "on-a-starved-machine", INCONCLUSIVE, lambda: read(9.0, 1.5)),
    Row("cost.history", "read-too-seldom", INCONCLUSIVE, lambda: read(0.2, times=4)),
    Row("cost.history", "nobody-compares", NOT_APPLICABLE, calm),
    Row("cost.start", "as-fast", HOLDS, lambda: started_again(1.1)),
    Row("cost.start", "within-bounds", HOLDS, lambda: started_again(12.9)),
    Row("cost.start", "much-slower", VIOLATED, lambda: started_again(20.0), "start-grows"),
    Row("cost.start", "once-slow", VIOLATED, lambda: started_again(14.0), "start-grows"),
    Row("cost.start", "on-a-machine-that-stalled", INCONCLUSIVE, lambda: lost(started_again(14.0), 2.0)),
    Row(
        "cost.start",
        "not-ready-again",
        INCONCLUSIVE,
        lambda: started_again(2.0).without(Life, stage="ready", epoch=1),
    ),
    Row("cost.start", "holds-little", NOT_APPLICABLE, calm),
]


def _refused(request: int) -> tuple[ModelCall, ModelCall]:
    which = {"turn": 7, "request": request, "conversation": "c1"}
    return ModelCall(stage="asked", **which), ModelCall(stage="answered", code=401, **which)  # type: ignore[arg-type]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(row: Row) -> None:
    verdict = judge(row.make().build(), [row.guarantee])[row.guarantee]
    assert (verdict.outcome, verdict.signature) == (row.outcome, row.signature), verdict.says


def test_the_stop_in_which_a_history_is_seeded_is_no_end_of_the_conversation() -> None:
    assert ends(started_again(1.0).build()) == ()
    assert ends(started_again(1.0).plan(seeded=None).build()) != ()
