"""Mutations of the catalogue: a guarantee that always says one thing, or overlooks one way of breaking it, fails a row."""

from __future__ import annotations

from dataclasses import replace

import pytest
from guarantee_histories import Row
from test_guarantee_catalogue import ROWS

from tailproof.guarantees import catalogue
from tailproof.guarantees.catalogue import CATALOGUE, judge
from tailproof.guarantees.verdict import Guarantee, Outcome, Verdict, excused, holds, inconclusive, violated
from tailproof.history.reader import History

ALWAYS = {
    "holds": holds("always", compared={"events": 1}),
    "violated": violated("always", signature="always"),
    "inconclusive": inconclusive("always"),
    "not-applicable": excused("always", evidence=()),
}
WAYS = sorted({(row.guarantee, row.signature) for row in ROWS if row.outcome is Outcome.VIOLATED})


def failing(rows: list[Row]) -> bool:
    """A test of a row would fail: stops at the first one."""
    for row in rows:
        verdict = judge(row.make().build(), [row.guarantee])[row.guarantee]
        if (verdict.outcome, verdict.signature) != (row.outcome, row.signature):
            return True
    return False


def swapped(monkeypatch: pytest.MonkeyPatch, guarantee: Guarantee) -> None:
    monkeypatch.setattr(catalogue, "CATALOGUE", {**CATALOGUE, guarantee.id: guarantee})


@pytest.mark.parametrize("always", ALWAYS)
@pytest.mark.parametrize("identity", sorted(CATALOGUE))
def test_one_that_always_says_the_same_fails_a_row(identity: str, always: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def judge_blindly(history: History) -> Verdict:
        return ALWAYS[always]

    swapped(monkeypatch, replace(CATALOGUE[identity], judge=judge_blindly))
    assert failing([row for row in ROWS if row.guarantee == identity])


@pytest.mark.parametrize(("identity", "signature"), WAYS)
def test_one_that_overlooks_one_way_of_breaking_it_fails_a_row(
    identity: str, signature: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its place it says that the promise holds."""
    whole = CATALOGUE[identity]

    def judge_half(history: History) -> Verdict:
        verdict = whole.judge(history)
        return ALWAYS["holds"] if verdict.signature == signature else verdict

    swapped(monkeypatch, replace(whole, judge=judge_half))
    assert failing([row for row in ROWS if row.guarantee == identity and row.signature == signature])
