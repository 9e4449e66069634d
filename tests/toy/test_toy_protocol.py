"""A second protocol fits through the seam: one adapter and one kind of target, in a package of somebody else, and the shipped scenarios."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from toy_protocol import Toy, ToyApi

from tailproof.protocol.adapter import Adapter, Api
from tailproof.reports import json
from tailproof.reports.result import Result

HERE = Path(__file__).resolve().parent
POINTS = """[tailproof.adapters]
toy = toy_protocol:ADAPTERS
[tailproof.targets]
toy = toy_protocol:TARGETS
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """As pip leaves it behind."""
    place = tmp_path / "packages"
    info = place / "toy-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    for name in ("toy_protocol.py", "toy_server.py"):
        (place / name).symlink_to(HERE / name)
    return place


def check(package: Path, out: Path, target: str, *arguments: str) -> tuple[int, str, Result | None]:
    done = subprocess.run(
        [sys.executable, "-m", "tailproof.cli", "check", target, "--out", str(out), *arguments],
        env={**os.environ, "PYTHONPATH": str(package), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    result = out / "result.json"
    return done.returncode, done.stdout + done.stderr, json.read(result) if result.exists() else None


def test_the_shipped_scenarios_hold_on_an_honest_server(package: Path, tmp_path: Path) -> None:
    names = ("calm", "kill-tool-running", "stream-reset-at-reply", "stream-tail-dropped")
    wanted = [word for name in names for word in ("--scenario", name)]
    code, said, result = check(package, tmp_path / "out", "toy", *wanted)
    assert result is not None, said
    assert (code, result.gate.state) == (0, "open"), said
    assert {trial.scenario for trial in result.trials} == set(names)
    assert all(trial.target == "toy" and trial.client == "plain" for trial in result.trials)
    faults = {trial.scenario: [fault.name for fault in trial.faults] for trial in result.trials}
    assert faults["stream-tail-dropped"] == ["wire.drop-last"]


def test_a_feed_that_forgets_is_convicted(package: Path, tmp_path: Path) -> None:
    code, said, result = check(package, tmp_path / "out", "toy:forgets", "--scenario", "calm")
    assert result is not None, said
    assert (code, result.gate.state) == (1, "closed"), said
    (trial,) = result.trials
    assert {one.guarantee for one in trial.verdicts if one.outcome == "violated"} == {"events.delivered"}


def test_what_it_does_not_have_is_not_run_and_said(package: Path, tmp_path: Path) -> None:
    wanted = (
        "--scenario",
        "calm",
        "--scenario",
        "deferred-init",
        "--scenario",
        "long-history",
        "--scenario",
        "message-while-waiting",
    )
    _, said, result = check(package, tmp_path / "out", "toy", *wanted)
    assert result is not None, said
    assert {one.scenario: one.reason for one in result.not_run} == {
        "deferred-init": "toy has no deferred initialisation",
        "long-history": "nobody can give a server of the protocol toy a long history",
        "message-while-waiting": "the protocol toy knows no confirmations",
    }
    assert [trial.scenario for trial in result.trials] == ["calm"]


def test_a_client_of_another_protocol_is_refused(package: Path, tmp_path: Path) -> None:
    code, said, _ = check(package, tmp_path / "out", "toy", "--client", "sdk:1.58.0", "--scenario", "calm")
    assert code == 64
    assert "client 'sdk:1.58.0' speaks openhands, and toy speaks toy" in said


@pytest.mark.parametrize("left_out", ["decode", "promises", "stream"])
def test_an_adapter_that_lacks_a_member_cannot_be_made(left_out: str) -> None:
    part: type = Api if left_out == "stream" else Adapter
    whole: type = ToyApi if left_out == "stream" else Toy
    lacking = type("Lacking", (whole,), {left_out: getattr(part, left_out)})
    with pytest.raises(TypeError, match=f"abstract method '?{left_out}"):
        lacking()
