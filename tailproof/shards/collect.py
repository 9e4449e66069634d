"""Fetches what a shard has found out of its pod, before the pod may end."""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path

from tailproof.cluster import inside
from tailproof.cluster.reach import Cluster
from tailproof.cluster.refusals import ClusterError
from tailproof.shards.account import CONTAINER
from tailproof.shards.inside import FETCHED, OUT, RESULTS
from tailproof.waiting import Budget

FETCH_S = 300.0
_TRIES = 3


def collect(cluster: Cluster, namespace: str, pod: str, to: Path) -> Path:
    """The directory below `to` that is the `--out` of the shard; the pod is told that it is not needed any more. What broke off is fetched
    anew, a few times.

    Raises:
        ClusterError, DeadlineMissed: it cannot be fetched.
        OSError: it cannot be kept here.
    """
    budget = Budget(FETCH_S)
    for left in reversed(range(_TRIES)):
        try:
            _fetch(cluster, namespace, pod, to, budget)
            break
        except ClusterError:
            if not left:
                raise
    inside.run(cluster, namespace, pod, CONTAINER, ["touch", str(FETCHED)], budget)
    return to / OUT


def _fetch(cluster: Cluster, namespace: str, pod: str, to: Path, budget: Budget) -> None:
    packed = to.with_suffix(".tar.gz")
    command = ["tar", "-C", str(RESULTS), "-I", "gzip -1", "-cf", "-", OUT]
    with packed.open("wb") as file:
        done = inside.run(cluster, namespace, pod, CONTAINER, command, budget, taken=file.write)
    if done.code:
        raise ClusterError(
            f"fetching the results of {pod}: tar ended with {done.code}: {done.err.decode(errors='replace')[:300]}"
        )
    try:
        with tarfile.open(packed) as archive:
            archive.extractall(to, filter="data")
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ClusterError(f"fetching the results of {pod}: what came is no archive ({error})") from error
    packed.unlink()
