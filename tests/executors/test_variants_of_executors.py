"""The table of broken executors is whole: each switch has a row, a scenario and a guarantee that is about executors."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # `fixtures` is not installed under this name

from bench.executors import PAGE, kept, table, wrongly  # noqa: E402
from fixtures.executor.settings import VARIANTS as SWITCHES  # noqa: E402
from fixtures.executor.settings import Switches  # noqa: E402
from fixtures.executor.variants import VARIANTS  # noqa: E402
from tailproof.guarantees.catalogue import CATALOGUE  # noqa: E402
from tailproof.runner.check import catalogue  # noqa: E402


def test_every_switch_is_a_variant_and_every_variant_has_a_row() -> None:
    used = {name for switches in SWITCHES.values() for name in _on(switches)}
    assert used == {field.name for field in fields(Switches)}
    assert {row.name for row in VARIANTS} == SWITCHES.keys()


def test_each_is_convicted_by_a_promise_of_executors_in_a_scenario_of_theirs() -> None:
    scenarios = {scenario.name for scenario in catalogue() if scenario.execution is not None}
    for row in VARIANTS:
        assert row.scenario in scenarios
        assert all(CATALOGUE[name].of_executors for name in (row.convicted_by, *row.also_breaks))


def test_the_table_was_played_and_nothing_in_it_is_wrong() -> None:
    lines = kept()
    assert {line.variant for line in lines} == {"", *SWITCHES}
    assert [(line.variant, line.scenario, why) for line in lines if (why := wrongly(line))] == []


def test_the_page_shows_the_table() -> None:
    assert "\n".join(table(kept())) in PAGE.read_text()


def _on(switches: Switches) -> list[str]:
    return [field.name for field in fields(switches) if getattr(switches, field.name)]
