"""How good shrinking is: what is left of a scenario when only one thing in it matters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from every_cell import EVERY_CELL
from hypothesis import given, settings
from hypothesis import strategies as st

from tailproof.explore.cells import Cell
from tailproof.explore.compose import composed
from tailproof.explore.deck import Deck
from tailproof.explore.smaller import MOST_MISSES, candidates, misses, still_rejected, without
from tailproof.runner.check import check_plan
from tailproof.scenario.schema import Scenario

SOME = EVERY_CELL[::50]
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


@pytest.mark.parametrize(
    ("big", "small"),
    [
        ("wire.delay/8s at created, steps", "wire.delay/half-second"),
        ("wire.silence/for-good at created, steps", "wire.silence/3s"),
        ("process.pause/8s at created, steps", "process.pause/2s"),
        ("wire.duplicate/all at created, steps", "wire.duplicate/once"),
        ("wire.cut/instead-of-a-frame at created, steps", ""),
        ("wire.cut/closed-4001 at created, steps", ""),
        ("process.kill/abort at created, steps", ""),
        ("clock.step/back at created, steps", ""),
    ],
)
def test_a_smaller_fault_is_one_of_the_same_kind_with_less_of_it(big: str, small: str) -> None:
    cell = Cell.read(f"{big}, nothing")
    found = [one["faults"] for says, one in candidates(plan(cell)) if says == "fault-1 as small as can be"]
    wanted = [plan(Cell(small, cell.point, cell.shape))["faults"]] if small else []
    assert [[ends(fault) for fault in faults] for faults in found] == [
        [ends(fault) for fault in faults] for faults in wanted
    ]


def ends(fault: Plan) -> Plan:
    return {key: fault[key] for key in ("fault", "with", "lasts")}


@pytest.mark.parametrize(
    ("act", "small"),
    [
        ("user.message/100kB", {"run": True}),
        ("user.message/no-run", None),
        ("user.subscribe/cursor", None),
        ("user.request/list", None),
    ],
)
def test_a_smaller_act_says_the_same(act: str, small: Plan | None) -> None:
    big = plan(Cell("wire.delay/half-second", "tool-running", "steps", act))
    found = [one["acts"][0]["with"] for says, one in candidates(big) if says == "act-1 as small as can be"]
    text = big["acts"][0]["with"].get("text")
    assert found == ([] if small is None else [{"text": text, **small}])


def test_what_was_rejected_is_tried_again_where_a_turn_is_another_one() -> None:
    before = plan(Cell("wire.delay/half-second", "tool-running", "steps"))
    shorter = {**before, "script": before["script"][1:]}
    rejected = {"without turn 3", "one call in turn 2", "without fault-1"}
    assert still_rejected(rejected, before, shorter) == {"without fault-1"}
    assert still_rejected(rejected, before, {**before, "summary": "other"}) == rejected


@pytest.mark.parametrize(("hits", "allowed"), [(3, 1), (2, 3), (1, MOST_MISSES)])
def test_the_rarer_it_is_the_more_often_a_candidate_is_tried(hits: int, allowed: int) -> None:
    assert misses(hits, 3) == allowed
