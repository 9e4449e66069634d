"""A clock of one server: whoever waits under it waits as long as asked, and nothing of it stays."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from target_stage import Begin

from tailproof.targets.own_clock import OwnClock, capability
from tailproof.targets.process import ProcessTarget

COMPILER = pytest.mark.skipif(not shutil.which("cc"), reason="no compiler is here")
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

# As jemalloc does: it takes its lock, and asks for the time with it when it is used first.
ALLOCATES = """
#include <pthread.h>
#include <string.h>
#include <time.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char memory[1 << 20] __attribute__((aligned(16)));
static size_t used;
static struct timespec began;
void *malloc(size_t size) {
    pthread_mutex_lock(&lock);
    if (!began.tv_sec) clock_gettime(CLOCK_MONOTONIC, &began);
    void *found = memory + used;
    used += (size + 15) & ~15ul;
    pthread_mutex_unlock(&lock);
    return found;
}
void free(void *p) {}
void *calloc(size_t n, size_t size) { return malloc(n * size); }
void *realloc(void *p, size_t size) { void *found = malloc(size); return p ? memcpy(found, p, size) : found; }
void *kept;
__attribute__((constructor)) static void begin(void) { kept = malloc(64); }
"""


@pytest.mark.parametrize("offset_s", [0, 3 * 3600, -3 * 3600])
def test_a_timed_wait_ends_when_it_shall(tmp_path: Path, offset_s: float) -> None:
    clock = OwnClock(tmp_path / "clock", wanted=True)
    clock.set(offset_s)
    waited = subprocess.run(
        [sys.executable, "-c", WAITS],
        env={**os.environ, **clock.begin(tmp_path)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    assert waited.stdout.strip() == "in time", waited.stderr


def test_the_library_may_lie_where_there_are_spaces(tmp_path: Path) -> None:
    clock = OwnClock(tmp_path / "a clock", wanted=True)
    assert clock._library is not None
    aside = tmp_path / "with a space:and a colon" / "libfaketime.so.1"
    aside.parent.mkdir()
    aside.symlink_to(clock._library)
    clock._library = aside
    clock.set(-30 * 3600)
    said = subprocess.run(
        [sys.executable, "-c", "import time; print(time.time())"],
        env={**os.environ, **clock.begin(tmp_path)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    assert abs(float(said.stdout) + 30 * 3600 - time.time()) < SECONDS


def test_whoever_a_server_runs_as_can_read_its_clock(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        clock = OwnClock(tmp_path / "clock", wanted=True)
        clock.set(5)
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "clock", tmp_path / "clock" / "offset")]
    assert modes == [0o755, 0o644]


@COMPILER
def test_a_program_whose_allocator_asks_for_the_time_starts(tmp_path: Path) -> None:
    """tmux of Debian 13 is one: a server that looked for its version never became ready."""
    allocator, program = tmp_path / "liballocates.so", tmp_path / "program"
    (tmp_path / "allocates.c").write_text(ALLOCATES)
    (tmp_path / "program.c").write_text("extern void *kept; int main(void) { return !kept; }\n")
    for command in (
        ["cc", "-shared", "-fPIC", "-o", allocator, tmp_path / "allocates.c"],
        ["cc", "-o", program, tmp_path / "program.c", allocator, f"-Wl,-rpath,{tmp_path}"],
    ):
        subprocess.run(command, check=True, timeout=SECONDS)
    clock = OwnClock(tmp_path / "clock", wanted=True)
    subprocess.run([program], env={**os.environ, **clock.begin(tmp_path)}, timeout=SECONDS, check=True)


def test_a_server_that_is_killed_leaves_nothing_behind(begin: Begin, small_process: ProcessTarget) -> None:
    trial = begin(small_process, own_clock=True)
    trial.start()
    pid = trial.server.server_pid()
    named = {SHARED / f"sem.faketime_sem_{pid}", SHARED / f"faketime_shm_{pid}"}
    assert any(path.exists() for path in named), "nothing is shared: this test looks in the wrong place"
    trial.server.kill(scope="server", signal="KILL")
    trial.server.wait_dead(trial.budget)
    assert not any(path.exists() for path in named)
