"""A worker of pytest-xdist that dies: the end of the output, which is all that a CI shows, says what of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
ENDS = {
    "os.kill(os.getpid(), signal.SIGKILL)": "gw0 was killed by SIGKILL; MemAvailable",
    "os._exit(3)": "gw0 ended with 3",
}


@pytest.mark.parametrize(("end", "says"), ENDS.items(), ids=["killed", "exited"])
def test_the_summary_says_what_a_worker_died_of(tmp_path: Path, end: str, says: str) -> None:
    (tmp_path / "test_end.py").write_text(f"import os, signal\n\ndef test_end():\n    {end}\n")
    command = [
        "-m",
        "pytest",
        "-p",
        "conftest",
        "-c",
        os.devnull,
        f"--rootdir={tmp_path}",
        "-n1",
        "--max-worker-restart=0",
    ]
    ended = subprocess.run(
        [sys.executable, *command, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert says in ended.stdout
