"""What clusters hold with our mark: namespaces, and everything in them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing

from tailproof.cluster.namespaces import owned_namespaces, remove_namespace, wait_removed
from tailproof.cluster.reach import GLANCE_S, connect, own_kubeconfig
from tailproof.cluster.refusals import ClusterError
from tailproof.ownership.leftover import Leftover
from tailproof.waiting import Budget

_REMOVED_S = 60.0


def cluster_leftovers() -> list[Leftover]:
    """In our own cluster when it is up, and in that which KUBECONFIG names; nothing where none answers. Namespaces that other machines
    made in the same cluster are theirs to judge, and one that the cluster is removing already is no leftover."""
    found: list[Leftover] = []
    for place in _places():
        try:
            with closing(connect(place, timeout_s=GLANCE_S)) as cluster:
                found += [
                    Leftover("namespace", one.name, one.owner, _remover(place, one.name))
                    for one in owned_namespaces(cluster, timeout_s=GLANCE_S)
                    if not one.ending
                ]
        except ClusterError:
            continue
    return found


def _places() -> Iterator[str]:
    own, named = own_kubeconfig(), os.environ.get("KUBECONFIG", "")
    if own.is_file():
        yield str(own)
    if named and named != str(own):
        yield named


def _remover(place: str, name: str) -> Callable[[], None]:
    def remove() -> None:
        with closing(connect(place)) as cluster:
            remove_namespace(cluster, name)
            wait_removed(cluster, name, Budget(_REMOVED_S))

    return remove
