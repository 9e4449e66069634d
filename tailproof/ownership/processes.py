"""Living processes with our mark: found, and ended so that none is left."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tailproof.ownership.marks import OWNER, PART, TRIAL
from tailproof.ownership.owners import Owner, began, stat
from tailproof.waiting import Budget, DeadlineMissed

_EXEC_S = 1.0
"""How long a process may take to get from one program to the next."""
_PF_KTHREAD = 0x00200000


@dataclass(frozen=True, slots=True)
class Process:
    """A living process with our mark."""

    pid: int
    began: int
    """Clock ticks after boot: with the pid it names one process for ever, and parents have begun before their children."""
    owner: Owner
    part: str
    command: str


@dataclass(frozen=True, slots=True)
class _Blank:
    """A living process that shows no environment because it is being executed."""

    pid: int = 0
    began: int = 0
    command: str = ""


_MUTE: set[_Blank] = set()
"""Processes that showed neither an environment nor a command for as long as anybody waits."""


def processes(*, trial: str = "", part: str = "") -> list[Process]:
    """Living processes with our mark, oldest first; those of one trial and part when given. Zombies do not count.

    A process in the middle of an `exec` shows no environment for a moment: it is looked at again until it does.
    """
    found: list[Process] = []
    blank: dict[int, _Blank] = {pid: _Blank() for pid in _pids()}

    def all_told() -> bool:
        for pid in list(blank):
            seen = _process(pid)
            if isinstance(seen, _Blank) and seen not in _MUTE:
                blank[pid] = seen
                continue
            del blank[pid]
            if isinstance(seen, Process) and trial in ("", seen.owner.trial) and part in ("", seen.part):
                found.append(seen)
        return not blank

    try:
        Budget(_EXEC_S).wait_for("every process to show what it is", all_told, every=0.002)
    except DeadlineMissed:
        _MUTE.update(blank.values())
    return sorted(found, key=lambda process: process.began)


def end(process: Process, number: int = signal.SIGKILL) -> None:
    """Send a signal to this very process; nothing happens when it is gone or another one has its pid."""
    send(process.pid, process.began, number)


def send(pid: int, ticks: int, number: int) -> None:
    """Send a signal to the process that began so many clock ticks after boot; nothing happens when it is gone or another one has its
    pid. Raises PermissionError."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if began(pid) == ticks:
            signal.pidfd_send_signal(handle, number)
    except (FileNotFoundError, ProcessLookupError):
        return
    finally:
        os.close(handle)


def end_all(budget: Budget, *, trial: str, part: str = "") -> None:
    """SIGKILL every process of a trial (or of one part of it) until none is left, also those born meanwhile.

    Raises:
        DeadlineMissed: some are still there; it says which.
        ValueError: no trial was given.
    """
    if not trial:
        raise ValueError("processes are ended by their trial")
    end_until_none_is_left(budget, f"the processes of trial {trial} to end", partial(processes, trial=trial, part=part))


def end_until_none_is_left(budget: Budget, waited_for: str, living: Callable[[], list[Process]]) -> None:
    """SIGKILL whoever is `living` until nobody is. Raises DeadlineMissed.

    Two looks in a row: between `fork` and `exec` a process still shows the environment of its parent.
    """
    looks = 0

    def none_left() -> bool:
        nonlocal looks
        for process in (found := living()):
            end(process)
        looks = 0 if found else looks + 1
        return looks > 1

    budget.wait_for(waited_for, none_left, saw=lambda: "; ".join(process.command for process in living()))


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _process(pid: int) -> Process | _Blank | None:
    """None when it has no mark, is gone or a zombie, or belongs to the kernel or to somebody else."""
    try:
        shown = _read(pid, "environ")
        if shown and OWNER.encode() not in shown:
            return None
        ticks = began(pid)
        command = _read(pid, "cmdline").replace(b"\0", b" ").decode("utf-8", "replace").strip()
        if not shown:
            return None if _has_no_environment(pid) else _Blank(pid, ticks, command)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    variables = shown.decode("utf-8", "replace").split("\0")
    marked = dict(pair.split("=", 1) for pair in variables if pair.startswith("TAILPROOF_") and "=" in pair)
    if OWNER not in marked:
        return None
    return Process(pid, ticks, Owner(trial=marked.get(TRIAL, ""), owner=marked[OWNER]), marked.get(PART, ""), command)


def _read(pid: int, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


def _has_no_environment(pid: int) -> bool:
    """It belongs to the kernel, or its environment (fields 50 and 51 of `/proc/PID/stat`) is there and empty: of a process in the
    middle of an `exec` the kernel does not know yet where that ends."""
    fields = stat(pid)
    return bool(int(fields[6]) & _PF_KTHREAD) or fields[47] == fields[48] != "0"
