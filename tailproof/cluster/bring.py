"""Brings an image of this machine's Docker engine into a cluster of `docker/cluster.sh`."""

from __future__ import annotations

import subprocess

from tailproof import resources
from tailproof.cluster.refusals import ClusterError
from tailproof.waiting import Budget


def bring(image: str, budget: Budget) -> None:
    """By the script, which does it once for each image. Raises ClusterError."""
    script = resources.folder("docker") / "cluster.sh"
    try:
        done = subprocess.run(
            ["sh", str(script), "load", image],
            capture_output=True,
            text=True,
            timeout=budget.left,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"bringing {image} into the cluster took too long") from error
    if done.returncode:
        raise ClusterError(done.stderr.strip() or f"{script} load {image} failed")
