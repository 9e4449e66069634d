"""What the kernel tells of a machine that has too much to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tailproof.trial.machine import waited_for_cpu_ns

BUSY = "while True: pass"


def test_a_process_that_shares_its_processor_waits_for_it() -> None:
    """Two processes that never rest, bound to one processor: each waits about half of the time."""
    processor = min(os.sched_getaffinity(0))
    pair = [
        subprocess.Popen([sys.executable, "-c", BUSY], preexec_fn=lambda: os.sched_setaffinity(0, {processor}))
        for _ in range(2)
    ]
    try:
        used = [Path(f"/proc/{one.pid}/schedstat") for one in pair]
        while min(int(place.read_text().split()[0]) for place in used) < 200_000_000:
            os.sched_yield()
        assert all(waited_for_cpu_ns(one.pid) > 50_000_000 for one in pair)
    finally:
        for one in pair:
            one.kill()
            one.wait()


def test_nobody_waits_who_is_gone() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert waited_for_cpu_ns(ended.pid) == 0
