"""The marks of what we start, and the removal of what a dead owner left.

Processes carry two environment variables that all their descendants inherit, containers, networks and volumes two labels,
scratch directories their name. Nothing without such a mark is ever touched, and nothing whose owner lives.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Literal

import docker
from docker.errors import APIError, NotFound

from tailproof.ownership import scratch
from tailproof.ownership.owners import began, owner_died, owner_id, owner_lives, stat
from tailproof.provision.cache import building_sites
from tailproof.provision.engine import EngineError, connect, engine_does
from tailproof.targets.target import Owner
from tailproof.waiting import Budget, DeadlineMissed

TRIAL = "TAILPROOF_TRIAL"
OWNER = "TAILPROOF_OWNER"
PART = "TAILPROOF_PART"
TRIAL_LABEL = "tailproof.trial"
OWNER_LABEL = "tailproof.owner"
SUPERVISOR = "supervisor"
"""The part of a process that takes down what it started by itself, when whoever started it is gone."""

_END_S = 10.0
_TAKES_DOWN_S = 15.0
"""How long a supervisor whose check was killed is left to take its trials down."""
_GLANCE_S = 10.0
"""How long an engine may take to answer whoever only wants to know what was left there."""
_EXEC_S = 1.0
"""How long a process may take to get from one program to the next."""
_PF_KTHREAD = 0x00200000

Kind = Literal["process", "container", "network", "volume", "scratch directory"]
_PLURAL = {
    "process": "processes",
    "container": "containers",
    "network": "networks",
    "volume": "volumes",
    "scratch directory": "scratch directories",
}


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


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something with our mark."""

    kind: Kind
    name: str
    owner: Owner
    remove: Callable[[], None]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" + (f" (trial {self.owner.trial})" if self.owner.trial else "")


def marks(owner: Owner, part: str) -> dict[str, str]:
    """Environment variables for a process of a trial. `part` tells the server from the other processes of the trial."""
    return {TRIAL: owner.trial, OWNER: owner.owner, PART: part}


def own_marks(part: str) -> dict[str, str]:
    """For a process that belongs to this one, and to no trial."""
    return marks(Owner(trial="", owner=owner_id()), part)


def labels(owner: Owner) -> dict[str, str]:
    """Labels for a container, network or volume of a trial."""
    return {TRIAL_LABEL: owner.trial, OWNER_LABEL: owner.owner}


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
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        if began(process.pid) == process.began:
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
    _end_until_none_is_left(
        budget, f"the processes of trial {trial} to end", partial(processes, trial=trial, part=part)
    )


def leftovers(*, trial: str = "", engine: bool = True) -> list[Leftover]:
    """Everything on this machine with our mark (of one trial, when given), in the order in which it has to be removed.

    Works without an engine.
    """
    found = [
        Leftover("process", f"{process.pid} {process.command[:80]}", process.owner, partial(end, process))
        for process in processes()
        if process.pid != os.getpid()
    ]
    found += _engine_leftovers() if engine else []
    homes = [Path(tempfile.gettempdir()), *building_sites()]
    found += [
        Leftover("scratch directory", str(place), owner, partial(scratch.remove, place))
        for place, owner in scratch.owned(homes)
    ]
    return [leftover for leftover in found if trial in ("", leftover.owner.trial)]


def clean(*, spare_living: bool = True, trial: str = "") -> list[str]:
    """Remove what dead owners left; with `spare_living=False` everything with our mark. Says what it removed, line by line.

    With `trial` only what is left of that one. What cannot be removed is said, too, and why.
    """

    def doomed(owner: Owner) -> bool:
        return trial in ("", owner.trial) and not (spare_living and owner_lives(owner.owner))

    return [_said(leftover, why) for leftover, why in _remove(doomed)]


def sweep(*, engine: bool) -> str:
    """Remove what owners left that have died for certain: what every command does first. Says in one line what that was; empty
    when there was nothing. `engine`: look there, too."""
    removed = _remove(lambda owner: owner_died(owner.owner), engine=engine)
    return _summary(removed, "left by a check that was killed")


def remove_left_by(owner: str) -> str:
    """Remove whatever a process left that was ours and has died. Says in one line what that was; empty when there was nothing."""
    return _summary(_remove(lambda one: one.owner == owner), "left by the supervisor")


def _remove(doomed: Callable[[Owner], bool], *, engine: bool = True) -> list[tuple[Leftover, str]]:
    """What was doomed, each with why it could not be removed; empty when it was."""

    def living() -> list[Process]:
        return [process for process in processes() if process.pid != os.getpid() and doomed(process.owner)]

    _await_supervisors(doomed)
    removed = []
    for leftover in [leftover for leftover in leftovers(engine=engine) if doomed(leftover.owner)]:
        try:
            if leftover.kind == "process":
                _end_until_none_is_left(Budget(_END_S), "left processes to end", living)
            leftover.remove()
        except (OSError, EngineError, DeadlineMissed) as error:
            removed.append((leftover, str(error)))
        else:
            removed.append((leftover, ""))
    return removed


def _await_supervisors(doomed: Callable[[Owner], bool]) -> None:
    """A supervisor ends by itself when its check has gone, and its trials then end in order. One that does not is ended here, before
    anybody asks what it left: until then it counts as the living owner of that."""

    def under_way() -> list[Process]:
        return [process for process in processes(part=SUPERVISOR) if doomed(process.owner)]

    def ended() -> bool:
        return not under_way()

    try:
        Budget(_TAKES_DOWN_S).wait_for("trials to be taken down", ended, every=0.1)
    except DeadlineMissed:
        _end_until_none_is_left(Budget(_END_S), "supervisors to end", under_way)


def _said(leftover: Leftover, why: str) -> str:
    return f"could not remove {leftover}: {why}" if why else f"removed {leftover}"


def _summary(removed: Iterable[tuple[Leftover, str]], what: str) -> str:
    tally = Counter(leftover.kind for leftover, why in removed if not why)
    parts = [f"{number} {kind if number == 1 else _PLURAL[kind]}" for kind, number in tally.items()]
    failed = [_said(leftover, why) for leftover, why in removed if why]
    return "; ".join([*([f"removed {', '.join(parts)} {what}"] if parts else []), *failed])


def _end_until_none_is_left(budget: Budget, waited_for: str, living: Callable[[], list[Process]]) -> None:
    """Two looks in a row: between `fork` and `exec` a process still shows the environment of its parent."""
    looks = 0

    def none_left() -> bool:
        nonlocal looks
        for process in (found := living()):
            end(process)
        looks = 0 if found else looks + 1
        return looks > 1

    budget.wait_for(waited_for, none_left, saw=lambda: "; ".join(process.command for process in living()))


def _engine_leftovers() -> list[Leftover]:
    try:
        engine = connect(timeout_s=_GLANCE_S)
        with closing(engine), engine_does("looking for what trials left"):
            return list(_labelled(engine))
    except EngineError:
        return []


def _labelled(engine: docker.DockerClient) -> Iterator[Leftover]:
    ours = {"label": OWNER_LABEL}
    for it in engine.api.containers(all=True, filters=ours):
        yield Leftover(
            "container", it["Names"][0].lstrip("/"), _labels_owner(it), _remover("remove_container", it["Id"])
        )
    for it in engine.api.networks(filters=ours):
        yield Leftover("network", it["Name"], _labels_owner(it), _remover("remove_network", it["Id"]))
    for it in engine.api.volumes(filters=ours)["Volumes"] or []:
        yield Leftover("volume", it["Name"], _labels_owner(it), _remover("remove_volume", it["Name"]))


def _remover(method: str, identity: str) -> Callable[[], None]:
    options = {"force": True, "v": True} if method == "remove_container" else {}

    def remove() -> None:
        with closing(connect()) as engine, engine_does(f"removing {identity}"):
            try:
                getattr(engine.api, method)(identity, **options)
            except NotFound:
                return
            except APIError as error:
                if error.status_code != HTTPStatus.CONFLICT or "in progress" not in str(error.explanation):
                    raise  # somebody else removes it at this moment

    return remove


def _labels_owner(described: dict[str, dict[str, str]]) -> Owner:
    worn = described.get("Labels") or {}
    return Owner(trial=worn.get(TRIAL_LABEL, ""), owner=worn.get(OWNER_LABEL, ""))


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
    worn = dict(pair.split("=", 1) for pair in variables if pair.startswith("TAILPROOF_") and "=" in pair)
    if OWNER not in worn:
        return None
    return Process(pid, ticks, Owner(trial=worn.get(TRIAL, ""), owner=worn[OWNER]), worn.get(PART, ""), command)


def _read(pid: int, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


def _has_no_environment(pid: int) -> bool:
    """It belongs to the kernel, or its environment (fields 50 and 51 of `/proc/PID/stat`) is there and empty: of a process in the
    middle of an `exec` the kernel does not know yet where that ends."""
    fields = stat(pid)
    return bool(int(fields[6]) & _PF_KTHREAD) or fields[47] == fields[48] != "0"
