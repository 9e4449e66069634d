"""One server of one trial in containers: the same volume through all its lives."""

from __future__ import annotations

import io
import os
import signal as signals
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal, NoReturn, cast

import docker
from docker.errors import NotFound
from docker.types import Mount

from tailproof.history.records import Note
from tailproof.ownership import cgroup, marks
from tailproof.protocol.adapter import Launcher, Places
from tailproof.provision.engine import address, connect, engine_does, knock
from tailproof.provision.errors import EngineError
from tailproof.targets.container_files import ArchiveStream, counter_inside, directories, open_to_all, pack, unpack
from tailproof.targets.container_lives import Lives
from tailproof.targets.container_processes import ContainerProcess, container_processes, server_of, unpacked
from tailproof.targets.container_twin import ContainerTwin
from tailproof.targets.engine_events import EngineEvents
from tailproof.targets.own_clock import LOADER, OwnClock
from tailproof.targets.own_disk import OwnDisk
from tailproof.targets.port import HOST, Port
from tailproof.targets.process_server import split
from tailproof.targets.target import Death, Place, Plan, PodEnd, Scope, ServerFailed, TargetError
from tailproof.waiting import Budget, DeadlineMissed

PLACES = Places(root="/workspace", workspace="/workspace/project", conversations="/workspace/conversations")
JOURNAL = "/tailproof-journal"
_SEEN_S = 10.0
"""How long the engine may take to tell of what it has done."""


class ContainerServer:
    """See `targets.target.Server`. Deaths are recorded as the engine tells them, on its listening thread."""

    def __init__(self, plan: Plan, *, adapter: Launcher, image: str, version: str) -> None:
        self._plan = plan
        self._adapter = adapter
        self._image = image
        self._version = version
        self._clock = OwnClock(plan.directory / "clock", wanted=plan.own_clock)
        self._disk = OwnDisk(plan.directory / "disk", filesystem=plan.own_disk)
        self._port = Port()
        self._address = ""
        self._engine: docker.DockerClient | None = None
        self._events: EngineEvents | None = None
        self._volume = f"tailproof-{plan.owner.trial}"
        self._containers: list[Any] = []
        self._twins: list[ContainerTwin] = []
        self._server: ContainerProcess | None = None
        self._lives = Lives(plan.engine, oom_killed=self._oom_killed)
        self.url = f"http://{HOST}:{self._port.number}"
        self.epoch = -1
        self.workspace = PLACES.workspace
        self.journal = JOURNAL

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self, budget: Budget) -> None:
        """Create volume and container and start it; returns when the server process runs. Raises TargetError."""
        self._plan.directory.mkdir(parents=True, exist_ok=True)
        self._address = address()
        self._engine = connect()
        self._events = EngineEvents(self._plan.owner.trial, self._lives.on_event)
        self._disk.begin()
        with engine_does("making a volume"):
            self._engine.volumes.create(
                self._volume, labels=marks.labels(self._plan.owner), driver_opts=self._on_disk()
            )
        self._create()
        self._run(budget, "first")

    def restart(self, budget: Budget, *, place: Place) -> None:
        """`in-place`: the same container. `new-host`: another one with another host name on the same volume."""
        if self.alive():
            raise TargetError("the server is still alive and cannot be started again")
        if place == "new-host":
            self._create()
        self._run(budget, place)

    def downgrade(self, budget: Budget) -> None:
        """Raises TargetError."""
        raise TargetError("an image names no release before it: use pypi:VERSION")

    def reach(self, url: str) -> None:
        """It is on the host's network."""

    def alive(self) -> bool:
        """The server process runs; its container may run without it for a moment."""
        return self._server is not None and self._server.lives()

    def server_pid(self) -> int:
        """On the host; 0 when it is not alive."""
        if self._server is None or not self._server.lives():
            return 0
        self._server = unpacked(self._server)
        return self._server.pid

    def state(self) -> Literal["running", "paused", "dead"]:
        """What the engine says of the container, and the kernel of the process in it."""
        if not self.alive():
            return "dead"
        with engine_does("looking at the container"):
            self._container.reload()
        return "paused" if self._container.status == "paused" else "running"

    def kill(self, *, scope: Scope, signal: str) -> None:
        """`server`: the process, after which its init ends the container. `group`: every process but the init.
        `container`: `docker kill`."""
        number = signals.Signals[f"SIG{signal}"]
        self._lives.end_is_ours()
        match scope:
            case "container":
                with engine_does("killing the container"):
                    self._container.kill(signal=int(number))
            case "group":
                for process in container_processes(self._init()):
                    self._signal(process, number)
            case "server":
                if self.server_pid() and self._server is not None:
                    self._signal(self._server, number)

    def wait_dead(self, budget: Budget) -> None:
        """Until the engine has told of the death of the container. Raises DeadlineMissed; TargetError without an engine."""
        budget.wait_for("the engine to tell of the death", self._dead_or_lost, saw=lambda: f"server is {self.state()}")
        # On some engines the `oom` event of the death follows it; nothing else tells that there is none.
        self._settle_oom(budget)

    def last_death(self) -> Death:
        """Raises TargetError when no death was seen yet."""
        return self._lives.death()

    def stop(self, budget: Budget, *, grace_s: float = 10.0) -> None:
        """`docker stop`: SIGTERM, then SIGKILL after the grace."""
        if self._lives.ended.is_set() or not self._containers:
            return
        self._lives.end_is_ours(stop=True)
        with engine_does("stopping the container"):
            self._container.reload()
            if self._container.status == "paused":
                self.resume()
            self._container.stop(timeout=max(1, round(grace_s)))
        budget.wait_for("the engine to tell of the stop", self._dead_or_lost, within=_SEEN_S)

    def end_pod(self, budget: Budget, *, by: PodEnd, grace_s: float) -> NoReturn:
        """Raises TargetError."""
        raise TargetError("a container is in no pod: use k8s:IMAGE")

    def pause(self) -> None:
        """`docker pause`: the kernel freezes every process of the container."""
        with engine_does("pausing the container"):
            self._container.pause()
        self._lives.record("paused")

    def resume(self) -> None:
        """`docker unpause`."""
        with engine_does("resuming the container"):
            self._container.reload()
            if self._container.status != "paused":
                return
            self._container.unpause()
        self._lives.record("resumed")

    def set_clock(self, offset_s: float) -> None:
        """By the file that libfaketime reads, which the container sees."""
        self._clock.set(offset_s)

    # -- witnesses ----------------------------------------------------------------------------------------------------

    def counters(self) -> Mapping[str, float]:
        """Of the container's control group, as long as it lives; each new value is recorded."""
        init = self._init() if self.alive() else 0
        read = (cgroup.on_host(init) or partial(counter_inside, self._container)) if init else None
        if read is None:
            return {}
        found = {**cgroup.counters(read), **cgroup.processes(init), "pids": float(len(container_processes(init)))}
        self._lives.counted(found)
        return found

    def survivors(self) -> Sequence[str]:
        """What runs in the container although the server does not; nothing once the container is dead."""
        return (
            []
            if self.alive() or self._lives.ended.is_set()
            else [process.command for process in container_processes(self._init())]
        )

    def end_survivors(self) -> None:
        """Kill the container, if it still lives."""
        if self._containers and not self.alive() and not self._lives.ended.is_set():
            self.kill(scope="container", signal="KILL")

    def disk(self, into: Path) -> Path:
        """Copy the conversations out of the volume; works on a dead container, too. Raises TargetError."""
        into.mkdir(parents=True, exist_ok=True)
        name = Path(PLACES.conversations).name
        with engine_does("reading the server's disk"):
            try:
                chunks, _ = self._container.get_archive(PLACES.conversations)
                with tarfile.open(fileobj=cast("io.BufferedReader", ArchiveStream(chunks)), mode="r|") as archive:
                    unpack(archive, into)
            except NotFound:
                (into / name).mkdir(exist_ok=True)
            except tarfile.TarError as error:
                raise TargetError(f"the server's disk cannot be read: {error}") from error
        return into / name

    def edit_disk(self, edit: Callable[[Path], None]) -> None:
        """On a copy, which goes back into the volume."""
        if self.alive():
            raise TargetError("the disk of a server that runs must not be changed: stop it first")
        with tempfile.TemporaryDirectory(dir=self._plan.directory, prefix="edit-") as place:
            conversations = self.disk(Path(place))
            edit(conversations)
            with tempfile.TemporaryFile(dir=place) as packed:
                pack(conversations, packed)
                with engine_does("writing the server's disk"):
                    self._container.put_archive(PLACES.root, packed)

    def log_tail(self, lines: int = 40) -> str:
        """The end of what the container wrote; empty when there is none or no engine."""
        if not self._containers:
            return ""
        try:
            with engine_does("reading the log"):
                return self._plan.masker.text(self._container.logs(tail=lines).decode("utf-8", "replace"))
        except EngineError:
            return ""

    def end_at_once(self) -> None:
        """Past the engine, which may be slow, where the kernel lets us."""
        self._lives.end_is_ours(stop=True)
        server = self._server
        if server is not None and server.lives():
            with suppress(OSError):  # another user's process: `remove` has the engine end it
                os.kill(server.pid, signals.SIGKILL)

    def remove(self) -> None:
        """Containers, then the volume. When the engine is gone, that is recorded and `tailproof clean` does it later."""
        self._lives.end_is_ours(stop=True)
        existed = bool(self._containers)
        for twin in self._twins:
            twin.end()
        if self._engine is not None:
            try:
                self._remove_all(self._engine)
            except EngineError as error:
                self._plan.engine.write(Note(f"{error}; `tailproof clean` removes what is left of {self._volume}"))
            self._engine.close()
            self._engine = None
        if self._events is not None:
            self._events.close()
        self._disk.end()
        self._port.release()
        if existed:
            self._containers = []
            self._lives.record("removed")

    def twin(self) -> ContainerTwin:
        """Another container, with a host name and a port of its own; everything else is that of the server."""
        name = f"{self._volume}-twin-{len(self._twins)}"
        self._twins.append(ContainerTwin(PLACES.root, lambda port: self._made(name, port)))
        return self._twins[-1]

    def own_disk(self) -> OwnDisk:
        """The volume lies on it."""
        return self._disk

    # -- inside -------------------------------------------------------------------------------------------------------

    @property
    def _container(self) -> Any:
        if not self._containers:
            raise TargetError("the server was not started")
        return self._containers[-1]

    def _on_disk(self) -> dict[str, str]:
        """What makes a volume of a directory of this machine."""
        if not self._disk.filesystem:
            return {}
        return {"type": "none", "o": "bind", "device": str(self._disk.place.resolve())}

    def _create(self) -> None:
        name = f"{self._volume}-{len(self._containers)}"
        container = self._made(name, self._port.number)
        self._containers.append(container)
        self._lives.container, self._lives.host = container.id, name[-63:]
        if len(self._containers) == 1:
            if self._plan.own_clock:
                self._check_clock(container)
            with engine_does("laying out the volume"):
                container.put_archive(PLACES.root, directories(PLACES.workspace, PLACES.conversations))

    def _check_clock(self, container: Any) -> None:
        """Raises TargetError: nothing of the image would start with our library, which is for a C library and a processor as ours."""
        with engine_does("looking for the C library of the image"):
            try:
                for _ in container.get_archive(LOADER)[0]:
                    pass
            except NotFound as error:
                raise TargetError(
                    f"the clock of this image cannot be set: it has no {LOADER}, which libfaketime of this machine needs"
                ) from error

    def _made(self, name: str, port: int) -> Any:
        """A container of a server on this port, not yet started. Raises EngineError."""
        assert self._engine is not None, "start() comes before restart()"
        launch = self._adapter.launch(
            version=self._version,
            port=port,
            host=HOST,
            key=self._plan.key,
            secret=self._plan.secret,
            places=PLACES,
            extra=self._plan.environment,
        )
        _, arguments = split(launch.arguments)
        limit = {"mem_limit": self._plan.memory_bytes, "memswap_limit": self._plan.memory_bytes}
        clock, mounts = self._clock.begin_inside()
        open_to_all(self._plan.journal)
        with engine_does("creating the container"):
            return self._engine.containers.create(
                self._image,
                command=list(arguments),
                name=name,
                hostname=name[-63:],
                network_mode="host",
                environment={**launch.environment, **clock},
                labels=marks.labels(self._plan.owner),
                mounts=[
                    Mount(PLACES.root, self._volume, type="volume"),
                    Mount(JOURNAL, str(self._plan.journal.resolve()), type="bind"),
                    *mounts,
                ],
                **(limit if self._plan.memory_bytes else {}),
                **({"pids_limit": self._plan.processes} if self._plan.processes else {}),
            )

    def _run(self, budget: Budget, place: str) -> None:
        self._server = None
        self._lives.begin()
        self.epoch = self._lives.epoch
        with engine_does("starting the container"):
            self._container.start()
            began = time.monotonic_ns()
        try:
            budget.wait_for("the server process in the container", self._find_server, within=_SEEN_S)
        except DeadlineMissed as missed:
            raise ServerFailed(f"the container runs no server: {missed}\n{self.log_tail()}") from missed
        self._lives.pid = self.server_pid()
        self._lives.record("started", place=place, t_ns=began)

    def _find_server(self) -> bool:
        self._server = server_of(self._init())
        return self._server is not None or self._dead_or_lost()

    def _init(self) -> int:
        """The first process of the container, as the host numbers it; 0 when there is none."""
        with engine_does("looking at the container"):
            self._container.reload()
        return int(self._container.attrs["State"]["Pid"])

    def _signal(self, process: ContainerProcess, number: signals.Signals) -> None:
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return
        except PermissionError:
            # Not our user's process: the engine may, inside.
            with engine_does("sending a signal"):
                self._container.exec_run(["sh", "-c", f"kill -{int(number)} {process.inner_pid}"], user="0")

    def _dead_or_lost(self) -> bool:
        if self._events is not None and self._events.lost:
            raise EngineError(f"the Docker engine is gone while a trial runs ({self._events.lost})")
        return self._lives.ended.is_set()

    def _settle_oom(self, budget: Budget) -> None:
        if not self._lives.death().oom_killed or self._lives.ooms:
            return
        try:
            budget.wait_for("the engine's oom event", lambda: self._lives.ooms > 0, within=1.0)
        except DeadlineMissed as missed:
            self._plan.engine.write(Note(str(missed)))

    def _oom_killed(self) -> bool:
        with engine_does("looking at the dead container"):
            self._container.reload()
        return bool(self._container.attrs["State"]["OOMKilled"])

    def _remove_all(self, engine: docker.DockerClient) -> None:
        with engine_does("removing what the trial made"):
            knock(self._address)
        for container in self._containers:
            with engine_does("removing a container"):
                try:
                    container.remove(force=True, v=True)
                except NotFound:
                    continue
        with engine_does("removing a volume"):
            try:
                engine.volumes.get(self._volume).remove(force=True)
            except NotFound:
                return
