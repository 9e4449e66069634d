"""The image of a sandbox's containers: any with Python 3.10 or newer."""

from __future__ import annotations

import os
from contextlib import closing

from tailproof.cluster.bring import bring
from tailproof.cluster.reach import Cluster
from tailproof.provision.base_image import WITH_PYTHON, base_image
from tailproof.provision.engine import connect as connect_engine
from tailproof.waiting import Budget

IMAGE = "TAILPROOF_SANDBOX_IMAGE"
"""Names one that the cluster can get."""
PUBLIC = "python:3.13-slim"
_BROUGHT: dict[str, str] = {}
"""Kubeconfig -> the image that this process has brought in."""


def sandbox_image(cluster: Cluster, budget: Budget) -> str:
    """The one that is named; else our own base image, brought into a cluster of `docker/cluster.sh`, and a public one elsewhere. Raises
    Unavailable."""
    if named := os.environ.get(IMAGE):
        return named
    return _own(cluster.kubeconfig, budget) if cluster.ours else PUBLIC


def _own(kubeconfig: str, budget: Budget) -> str:
    if kubeconfig in _BROUGHT:
        return _BROUGHT[kubeconfig]
    with closing(connect_engine()) as engine:
        image = base_image(engine, WITH_PYTHON, say=lambda line: None, budget=budget)
    bring(image, budget)
    _BROUGHT[kubeconfig] = image
    return image
