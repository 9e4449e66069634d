"""A signal or a full disk in the middle of a command: it ends with 2, in time, in one sentence, and leaves nothing running.

Some rows of two tables; `python -m bench.ends` plays them all.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2]))  # `fixtures` is not installed under this name

from fixtures.ends import full_disk, signals

SIGNALS = (
    "held-model-three-signals",
    "everything-stopped",
    "deaf-client",
    "starting-stopped-server",
    "pytest-stopped-server-sigterm",
    "repro-held-model",
    "compare-held-model",
    "compare-stopped-server-sigterm",
)
FULL_DISKS = (
    "results-16k",
    "TMPDIR-100k",
    "results-driving",
    "results-verdicts",
    "TMPDIR-starting",
    "TMPDIR-fault",
)


@pytest.mark.long
@pytest.mark.parametrize("row", [row for row in signals.ROWS if row.name in SIGNALS], ids=lambda row: row.name)
def test_a_signal_ends_a_command_whatever_the_server_does(tmp_path: Path, row: signals.Row) -> None:
    _, wrong = signals.play(row, tmp_path)
    assert wrong == []


@pytest.mark.long
@pytest.mark.parametrize("row", [row for row in full_disk.ROWS if row.name in FULL_DISKS], ids=lambda row: row.name)
def test_a_full_disk_is_no_verdict(tmp_path: Path, row: full_disk.Row) -> None:
    if why_not := full_disk.cannot():
        pytest.skip(why_not)
    assert full_disk.play(row, tmp_path) == []


def test_the_rows_named_here_are_in_the_tables() -> None:
    assert {*SIGNALS} <= {row.name for row in signals.ROWS}
    assert {*FULL_DISKS} <= {row.name for row in full_disk.ROWS}
