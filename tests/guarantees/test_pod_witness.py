"""The API server and the kernel testify to each other: what one of them tells alone is not believed."""

from __future__ import annotations

import pytest
from guarantee_histories import Built, crashed

from tailproof.guarantees.witnesses import blind
from tailproof.history.pod_records import ContainerSeen, PodSeen
from tailproof.history.records import Counter


def in_a_pod(*seen: ContainerSeen) -> Built:
    """The server dies with 137 in its first life, and the API server tells this of its container."""
    built = crashed()
    built.header.witnesses["pod"] = ["status"]
    for at, one in enumerate(seen):
        built.put(4.1 + at, PodSeen(pod="server-0", phase="Running", containers={"agent": one}, witness="pod"))
    return built


def ended(code: int, reason: str) -> ContainerSeen:
    return ContainerSeen(state="terminated", reason=reason, exit_code=code)


@pytest.mark.parametrize(
    "seen",
    [ended(137, "Error"), ContainerSeen(state="running", restarts=1, before="Error 137")],
    ids=["state", "before"],
)
def test_a_death_that_both_tell_is_believed(seen: ContainerSeen) -> None:
    assert blind(in_a_pod(seen).build()) == {}


@pytest.mark.parametrize("seen", [ended(0, "Completed"), ContainerSeen(state="running")], ids=["another-code", "runs"])
def test_a_death_that_the_api_server_did_not_tell_makes_it_blind(seen: ContainerSeen) -> None:
    found = blind(in_a_pod(seen).build())
    assert found.keys() == {"pod"}
    assert "died with 137 in its life 0" in found["pod"]


def test_an_oom_kill_that_the_kernel_did_not_count_makes_its_witness_blind() -> None:
    built = in_a_pod(ended(137, "OOMKilled"))
    assert "OOM kill" in blind(built.build())["engine"]
    built = in_a_pod(ended(137, "OOMKilled"))
    assert blind(built.put(4.05, Counter("memory.oom_kill", 1.0, witness="engine")).build()) == {}


def test_a_record_of_the_pod_that_breaks_off_is_missed() -> None:
    built = in_a_pod(ended(137, "Error"))
    assert "pod" in blind(built.blind("pod").build())
