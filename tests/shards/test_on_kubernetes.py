"""A check as a Job of a real cluster: its verdicts are those of a check here; a shard that is lost is run again; nothing stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "runner"))

from checks import tailproof

from tailproof.cluster.namespaces import owned_namespaces
from tailproof.cluster.reach import Cluster, connect
from tailproof.runner import leftovers
from tailproof.waiting import Budget

pytestmark = [pytest.mark.cluster, pytest.mark.engine, pytest.mark.xdist_group("shards")]

ASKED = ("--client", "plain", "--scenario", "calm", "--scenario", "message-*", "--seed", "7")
SHARDED = (*ASKED, "--on", "kubernetes", "--shards", "2")
UNDER_WAY_S = 900.0
"""The image may have to be built first."""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with closing(connect()) as cluster:
        yield cluster


def told(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


def of_check(cluster: Cluster, pid: int) -> list[str]:
    """The namespaces that this check has made."""
    return [one.name for one in owned_namespaces(cluster) if one.owner.owner.startswith(f"{pid}:")]


def running(cluster: Cluster, namespaces: list[str]) -> list[tuple[str, str]]:
    return [
        (namespace, pod["metadata"]["name"])
        for namespace in namespaces
        for pod in cluster.ask("looking for pods", cluster.core.list_namespaced_pod, namespace)["items"]
        if pod["status"].get("phase") == "Running"
    ]


def begun(out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tailproof.cli",
            "check",
            "reference",
            *SHARDED,
            "--progress",
            "json",
            "--out",
            str(out),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def test_a_lost_shard_is_run_again_and_the_verdicts_are_those_of_a_check_here(cluster: Cluster, tmp_path: Path) -> None:
    here = tailproof("check", "reference", *ASKED, "-n", "2", "--out", str(tmp_path / "here"))
    with begun(tmp_path / "there") as check:
        pods = Budget(UNDER_WAY_S).wait_for(
            "a shard to run", lambda: running(cluster, of_check(cluster, check.pid)), every=0.2
        )
        namespace, lost = pods[0]
        cluster.ask("losing a shard", cluster.core.delete_namespaced_pod, lost, namespace, grace_period_seconds=0)
        said, _ = check.communicate(timeout=UNDER_WAY_S)
    there = tailproof("gate", str(tmp_path / "there"), "--out", str(tmp_path / "there"))
    assert (here.code, check.returncode) == (0, 0), said
    assert there.outcomes() == here.outcomes()
    shards = [(event["number"], event["state"]) for event in told(said) if event["event"] == "shard told"]
    assert sorted(state for _, state in shards).count("lost") == 1
    assert {number for number, state in shards if state == "collected"} == {1, 2}
    assert all((tmp_path / "there" / trial.history / "header.json").is_file() for trial in there.result.trials)
    assert not of_check(cluster, check.pid)


def test_what_a_killed_check_left_in_the_cluster_is_removed(cluster: Cluster, tmp_path: Path) -> None:
    with begun(tmp_path / "there") as check:
        Budget(UNDER_WAY_S).wait_for(
            "a shard to run", lambda: running(cluster, of_check(cluster, check.pid)), every=0.2
        )
        (left,) = [one for one in owned_namespaces(cluster) if one.owner.owner.startswith(f"{check.pid}:")]
        os.kill(check.pid, signal.SIGKILL)
        check.communicate()
    assert f"removed namespace {left.name} (trial {left.owner.trial})" in leftovers.clean(trial=left.owner.trial)
    assert not of_check(cluster, check.pid)


def test_without_a_cluster_nothing_is_begun(tmp_path: Path) -> None:
    nowhere = {"KUBECONFIG": str(tmp_path / "none")}
    done = tailproof("check", "reference", *SHARDED, "--out", str(tmp_path / "out"), environment=nowhere)
    assert done.code == 2
    assert "is not there: name one in KUBECONFIG" in done.stderr
    assert not (tmp_path / "out").exists()
