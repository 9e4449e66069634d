"""The Job of a check: one index for each part, run again once by the cluster itself when its pod is lost."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tailproof.cluster import jobs
from tailproof.cluster.reach import Cluster, Right
from tailproof.shards.account import ATTEMPTS, CONTAINER
from tailproof.shards.inside import ORDER, RESULTS

NAME = "shards"
NEEDED: Sequence[Right] = (
    ("create", "", "namespaces"),
    ("delete", "", "namespaces"),
    ("create", "", "configmaps"),
    ("create", "batch", "jobs"),
    ("watch", "", "pods"),
    ("delete", "", "pods"),
    ("patch", "", "pods"),
    ("get", "", "pods/log"),
    ("create", "", "pods/exec"),
)
LABELS = {"pod-security.kubernetes.io/enforce": "privileged"}
"""Of the namespace: the harness mounts the disks that it fills for a server."""
_CPU_MILLI, _MEMORY_MIB = 750, 1024
"""What a trial side by side with others asks for: two of them on two processors, and room for what else runs on a node."""
_GRACE_S = 5

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the cluster is asked to do."""

    image: str
    pull: str
    shards: int
    parallel: int
    """Trials side by side in each."""
    attempt_s: float
    """After so long a pod is ended that has not come to its end."""
    marks: Mapping[str, Mapping[str, str]]


def begin(cluster: Cluster, namespace: str, plan: Plan, files: Mapping[str, bytes]) -> None:
    """Hand the files over and let the parts begin. Raises ClusterError."""
    cluster.ask(
        "handing the check over to the cluster",
        cluster.core.create_namespaced_config_map,
        namespace,
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": NAME, **plan.marks},
            "binaryData": {name: b64encode(content).decode() for name, content in files.items()},
        },
    )
    jobs.make(cluster, namespace, job(plan))


def job(plan: Plan) -> Json:
    """What the API server is asked for."""
    asks = {"cpu": f"{_CPU_MILLI * plan.parallel}m", "memory": f"{_MEMORY_MIB * plan.parallel}Mi"}
    container: Json = {
        "name": CONTAINER,
        "image": plan.image,
        "imagePullPolicy": plan.pull,
        "resources": {"requests": asks},
        "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}},
        "volumeMounts": [
            {"name": "order", "mountPath": str(ORDER), "readOnly": True},
            {"name": "results", "mountPath": str(RESULTS)},
        ],
    }
    pod: Json = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": _GRACE_S,
        "activeDeadlineSeconds": int(plan.attempt_s),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "containers": [container],
        "volumes": [{"name": "order", "configMap": {"name": NAME}}, {"name": "results", "emptyDir": {}}],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": NAME, **plan.marks},
        "spec": {
            "completionMode": "Indexed",
            "completions": plan.shards,
            "parallelism": plan.shards,
            "backoffLimitPerIndex": ATTEMPTS - 1,
            "template": {"metadata": dict(plan.marks), "spec": pod},
        },
    }
