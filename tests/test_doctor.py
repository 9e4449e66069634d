"""What the doctor finds on this machine, and what it says when something is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tailproof.doctor import Finding, examine

NAMES = {
    "python",
    "uv",
    "python for targets",
    "releases",
    "node",
    "tmux",
    "git",
    "mmdebstrap",
    "disk",
    "shared memory",
    "engine",
    "toxiproxy",
    "cluster",
}


def found() -> dict[str, Finding]:
    return {finding.name: finding for finding in examine()}


def test_everything_that_a_target_needs_is_looked_at() -> None:
    assert set(found()) >= NAMES


def test_each_finding_says_what_it_is_for() -> None:
    for finding in examine():
        assert finding.says
        assert finding.needed_for
        assert finding.ok or finding.remedy
        assert "\n" not in finding.says


def test_a_machine_without_an_engine_keeps_its_other_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/engine.sock")
    engine = found()["engine"]
    assert not engine.ok
    assert not engine.required
    assert "docker/engine.sh" in engine.remedy


@pytest.mark.git
def test_a_missing_tmux_is_said_with_the_package_that_has_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    git = shutil.which("git")
    assert git is not None
    (tmp_path / "git").symlink_to(git)
    monkeypatch.setenv("PATH", str(tmp_path))
    findings = found()
    assert findings["git"].ok
    assert not findings["tmux"].ok
    assert findings["tmux"].remedy == "apt-get install tmux"
