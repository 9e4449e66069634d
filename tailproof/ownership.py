"""Who owns what a trial started, and the removal of what a dead owner left.

Processes carry two environment variables that all their descendants inherit, containers, networks and volumes two labels,
scratch directories a file. Nothing without such a mark is ever touched, and nothing whose owner lives.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import docker
import msgspec
from docker.errors import NotFound

from tailproof.targets.engine import EngineError, connect, engine_does
from tailproof.targets.target import Owner
from tailproof.waiting import Budget, DeadlineMissed

TRIAL = "TAILPROOF_TRIAL"
OWNER = "TAILPROOF_OWNER"
PART = "TAILPROOF_PART"
TRIAL_LABEL = "tailproof.trial"
OWNER_LABEL = "tailproof.owner"
OWNER_FILE = ".tailproof-owner"
SCRATCH = "tailproof-"
"""How the names of scratch directories begin."""

_END_S = 10.0
_EXEC_S = 1.0
"""How long a process may take to get from one program to the next."""
_BLANK_LOOKS = 10
"""One that showed a command and no environment so often has none. Fewer meet one that executes the same program over and over."""
_PF_KTHREAD = 0x00200000

Kind = Literal["process", "container", "network", "volume", "scratch directory"]


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
    """A living process that shows no environment: it is being executed, or really has none."""

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
        return f"{self.kind} {self.name} (trial {self.owner.trial})"


def owner_id(pid: int | None = None) -> str:
    """`<pid>:<start time of the pid in clock ticks>:<boot id>` of this process, or of another one that lives."""
    pid = os.getpid() if pid is None else pid
    return f"{pid}:{_began(pid)}:{_boot()}"


def owner_lives(owner: str) -> bool:
    """The very process that `owner` names still runs (not another one with its number)."""
    pid, _, rest = owner.partition(":")
    began, _, boot = rest.partition(":")
    if not pid.isdigit() or not began.isdigit() or boot != _boot():
        return False
    try:
        return _began(int(pid)) == int(began)
    except (FileNotFoundError, ProcessLookupError):
        return False


def marks(owner: Owner, part: str) -> dict[str, str]:
    """Environment variables for a process of a trial. `part` tells the server from the other processes of the trial."""
    return {TRIAL: owner.trial, OWNER: owner.owner, PART: part}


def labels(owner: Owner) -> dict[str, str]:
    """Labels for a container, network or volume of a trial."""
    return {TRIAL_LABEL: owner.trial, OWNER_LABEL: owner.owner}


def mark_directory(directory: Path, owner: Owner) -> None:
    """Make the scratch directory that `directory` is in findable for `clean`.

    That is the one of its ancestors (or itself) that stands in the temporary directory and whose name begins with
    `tailproof-`; a directory elsewhere is its maker's own business and gets no mark.
    """
    home = Path(tempfile.gettempdir()).resolve()
    for place in (directory.resolve(), *directory.resolve().parents):
        if place.parent == home and place.name.startswith(SCRATCH):
            (place / OWNER_FILE).write_bytes(msgspec.json.encode({"trial": owner.trial, "owner": owner.owner}))


def scratch(owner: Owner) -> Path:
    """A new marked directory with a short path (sockets in it have 108 bytes for theirs)."""
    directory = Path(tempfile.mkdtemp(prefix=SCRATCH))
    mark_directory(directory, owner)
    return directory


def processes(*, trial: str = "", part: str = "") -> list[Process]:
    """Living processes with our mark, oldest first; those of one trial and part when given. Zombies do not count.

    A process in the middle of an `exec` shows no environment for a moment: it is looked at again until it does.
    """
    found: list[Process] = []
    blank: dict[int, _Blank] = {pid: _Blank() for pid in _pids()}
    alike: Counter[_Blank] = Counter()

    def all_told() -> bool:
        for pid in list(blank):
            seen = _process(pid)
            if isinstance(seen, _Blank) and seen not in _MUTE and not (seen.command and alike[seen] == _BLANK_LOOKS):
                blank[pid] = seen
                alike[seen] += 1
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
        if _began(process.pid) == process.began:
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


def leftovers(*, trial: str = "") -> list[Leftover]:
    """Everything on this machine with our mark (of one trial, when given), in the order in which it has to be removed.

    Works without an engine.
    """
    found = [
        Leftover("process", f"{process.pid} {process.command[:80]}", process.owner, partial(end, process))
        for process in processes()
        if process.pid != os.getpid()
    ]
    found += _engine_leftovers()
    for directory in sorted(Path(tempfile.gettempdir()).glob(f"{SCRATCH}*")):
        owner = _owner_of(directory)
        if owner:
            found.append(Leftover("scratch directory", str(directory), owner, partial(shutil.rmtree, directory)))
    return [leftover for leftover in found if trial in ("", leftover.owner.trial)]


def clean(*, spare_living: bool = True, trial: str = "") -> list[str]:
    """Remove what dead owners left; with `spare_living=False` everything with our mark. Says what it removed, line by line.

    With `trial` only what is left of that one. What cannot be removed is said, too, and why.
    """

    def ours(owner: Owner) -> bool:
        return trial in ("", owner.trial) and not (spare_living and owner_lives(owner.owner))

    def doomed() -> list[Process]:
        return [process for process in processes() if process.pid != os.getpid() and ours(process.owner)]

    said = []
    for leftover in [leftover for leftover in leftovers(trial=trial) if ours(leftover.owner)]:
        try:
            if leftover.kind == "process":
                _end_until_none_is_left(Budget(_END_S), "left processes to end", doomed)
            leftover.remove()
        except (OSError, EngineError, DeadlineMissed) as error:
            said.append(f"could not remove {leftover}: {error}")
        else:
            said.append(f"removed {leftover}")
    return said


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
        engine = connect()
    except EngineError:
        return []
    with closing(engine), engine_does("looking for what trials left"):
        return list(_labelled(engine))


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

    return remove


def _labels_owner(described: dict[str, dict[str, str]]) -> Owner:
    worn = described.get("Labels") or {}
    return Owner(trial=worn.get(TRIAL_LABEL, ""), owner=worn.get(OWNER_LABEL, ""))


def _owner_of(directory: Path) -> Owner | None:
    try:
        told = msgspec.json.decode((directory / OWNER_FILE).read_bytes(), type=dict[str, str])
        return Owner(trial=told["trial"], owner=told["owner"])
    except (OSError, msgspec.MsgspecError, KeyError):
        return None


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _process(pid: int) -> Process | _Blank | None:
    """None when it has no mark, is gone or a zombie, or belongs to the kernel or to somebody else."""
    try:
        shown = _read(pid, "environ")
        if shown and OWNER.encode() not in shown:
            return None
        began = _began(pid)
        command = _read(pid, "cmdline").replace(b"\0", b" ").decode("utf-8", "replace").strip()
        if not shown:
            return None if _is_of_the_kernel(pid) else _Blank(pid, began, command)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    variables = shown.decode("utf-8", "replace").split("\0")
    worn = dict(pair.split("=", 1) for pair in variables if pair.startswith("TAILPROOF_") and "=" in pair)
    if OWNER not in worn:
        return None
    return Process(pid, began, Owner(trial=worn.get(TRIAL, ""), owner=worn[OWNER]), worn.get(PART, ""), command)


def _read(pid: int, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


def _is_of_the_kernel(pid: int) -> bool:
    return bool(int(_stat(pid)[6]) & _PF_KTHREAD)


def _began(pid: int) -> int:
    """Field 22 of `/proc/PID/stat`. FileNotFoundError for a zombie, too."""
    fields = _stat(pid)
    if fields[0] in "ZX":
        raise FileNotFoundError(pid)
    return int(fields[19])


def _stat(pid: int) -> list[str]:
    """The fields from the third on: behind the command's closing bracket."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
