"""Which scenarios tell whether a fault is needed."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tailproof.reports.page.coverage import POINTS
from tailproof.runner.check import catalogue
from tailproof.scenario.load import load_scenarios
from tailproof.scenario.schema import Scenario
from tailproof.scenario.variants import AS_IT_WAS, EARLIER, LATER, WITHOUT, points, variants
from tailproof.yamlfile import BadFile


def _scenario(**plan: object) -> Scenario:
    given = {
        "name": "small",
        "family": "crash",
        "summary": "What is asked for.",
        "script": [{"tools": [{"token": "one"}]}, {"tools": [{"token": "two", "gate": True}]}, {"finish": "done"}],
        **plan,
    }
    return Scenario.model_validate(given)


def _kill(at: str, **more: object) -> dict[str, object]:
    return {"id": "kill", "fault": "process.kill", "at": at, **more}


def _lag(at: str, until: str = "returned") -> dict[str, object]:
    return {"id": "lag", "fault": "wire.delay", "at": at, "until": until, "with": {"seconds": 1}}


def test_the_points_of_a_loop_stand_in_its_order() -> None:
    assert [str(point) for point in points(_scenario())] == [
        "connected",
        "created",
        "model-called:1",
        "action-stored:1",
        "observation-stored:1",
        "model-called:2",
        "action-stored:2",
        "tool-running:2",
        "observation-stored:2",
        "final-reply",
        "terminal",
        "returned",
        "end",
    ]


@pytest.mark.parametrize(
    ("at", "earlier", "later"),
    [
        ("tool-running:2", "action-stored:2", "observation-stored:2"),
        ("model-called:1", "created", "action-stored:1"),
        ("final-reply", "observation-stored:2", "terminal"),
        # What the model is asked at last is the same point under two names.
        ("model-called:3", "observation-stored:2", "terminal"),
        ("terminal", "final-reply", "returned"),
    ],
)
def test_a_fault_lands_one_point_earlier_and_later(at: str, earlier: str, later: str) -> None:
    made = {variant.name: variant.where for variant in variants(_scenario(faults=[_kill(at)]))}
    assert made == {AS_IT_WAS: f"kill at {at}", WITHOUT: "", EARLIER: f"kill at {earlier}", LATER: f"kill at {later}"}


@pytest.mark.parametrize(
    ("fault", "name", "why"),
    [
        (_lag("connected"), EARLIER, "there is no point beyond connected"),
        (_kill("returned"), LATER, "there is no point beyond returned"),
        (_lag("terminal"), LATER, "there is no point before returned"),
        (_lag("created", "model-called:1"), LATER, "there is no point before model-called:1"),
    ],
)
def test_where_no_point_is_left_that_is_said(fault: dict[str, object], name: str, why: str) -> None:
    (variant,) = [one for one in variants(_scenario(faults=[fault])) if one.name == name]
    assert (variant.scenario, variant.why) == (None, why)


def test_a_gate_that_nobody_would_open_is_left_out() -> None:
    held, without, *_ = variants(_scenario(faults=[_kill("tool-running:2")]))
    assert held.scenario is not None
    assert without.scenario is not None
    assert [turn.gated for turn in held.scenario.script] == [False, True, False]
    assert [turn.gated for turn in without.scenario.script] == [False, False, False]
    act = {"id": "ask", "act": "user.message", "at": "tool-running:2", "with": {"text": "more"}}
    _, without, *_ = variants(_scenario(faults=[_kill("tool-running:2")], acts=[act]))
    assert without.scenario is not None
    assert without.scenario.script[1].gated


def test_no_scenario_of_a_file_can_be_called_like_a_variant(tmp_path: Path) -> None:
    named = [variant.scenario for variant in variants(_scenario(faults=[_kill("terminal")])) if variant.scenario]
    assert [scenario.name for scenario in named] == ["small", "small--without", "small--earlier", "small--later"]
    file = tmp_path / "small--later.yaml"
    YAML().dump(named[-1].model_dump(mode="json", by_alias=True), file)
    with pytest.raises(
        BadFile, match=r"small--later\.yaml:1: name is 'small--later': -- is for variants of a scenario"
    ):
        load_scenarios(file, lambda plan: None)


@pytest.mark.parametrize(
    ("at", "earlier", "later"),
    [
        ("line:3", "line:2", "line:4"),
        ("line:1", "", "line:2"),
        ("line:4", "line:3", ""),
        ("accepted", "created", "line:1"),
    ],
)
def test_what_is_done_to_an_agent_that_stands_still_moves_from_line_to_line(at: str, earlier: str, later: str) -> None:
    kill = {"id": "kill", "fault": "executor.kill" if at == "accepted" else "agent.kill", "at": at}
    made = variants(_scenario(script=[], execution={"agent": ["EMIT 4", "TERMINAL ok"]}, faults=[kill]))
    _, without, before, behind = made
    assert without.scenario is not None
    assert not without.scenario.faults
    for variant, to in ((before, earlier), (behind, later)):
        assert (variant.where, variant.why) == ((f"kill at {to}", "") if to else ("", f"there is no point beyond {at}"))


def test_the_map_of_coverage_has_every_point_of_the_loop() -> None:
    played = [scenario for scenario in catalogue() if scenario.execution is None]
    assert {point.name for scenario in played for point in points(scenario)} == set(POINTS)


def test_a_scenario_without_a_fault_has_no_other_variant() -> None:
    (only,) = variants(_scenario())
    assert (only.name, only.scenario) == (AS_IT_WAS, _scenario())


def test_every_variant_of_every_shipped_scenario_can_be_planned() -> None:
    made = [variant for scenario in catalogue() for variant in variants(scenario)]
    for variant in made:
        if variant.scenario is not None:
            plan = variant.scenario.model_dump(mode="json", by_alias=True)
            assert Scenario.model_validate(plan) == variant.scenario
    assert {variant.name for variant in made} == {AS_IT_WAS, WITHOUT, EARLIER, LATER}
