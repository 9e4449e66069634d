"""The points of the loop: what can be written, and in which order the loop gets to them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailproof.scenario.points import Point

ONE_RUN = [4]
TWO_RUNS = [2, 4]


@pytest.mark.parametrize(
    "text",
    [
        "connected",
        "created",
        "condensing:2",
        "model-called:1",
        "action-stored:2",
        "tool-running:3",
        "child-at-work:3",
        "observation-stored:3",
        "final-reply",
        "terminal",
        "terminal:1",
        "returned:2",
        "end",
    ],
)
def test_a_point_reads_back_as_it_was_written(text: str) -> None:
    assert str(Point.parse(text)) == text


@pytest.mark.parametrize("text", ["", "creted", "model-called", "tool-running:0", "end:1", "created:2", "terminal:x"])
def test_what_is_no_point_is_refused_with_the_list_of_points(text: str) -> None:
    with pytest.raises(
        ValueError, match="is no point of the loop; there are connected, created, condensing:K, model-called:K"
    ):
        Point.parse(text)


def test_points_are_sorted_as_the_loop_reaches_them() -> None:
    written = [
        "connected",
        "created",
        "model-called:1",
        "action-stored:1",
        "tool-running:1",
        "child-at-work:1",
        "observation-stored:1",
        "final-reply:1",
        "terminal:1",
        "returned:1",
        "condensing:3",
        "model-called:3",
        "tool-running:3",
        "observation-stored:3",
        "final-reply",
        "terminal",
        "returned",
        "end",
    ]
    points = [Point.parse(text) for text in written]
    assert sorted(points, key=lambda point: point.order(TWO_RUNS)) == points


@given(st.sampled_from(["final-reply", "terminal", "returned"]))
def test_without_a_number_the_last_run_is_meant(name: str) -> None:
    assert Point(name).order(TWO_RUNS) == Point(name, 2).order(TWO_RUNS)
    assert Point(name).run(TWO_RUNS) == 2
    assert Point(name).run(ONE_RUN) == 1


@pytest.mark.parametrize(("turn", "run"), [(1, 1), (2, 1), (3, 2), (4, 2)])
def test_a_turn_belongs_to_the_run_that_it_happens_in(turn: int, run: int) -> None:
    assert Point("tool-running", turn).run(TWO_RUNS) == run
