"""Ctrl-C and SIGKILL in the middle of trials: what is taken down, by whom, and what `clean` finds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tailproof import data, ownership
from tailproof.history.reader import History, read_header
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
PYTEST = ("pytest", str(data.folder("suites")), "-p", "no:cacheprovider", "--target", "reference")


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
        tokens = out / "trials" / name / "tool.jsonl"
        budget.wait_for(f"{name} to run its tool", lambda tokens=tokens: tokens.exists() and tokens.stat().st_size)
    try:
        yield process, [read_header(out / "trials" / name).trial for name in names]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def living(trials: list[str]) -> list[ownership.Process]:
    return [process for trial in trials for process in ownership.processes(trial=trial)]


def scratch_of(trials: list[str]) -> list[ownership.Leftover]:
    return [left for left in ownership.leftovers() if left.owner.trial in trials]


@pytest.mark.parametrize(
    ("workers", "runner"), [(1, CHECK), (2, CHECK), (2, PYTEST)], ids=["check", "check -n 2", "pytest -n 2"]
)
def test_ctrl_c_leaves_nothing_and_keeps_the_history(tmp_path: Path, workers: int, runner: tuple[str, ...]) -> None:
    with held_check(tmp_path, workers, runner) as (process, trials):
        assert len(living(trials)) >= 2 * workers
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(10) == 2
        assert living(trials) == []
        assert scratch_of(trials) == []
    for directory in (tmp_path / "out" / "trials").iterdir():
        if directory.is_dir():
            phases = [phase.name for phase in History.load(directory).phases]
            assert phases[-3:] == ["healing", "stopping", "removing"]


def test_a_check_that_is_killed_is_taken_down_by_its_supervisor(tmp_path: Path) -> None:
    with held_check(tmp_path, 1) as (process, trials):
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        Budget(60).wait_for("the supervisor to take the trial down", lambda: not living(trials))
        Budget(60).wait_for("the scratch directory to go", lambda: not scratch_of(trials))


def test_what_a_killed_supervisor_leaves_is_found_by_clean(tmp_path: Path) -> None:
    with held_check(tmp_path, 1) as (process, trials):
        supervisors = {int(left.owner.owner.partition(":")[0]) for left in living(trials)}
        assert len(supervisors) == 1
        os.kill(supervisors.pop(), signal.SIGKILL)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert living(trials)
        ownership.clean()
        assert living(trials) == []
        assert scratch_of(trials) == []


def test_clean_spares_those_whose_owner_lives(tmp_path: Path) -> None:
    with held_check(tmp_path, 1) as (_, trials):
        before = {process.pid for process in living(trials) if "sleep" not in process.command}
        ownership.clean()
        assert before
        assert {process.pid for process in living(trials)} >= before
