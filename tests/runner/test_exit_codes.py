"""Every way to end has its documented exit code: 1 is a verdict and nothing else, and nothing that was not said counts as said."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from checks import tailproof

from tailproof.reports import json

HISTORIES = Path(__file__).resolve().parents[1] / "histories"
SECONDS = 120
SCENARIO = "name: small\nfamily: calm\nsummary: s\nscript: [{finish: done}]\nseconds: 60\n"

LEAVE = """
import os, signal, sys, threading, time
from pathlib import Path
from tailproof.runner import ending
def command():
    {body}
ending.leave(command, log=Path("logs/harness.log"), tells_verdict={verdict})
"""
KILL_ME = "os.kill(os.getpid(), signal.{}); time.sleep(60)"
STUCK = "threading.Thread(target=time.sleep, args=(60,)).start(); "


def full() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def unread() -> int:
    """A pipe whose reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def closed() -> int:
    """No standard output at all: made by the shell below."""
    return os.open(os.devnull, os.O_WRONLY)


def run(command: list[str], into: Callable[[], int] | None, *, cwd: Path) -> tuple[int, str]:
    """The exit code, and what stood on standard error."""
    if into is closed:
        command = ["sh", "-c", 'exec "$@" >&-', "sh", *command]
    stdout = into() if into is not None else os.open(os.devnull, os.O_WRONLY)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=SECONDS,
            cwd=cwd,
            env={**os.environ, "TAILPROOF_CACHE": str(cwd / "cache")},
            check=False,
        )
    finally:
        os.close(stdout)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("body", "verdict", "into", "code", "says"),
    [
        ("return 0", True, None, 0, ""),
        ("return 1", True, None, 1, ""),
        ("return 64", True, None, 64, ""),
        ("return 5", True, None, 2, ""),
        ("sys.exit(1)", True, None, 1, ""),
        ("sys.exit('no')", True, None, 2, "Error: no\n"),
        ("sys.exit(3)", True, None, 2, ""),
        (
            "return {}['x']",
            True,
            None,
            2,
            "Error: defect of the harness: KeyError: 'x' (traceback in logs/harness.log)\n",
        ),
        ("raise MemoryError", True, None, 2, "Error: defect of the harness: MemoryError: "),
        ("open('/nowhere/x')", True, None, 2, "Error: No such file or directory: /nowhere/x (traceback in"),
        ("print('x'); return 0", True, full, 2, "No space left on device"),
        ("print('x'); return 1", True, full, 2, "No space left on device"),
        ("print('x' * 100_000); return 0", False, full, 2, "No space left on device"),
        ("print('x'); return 64", True, full, 64, ""),
        ("print('x'); return 1", True, unread, 2, "Broken pipe"),
        ("print('x'); return 0", True, unread, 2, "Broken pipe"),
        ("print('x'); return 0", False, unread, 0, ""),
        ("print('x'); return 0", True, closed, 2, "Bad file descriptor"),
        ("raise KeyboardInterrupt", True, None, 2, "Error: interrupted\n"),
        (KILL_ME.format("SIGINT"), True, None, 2, "Error: interrupted (SIGINT)\n"),
        (KILL_ME.format("SIGTERM"), True, None, 2, "Error: interrupted (SIGTERM)\n"),
        (KILL_ME.format("SIGHUP"), True, None, 2, "Error: interrupted (SIGHUP)\n"),
        (STUCK + KILL_ME.format("SIGTERM"), True, None, 2, "Error: interrupted (SIGTERM)\n"),
    ],
)
def test_a_command_leaves_with_a_documented_code(
    tmp_path: Path, body: str, verdict: bool, into: Callable[[], int] | None, code: int, says: str
) -> None:
    script = LEAVE.format(body=body, verdict=verdict)
    ended, said = run([sys.executable, "-c", script], into, cwd=tmp_path)
    assert ended == code, said
    assert said.startswith(says) if says.startswith("Error") else says in said
    assert said.count("\n") == (1 if says else 0)
    if "traceback in" in said:
        assert "Traceback" in (tmp_path / "logs/harness.log").read_text()


def test_a_signal_that_nohup_ignores_stays_ignored(tmp_path: Path) -> None:
    script = LEAVE.format(body="os.kill(os.getpid(), signal.SIGHUP); return 0", verdict=True)
    ended, said = run(["nohup", sys.executable, "-c", script], None, cwd=tmp_path)
    assert ended == 0, said


# -- commands ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def violated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("violated")
    with tarfile.open(HISTORIES / "TP-1-bad.tar.xz") as archive:
        archive.extractall(place, filter="data")
    return next(place.rglob("header.json")).parent


@pytest.mark.parametrize(
    ("command", "into", "code"),
    [
        ("judge", None, 1),
        ("judge", full, 2),
        ("judge", unread, 2),
        ("judge", closed, 2),
        ("list", full, 2),
        ("list", unread, 0),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_command_whose_words_reach_nobody_vouches_for_nothing(
    violated: Path, tmp_path: Path, command: str, into: Callable[[], int] | None, code: int
) -> None:
    nothing_known = tmp_path / "baseline.yaml"
    nothing_known.write_text("known: []\n")
    asked = [command, str(violated), f"--baseline={nothing_known}"] if command == "judge" else [command]
    ended, said = run([sys.executable, "-m", "tailproof.cli", *asked], into, cwd=tmp_path)
    assert ended == code, said
    assert "Traceback" not in said
    assert ("could not be written to standard output" in said) is (code == 2)


@pytest.mark.parametrize(("runner", "into"), [("check", full), ("pytest", unread)])
def test_a_check_whose_report_reaches_nobody_cannot_tell(tmp_path: Path, runner: str, into: Callable[[], int]) -> None:
    scenario = tmp_path / "small.yaml"
    scenario.write_text(SCENARIO)
    ended, said = run(
        [*RUNNERS[runner], "--client", "plain", f"--scenario={scenario}", "--out=out"], into, cwd=tmp_path
    )
    assert ended == 2, said
    assert "Traceback" not in said
    assert said.count("could not be written to standard output") == 1
    gate = json.read(tmp_path / "out/result.json").gate
    assert (gate.exit_code, gate.state) == (2, "unknown")


SUITES = str(Path(__file__).resolve().parents[2] / "suites")
RUNNERS = {
    "check": [sys.executable, "-m", "tailproof.cli", "check", "reference"],
    "pytest": [sys.executable, "-m", "pytest", SUITES, "-p", "no:cacheprovider", "--target", "reference"],
}

BREAKS = {
    "start": "from tailproof.runner.session import CheckSession as it; name = 'start'",
    "finish": "from tailproof.runner.session import CheckSession as it; name = 'finish'",
    "summary": "from tailproof.runner.session import CheckSession as it; name = 'summary'",
    "item": "from tailproof.runner.pytest_checks import GuaranteeItem as it; name = 'runtest'",
    "collection": "from tailproof.runner.suite import Suite as it; name = 'cells'",
    "trial": "from tailproof.trial.trial import Trial as it; name = 'run'",
    "report": "import tailproof.reports.markdown as it; name = 'render'",
    "page": "import tailproof.reports.page.render as it; name = 'render'",
}
"""Where a defect of ours may come up, in the process of the check or in that of its supervisor."""
BREAK = """
{where}
def broken(*arguments, **options):
    raise LookupError("planted")
setattr(it, name, broken)
"""


@pytest.mark.parametrize("where", BREAKS if os.environ.get("TAILPROOF_NO_SKIPS") else ("finish", "item", "trial"))
def test_a_defect_of_the_harness_is_one_sentence_and_no_verdict(tmp_path: Path, where: str) -> None:
    scenario = tmp_path / "small.yaml"
    scenario.write_text(SCENARIO)
    # Whatever process of the harness begins, it begins broken.
    (tmp_path / "sitecustomize.py").write_text(BREAK.format(where=BREAKS[where]))
    done = tailproof(
        *("check", "reference", "--client", "plain", f"--scenario={scenario}", "--out", "out"),
        cwd=tmp_path,
        environment={"PYTHONPATH": str(tmp_path), "TAILPROOF_CACHE": str(tmp_path / "cache")},
    )
    said = done.stdout + done.stderr
    assert done.code == 2, said
    assert "Traceback" not in said
    assert "defect of the harness: LookupError: planted" in said
    logs = [tmp_path / "out/harness.log", tmp_path / "out/supervisor.log"]
    assert any("Traceback" in log.read_text() for log in logs if log.exists())
    if (tmp_path / "out/result.json").exists():
        assert json.read(tmp_path / "out/result.json").gate.exit_code == 2
