"""Which of the processes of a container is the server."""

from __future__ import annotations

import subprocess
from dataclasses import replace

from tailproof.targets.container_processes import server_of, unpacked
from tailproof.waiting import Budget

PACKED = "read unpack; (read end; :); :"
"""A shell whose subshell has its command, as a server packed into one file has once it is unpacked."""


def test_a_packed_server_is_the_child_as_soon_as_there_is_one() -> None:
    with subprocess.Popen(["sh", "-c", PACKED], stdin=subprocess.PIPE, text=True) as loader:
        assert loader.stdin is not None
        first = Budget(30).wait_for("the loader", lambda: (one := server_of(loader.pid)) and one.name == "sh" and one)
        assert first.pid == loader.pid
        loader.stdin.write("unpack\n")
        loader.stdin.flush()
        Budget(30).wait_for("the child", lambda: unpacked(first).parent == loader.pid)
        assert server_of(loader.pid) == unpacked(first) != first
        assert unpacked(replace(first, command="")) == unpacked(first), "as it is seen while it is being started"
        loader.stdin.close()
