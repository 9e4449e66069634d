"""The statistics of docs/explore-measured.md, against what tables of the tests say."""

from __future__ import annotations

import pytest

from bench.explore_replay import ranked, wilcoxon


@pytest.mark.parametrize(
    ("one", "other", "p"),
    [
        ([0, 0, 0, 0, 0], [1, 2, 3, 4, 5], 2 / 32),
        ([5, 4, 3, 2, 1], [0, 0, 0, 0, 0], 2 / 32),
        ([0, 0, 0, 0, 1], [2, 3, 4, 5, 0], 4 / 32),
        ([1, 2], [2, 1], 1.0),
        ([7, 7], [7, 7], 1.0),
        ([0, 0, 0, 9], [1, 1, 1, 9], 2 / 8),
    ],
)
def test_signed_ranks_are_exact_with_ties_and_without_what_is_equal(one: list[int], other: list[int], p: float) -> None:
    assert wilcoxon(one, other) == pytest.approx(p)
    assert wilcoxon(other, one) == pytest.approx(p)


def test_half_of_what_is_equal_counts() -> None:
    assert ranked([1, 1], [1, 1]) == 0.5
    assert ranked([1, 2], [3, 4]) == 0.0
