"""What is drawn: only what there can be, an ordinary scenario each, and nothing left out without a reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from every_cell import EVERY_CELL
from hypothesis import find, given, settings
from hypothesis import strategies as st

from tailproof.acts.catalogue import CATALOGUE as ACT_KINDS
from tailproof.explore import acts, faults, scenarios
from tailproof.explore.cells import Cell, Space
from tailproof.explore.compose import as_yaml, composed, plan_of
from tailproof.explore.packing import arranged, may_share
from tailproof.explore.shapes import SHAPES
from tailproof.explore.strategies import cells
from tailproof.faults.catalogue import CATALOGUE as FAULT_KINDS
from tailproof.ownership.scratch import workroom
from tailproof.runner.check import check_plan
from tailproof.scenario.load import load_scenarios
from tailproof.scenario.schema import Scenario


def test_every_kind_is_drawn_or_has_a_reason() -> None:
    drawn = {choice.kind for choice in (*faults.FAULTS, *acts.ACTS)} - {acts.NOTHING.kind}
    left_out = {*faults.LEFT_OUT, *acts.LEFT_OUT}
    assert drawn | left_out == {*FAULT_KINDS, *ACT_KINDS}
    assert not drawn & left_out


def test_no_two_values_have_one_name() -> None:
    for choices in (faults.FAULTS, acts.ACTS):
        assert len({choice.name for choice in choices}) == len(choices)


@given(cells())
def test_a_cell_reads_back(cell: Cell) -> None:
    assert Cell.read(str(cell)) == cell


@pytest.mark.parametrize(
    "text",
    [
        "wire.delay/2s at moon, steps, nothing",
        "wire.delay/2s",
        "wire.delay/2s at returned, steps, nothing",
        "x at y, z, w, v",
    ],
)
def test_what_there_cannot_be_is_no_cell(text: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        Cell.read(text)


@settings(max_examples=30)
@given(st.lists(st.sampled_from(EVERY_CELL), min_size=1, max_size=3))
def test_what_is_drawn_is_an_ordinary_scenario_file(some: list[Cell]) -> None:
    together = arranged(some)
    drawn = [together] if may_share(together) else [(cell,) for cell in together]
    for one in drawn:
        plan = plan_of(one)
        with workroom() as room:
            path = room / f"{plan['name']}.yaml"
            path.write_text(as_yaml(plan))
            (read,) = load_scenarios(path, check_plan)
        assert read == composed(one)


@settings(max_examples=30)
@given(scenarios(most_faults=3))
def test_what_hypothesis_draws_is_one_too(scenario: Scenario) -> None:
    for plan in scenario.landings:
        check_plan(plan)
    assert Scenario.model_validate(scenario.model_dump(mode="json", by_alias=True)) == scenario


@pytest.mark.parametrize(
    ("act", "wanted"),
    [
        ("nothing", lambda plan: any(len(turn["tools"] or ()) == 3 and turn["delay_s"] for turn in plan["script"])),
        (
            "nothing",
            lambda plan: sum(call["run"] == "false" for turn in plan["script"] for call in turn["tools"] or ()) > 1,
        ),
        ("user.subscribe/come-and-go", lambda plan: plan["acts"][0]["with"]["rounds"] == 4),
        ("user.message/100kB", lambda plan: plan["acts"][0]["with"]["bytes"] < 10),
    ],
    ids=["slow-and-parallel", "failing-twice", "rounds", "bytes"],
)
def test_scripts_and_the_parameters_of_acts_are_drawn_too(act: str, wanted: Callable[[dict[str, Any]], bool]) -> None:
    space = Space(
        faults=faults.FAULTS[:1],
        acts=tuple(one for one in acts.ACTS if one.name == act),
        shapes=tuple(one for one in SHAPES if one.name == "steps"),
        points=("model-called",),
    )
    found = find(scenarios(space=space), lambda one: wanted(one.model_dump(mode="json", by_alias=True)))
    for plan in found.landings:
        check_plan(plan)


def test_what_cannot_be_played_is_not_drawn_and_has_a_reason() -> None:
    space = Space.playable(lambda cell: "no engine" if cell.fault_choice.kind.startswith("memory.") else "")
    assert set(space.missing.values()) == {"no engine"}
    assert {name.partition(".")[0] for name in space.missing} == {"memory"}
    assert not any(cell.fault.startswith("memory.") for cell in space)


def test_faults_of_the_path_take_turns_and_one_of_the_server_comes_last() -> None:
    delay = Cell("wire.delay/2s", "model-called", "steps")
    cut = Cell("wire.cut/reset", "tool-running", "steps")
    tail = Cell("wire.drop-last/one", "created", "steps")
    kill = Cell("process.kill/in-place", "tool-running", "steps")
    assert [may_share(some) for some in ((delay, cut), (delay, kill))] == [True, False]
    assert may_share((delay, kill), one_client=True)
    assert [may_share(some) for some in ((kill, delay), (delay, cut, kill), (tail, delay))] == [False] * 3
    brief = Cell("wire.silence/3s", "model-called", "steps")
    assert [may_share(some) for some in ((brief, cut), (delay, brief))] == [False, True]
    assert arranged((brief, cut)) == (cut, brief)
    plan = plan_of(arranged((kill, delay)))
    assert [fault["fault"] for fault in plan["faults"]] == ["wire.delay", "process.kill"]
    assert plan["faults"][0]["until"] == plan["faults"][1]["at"]


def test_no_two_messages_of_a_trial_say_the_same() -> None:
    first = Cell("wire.delay/2s", "model-called", "steps", "user.message/run")
    second = Cell("wire.burst/3s", "tool-running", "steps", "user.message/run")
    texts = [act["with"]["text"] for act in plan_of((first, second))["acts"]]
    assert len(set(texts)) == len(texts) == 2
