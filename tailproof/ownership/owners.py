"""Who owns what is made: a process, named so that no other is ever taken for it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who owns what a trial starts. Every container, network, volume and process carries both."""

    trial: str
    owner: str
    """`<pid>:<start time of the pid in clock ticks>:<boot id>` of the supervisor, so that `clean` can tell whether it lives."""


def owner_id(pid: int | None = None) -> str:
    """`<pid>:<start time of the pid in clock ticks>:<boot id>.<pid namespace>` of this process, or of another one that was not
    waited for yet."""
    pid = os.getpid() if pid is None else pid
    return f"{pid}:{stat(pid)[19]}:{whereabouts()}"


def owner_lives(owner: str) -> bool:
    """The very process that `owner` names still runs (not another one with its number), or cannot be seen from here: it counted
    its pids in another container of this machine."""
    boot, _, numbering = _place(owner).partition(".")
    here, _, ours = whereabouts().partition(".")
    return _runs(owner) if numbering in ("", ours) and boot == here else boot == here


def owner_died(owner: str) -> bool:
    """It is certain that the process is gone: it ran on this machine since the last boot, and its number was counted as ours are.
    Several machines and containers may share one engine."""
    return _place(owner) == whereabouts() and not _runs(owner)


def began(pid: int) -> int:
    """Field 22 of `/proc/PID/stat`. FileNotFoundError for a zombie, too."""
    fields = stat(pid)
    if fields[0] in "ZX":
        raise FileNotFoundError(pid)
    return int(fields[19])


def stat(pid: int) -> list[str]:
    """The fields of `/proc/PID/stat` from the third on: behind the command's closing bracket."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


@cache
def whereabouts() -> str:
    """`<boot id>.<pid namespace>`: where the number of a process means what it means here."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}.{''.join(filter(str.isdigit, str(Path('/proc/self/ns/pid').readlink())))}"


def _place(owner: str) -> str:
    return owner.partition(":")[2].partition(":")[2]


def _runs(owner: str) -> bool:
    pid, _, rest = owner.partition(":")
    ticks = rest.partition(":")[0]
    if not pid.isdigit() or not ticks.isdigit():
        return False
    try:
        return began(int(pid)) == int(ticks)
    except (FileNotFoundError, ProcessLookupError):
        return False
