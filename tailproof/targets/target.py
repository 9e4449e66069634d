"""A server under test with its lifecycle. A `Target` is what was asked for; a `Server` is one started for one trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from tailproof.history.plan import Filesystem
from tailproof.history.record import Record
from tailproof.outgoing.masking import Masker
from tailproof.ownership.owners import Owner
from tailproof.protocol.adapter import Launcher
from tailproof.provision.errors import Unavailable
from tailproof.targets.own_disk import OwnDisk
from tailproof.waiting import Budget

Scope = Literal["server", "group", "container"]
"""What a kill reaches: the server process alone, all its descendants, or the whole container."""

Place = Literal["in-place", "new-host"]
"""How a server is started again on its disk: on the same host, which for a container is the same one (same pids), or on one of another
name, which for a container is a new one and for a plain process a new name."""

PodEnd = Literal["delete", "evict", "drain", "rollout"]
"""How a cluster ends a pod: its deletion, its eviction, that of a node that is to be empty, which takes no new pods meanwhile, or a
rolling update from the release before the target's to that itself."""

Capability = Literal[
    "restart",
    "kill",
    "pause",
    "oom",
    "container",
    "new-host",
    "disk",
    "model",
    "deferred-init",
    "tool-journal",
    "own-clock",
    "process-limit",
    "earlier-release",
    "own-disk",
    "twin",
    "pod",
    "drain",
    "own-kubelet",
]


class TargetError(Unavailable):
    """The target cannot be had or does not do what it must; the message says what is missing and how to get it."""


class ServerFailed(TargetError):
    """The server was started and did not stay, or runs and is none: its own doing, nobody else was in its way."""


class EngineLog(Protocol):
    """Where a server writes what it did and what became of it."""

    def write(self, record: Record) -> None:
        """Append a record."""


class Nowhere:
    """An `EngineLog` that nobody reads."""

    def write(self, record: Record) -> None:
        """Dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a server is started with."""

    owner: Owner
    directory: Path
    """A scratch directory of the trial on this host, removed by the trial."""
    journal: Path
    """The tool journal directory on this host: writable by the server's tools, seen by them under `Server.journal`."""
    key: str
    secret: str
    environment: Mapping[str, str] = field(default_factory=dict)
    memory_bytes: int = 0
    """The limit of the container; 0 for none. Needs the capability `oom`."""
    processes: int = 0
    """How many processes and threads the container may have; 0 for any number. Needs the capability `process-limit`."""
    own_clock: bool = False
    """The server's clock can be set. Needs the capability `own-clock`."""
    begins_as_earlier: bool = False
    """The first life is of the release before the target's. Needs the capability `earlier-release`."""
    own_disk: Filesystem = ""
    """What the server's data lies on. A filesystem of its own needs the capability `own-disk`."""
    engine: EngineLog
    """Where lives, deaths and counters are written: the engine witness."""
    pod: EngineLog = field(default_factory=Nowhere)
    """Where is written what the API server says of the server's pod: the pod witness. Only for a target with the capability `pod`."""

    @property
    def masker(self) -> Masker:
        """For what the server says before anybody records it."""
        return Masker({"session key": self.key, "server secret": self.secret})


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """How the last life of a server ended, as the engine or the kernel tells it."""

    exit_code: int | None
    oom_killed: bool
    oom_events: int
    """How many `oom` events the engine sent in that life."""
    by_us: bool


class Twin(Protocol):
    """A second server on the disk of one that lives, reached by another port."""

    url: str
    """Base URL on loopback."""

    def start(self) -> None:
        """Start it; readiness is for others to wait for. Raises TargetError."""

    def pid(self) -> int:
        """Of its process on this host; 0 when it is not alive."""

    def shares_disk(self, pid: int) -> bool:
        """Whether the kernel shows it and the process `pid` at the same place on the same disk."""

    def end(self) -> None:
        """Ask it to end (SIGTERM), then make it. Idempotent."""


class Server(Protocol):
    """One server of one trial. Methods but `counters` and `end_at_once` are called by the trial's thread only; each records what it did as
    `Life`/`Counter`."""

    url: str
    """Base URL on loopback; valid once started, stable across restarts."""
    epoch: int
    workspace: str
    """The working directory for tools, as the server sees it."""
    journal: str
    """The tool journal directory, as the tools see it."""

    def start(self, budget: Budget) -> None:
        """Start and wait until a process runs. Readiness over HTTP is the trial's own wait. Raises TargetError."""

    def reach(self, url: str) -> None:
        """Let the server reach what listens at this address of the harness's loopback, under the same address; nothing has to be done
        for a server that shares it. For all lives from now on. Raises TargetError, ClusterError."""

    def alive(self) -> bool:
        """The server process (not only its container) runs."""

    def kill(self, *, scope: Scope, signal: str) -> None:
        """Send a signal and return; `wait_dead` proves the effect."""

    def wait_dead(self, budget: Budget) -> None:
        """Until the death is seen by the engine (the `die` event, the exit of the process) and recorded as `Life(died)`."""

    def stop(self, budget: Budget, *, grace_s: float = 10.0) -> None:
        """Ask it to end (SIGTERM), then make it. Recorded as `Life(stopped)`. Idempotent."""

    def end_pod(self, budget: Budget, *, by: PodEnd, grace_s: float) -> Mapping[str, str]:
        """Let the cluster end the server's pod, and wait until it is gone and another is there. Recorded as `Life(stopped)`. Returns what
        the cluster calls them: `pod before` and `pod after` (uids), and where a controller made them of which `revision` and `image`
        each is. Raises TargetError for a server without a pod, ClusterError."""

    def pause(self) -> None:
        """Freeze every process of the server."""

    def resume(self) -> None:
        """Undo `pause`. Idempotent."""

    def restart(self, budget: Budget, *, place: Place) -> None:
        """Start a dead or stopped server again on the same disk: a new epoch."""

    def downgrade(self, budget: Budget) -> None:
        """As `restart` in place, but this life is of the release before the target's. Raises TargetError for a server that has none."""

    def set_clock(self, offset_s: float) -> None:
        """Let its clock be so much ahead of that of the machine, or behind it. Raises TargetError for a server without a clock of its
        own."""

    def twin(self) -> Twin:
        """Another server of the same release on the same disk, not yet started. Raises TargetError for a server that cannot have one."""

    def own_disk(self) -> OwnDisk:
        """The filesystem that its data lies on. One of a server without one raises DiskError whatever it is asked for."""

    def counters(self) -> Mapping[str, float]:
        """Kernel counters: `memory.oom_kill`, `memory.peak_bytes`, `pids`; empty where the target has none."""

    def last_death(self) -> Death:
        """The death that `wait_dead` saw last. Raises TargetError when none was seen."""

    def state(self) -> Literal["running", "paused", "dead"]:
        """What the kernel or the engine says of the server process."""

    def server_pid(self) -> int:
        """The pid of the server process on the host; 0 when it is not alive."""

    def survivors(self) -> Sequence[str]:
        """Command lines of processes of this trial that live although the server does not."""

    def end_survivors(self) -> None:
        """Kill them, by the trial's marker."""

    def disk(self, into: Path) -> Path:
        """Copy what the server persisted; returns the conversations directory below `into`. Raises TargetError."""

    def edit_disk(self, edit: Callable[[Path], None]) -> None:
        """Let `edit` add and change files in the conversations directory, while the server is stopped; what it removes may come
        back. Raises TargetError, and what `edit` raises."""

    def log_tail(self, lines: int = 40) -> str:
        """The end of the server's own output without secrets, for a message about why it did not start."""

    def end_at_once(self) -> None:
        """SIGKILL for everything of it that lives, whatever it is doing. From any thread and as often as one likes; never raises."""

    def remove(self) -> None:
        """Remove everything that was created. Idempotent; never raises for what is already gone."""


class Target(Protocol):
    """What was asked for with `docker:IMAGE`, `pypi:VERSION`, `src:DIR` or `url:URL`."""

    spec: str
    version: str
    """The release, where it can be known before a start; else empty."""
    facts: Mapping[str, str]
    """What goes into the header's `versions`: image digest, python, engine."""
    capabilities: frozenset[str]
    adapter: Launcher

    def prepare(self, budget: Budget, *, earlier: bool = False) -> None:
        """Build or fetch what is needed, that of the release before it included when it is wanted, once per check; safe to call from
        several processes. What was there `earlier` is in the facts then. Raises TargetError."""

    def server(self, plan: Plan) -> Server:
        """A server for one trial, not yet started."""
