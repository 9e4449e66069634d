"""How good shrinking is: what is left of a scenario when only one thing in it matters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailproof.explore.cells import Cell, Space
from tailproof.explore.compose import composed
from tailproof.explore.deck import Deck
from tailproof.explore.smaller import MOST_MISSES, candidates, misses, without
from tailproof.runner.check import check_plan
from tailproof.scenario.schema import Scenario

SOME = list(Space())[::50]
DECK = Deck(SOME, 1)
PACKS = [cells for cells in (DECK.draw() for _ in range(60)) if len(cells) > 1]
Plan = dict[str, Any]


def plan(*cells: Cell) -> Plan:
    return composed(cells).model_dump(mode="json", by_alias=True)


def shrunk(big: Plan, shows: Callable[[Plan], bool]) -> Plan:
    """As an exploration does it, if trials cost nothing."""
    rejected: set[str] = set()
    while found := next(((says, one) for says, one in candidates(big) if says not in rejected), None):
        says, smaller = found
        if shows(smaller):
            big = smaller
        else:
            rejected.add(says)
    return big


def kinds(one: Plan) -> list[str]:
    return [str(landing.get("fault") or landing.get("act")) for landing in (*one["faults"], *one["acts"])]


@given(st.sampled_from(SOME))
@settings(max_examples=25)
def test_one_fault_in_two_turns_is_left_when_the_fault_is_all(cell: Cell) -> None:
    kind = cell.fault_choice.kind
    left = shrunk(plan(cell), lambda one: kind in kinds(one))
    assert kinds(left) == [kind]
    assert len(left["script"]) <= 3
    assert len(left["messages"]) == 1


@given(st.sampled_from(PACKS))
@settings(max_examples=10)
def test_of_three_that_share_a_trial_the_one_that_matters_is_left(cells: tuple[Cell, ...]) -> None:
    kind = cells[-1].fault_choice.kind
    assert kinds(shrunk(plan(*cells), lambda one: kind in kinds(one))) == [kind]


@given(st.sampled_from(SOME))
@settings(max_examples=40)
def test_every_candidate_can_be_played_and_keeps_its_name(cell: Cell) -> None:
    big = plan(cell)
    for says, smaller in candidates(big):
        scenario = Scenario.model_validate(smaller)
        for landing in scenario.landings:
            check_plan(landing)
        assert scenario.name == big["name"], says
        assert any(turn.ends_run for turn in scenario.script), says


def test_an_act_that_matters_keeps_its_place_and_its_gate() -> None:
    big = plan(Cell("wire.delay/2s", "tool-running", "parallel", "user.fork"))
    left = shrunk(
        big, lambda one: "user.fork" in kinds(one) and any("tool-running" in act["at"] for act in one["acts"])
    )
    assert kinds(left) == ["user.fork"]
    (gated,) = [turn for turn in left["script"] if any(call["gate"] for call in turn.get("tools") or ())]
    assert len(gated["tools"]) == 1


def test_what_is_needed_is_asked_of_what_can_be_played() -> None:
    big = plan(Cell("hooks.hang", "created", "steps", "user.fork"))
    assert without(big, "act-1") is None or kinds(without(big, "act-1") or {}) == ["hooks.hang"]
    assert kinds(without(plan(Cell("wire.delay/2s", "created", "steps")), "fault-1") or {}) == []


@pytest.mark.parametrize(("hits", "allowed"), [(3, 1), (2, 5), (1, MOST_MISSES)])
def test_the_rarer_it_is_the_more_often_a_candidate_is_tried(hits: int, allowed: int) -> None:
    assert misses(hits, 3) == allowed
