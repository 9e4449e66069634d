"""What was ordered ends in verdicts or in a failure that the gate counts, whoever dies meanwhile; and one --out is one check's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from small_trial import FINISH

from tailproof import resources
from tailproof.reports import json
from tailproof.reports.baseline import Baseline
from tailproof.runner.check import Check, CheckOptions
from tailproof.runner.judging import VERDICTS, judged_once
from tailproof.runner.orders import Ask, ask
from tailproof.runner.out_lock import OutInUse, OutLock
from tailproof.runner.pairs import meet
from tailproof.runner.session import CheckSession
from tailproof.waiting import Budget

QUICK = {"tools": [{"token": "one"}]}
SLOW = {**FINISH, "delay_s": 100}
CHECK = ("tailproof.cli", "check", "reference", "-n", "2")
PYTEST = ("pytest", str(resources.folder("suites")), "-p", "no:cacheprovider", "--target", "reference", "-n", "2")
HELD = ("held-1", "held-2", "held-3")
SECONDS = 240.0


def scenario(place: Path, name: str, *turns: object) -> Path:
    path = place / f"{name}.yaml"
    head = f"name: {name}\nfamily: calm\nsummary: .\nseconds: 120\n"
    path.write_text(head + f"script: {list(turns)}\n")
    return path


@dataclass
class Running:
    """A check that has judged its first trial; the next two wait for the model and the last has not begun."""

    process: subprocess.Popen[str]
    out: Path

    def supervisor(self) -> psutil.Process:
        family = psutil.Process(self.process.pid).children(recursive=True)
        (found,) = [one for one in family if "tailproof.runner.supervisor" in one.cmdline()]
        return found

    def end(self) -> tuple[int, str]:
        said, _ = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, said


@contextmanager
def running(place: Path, runner: tuple[str, ...]) -> Iterator[Running]:
    scenarios = [scenario(place, "quick", QUICK, FINISH), *(scenario(place, name, QUICK, SLOW) for name in HELD)]
    out = place / "out"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", *runner, "--client", "plain", "--out", str(out)),
            *(f"--scenario={path}" for path in scenarios),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )

    def stands() -> bool:
        assert process.poll() is None, "the check has ended"
        # Which two of them comes of how pytest deals them out.
        tools = [out / "trials" / name / "tool.jsonl" for name in HELD]
        begun = sum(path.exists() and path.stat().st_size > 0 for path in tools)
        return (out / "trials" / "quick" / VERDICTS).exists() and begun == 2

    try:
        Budget(SECONDS).wait_for("one trial to be judged and two to run their tools", stands, every=0.1)
        yield Running(process, out)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.mark.parametrize("runner", [CHECK, PYTEST], ids=["check", "pytest -n 2"])
def test_a_supervisor_that_dies_leaves_the_gate_unknown(tmp_path: Path, runner: tuple[str, ...]) -> None:
    with running(tmp_path, runner) as check:
        os.kill(check.supervisor().pid, signal.SIGKILL)
        code, said = check.end()
    assert code == 2, said
    result = json.read(check.out / "result.json")
    assert (result.gate.state, result.gate.exit_code) == ("unknown", 2)
    why = "the supervisor ended by itself (exit code -9)"
    assert why in result.gate.doubts
    for name in HELD:
        assert f"{name}: ordered, and no verdict came: {why}" in result.gate.doubts
    assert [trial.scenario for trial in result.trials] == ["quick"]
    assert "queued" not in said
    assert "_hookexec" not in said, "what cannot be told is a sentence and no frames of pytest"


@pytest.fixture
def session(tmp_path: Path) -> Iterator[CheckSession]:
    paths = [str(scenario(tmp_path, name, FINISH)) for name in ("one", "two", "three")]
    options = CheckOptions(scenarios=tuple(paths), out=str(tmp_path / "out"), seed=1)
    check = Check.plan(options, lambda: meet(["reference"], ["plain"], build=False))
    running = CheckSession.start(check, parallel=2)
    yield running
    running.close()


def test_a_trial_that_was_played_and_that_nobody_judged_is_a_failure(session: CheckSession) -> None:
    """As when a worker of xdist crashes. What was never ordered (its tests are deselected) is nobody's failure."""
    one, two, _ = session.check.orders
    ask(session.address, Ask(submit=[one, two]))
    for order in (one, two):
        done = ask(session.address, Ask(wait=order.key))
        assert done is not None
        assert not done.error
    judged_once(one.directory, baseline=Baseline(), out=session.out, error="")
    result = session.finish()
    assert [trial.scenario for trial in result.trials] == ["one"]
    assert [doubt for doubt in result.gate.doubts if "ordered" in doubt] == [
        "two: ordered, and no verdict came: its tests did not come to their end"
    ]
    assert result.gate.exit_code == 2


# -- one --out --------------------------------------------------------------------------------------------------------


def test_a_second_check_in_the_same_place_is_wrong_usage_and_touches_nothing(tmp_path: Path) -> None:
    with running(tmp_path, CHECK) as check:
        before = sorted(path.name for path in (check.out / "trials").iterdir())
        second = subprocess.run(
            [*(sys.executable, "-m", *CHECK), "--client", "plain", "--out", str(check.out), "--scenario", "calm"],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert second.returncode == 64
        said = second.stdout + second.stderr
        assert f"{check.out} is in use by another check (pid {check.process.pid}): give this one another --out" in said
        assert sorted(path.name for path in (check.out / "trials").iterdir()) == before


def holder(out: Path) -> str:
    return f"from pathlib import Path; from tailproof.runner.out_lock import OutLock; lock = OutLock(Path({str(out)!r}), patience_s=1)"


def test_the_lock_ends_with_its_holder_however_that_ends(tmp_path: Path) -> None:
    script = f"{holder(tmp_path)}; print('held', flush=True); import time; time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(OutInUse, match=rf"in use by another check \(pid {process.pid}\)"):
            OutLock(tmp_path, patience_s=0)
        process.kill()
        process.wait()
    OutLock(tmp_path, patience_s=0).close()


def test_what_a_dead_check_still_has_taken_down_is_waited_for(tmp_path: Path) -> None:
    """Its supervisor holds the lock, too: two checks never write into one place."""
    script = (
        f"{holder(tmp_path)}; import os, subprocess; "
        "subprocess.Popen(['sleep', '600'], pass_fds=[lock.descriptor], start_new_session=True, stdout=subprocess.DEVNULL); "
        "os._exit(0)"
    )
    pid = subprocess.Popen([sys.executable, "-c", script])
    pid.wait()
    with pytest.raises(OutInUse, match="left: `tailproof clean` removes it"):
        OutLock(tmp_path, patience_s=0.3)
    (still,) = [
        process
        for process in psutil.process_iter(["cmdline"])
        if process.info["cmdline"] == ["sleep", "600"] and tmp_path / ".tailproof" in _open_files(process.pid)
    ]
    still.kill()
    OutLock(tmp_path, patience_s=10).close()


def _open_files(pid: int) -> list[Path]:
    try:
        return [entry.readlink() for entry in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return []


def test_a_lock_that_is_released_is_free(tmp_path: Path) -> None:
    OutLock(tmp_path, patience_s=0).close()
    second = OutLock(tmp_path, patience_s=0)
    second.close()
    second.close()


@pytest.mark.parametrize(
    ("runner", "words", "not_run"),
    [(CHECK, [], []), (PYTEST, ["-k", "chosen"], ["left"])],
    ids=["check", "pytest"],
)
def test_what_no_test_asked_for_is_told(
    tmp_path: Path, runner: tuple[str, ...], words: list[str], not_run: list[str]
) -> None:
    """`check` plays all that was asked for, whatever words somebody keeps for tests of his own; with pytest one may choose."""
    files = [scenario(tmp_path, name, FINISH) for name in ("chosen", "left")]
    out = tmp_path / "out"
    done = subprocess.run(
        [
            *(sys.executable, "-m", *runner, "--client", "plain", "--out", str(out), *words),
            *(f"--scenario={path}" for path in files),
        ],
        env={**os.environ, **({} if words else {"PYTEST_ADDOPTS": "-k chosen"})},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout
    result = json.read(out / "result.json")
    assert {trial.scenario for trial in result.trials} == {"chosen", "left"} - set(not_run)
    assert [(row.scenario, row.reason) for row in result.not_run] == [
        (name, "no test of it was chosen") for name in not_run
    ]
