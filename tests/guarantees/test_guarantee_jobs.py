"""What a tool leaves behind when its conversation is deleted: row by row."""

from __future__ import annotations

import pytest
from guarantee_histories import HOLDS, INCONCLUSIVE, VIOLATED, Built, Row, calm

from tailproof.guarantees.catalogue import judge
from tailproof.history.records import Effect, Phase, Pulse

DELETED = 5.0


def deleted(how: str = "job", *, until: float, over: float = 20.0, token: str = "token-a1") -> Built:
    """A run whose first tool left a process behind that says twice a second that it lives, `until` when; deleted behind its end."""
    built = calm().until(4.9).ask(DELETED, "delete")
    built.plan(script=[{"tools": [{"token": token, "leaves": how}]}, {"finish": "All done."}])
    for tick in range(round(2 * (until - 2.5))):
        built.put(2.5 + tick / 2, Pulse(token=token))
    return built.put(over, Phase(name="ended"))


ROWS: list[Row] = [
    Row("loop.quiet", "its-jobs-end-with-it", HOLDS, lambda: deleted(until=5.0)),
    Row("loop.quiet", "its-jobs-end-soon-after-it", HOLDS, lambda: deleted(until=9.0)),
    Row("loop.quiet", "a-job-outlives-it", VIOLATED, lambda: deleted(until=19.0), "job-outlives-deletion"),
    Row("loop.quiet", "a-job-outlives-it-for-a-while", VIOLATED, lambda: deleted(until=12.0), "job-outlives-deletion"),
    Row("loop.quiet", "what-was-detached-outlives-it", HOLDS, lambda: deleted("detached", until=19.0)),
    Row("loop.quiet", "its-job-was-not-watched-to-its-end", INCONCLUSIVE, lambda: deleted(until=6.0, over=6.5)),
    Row("loop.quiet", "its-job-was-never-heard-of", INCONCLUSIVE, lambda: deleted(until=5.0).without(Pulse)),
    Row(
        "loop.quiet",
        "the-tool-was-under-way-when-it-was-deleted",
        HOLDS,
        lambda: deleted(until=5.0, token="busy").without(Pulse).put(2.6, Effect(token="busy", stage="begin")),
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_jobs(row: Row) -> None:
    verdict = judge(row.make().build(), [row.guarantee])[row.guarantee]
    assert (verdict.outcome, verdict.signature) == (row.outcome, row.signature), verdict.says


def test_how_long_a_detached_process_lived_on_is_told() -> None:
    verdict = judge(deleted("detached", until=19.0).build(), ["loop.quiet"])["loop.quiet"]
    assert verdict.measured["detached_s"] == 13.5
