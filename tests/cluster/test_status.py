"""What the status of a pod says, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest

from tailproof.cluster import pods, status

ID = "c" * 64


def pod(*containers: dict[str, Any], phase: str = "Running", **more: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "p", "uid": "u"},
        "status": {"phase": phase, "containerStatuses": list(containers), **more},
    }


def container(name: str = "agent", **states: Any) -> dict[str, Any]:
    return {"name": name, "image": "some/image:1", "restartCount": 0, "containerID": f"containerd://{ID}", **states}


def terminated(code: int, reason: str, container_id: str = ID) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, "containerID": f"containerd://{container_id}"}}


def test_a_dead_agent_beside_a_living_sidecar_is_seen_although_the_phase_says_running() -> None:
    seen = status.seen(
        pod(
            container(state=terminated(137, "OOMKilled")),
            container("tools", state={"running": {"startedAt": "2026-01-01T00:00:00Z"}}),
            conditions=[{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}],
        )
    )
    assert (seen.phase, seen.conditions["Ready"]) == ("Running", "False ContainersNotReady")
    agent, tools = seen.containers["agent"], seen.containers["tools"]
    assert (agent.state, agent.reason, agent.exit_code) == ("terminated", "OOMKilled", 137)
    assert (tools.state, tools.exit_code) == ("running", None)
    assert not pods.running(seen)


def test_the_end_of_a_container_is_found_when_another_one_runs_in_its_place() -> None:
    restarted = container(state={"running": {}}, lastState=terminated(137, "Error", "old"))
    assert status.ended(pod(restarted), "agent", "old") == status.Ended(reason="Error", code=137)
    assert status.ended(pod(restarted), "agent", ID) is None
    assert status.ended(pod(restarted), "tools", "old") is None
    assert status.seen(pod(restarted)).containers["agent"].before == "Error 137"


def test_native_sidecars_and_init_containers_are_told_beside_the_others() -> None:
    native = {**container("relay", state={"running": {}})}
    done = {**container("prepare", state=terminated(0, "Completed"))}
    seen = status.seen(pod(container(state={"running": {}}), initContainerStatuses=[done, native]))
    assert {name: one.state for name, one in seen.containers.items()} == {
        "prepare": "terminated",
        "relay": "running",
        "agent": "running",
    }
    assert pods.running(seen)


@pytest.mark.parametrize("reason", sorted(status.NO_IMAGE))
def test_an_image_that_cannot_be_had_is_no_matter_of_time(reason: str) -> None:
    waiting = container(state={"waiting": {"reason": reason}})
    assert reason in status.hindrance(pod(waiting, phase="Pending"))


def test_a_pod_that_only_takes_its_time_is_not_hindered() -> None:
    waiting = container(state={"waiting": {"reason": "ContainerCreating"}})
    assert status.hindrance(pod(waiting, phase="Pending")) == ""
    assert status.waits_for(pod(waiting, phase="Pending")) == "phase Pending; agent waiting ContainerCreating"
    assert status.waits_for({}) == "phase unknown; no container yet"


def test_a_program_that_is_not_in_the_image_is_said() -> None:
    broken = container(state={"waiting": {"reason": "RunContainerError", "message": "python3: not found"}})
    assert "python3: not found" in status.hindrance(pod(broken))


def test_an_event_names_its_container() -> None:
    told = status.event(
        {
            "involvedObject": {"name": "p", "fieldPath": "spec.containers{agent}"},
            "reason": "BackOff",
            "message": "Back-off restarting failed container",
            "count": 3,
        }
    )
    assert (told.pod, told.container, told.reason, told.times) == ("p", "agent", "BackOff", 3)
