"""What the API server said of a pod while it lived: the truth as the kubelet reported it, which may be late, stale or wrong."""

from __future__ import annotations

from typing import Literal

import msgspec

from tailproof.history.record import Count, Record


class ContainerSeen(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One container of a pod as its status tells it."""

    state: Literal["waiting", "running", "terminated"] = "waiting"
    reason: str = ""
    """Of a waiting or terminated one: `CrashLoopBackOff`, `OOMKilled`, `Error`, ..."""
    exit_code: Count | None = None
    signal: Count = 0
    restarts: Count = 0
    """How often the kubelet has started it again in place."""
    id: str = ""
    """Of the container that runs or ran last; each restart in place is another one."""
    began: str = ""
    ended: str = ""
    """As the kubelet tells them, to the second."""
    before: str = ""
    """How the container before this one ended, `reason code`; empty when there was none."""


class PodSeen(Record, tag="pod-seen"):
    """The status of a pod has changed, as the watch told it. `t_ns` is when it was told, not when it happened."""

    pod: str
    uid: str = ""
    phase: str = ""
    """Pending, Running, Succeeded, Failed, Unknown; `Gone` when the API server holds the pod no more."""
    reason: str = ""
    """Why the whole pod is as it is: `Evicted`, `Terminated`, `NodeLost`, ..."""
    conditions: dict[str, str] = {}
    """Type -> status, with the reason behind it where there is one: `Ready` -> `False ContainersNotReady`."""
    containers: dict[str, ContainerSeen] = {}
    """By name, native sidecars and other init containers included."""
    ending: bool = False
    """Its deletion was asked for."""


class PodEvent(Record, tag="pod-event"):
    """An event of the API server about a pod: `Killing`, `BackOff`, `Evicted`, `FailedScheduling`, ..."""

    pod: str
    reason: str
    text: str = ""
    container: str = ""
    times: Count = 1
