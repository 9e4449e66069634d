"""Jobs: pods that the cluster itself starts, counts and starts again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubernetes import client

from tailproof.cluster.reach import Cluster
from tailproof.cluster.refusals import ClusterError

INDEX_LABEL = "batch.kubernetes.io/job-completion-index"
NEEDS_RELEASE = "v1.29"

Json = Mapping[str, Any]


def make(cluster: Cluster, namespace: str, job: Json) -> None:
    """Returns when the API server holds it, whole. Raises ClusterError."""
    name = job["metadata"]["name"]
    held = cluster.ask(
        f"making the job {name}", client.BatchV1Api(cluster.api).create_namespaced_job, namespace, dict(job)
    )
    # An older API server drops what it does not know without a word.
    if lost := sorted(set(job["spec"]) - set(held["spec"])):
        raise ClusterError(f"this cluster knows no {', '.join(lost)} of a job: it takes Kubernetes {NEEDS_RELEASE}")
