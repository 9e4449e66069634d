"""Which of the processes of a container is the server."""

from __future__ import annotations

import subprocess
from dataclasses import replace

from tailproof.targets.container_processes import container_processes, helper_of, server_of, unpacked
from tailproof.waiting import Budget

SERVED = "cat <&3 & (cat <&3; :) & wait"
"""An init with a server, which has no children, and with a helper, which has one."""
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


def test_the_helper_is_what_has_the_children_that_the_server_has_not() -> None:
    with subprocess.Popen(["sh", "-c", f"exec 3<&0; {SERVED}"], stdin=subprocess.PIPE) as init:
        assert init.stdin is not None
        Budget(30).wait_for(
            "all three", lambda: [one.name for one in container_processes(init.pid)] == ["cat", "sh", "cat"]
        )
        server, helper, tool = container_processes(init.pid)
        assert helper_of(server.pid) == helper
        assert tool.parent == helper.pid
        init.stdin.close()


def test_the_helper_of_a_packed_server_is_beside_what_unpacked_it() -> None:
    packed_and_helper = "exec 3<&0; sh -c '(cat; :); :' <&3 & (cat <&3; :) & wait"
    with subprocess.Popen(["sh", "-c", packed_and_helper], stdin=subprocess.PIPE) as init:
        assert init.stdin is not None
        Budget(30).wait_for(
            "all five", lambda: sorted(one.name for one in container_processes(init.pid)) == ["cat"] * 2 + ["sh"] * 3
        )
        below = container_processes(init.pid)
        loader = next(one for one in below if one.command == "sh -c (cat; :); :")
        server = unpacked(loader)
        helper = next(one for one in below if one.parent == init.pid and one != loader)
        assert server.parent == loader.pid
        assert helper_of(server.pid) == helper
        init.stdin.close()


def test_a_server_alone_has_no_helper() -> None:
    with subprocess.Popen(["sh", "-c", "exec 3<&0; cat <&3 & wait"], stdin=subprocess.PIPE) as init:
        assert init.stdin is not None
        Budget(30).wait_for("the server", lambda: [one.name for one in container_processes(init.pid)] == ["cat"])
        assert helper_of(container_processes(init.pid)[0].pid) is None
        init.stdin.close()
