"""A clock of one process: the library that moves it, and one that would break whoever sleeps."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tailproof.provision.faketime import _sleeps, faketime

SLEEPS_AND_SAYS = """
import time
began = time.monotonic()
time.sleep(0.2)
print(time.time(), time.monotonic() - began)
"""


@pytest.fixture
def library() -> Path:
    found = faketime()
    if found is None:
        pytest.skip("libfaketime is not here")
    return found


def test_a_process_has_another_time_and_sleeps_no_longer_for_it(library: Path) -> None:
    variables = {"LD_PRELOAD": str(library), "FAKETIME": "-30h", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    said = subprocess.run(
        [sys.executable, "-c", SLEEPS_AND_SAYS],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.split()
    assert abs(float(said[0]) + 30 * 3600 - time.time()) < 60
    assert 0.15 < float(said[1]) < 30


def test_a_library_under_which_nobody_can_sleep_is_not_taken(tmp_path: Path) -> None:
    source = tmp_path / "refuses.c"
    source.write_text("#include <errno.h>\nint clock_nanosleep() { return EINVAL; }\n")
    library = tmp_path / "librefuses.so"
    try:
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("no compiler is here")
    assert not _sleeps(library)
