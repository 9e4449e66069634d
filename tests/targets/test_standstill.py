"""A process of somebody else's that a trial has made to stand still: whoever cleans up after the trial lets it go on."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tailproof.ownership import scratch, standstill
from tailproof.ownership.owners import Owner, began, owner_id
from tailproof.runner import leftovers
from tailproof.waiting import Budget

STOPS_AND_DIES = """
import os, signal, sys
from tailproof.ownership import scratch, standstill
from tailproof.ownership.owners import Owner, owner_id
owner = Owner(trial="", owner=owner_id())
standstill.stop(int(sys.argv[1]), scratch.scratch(owner))
print(owner.owner, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def somebody() -> Iterator[subprocess.Popen[bytes]]:
    """A process that bears no mark of ours."""
    with subprocess.Popen(["sleep", "300"], start_new_session=True) as process:
        yield process
        process.kill()


def wait_still(pid: int, still: bool = True) -> None:
    Budget(20).wait_for(f"still: {still}", lambda: standstill.stands_still(pid) is still)


def test_it_stands_still_and_goes_on(somebody: subprocess.Popen[bytes], tmp_path: Path) -> None:
    assert not standstill.stands_still(somebody.pid)
    standstill.go_on(tmp_path)
    standstill.stop(somebody.pid, tmp_path)
    wait_still(somebody.pid)
    for _ in range(2):
        standstill.go_on(tmp_path)
    wait_still(somebody.pid, still=False)
    assert list(tmp_path.iterdir()) == []


def test_another_process_with_its_number_is_left_alone(somebody: subprocess.Popen[bytes], tmp_path: Path) -> None:
    standstill.stop(somebody.pid, tmp_path)
    wait_still(somebody.pid)
    (tmp_path / standstill.FILE).write_text(f"{somebody.pid} {began(somebody.pid) - 1}")
    standstill.go_on(tmp_path)
    assert standstill.stands_still(somebody.pid)
    (tmp_path / standstill.FILE).write_text("half a wo")
    standstill.go_on(tmp_path)
    assert standstill.stands_still(somebody.pid)


def test_with_a_directory_that_is_removed_it_goes_on(somebody: subprocess.Popen[bytes]) -> None:
    directory = scratch.scratch(Owner(trial="t", owner=owner_id()))
    standstill.stop(somebody.pid, directory)
    wait_still(somebody.pid)
    scratch.remove(directory)
    wait_still(somebody.pid, still=False)


def test_what_a_killed_harness_left_standing_still_goes_on_with_the_next_command(
    somebody: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No command of another test looks there.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    died = subprocess.run(
        [sys.executable, "-c", STOPS_AND_DIES, str(somebody.pid)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    owner = died.stdout.strip()
    assert owner, died.stderr
    wait_still(somebody.pid)
    assert leftovers.clean(owners=["1:1:somebody"]) == []
    assert standstill.stands_still(somebody.pid), "nobody cleans up after others"
    said = leftovers.sweep(engine=False)
    assert "1 scratch directory" in said
    wait_still(somebody.pid, still=False)
