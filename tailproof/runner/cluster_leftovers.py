"""What clusters hold with our mark: namespaces, and everything in them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import closing

from tailproof.cluster.namespaces import owned_namespaces, remove_namespace, wait_removed
from tailproof.cluster.notes import forget, is_there, notes
from tailproof.cluster.reach import GLANCE_S, connect, own_kubeconfig
from tailproof.cluster.refusals import ClusterError
from tailproof.ownership.leftover import Leftover
from tailproof.ownership.owners import owner_lives
from tailproof.waiting import Budget

_REMOVED_S = 60.0


def clusters_here() -> list[str]:
    """The kubeconfigs of our own cluster when it is up, of that which KUBECONFIG names, and of those that notes name."""
    own = str(own_kubeconfig())
    named = [own, os.environ.get("KUBECONFIG", ""), *(note.kubeconfig for note in notes())]
    return [place for place in dict.fromkeys(named) if is_there(place)]


def cluster_leftovers(places: Iterable[str]) -> list[Leftover]:
    """In the clusters of these kubeconfigs; nothing where none answers. Namespaces that other machines made in the same cluster are
    theirs to judge, and one that the cluster is removing already is no leftover. A note of what is not there is forgotten."""
    found: list[Leftover] = []
    for place in places:
        try:
            with closing(connect(place, timeout_s=GLANCE_S)) as cluster:
                owned = owned_namespaces(cluster, timeout_s=GLANCE_S)
        except ClusterError:
            continue
        found += [
            Leftover("namespace", one.name, one.owner, _remover(place, one.name)) for one in owned if not one.ending
        ]
        there = {one.name for one in owned}
        for note in notes():
            if note.kubeconfig == place and note.name not in there and not owner_lives(note.owner):
                forget(note.name)
    return found


def _remover(place: str, name: str) -> Callable[[], None]:
    def remove() -> None:
        with closing(connect(place)) as cluster:
            remove_namespace(cluster, name)
            wait_removed(cluster, name, Budget(_REMOVED_S))

    return remove
