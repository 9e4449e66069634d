"""`--shard K/N`: every scenario is in exactly one part, the parts are about as long, and an empty one says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from checks import tailproof
from hypothesis import given
from hypothesis import strategies as st

from tailproof.runner.check import Check, CheckOptions
from tailproof.runner.pairs import Matrix, meet
from tailproof.runner.shard import BadShard, Shard, cost
from tailproof.scenario.schema import Scenario

COSTS = st.dictionaries(st.text(max_size=8), st.floats(0, 1000), max_size=40)
PARTS = st.integers(1, 50)


@given(costs=COSTS, of=PARTS)
def test_every_name_is_in_exactly_one_part(costs: dict[str, float], of: int) -> None:
    parts = [Shard(number=number + 1, of=of).names(costs) for number in range(of)]
    assert sorted(name for names in parts for name in names) == sorted(costs)


@given(costs=COSTS, of=PARTS, data=st.data())
def test_the_order_in_which_they_are_given_does_not_matter(
    costs: dict[str, float], of: int, data: st.DataObject
) -> None:
    shuffled = dict(data.draw(st.permutations(list(costs.items()))))
    number = data.draw(st.integers(1, of))
    assert Shard(number=number, of=of).names(costs) == Shard(number=number, of=of).names(shuffled)


@given(costs=COSTS, of=PARTS)
def test_no_part_is_longer_than_another_by_more_than_one_scenario(costs: dict[str, float], of: int) -> None:
    loads = [sum(costs[name] for name in Shard(number=number + 1, of=of).names(costs)) for number in range(of)]
    assert max(loads) - min(loads) <= max(costs.values(), default=0) * (1 + 1e-9)


@given(names=st.sets(st.text(max_size=8), max_size=40), of=PARTS)
def test_nothing_is_left_empty_while_another_part_has_two(names: set[str], of: int) -> None:
    sizes = [len(Shard(number=number + 1, of=of).names(dict.fromkeys(names, 0.0))) for number in range(of)]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("text", ["", "0/4", "5/4", "1", "1/0", "a/b", "-1/2", "1/2/3", "1/2\n", "01/2"])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(BadShard, match="K/N"):
        Shard.read(text)


def test_a_start_of_a_server_and_more_trials_cost_more() -> None:
    calm = {"name": "a", "family": "calm", "summary": "a", "script": [{"finish": "b"}]}
    shares, dormant = Scenario.model_validate(calm), Scenario.model_validate({**calm, "server": {"dormant": True}})
    assert 0 == cost(shares, 0) < cost(shares, 1) < cost(dormant, 1) < cost(dormant, 2)


@pytest.fixture(scope="module")
def pairs() -> Matrix:
    return meet(["reference"], ["plain"], model_url="", build=False, say=lambda _: None)


@pytest.mark.parametrize("tier", ["quick", "gate", "deep"])
def test_the_parts_of_a_check_are_the_check(tier: str, pairs: Matrix, tmp_path: Path) -> None:
    def planned(shard: str) -> Check:
        options = CheckOptions(tier=tier, out=str(tmp_path), seed=1, shard=shard)  # type: ignore[arg-type]
        return Check.plan(options, lambda: pairs)

    whole = planned("").cells
    parts = [planned(f"{number}/3") for number in (1, 2, 3)]
    assert sorted(cell.name for part in parts for cell in part.cells) == sorted(cell.name for cell in whole)
    held = [{cell.scenario.name for cell in part.cells} for part in parts]
    assert [part.shard.scenarios for part in parts if part.shard] == [len(names) for names in held]
    assert sum(map(len, held)) == len({cell.scenario.name for cell in whole}), "a scenario is in two parts"


def test_a_part_without_a_scenario_is_no_failure_and_says_so(tmp_path: Path) -> None:
    done = tailproof(
        *("check", "reference", "--client", "plain", "--scenario", "calm", "--shard", "2/2", "--out", str(tmp_path))
    )
    assert done.code == 0, done.stdout + done.stderr
    first, second = done.stdout.splitlines()[:2]
    assert first == "GATE OPEN  0 violated · 0 hold · 0 inconclusive · 0 not run · nothing to run in this shard"
    assert second.startswith("shard 2 of 2, with 0 of 1 scenarios · ")
    assert done.result.shard is not None
    assert done.result.shard.idle


def test_wrong_parts_are_wrong_usage(tmp_path: Path) -> None:
    done = tailproof("check", "reference", "--shard", "3/2", "--out", str(tmp_path / "out"))
    assert done.code == 64
    assert "--shard '3/2' is none" in done.stderr
