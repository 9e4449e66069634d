"""docker/cluster.sh says what it does not do; what it does is what every other test of this folder stands on."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def say(cache: Path, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        ["sh", "docker/cluster.sh", *arguments],
        cwd=ROOT,
        env={**os.environ, "TAILPROOF_CACHE": str(cache), "TAILPROOF_INSTALL": "no"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr.strip()


def test_without_a_cluster_status_says_how_to_get_one(tmp_path: Path) -> None:
    code, out, error = say(tmp_path, "status")
    assert (code, out) == (2, "")
    assert error.startswith("docker/cluster.sh: no cluster is up and none is built: ")
    assert "docker/cluster.sh up" in error


@pytest.mark.parametrize("arguments", [(), ("frob",)])
def test_another_word_is_wrong_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, _, error = say(tmp_path, *arguments)
    assert code == 64
    assert "build, up, down, status or load IMAGE" in error


def test_an_image_needs_a_name_and_a_cluster(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    assert say(tmp_path, "load")[0] == 2
    code, _, error = say(tmp_path, "load", "some/image:1")
    assert (code, "no cluster is up to load an image into" in error) == (2, True)


def told_of_daemons(run: Path, script: str) -> list[str]:
    (run / "log").mkdir()
    done = subprocess.run(
        ["sh", "-euc", f". docker/cluster/daemons.sh; {script}"],
        cwd=ROOT,
        env={**os.environ, "RUN": str(run), "DAEMONS": "etcd kubelet"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_daemon_is_known_by_when_it_began_and_not_by_its_command_line(tmp_path: Path) -> None:
    """The command line is empty while the kernel puts the program in place: a cold disk made `up` fail with "has ended"."""
    assert told_of_daemons(
        tmp_path,
        """
        launch kubelet sleep 60
        runs kubelet && echo "it runs"
        before=$(cat "$RUN/kubelet.pid")
        echo "$(pid_of kubelet) 1" >"$RUN/kubelet.pid"
        runs kubelet || echo "another one with its number"
        echo "$before" >"$RUN/kubelet.pid"
        end_daemon kubelet
        living "${before% *}" || echo "it has ended"
        """,
    ) == ["it runs", "another one with its number", "it has ended"]


def test_waiting_ends_with_a_daemon_and_tells_its_last_words(tmp_path: Path) -> None:
    """Its parent is the script, so that it stays a zombie: that is an end, too."""
    assert told_of_daemons(
        tmp_path,
        """
        launch kubelet sh -c 'echo "no such flag" >&2; exit 1'
        wait_for "the node" 30 false || echo "$what"
        """,
    ) == ["kubelet, which has ended: no such flag"]


@pytest.mark.cluster
def test_a_cluster_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """Told by its kubelet: this one has another cache."""
    code, _, error = say(tmp_path, "down")
    assert code == 2
    assert error.startswith("docker/cluster.sh: another kubelet runs on this machine (pid ")


@pytest.mark.cluster
def test_up_does_nothing_when_it_is_up() -> None:
    done = subprocess.run(["sh", "docker/cluster.sh", "up"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "is up: export KUBECONFIG=" in done.stdout
