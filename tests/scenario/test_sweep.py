"""A sweep: one file that stands for many scenarios, each loaded and checked as if it had a file of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailproof.runner.check import check_plan
from tailproof.scenario.load import load_scenarios, scenario_files
from tailproof.scenario.sweep import MOST, expanded
from tailproof.yamlfile import BadFile

SWEPT = """
name: kill
sweep:
  at: ["created", "tool-running:2"]
  signal: {killed: {word: KILL, tier: gate}, stopped: {word: TERM, tier: deep}}
family: crash
summary: The server is $signal at $at.
tier: $signal.tier
script:
  - tools: [{token: one, run: "echo $HOME $attic"}]
  - tools: [{token: two}]
  - finish: done
faults:
  - id: it
    fault: process.kill
    at: $at
    with: {scope: default, signal: $signal.word, restart: in-place, survivors: keep}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "kill.yaml"
    path.write_text(text.lstrip("\n"))
    return path


def test_each_value_of_an_axis_meets_each_of_the_others(tmp_path: Path) -> None:
    path = write(tmp_path, SWEPT)
    scenarios = load_scenarios(path, check_plan)
    assert [scenario.name for scenario in scenarios] == [
        "kill-created-killed",
        "kill-created-stopped",
        "kill-tool-running-2-killed",
        "kill-tool-running-2-stopped",
    ]
    assert list(scenario_files(tmp_path)) == [scenario.name for scenario in scenarios]
    last = scenarios[-1]
    assert (last.summary, last.tier) == ("The server is stopped at tool-running:2.", "deep")
    assert (str(last.faults[0].at), last.faults[0].options["signal"]) == ("tool-running:2", "TERM")
    assert last.script[0].tools is not None
    assert last.script[0].tools[0].run == "echo $HOME $attic", "what is no axis is left alone"


def test_a_tool_waits_only_where_something_lands_while_it_runs(tmp_path: Path) -> None:
    gated = {
        one.name: [turn.gated for turn in one.script] for one in load_scenarios(write(tmp_path, SWEPT), check_plan)
    }
    assert gated["kill-created-killed"] == [False, False, False]
    assert gated["kill-tool-running-2-killed"] == [False, True, False]


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (("  at: [", "  At: ["), 2, "'At' is no name of an axis"),
        (('["created", "tool-running:2"]', "created"), 2, "at is a list of texts or numbers, or a mapping"),
        (("$signal.word", "$signal.what"), 2, "$signal.what: not every value of the axis has this key"),
        (("created", "creted"), 15, "is no point of the loop"),
        (("tool-running:2", "tool-running:7"), 1, "tool-running:7, but there are 3 turns"),
        (("name: kill", "name: kil"), 1, "the file is called kill.yaml"),
    ],
)
def test_a_mistake_is_said_with_file_and_line(tmp_path: Path, change: tuple[str, str], line: int, says: str) -> None:
    path = write(tmp_path, SWEPT.replace(*change))
    with pytest.raises(BadFile) as caught:
        load_scenarios(path, check_plan)
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"{path}:{line}: ")


def test_a_sweep_has_an_end() -> None:
    axis = list(range(20))
    with pytest.raises(ValueError, match=f"more than {MOST} scenarios"):
        list(expanded({"name": "x", "sweep": {"a": axis, "b": axis, "c": axis, "d": axis}}))


@given(
    st.dictionaries(
        st.sampled_from("abc"), st.lists(st.integers(0, 99), min_size=1, max_size=5, unique=True), min_size=1
    )
)
def test_there_are_as_many_scenarios_as_combinations_and_no_two_are_called_alike(axes: dict[str, list[int]]) -> None:
    found = list(expanded({"name": "x", "sweep": axes, "said": [f"${name}" for name in axes]}))
    combinations = {tuple(one["said"]) for one in found}
    assert len(found) == len(combinations) == len({one["name"] for one in found})
    for place, name in enumerate(axes):
        assert {said[place] for said in combinations} == set(axes[name])
