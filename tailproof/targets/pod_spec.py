"""The pod of a server: what is in it, and how its parts depend on each other.

prepare   an init container: makes the directories of the volume, open to the image's user
relay     a native sidecar: begins before the server, ends after it, and does not hold the pod's phase
agent     the server under test, held at its start until the harness lets it begin
tools     a plain sidecar: it outlives the server, as tool servers do, and holds the pod's phase
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tailproof.protocol.adapter import Places
from tailproof.targets import pod_relay

SERVER = "server"
"""How pods are called, each with a number behind it, and the set that makes them, if one does."""
AGENT, RELAY, TOOLS, PREPARE = "agent", "relay", "tools", "prepare"
PORT = 8000
"""Where the server listens, on the loopback of its pod."""
PLACES = Places(root="/workspace", workspace="/workspace/project", conversations="/workspace/conversations")
JOURNAL = "/tailproof-journal"
GATE = "gates/go"
"""In the volume: a pipe, and a line that comes through it lets the server begin."""
VOLUME = "/tailproof-volume"
_GATES = "/tailproof-gates"
_HELD = f'read line < {_GATES}/go; exec "$@"'
"""A container that the kubelet has started again is a new life at once; the harness has its say before the server in it begins, so that
what comes between two lives happens between them however fast the kubelet is. The shell starts no process meanwhile: the server has to
get the number that it gets without us (a lease may be told by it), and the same in each life."""
_MAKE = (
    f"cd {VOLUME} && mkdir -p root/project root/conversations journal gates "
    "&& chmod 0777 . root root/project root/conversations journal gates "
    f"&& {{ [ -p {GATE} ] || mkfifo {GATE}; }} && chmod 0666 {GATE}"
)
_STAY = "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"
VOLUME_SIZE = "2Gi"
AGENT_CPU = "250m"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PodPlan:
    """One pod of one server."""

    name: str
    image: str
    pull: str
    """`Never` where nobody but us brings images in, else `IfNotPresent`."""
    entrypoint: Sequence[str]
    arguments: Sequence[str]
    environment: Mapping[str, str]
    memory_bytes: int
    """The limit of the agent container; 0 for none."""
    claim: str
    """The volume that outlives the pod."""
    marks: Mapping[str, Mapping[str, str]]
    """Labels and annotations."""


def pod(plan: PodPlan) -> Json:
    """What the API server is asked for."""
    # Without a request for processors a pod gets what all others leave over, and no server starts in time.
    resources: Json = {"requests": {"cpu": AGENT_CPU}}
    if plan.memory_bytes:
        resources["limits"] = {"memory": str(plan.memory_bytes)}
    agent: Json = {
        **_container(plan, AGENT),
        "command": ["sh", "-c", _HELD, "sh", *plan.entrypoint],
        "args": list(plan.arguments),
        "env": [{"name": name, "value": value} for name, value in plan.environment.items()],
        "volumeMounts": [
            _mount(PLACES.root, "root"),
            _mount(JOURNAL, "journal"),
            _mount(_GATES, "gates"),
        ],
        "resources": resources,
    }
    relay: Json = {
        **_container(plan, RELAY),
        "restartPolicy": "Always",
        "command": ["python3", "-c", pod_relay.PROGRAM.read_text(encoding="utf-8"), str(pod_relay.PORT), VOLUME],
        "volumeMounts": [_mount(VOLUME)],
    }
    prepare: Json = {
        **_container(plan, PREPARE),
        "command": ["sh", "-c", _MAKE],
        "securityContext": {"runAsUser": 0},
        "volumeMounts": [_mount(VOLUME)],
    }
    tools: Json = {**_container(plan, TOOLS), "command": ["sh", "-c", _STAY]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": plan.name, **plan.marks},
        "spec": {
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 10,
            "automountServiceAccountToken": False,
            "dnsPolicy": "Default",
            "enableServiceLinks": False,
            "initContainers": [prepare, relay],
            "containers": [agent, tools],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": plan.claim}}],
        },
    }


def stateful_set(of: Json) -> Json:
    """What the API server is asked for so that a controller makes this pod, under the name of the set with a 0 behind it."""
    metadata = {"name": SERVER, **{key: of["metadata"][key] for key in ("labels", "annotations")}}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata,
        "spec": {
            "replicas": 1,
            "serviceName": SERVER,
            "selector": {"matchLabels": metadata["labels"]},
            "updateStrategy": {"type": "RollingUpdate"},
            "template": {
                "metadata": {"labels": metadata["labels"], "annotations": metadata["annotations"]},
                "spec": of["spec"],
            },
        },
    }


def claim(name: str, marks: Mapping[str, Mapping[str, str]]) -> Json:
    """A volume of the cluster's default class."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, **marks},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": VOLUME_SIZE}}},
    }


def _container(plan: PodPlan, name: str) -> Json:
    return {"name": name, "image": plan.image, "imagePullPolicy": plan.pull}


def _mount(path: str, part: str = "") -> Json:
    return {"name": "data", "mountPath": path, **({"subPath": part} if part else {})}
