"""Scenario files: what is accepted, and how a mistake is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from tailproof import resources
from tailproof.runner.check import catalogue, check_plan, shipped_files
from tailproof.scenario.load import load_scenarios, of_tier, scenario_files
from tailproof.scenario.schedule import last_turns, of_run, schedule
from tailproof.scenario.schema import TIERS, Scenario, Tier
from tailproof.schemas import scenario_schema
from tailproof.yamlfile import BadFile, explained

GOOD = """\
name: lag
family: stream
summary: Frames come late.
tier: quick
script:
  - tools: [{token: one}]
  - finish: done
faults:
  - id: lag
    fault: wire.delay
    at: created
    until: returned
    with: {seconds: 2}
"""
GATED = GOOD.replace("{token: one}", "{token: one, gate: true}")


def write(tmp_path: Path, text: str, name: str = "lag") -> Path:
    path = tmp_path / f"{name}.yaml"
    path.write_text(text)
    return path


def test_a_good_scenario_is_loaded(tmp_path: Path) -> None:
    (scenario,) = load_scenarios(write(tmp_path, GOOD), check_plan)
    assert (scenario.name, scenario.tier, scenario.client) == ("lag", "quick", "chosen")
    assert scenario.faults[0].options == {"seconds": 2}


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (("tier: quick", "teir: quick"), 4, "teir: unknown key (did you mean 'tier'?)"),
        (("family: stream", "family: steam"), 2, "did you mean 'stream'?"),
        (("fault: wire.delay", "fault: wire.dely"), 10, "there is no fault 'wire.dely' (did you mean 'wire.delay'?)"),
        (("{seconds: 2}", "{seconds: two}"), 10, "seconds"),
        (("{seconds: 2}", "{secs: 2}"), 10, "secs"),
        (("at: created", "at: creation"), 11, "'creation' is no point of the loop"),
        (("at: created", "at: tool-running:2"), 1, "needs `gate: true`"),
        (
            ("{token: one}", "{token: one, gate: true}"),
            6,
            "nothing lands at tool-running:1: nobody would let it go on",
        ),
        (("at: created", "at: model-called:7"), 1, "model-called:7, but there are 2 turns"),
        (("at: created", "at: child-at-work:1"), 1, "child-at-work:1 needs a `child` that turn 1 starts"),
        (("until: returned", "until: returned:3"), 1, "returned:3, but there are 1 messages"),
        (("finish: done", "finnish: done"), 7, "did you mean 'finish'?"),
        (("until: returned", "until: returned\n    lasts: 2"), 9, "either `until` a point or after what it `lasts`"),
        (("until: returned", "lasts: -1"), 12, "lasts"),
        (("until: returned", "hold_until: reconnected"), 9, "hold_until needs a point that holds the loop"),
        (("until: returned", "hold_until: later"), 12, "hold_until"),
        (
            (
                "wire.delay\n    at: created\n    until: returned\n    with: {seconds: 2}",
                "process.kill\n    at: end\n    lasts: 2",
            ),
            10,
            "knows no `lasts`",
        ),
        (("{seconds: 2}", "{match: {name: x}, seconds: 2, when: at-once}"), 10, "`delay` knows no when"),
        (("wire.delay", "user.delay"), 10, "there is no fault 'user.delay'"),
        (("{token: one}", "{child: helper, journal: false}"), 1, "the child helper is not described in `children`"),
        (("{token: one}", "{child: helper}"), 6, "a call with `child` writes no journal"),
        (
            ("faults:", "children: {helper: {script: [{finish: done}]}}\nfaults:"),
            1,
            "the child helper is never started",
        ),
        (
            ("faults:", "children: {helper: {script: [{tools: [{}]}]}}\nfaults:"),
            8,
            "the tools of a child write no journal",
        ),
        (("{token: one}", "{token: one, mcp: true}"), 1, "a call with `mcp` needs an agent that has an MCP server"),
        (("{token: one}", "{mcp: true, child: helper, journal: false}"), 6, "no `child` beside it"),
        (("{token: one}", "{token: one, risk: high}"), 1, "a call with `risk` needs an agent that asks for it"),
        (("{token: one}", "{risk: high}"), 6, "a call of the terminal that has a `token`"),
        (("at: created", "at: condensing:2"), 1, "condensing:2 needs an agent that has a condenser"),
        (("faults:", "agent: {condenser: {max_size: 8}}\nfaults:"), 8, "greater than or equal to 12"),
        (("faults:", "agent: {guards: [{when: after-tool, does: blocks}]}\nfaults:"), 8, "stands `before-tool`"),
        (
            ("faults:", "agent: {guards: [{when: before-stop, does: allows, token: one}]}\nfaults:"),
            8,
            "has no tool call before it",
        ),
        (("faults:", "agent: {guards: [{when: before-tool, does: lingers}]}\nfaults:"), 8, "for some `seconds`"),
        (
            ("faults:", "agent: {guards: [{when: before-tool, does: lingers, token: one, seconds: 9}]}\nfaults:"),
            8,
            "done before the server loses its patience",
        ),
        (("name: lag", "name: [lag"), 2, "is not YAML"),
        (("name: lag", "name: lagg"), 1, "the file is called lag.yaml"),
    ],
    ids=lambda value: value[1].replace(" ", "-") if isinstance(value, tuple) else None,
)
def test_a_mistake_is_said_with_file_and_line(tmp_path: Path, change: tuple[str, str], line: int, says: str) -> None:
    assert change[0] in GOOD
    path = write(tmp_path, GOOD.replace(*change))
    with pytest.raises(BadFile) as caught:
        load_scenarios(path, check_plan)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert says in str(caught.value)


def test_two_scenarios_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    write(tmp_path, GOOD)
    write(tmp_path / "again", GOOD)
    with pytest.raises(BadFile, match="there is a scenario 'lag' already"):
        scenario_files(tmp_path)


def test_the_shipped_scenarios_stand_in_the_folder_of_their_family() -> None:
    for path in resources.folder("scenarios").rglob("*.yaml"):
        assert {scenario.family for scenario in load_scenarios(path, check_plan)} == {path.parent.name}


def test_a_tier_holds_the_tiers_before_it() -> None:
    everything = catalogue()
    quick, gate, deep = (of_tier(everything, tier) for tier in ("quick", "gate", "deep"))
    assert {scenario.name for scenario in quick} < {scenario.name for scenario in gate}
    assert (
        {scenario.name for scenario in gate}
        <= {scenario.name for scenario in deep}
        == {scenario.name for scenario in everything}
    )


def test_a_glob_finds_scenarios_of_every_tier() -> None:
    assert [scenario.name for scenario in catalogue(["oom-*"])] == [
        "oom-child",
        "oom-helper",
        "oom-server",
    ]


def test_the_schedule_injects_and_heals_in_the_order_of_the_loop(tmp_path: Path) -> None:
    text = GATED.replace("until: returned", "until: terminal") + (
        "  - {id: pause, fault: process.pause, at: 'tool-running:1', until: 'model-called:2'}\n"
    )
    (scenario,) = load_scenarios(write(tmp_path, text), check_plan)
    moments = [(str(moment.point), moment.does, moment.fault, moment.run) for moment in schedule(scenario)]
    assert moments == [
        ("created", "inject", "lag", 0),
        ("tool-running:1", "inject", "pause", 1),
        ("model-called:2", "heal", "pause", 1),
        ("terminal", "heal", "lag", 1),
    ]
    assert [moment.fault for moment in of_run(schedule(scenario), 1)] == ["pause", "pause", "lag"]


def test_what_landed_before_is_healed_before_anything_lands_at_the_same_point(tmp_path: Path) -> None:
    text = GATED.replace("until: returned", "until: 'tool-running:1'") + (
        "  - {id: pause, fault: process.pause, at: 'tool-running:1', until: 'tool-running:1'}\n"
    )
    (scenario,) = load_scenarios(write(tmp_path, text), check_plan)
    assert [(moment.does, moment.fault) for moment in schedule(scenario)] == [
        ("inject", "lag"),
        ("heal", "lag"),
        ("inject", "pause"),
        ("heal", "pause"),
    ]


def test_what_heals_by_the_clock_has_no_moment_of_its_own_in_the_loop(tmp_path: Path) -> None:
    text = GATED.replace(
        "at: created\n    until: returned", "at: 'tool-running:1'\n    lasts: 2\n    hold_until: reconnected"
    )
    text += "  - {id: early, fault: wire.down, at: connected, until: created}\n"
    (scenario,) = load_scenarios(write(tmp_path, text), check_plan)
    moments = [(str(moment.point), moment.does, moment.fault, moment.run) for moment in schedule(scenario)]
    assert moments == [
        ("connected", "inject", "early", 0),
        ("created", "heal", "early", 0),
        ("tool-running:1", "inject", "lag", 1),
    ]


def test_each_message_has_the_turn_that_ends_its_run() -> None:
    by_name = {scenario.name: scenario for scenario in catalogue()}
    assert last_turns(by_name["restart-idle"]) == [2, 4]
    assert last_turns(by_name["calm"]) == [4]


def test_the_published_schema_is_the_one_of_the_code() -> None:
    published = resources.folder("scenarios") / "scenario.schema.json"
    assert published.read_bytes() == scenario_schema(), "run `make schemas`"


def test_a_key_of_thousands_of_letters_is_cut_inside_its_sentence() -> None:
    with pytest.raises(ValidationError) as caught:
        Scenario.model_validate({"name": "a", "x" * 5_000: 1})
    # The unknown key comes last: what is missing is said first, and hides it.
    alone = ValidationError.from_exception_data("scenario", [{**caught.value.errors()[-1], "type": "extra_forbidden"}])
    sentence = explained(alone, Scenario)
    assert "unknown key" in sentence
    assert len(sentence) < 1_000


@pytest.mark.parametrize("tier", TIERS)
def test_what_is_not_read_is_of_a_wider_tier(tier: Tier) -> None:
    """A check of a narrow tier leaves files of wider ones alone."""
    assert [one.name for one in of_tier(catalogue(tier=tier), tier)] == [one.name for one in of_tier(catalogue(), tier)]


def test_names_are_told_from_a_part_of_a_file_as_from_the_whole() -> None:
    told: dict[Path, list[str]] = {}
    for name, path in shipped_files().items():
        told.setdefault(path, []).append(name)
    assert {path: [one.name for one in load_scenarios(path, check_plan)] for path in told} == told


def test_a_sweep_that_needs_the_rest_of_its_file_to_be_read_is_read_with_it(tmp_path: Path) -> None:
    path = tmp_path / "kill.yaml"
    path.write_text(
        "name: kill\nfamily: crash\nsummary: x\nscript: [{finish: &points [created, final-reply]}]\nsweep:\n  at: *points\n"
    )
    assert list(scenario_files(tmp_path)) == ["kill-created", "kill-final-reply"]
