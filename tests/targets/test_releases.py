"""Real releases, as processes and as images."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from target_stage import Begin, Trial

from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.adapters.openhands.installed import pypi_target, src_target
from tailproof.adapters.openhands.recipes import IMAGES, RELEASES
from tailproof.provision.environments import environment
from tailproof.provision.images import build_image
from tailproof.targets.container import ContainerTarget
from tailproof.waiting import Budget

pytestmark = [pytest.mark.long, pytest.mark.release]
NEWEST = "1.58.0"


def run_in_shell(trial: Trial, command: str) -> None:
    """Let the server's own shell tool run a command."""
    httpx.post(
        f"{trial.server.url}/api/bash/start_bash_command",
        json={"command": command, "cwd": trial.server.workspace, "timeout": 120},
        headers={"X-Session-API-Key": trial.plan.key},
        timeout=20,
    ).raise_for_status()


@pytest.mark.parametrize("version", ["1.7.3", NEWEST])
def test_tools_of_a_release_carry_the_mark_and_survive_its_kill(begin: Begin, version: str) -> None:
    trial = begin(pypi_target(f"pypi:{version}", version, adapter=OpenHands()))
    trial.start()
    run_in_shell(trial, "sleep 321")
    trial.wait_command("sleep 321")
    trial.server.kill(scope="server", signal="KILL")
    trial.server.wait_dead(trial.budget)
    assert any("sleep 321" in command for command in trial.server.survivors())
    trial.server.remove()
    assert trial.processes() == []


def test_an_environment_of_the_user_is_a_target() -> None:
    built = environment(RELEASES, NEWEST, Budget(600))
    target = src_target(f"src:{built.directory}", built.directory, adapter=OpenHands())
    target.prepare(Budget(60))
    assert target.version == NEWEST
    assert target.facts["python"] == built.python.release


@pytest.mark.parametrize("terminal", ["shell", "tmux"])
def test_what_the_tools_run_in_is_written_down(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, terminal: str) -> None:
    built = environment(RELEASES, NEWEST, Budget(600))
    if terminal == "tmux":
        (tmp_path / "tmux").symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path))
    target = src_target(f"src:{built.directory}", built.directory, adapter=OpenHands())
    target.prepare(Budget(60))
    assert target.facts["terminal"] == terminal


@pytest.mark.engine
@pytest.mark.parametrize("version", ["1.12.0", NEWEST])
def test_an_image_is_built_from_the_lock_and_serves(begin: Begin, tmp_path: Path, version: str) -> None:
    said: list[str] = []
    tag = build_image(IMAGES, version, say=said.append)
    again: list[str] = []
    assert build_image(IMAGES, version, say=again.append) == tag
    assert again == [f"{tag} is there already"]
    trial = begin(ContainerTarget(f"docker:{tag}", tag, adapter=OpenHands(), recipe=IMAGES), memory_bytes=1 << 30)
    trial.start()
    run_in_shell(trial, f"id -u > {trial.server.journal}/who")
    trial.budget.wait_for("the tool", lambda: (trial.plan.journal / "who").exists())
    trial.budget.wait_for("what it wrote", lambda: (trial.plan.journal / "who").read_text() == "10001\n")
    trial.server.stop(trial.budget)
    assert trial.server.disk(tmp_path / "disk").is_dir()
    assert trial.lives()[-1].stage == "stopped"
