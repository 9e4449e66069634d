"""A clock of one server: whoever waits under it waits as long as asked, and nothing of it stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from target_stage import Begin

from tailproof.targets.own_clock import OwnClock, capability
from tailproof.targets.process import ProcessTarget

pytestmark = pytest.mark.skipif(not capability(), reason="libfaketime is not here")

SHARED = Path("/dev/shm")
SECONDS = 60.0

# As Python waits for its interpreter's lock: on a condition whose clock is the monotonic one.
WAITS = """
import ctypes, time
c, condition, mutex, kind = ctypes.CDLL(None), (ctypes.c_char * 64)(), (ctypes.c_char * 64)(), (ctypes.c_char * 16)()
c.pthread_condattr_init(kind)
c.pthread_condattr_setclock(kind, time.CLOCK_MONOTONIC)
c.pthread_cond_init(condition, kind)
c.pthread_mutex_init(mutex, None)
c.pthread_mutex_lock(mutex)
until = time.monotonic_ns() + 300_000_000
c.pthread_cond_timedwait(condition, mutex, (ctypes.c_long * 2)(*divmod(until, 10**9)))
print("early" if time.monotonic_ns() < until else "in time")
"""


@pytest.mark.parametrize("offset_s", [0, 3 * 3600, -3 * 3600])
def test_a_timed_wait_ends_when_it_shall(tmp_path: Path, offset_s: float) -> None:
    clock = OwnClock(tmp_path / "clock", wanted=True)
    clock.set(offset_s)
    waited = subprocess.run(
        [sys.executable, "-c", WAITS],
        env={**os.environ, **clock.begin()},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    assert waited.stdout.strip() == "in time", waited.stderr


def test_a_server_that_is_killed_leaves_nothing_behind(begin: Begin, small_process: ProcessTarget) -> None:
    trial = begin(small_process, own_clock=True)
    trial.start()
    pid = trial.server.server_pid()
    named = {SHARED / f"sem.faketime_sem_{pid}", SHARED / f"faketime_shm_{pid}"}
    assert any(path.exists() for path in named), "nothing is shared: this test looks in the wrong place"
    trial.server.kill(scope="server", signal="KILL")
    trial.server.wait_dead(trial.budget)
    assert not any(path.exists() for path in named)
