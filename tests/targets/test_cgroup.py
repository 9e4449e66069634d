"""The kernel's counters, as both versions of control groups write them."""

from __future__ import annotations

import os

import pytest

from tailproof.ownership import cgroup

FIRST = {
    "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    "memory.failcnt": "17\n",
    "memory.max_usage_in_bytes": "1073741824\n",
    "memory.usage_in_bytes": "312438784\n",
    "memory.limit_in_bytes": "2147483648\n",
}
SECOND = {
    "memory.events": "low 0\nhigh 0\nmax 17\noom 3\noom_kill 2\noom_group_kill 0\n",
    "memory.peak": "1073741824\n",
    "memory.current": "312438784\n",
    "memory.max": "2147483648\n",
}


@pytest.mark.parametrize("files", [FIRST, SECOND], ids=["version 1", "version 2"])
def test_both_versions_give_the_same_counters(files: dict[str, str]) -> None:
    assert cgroup.counters(lambda name: files.get(name, "")) == {
        "memory.oom_kill": 2,
        "memory.failcnt": 17,
        "memory.peak_bytes": 1073741824,
        "memory.used_bytes": 312438784,
        "memory.limit_bytes": 2147483648,
    }


def test_what_the_kernel_does_not_tell_is_left_out() -> None:
    assert cgroup.counters(lambda name: {"memory.peak": "max\n", "memory.current": "5\n"}.get(name, "")) == {
        "memory.used_bytes": 5
    }


def test_a_process_that_is_gone_has_no_control_group() -> None:
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(child, 0)
    assert cgroup.on_host(child) is None
