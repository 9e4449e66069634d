"""The witness inside the pod, where nobody sees the node: what it tells of a server is what the kernel of the node tells of it, too."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from target_stage import Begin, Trial

from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.cluster import node, pods, status
from tailproof.cluster.bring import bring
from tailproof.cluster.reach import Cluster, connect, is_ours
from tailproof.ownership.owners import stat
from tailproof.targets.pod import PodTarget
from tailproof.targets.pod_inside import RAISED
from tailproof.waiting import Budget

pytestmark = [pytest.mark.engine, pytest.mark.cluster]

MIB = 1 << 20
EATS = "echo 1000 > /proc/self/oom_score_adj; exec tail /dev/zero"
"""The one that the kernel kills, and not the server."""
SERVER = ("python3", "/small_server.py")
WITNESS = ("python3", "-c", '"""Runs in the server')


@pytest.fixture
def blind_pod(small_image: str, monkeypatch: pytest.MonkeyPatch) -> PodTarget:
    """The small server in a pod of a cluster whose node is taken for another machine."""
    if not (is_ours() and os.geteuid() == 0):
        pytest.skip("what the witness tells is compared with what the node's kernel shows, which is not ours to ask")
    bring(small_image, Budget(300))
    monkeypatch.setattr(Cluster, "sees_node", property(lambda cluster: False))
    return PodTarget(f"k8s:{small_image}", small_image, adapter=OpenHands())


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with closing(connect()) as cluster:
        yield cluster


def container_of(cluster: Cluster, trial: Trial) -> str:
    """The id of the server's container, as the cluster tells it."""
    found = pods.read(cluster, f"tailproof-{trial.plan.owner.trial}", "server-0")
    assert found is not None
    return status.seen(found).containers["agent"].id


def pid_of(container: str, *command: str) -> int:
    """The process of the container, as this machine numbers it, whose command line begins so; 0 for none."""
    begins = "\0".join(command).encode()
    for pid in node.pids(container):
        with suppress(OSError):  # it may be gone by now
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(begins):
                return pid
    return 0


def kills(trial: Trial) -> list[float]:
    """What was recorded of the kernel's count."""
    return [one.value for one in trial.history().counters if one.name == "memory.oom_kill"]


def test_it_sees_the_server_stop_go_on_and_die_as_the_node_does(
    begin: Begin, blind_pod: PodTarget, cluster: Cluster
) -> None:
    trial = begin(blind_pod)
    trial.start()
    server, first = trial.server, trial.server.server_pid()
    assert first > RAISED
    pid = pid_of(container_of(cluster, trial), *SERVER)
    inner = int(Path(f"/proc/{pid}/status").read_text().partition("NSpid:")[2].split("\n")[0].split()[-1])
    assert first == RAISED + inner, "the number that it has in there"
    server.pause()
    assert (server.state(), stat(pid)[0]) == ("paused", "T")
    server.resume()
    assert (server.state(), stat(pid)[0] != "T") == ("running", True)
    server.kill(scope="server", signal="KILL")
    server.wait_dead(trial.budget)
    assert not Path(f"/proc/{pid}").exists()
    death = server.last_death()
    assert (death.exit_code, death.oom_killed, death.oom_events, death.by_us) == (137, False, 0, True)
    assert (server.alive(), server.state(), server.server_pid()) == (False, "dead", 0)
    server.restart(trial.budget, place="in-place")
    trial.ready()
    assert server.alive()


def test_it_counts_a_kill_for_want_of_memory_and_comes_back_when_it_was_ended_alone(
    begin: Begin, blind_pod: PodTarget, cluster: Cluster
) -> None:
    trial = begin(blind_pod, memory_bytes=192 * MIB)
    trial.start()
    server, container = trial.server, container_of(cluster, trial)
    assert server.counters()["memory.limit_bytes"] == 192 * MIB
    assert server.counters()["memory.oom_kill"] == 0
    with closing(node.KernelWatch(container, node.pids(container)[0], lambda saw: None)) as kernel:
        trial.shell(EATS)
        trial.budget.wait_for("the node's kernel to count a kill", lambda: kernel.saw.oom_kills)
        # Written down as soon as it was told, whether anybody asks or not.
        trial.budget.wait_for(
            "the witness in the pod to count it",
            lambda: kills(trial) == [0, kernel.saw.oom_kills],
            saw=lambda: str(kills(trial)),
        )
    assert server.counters()["memory.oom_kill"] == kernel.saw.oom_kills == 1
    assert server.alive(), "it was a child that the kernel killed"

    program = pid_of(container, *WITNESS)
    before = server.server_pid()
    os.kill(program, signal.SIGKILL)
    trial.budget.wait_for("another one to be in there", lambda: pid_of(container, *WITNESS) not in (0, program))
    trial.budget.wait_for("it to see the server again", lambda: server.server_pid() == before)
    assert [life.stage for life in trial.lives()] == ["started"], "nobody has died"
