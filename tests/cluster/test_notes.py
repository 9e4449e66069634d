"""A command that sweeps asks only clusters in which something may stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailproof.cluster.namespaces import make_namespace, remove_namespace
from tailproof.cluster.notes import clusters_of_the_dead, forget, notes, take_note
from tailproof.cluster.reach import Cluster, kubeconfig
from tailproof.ownership.owners import Owner, owner_id, whereabouts
from tailproof.runner.cluster_leftovers import cluster_leftovers, clusters_here
from tailproof.waiting import Budget

pytestmark = pytest.mark.cluster

DEAD = f"1:1:{whereabouts()}"
"""Process 1 began at another time."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KUBECONFIG", kubeconfig())
    monkeypatch.setenv("TAILPROOF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_namespace_has_a_note_until_its_removal_was_accepted(cluster: Cluster, owner: Owner) -> None:
    name = f"tailproof-test-{owner.trial}"
    make_namespace(cluster, name, owner, Budget(60))
    assert [(note.name, note.owner) for note in notes()] == [(name, owner.owner)]
    assert clusters_of_the_dead() == []
    remove_namespace(cluster, name)
    assert notes() == []


def test_a_cluster_is_asked_for_what_the_dead_made_and_its_note_goes_with_it(cluster: Cluster) -> None:
    trial = "dead" + owner_id().partition(":")[0]
    name = f"tailproof-test-{trial}"
    make_namespace(cluster, name, Owner(trial=trial, owner=DEAD), Budget(60))
    assert clusters_of_the_dead() == [cluster.kubeconfig]
    (left,) = [one for one in cluster_leftovers(clusters_of_the_dead()) if one.owner.trial == trial]
    left.remove()
    assert notes() == []
    assert clusters_of_the_dead() == []


def test_a_note_of_what_was_never_made_or_is_gone_is_forgotten_when_the_cluster_was_asked(cluster: Cluster) -> None:
    take_note("never-made", DEAD, cluster.kubeconfig)
    take_note("about-to-be-made", owner_id(), cluster.kubeconfig)
    cluster_leftovers(clusters_here())
    assert [note.name for note in notes()] == ["about-to-be-made"]


def test_a_note_of_a_cluster_that_is_known_no_more_is_forgotten(tmp_path: Path) -> None:
    take_note("lost", DEAD, str(tmp_path / "kubeconfig"))
    assert clusters_of_the_dead() == []
    assert notes() == []


def test_what_is_no_note_is_passed_over(own_cache: Path) -> None:
    take_note("one", DEAD, "config")
    (folder,) = own_cache.iterdir()
    (folder / "two.json").write_text("[")
    (folder / "three.json").write_bytes((folder / "one.json").read_bytes())
    assert [note.name for note in notes()] == ["one"]
    forget("one")
    forget("one")
    assert notes() == []
