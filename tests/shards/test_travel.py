"""What a check takes along into pods, and what cannot be had there."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tailproof.provision.locks import release_before
from tailproof.runner.check import Check, CheckOptions, costs
from tailproof.runner.pairs import meet
from tailproof.runner.shard import dealt, read_deal
from tailproof.shards import travel


def test_releases_of_targets_and_clients_travel_each_once() -> None:
    found = travel.releases(["pypi:1.58.0", "reference"], ["sdk:1.58.0", "plain"], earlier=True)
    recipe = found[0][0]
    assert [version for _, version in found] == ["1.58.0", release_before(recipe, "1.58.0")]


@pytest.mark.parametrize("target", ["docker:a", "k8s:a", "url:http://h:1", "executor:reference"])
def test_targets_that_pods_do_not_reach_are_refused(target: str) -> None:
    with pytest.raises(travel.CannotTravel, match=r"--on kubernetes takes releases along.*run it here"):
        travel.releases([target], [], earlier=False)


def test_files_of_the_user_travel_and_too_much_is_refused(tmp_path: Path) -> None:
    mine, known = tmp_path / "mine.yaml", tmp_path / "known.yaml"
    mine.write_text("a")
    known.write_text("b")
    options = CheckOptions(scenarios=("calm", str(mine)), baseline=str(known), out=str(tmp_path), seed=3)
    files = travel.order(options, targets=["reference"], clients=[], deal=[{"calm"}, {"lag"}], parallel=2)
    arguments, of = msgspec.json.decode(files["arguments.json"])
    assert of == 2
    assert {"--scenario=calm", "--scenario=/check/1.yaml", "--baseline=/check/baseline.yaml", "--seed=3", "-n2"} <= {
        *arguments
    }
    assert (files["1.yaml"], files["baseline.yaml"]) == (b"a", b"b")
    mine.write_text("a" * travel.MOST_BYTES)
    with pytest.raises(travel.CannotTravel, match="at most"):
        travel.order(options, targets=["reference"], clients=[], deal=[()], parallel=1)


def test_what_was_measured_decides_who_plays_what(tmp_path: Path) -> None:
    options = CheckOptions(scenarios=("calm", "stream-lag", "stream-sliced"), out=str(tmp_path), seed=0)
    check = Check.plan(options, lambda: meet(["reference"], [], build=False))
    took = costs(check.cells, {"calm": 100.0, "stream-lag": 1.0})
    assert (took["calm"], took["stream-lag"]) == (100.0, 1.0)
    assert dealt(took, 2)[0] == {"calm"} or "calm" not in dealt(took, 2)[0]
    (tmp_path / "deal").write_bytes(msgspec.json.encode([["calm"], ["stream-lag", "stream-sliced"]]))
    assert read_deal(tmp_path / "deal", "2/2") == ("stream-lag", "stream-sliced")
