"""The sandbox that the client asks an executor for: a pod with the scripted agent and its sidecars."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

AGENT = "agent"
_PROGRAM = Path(__file__).with_name("agent_program.py")
_DOCSTRING = re.compile(r'^ *"""(.|\n)*?"""\n', re.MULTILINE)
_LINES = re.compile(r"(EMIT|SLOWLY) (\d+)|LONG \d+|SPLIT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """One container beside the agent."""

    name: str
    does: Literal["idles", "ends", "holds-stdout"] = "idles"
    native: bool = False
    first: bool = False
    """It stands before the agent in the list of containers."""


def sandbox(
    *,
    image: str,
    memory_bytes: int,
    restarts: Literal["Never", "Always", "OnFailure"],
    sidecars: Sequence[Sidecar],
    labels: Mapping[str, str],
) -> dict[str, Any]:
    """What a session is made with: `labels`, and the spec of its pod. The containers see each other's processes."""
    source = _DOCSTRING.sub("", _PROGRAM.read_text())
    agent = _container(AGENT, image, source, ["agent"], memory_bytes)
    plain = [one for one in sidecars if not one.native]
    containers = [
        *(_of(one, image, source) for one in plain if one.first),
        {**agent, "stdin": True},
        *(_of(one, image, source) for one in plain if not one.first),
    ]
    native = [{**_of(one, image, source), "restartPolicy": "Always"} for one in sidecars if one.native]
    spec: dict[str, Any] = {
        "restartPolicy": restarts,
        "shareProcessNamespace": True,
        "enableServiceLinks": False,
        "dnsPolicy": "Default",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "containers": containers,
        **({"initContainers": native} if native else {}),
    }
    return {"labels": dict(labels), "pod": spec}


def with_gates(script: Sequence[str], lines: Sequence[int]) -> list[str]:
    """The script, standing still at the gate `line-N` behind each of these lines (counted from 1); line 0 is before the first."""
    found = ["GATE line-0"] if 0 in lines else []
    written = 0
    for command in script:
        counted = _LINES.fullmatch(command)
        if counted is None or not counted[1]:
            found.append(command)
            written += counted is not None
            if counted is not None and written in lines:
                found.append(f"GATE line-{written}")
            continue
        for _ in range(int(counted[2])):
            found.append(f"{counted[1]} 1")
            written += 1
            if written in lines:
                found.append(f"GATE line-{written}")
    return found


def _of(sidecar: Sidecar, image: str, source: str) -> dict[str, Any]:
    return _container(sidecar.name, image, source, ["sidecar", sidecar.does], 64 << 20)


def _container(name: str, image: str, source: str, arguments: list[str], memory_bytes: int) -> dict[str, Any]:
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-u", "-c", source, *arguments],
        "resources": {"limits": {"memory": str(memory_bytes)}, "requests": {"memory": "16Mi", "cpu": "100m"}},
    }
