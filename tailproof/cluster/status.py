"""Reads the status of a pod as the API server has it: into a record, and into the reason why a pod does not start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tailproof.history.pod_records import ContainerSeen, PodEvent, PodSeen
from tailproof.outgoing.visible import clip

TEXT_CHARS = 300
NO_IMAGE = frozenset({"ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "InvalidImageName"})
"""Reasons of a waiting container that nothing but another image or another registry changes."""
NO_START = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})

Json = Mapping[str, Any]


def seen(pod: Json) -> PodSeen:
    """What a pod's JSON says of it."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return PodSeen(
        pod=metadata["name"],
        uid=metadata.get("uid", ""),
        phase=status.get("phase", ""),
        reason=status.get("reason", ""),
        conditions={
            one["type"]: " ".join(filter(None, (one["status"], one.get("reason", ""))))
            for one in status.get("conditions") or ()
        },
        containers={one["name"]: container_seen(one) for one in containers},
        ending="deletionTimestamp" in metadata,
    )


def container_seen(status: Json) -> ContainerSeen:
    """What the JSON of a container's status says of it."""
    word, state = _state(status.get("state"))
    _, before = _state(status.get("lastState"))
    return ContainerSeen(
        state=word,  # type: ignore[arg-type]
        reason=state.get("reason", ""),
        exit_code=state.get("exitCode"),
        signal=state.get("signal", 0),
        restarts=status.get("restartCount", 0),
        id=(state.get("containerID") or status.get("containerID", "")).rpartition("/")[2],
        began=state.get("startedAt") or "",
        ended=state.get("finishedAt") or "",
        before=f"{before.get('reason', '')} {before['exitCode']}".strip() if "exitCode" in before else "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a container ended, as the kubelet has it."""

    reason: str
    code: int | None


def ended(pod: Json, name: str, container: str) -> Ended | None:
    """How the container of this id ended, also when the kubelet has started another one in its place; None as long as it has not."""
    for one in (pod.get("status") or {}).get("containerStatuses") or ():
        for states in (one.get("state"), one.get("lastState")):
            word, state = _state(states)
            if one["name"] == name and word == "terminated" and state.get("containerID", "").endswith(container):
                return Ended(reason=state.get("reason", ""), code=state.get("exitCode"))
    return None


def event(told: Json) -> PodEvent:
    """What the JSON of an event says."""
    about = told.get("involvedObject") or {}
    path = about.get("fieldPath", "")
    return PodEvent(
        pod=about.get("name", ""),
        reason=told.get("reason", ""),
        text=clip(told.get("message") or "", TEXT_CHARS),
        container=path.partition("{")[2].rstrip("}"),
        times=told.get("count") or 1,
    )


def hindrance(pod: Json) -> str:
    """Why a pod will not start, whoever waits for it, in a sentence; empty as long as it may."""
    status = pod.get("status") or {}
    for one in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        word, state = _state(one.get("state"))
        if word == "waiting" and state.get("reason") in NO_IMAGE:
            return (
                f"the image {one['image']} cannot be had by the cluster ({state['reason']}): push it to a registry that the cluster "
                f"reaches, or bring it in (kind load docker-image; docker/cluster.sh load)"
            )
        if word == "waiting" and state.get("reason") in NO_START:
            said = clip(state.get("message", ""), TEXT_CHARS)
            return f"the container {one['name']} cannot be made ({state['reason']}): {said}"
    return ""


def waits_for(pod: Json) -> str:
    """What a pod that does not run yet is waiting for, for the message of a deadline."""
    status = pod.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] != "True":
            return f"no node takes it: {clip(condition.get('message', ''), TEXT_CHARS)}"
    parts = []
    for one in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        word, state = _state(one.get("state"))
        parts.append(f"{one['name']} {word} {state.get('reason', '')}".strip())
    return f"phase {status.get('phase', 'unknown')}; {', '.join(parts) or 'no container yet'}"


def _state(states: Json | None) -> tuple[str, Json]:
    """`waiting`, `running` or `terminated`, and what stands behind it."""
    for word in ("terminated", "running", "waiting"):
        if states and word in states:
            return word, states[word]
    return "waiting", {}
