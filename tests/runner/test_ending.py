"""Ctrl-C and SIGKILL in the middle of trials: what is taken down, by whom, and what `clean` finds."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tailproof import resources
from tailproof.history.reader import History, read_header
from tailproof.ownership import processes
from tailproof.ownership.owners import owner_id
from tailproof.reports import json
from tailproof.runner import leftovers
from tailproof.waiting import Budget

SCENARIO = """\
name: held
family: calm
summary: The model takes its time after the first tool.
script:
  - tools: [{token: one}]
  - finish: done
    delay_s: 100
seconds: 120
"""


CHECK = ("tailproof.cli", "check", "reference")
PYTEST = ("pytest", str(resources.folder("suites")), "-p", "no:cacheprovider", "--target", "reference")


@contextmanager
def held_check(
    tmp_path: Path, workers: int, runner: tuple[str, ...] = CHECK
) -> Iterator[tuple[subprocess.Popen[bytes], list[str]]]:
    """A check whose trials all wait for the model's second reply; gives its process and the ids of its trials."""
    names = [f"held-{number}" for number in range(workers)]
    for name in names:
        (tmp_path / f"{name}.yaml").write_text(SCENARIO.replace("held", name, 1))
    out = tmp_path / "out"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", *runner, "--client", "plain", "--out", str(out), "-n", str(workers)),
            *(f"--scenario={tmp_path / name}.yaml" for name in names),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # A runner that was started in the background hands down an ignored SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    budget = Budget(90)
    for name in names:
        # By then the shell of the first tool is gone: only what lives as long as the trial is left.
        model = out / "trials" / name / "model.jsonl"
        budget.wait_for(
            f"{name} to ask for its second reply",
            lambda model=model: model.exists() and b'"turn":1' in model.read_bytes(),
        )
    try:
        yield process, [read_header(out / "trials" / name).trial for name in names]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def living(trials: list[str]) -> list[processes.Process]:
    return [process for trial in trials for process in processes.processes(trial=trial)]


def scratch_of(trials: list[str]) -> list[leftovers.Leftover]:
    return [left for left in leftovers.leftovers() if left.owner.trial in trials]


@pytest.mark.parametrize(
    ("workers", "runner"), [(1, CHECK), (2, CHECK), (2, PYTEST)], ids=["check", "check -n 2", "pytest -n 2"]
)
def test_ctrl_c_leaves_nothing_and_keeps_the_history(tmp_path: Path, workers: int, runner: tuple[str, ...]) -> None:
    with held_check(tmp_path, workers, runner) as (process, trials):
        assert len(living(trials)) >= 2 * workers
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 2
        assert living(trials) == []
        assert scratch_of(trials) == []
    for directory in (tmp_path / "out" / "trials").iterdir():
        if directory.is_dir():
            phases = [phase.name for phase in History.load(directory).phases]
            assert phases[-3:] == ["healing", "stopping", "removing"]


def supervisor_of(trials: list[str]) -> int:
    (pid,) = {int(process.owner.owner.partition(":")[0]) for process in living(trials)}
    return pid


def directories_of(owner: str) -> list[str]:
    return [
        left.name for left in leftovers.leftovers() if left.owner.owner == owner and left.kind == "scratch directory"
    ]


def test_a_check_whose_supervisor_is_killed_takes_the_trials_down_itself(tmp_path: Path) -> None:
    with held_check(tmp_path, 2) as (process, trials):
        owner = owner_id(process.pid)
        assert len(directories_of(owner)) == 1
        os.kill(supervisor_of(trials), signal.SIGKILL)
        assert process.wait(60) == 2
        assert living(trials) == []
        assert scratch_of(trials) == []
        assert directories_of(owner) == []
    doubts = json.read(tmp_path / "out" / "result.json").gate.doubts
    assert "the supervisor ended by itself (exit code -9)" in doubts
    (removed,) = [doubt for doubt in doubts if doubt.startswith("removed ")]
    # A worker that notices first that its supervisor is dead ends by itself, and its children with it.
    assert re.fullmatch(r"removed (\d+ process(es)?, )?\d+ scratch directories left by the supervisor", removed)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_check_that_is_killed_leaves_no_directory(tmp_path: Path, number: signal.Signals) -> None:
    with held_check(tmp_path, 1) as (process, trials):
        owner = owner_id(process.pid)
        os.kill(process.pid, number)
        process.wait(60)

        def gone() -> bool:
            return not [
                left for left in leftovers.leftovers() if left.owner.owner == owner or left.owner.trial in trials
            ]

        Budget(60).wait_for("the supervisor to take the trial down", gone, every=0.1)


def test_what_a_killed_check_and_supervisor_leave_is_removed_by_the_next_command(tmp_path: Path) -> None:
    with held_check(tmp_path, 1) as (process, trials):
        owner = owner_id(process.pid)
        supervisor = supervisor_of(trials)
        os.kill(process.pid, signal.SIGKILL)
        os.kill(supervisor, signal.SIGKILL)
        process.wait()
        subprocess.run(
            [sys.executable, "-m", "tailproof.cli", "list"], stdout=subprocess.DEVNULL, timeout=90, check=True
        )
        assert living(trials) == []
        assert [left for left in leftovers.leftovers() if left.owner.owner == owner or left.owner.trial in trials] == []


def test_clean_spares_those_whose_owner_lives(tmp_path: Path) -> None:
    with held_check(tmp_path, 1) as (_, trials):
        before = {process.pid for process in living(trials) if "sleep" not in process.command}
        leftovers.clean()
        assert before
        assert {process.pid for process in living(trials)} >= before
