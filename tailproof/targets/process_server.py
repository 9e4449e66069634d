"""One server process of one trial, and everything that descends from it."""

from __future__ import annotations

import os
import shutil
import signal as signals
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn

from tailproof.history.records import Life
from tailproof.ownership import marks, processes
from tailproof.ownership.scratch import scratch
from tailproof.protocol.adapter import Launcher, Places
from tailproof.targets.own_clock import OwnClock
from tailproof.targets.own_disk import OwnDisk
from tailproof.targets.own_host import OwnHost
from tailproof.targets.port import HOST, Port
from tailproof.targets.proc_status import stands_still, status_of
from tailproof.targets.process_twin import ProcessTwin
from tailproof.targets.target import Death, Place, Plan, PodEnd, Scope, TargetError
from tailproof.waiting import Budget, DeadlineMissed

PART = "server"
"""The mark of the server and its descendants, which tells them from the wire and the client of the same trial."""

_END_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What a life of a server is started from."""

    interpreter: Path
    version: str
    program: Sequence[str] = ()
    """Instead of the module that the adapter launches."""


class ProcessServer:
    """See `targets.target.Server`. Its environment is built from scratch, so that no secret of the harness reaches a tool."""

    def __init__(self, plan: Plan, *, adapter: Launcher, own: Release, earlier: Release | None = None) -> None:
        """`earlier` is the release before it, if any life shall be of that."""
        self._plan = plan
        self._adapter = adapter
        self._own, self._earlier = own, earlier
        self._clock = OwnClock(plan.directory / "clock", wanted=plan.own_clock)
        self._host = OwnHost(f"tailproof-{plan.owner.trial}")
        self._port = Port()
        self._scratch: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: threading.Thread | None = None
        self._seen_dead = threading.Event()
        self._death: Death | None = None
        self._twins: list[ProcessTwin] = []
        self._by_us = False
        self._stopping = False
        self._paused = False
        root = plan.directory / "server"
        self._places = Places(
            root=str(root), workspace=str(root / "workspace"), conversations=str(root / "conversations")
        )
        self._log = plan.directory / "server.log"
        self._disk = OwnDisk(root, filesystem=plan.own_disk)
        self.url = f"http://{HOST}:{self._port.number}"
        self.epoch = -1
        self.workspace = self._places.workspace
        self.journal = str(plan.journal)

    def start(self, budget: Budget) -> None:
        """Start the first life. Raises TargetError when the interpreter does not run."""
        self._plan.directory.mkdir(parents=True, exist_ok=True)
        self._launch("first", self._earlier if self._plan.begins_as_earlier else None)

    def restart(self, budget: Budget, *, place: Place) -> None:
        """A new process on the same disk and port; what outlived the last one is left alone."""
        if place == "new-host":
            self._host.move()
            self._start_again("new-host")
        else:
            self._start_again("new-process")

    def downgrade(self, budget: Budget) -> None:
        """Raises TargetError when no release before it was prepared, or the server is alive."""
        if self._earlier is None:
            raise TargetError("no release before this one was prepared")
        self._start_again("new-process", self._earlier)

    def reach(self, url: str) -> None:
        """It is on this machine."""

    def alive(self) -> bool:
        """The process runs (a frozen one does, too)."""
        return self._process is not None and self._process.poll() is None

    def kill(self, *, scope: Scope, signal: str) -> None:
        """`server`: the process alone. `group`: with all its descendants, found by their mark."""
        number = signals.Signals[f"SIG{signal}"]
        match scope:
            case "server":
                self._by_us = True
                self._signal(number)
            case "group":
                self._by_us = True
                for process in self._marked():
                    processes.end(process, number)
                if number == signals.SIGKILL:
                    processes.end_all(Budget(_END_S), trial=self._plan.owner.trial, part=PART)
            case "container":
                raise TargetError("a plain process has no container to kill: kill its group, or use docker:IMAGE")

    def wait_dead(self, budget: Budget) -> None:
        """Until the exit of the process is seen and recorded."""
        budget.wait_event("the server process to end", self._seen_dead)

    def last_death(self) -> Death:
        """A signal n counts as exit code 128 + n, as in a container."""
        if self._death is None:
            raise TargetError("no death of the server was seen yet")
        return self._death

    def stop(self, budget: Budget, *, grace_s: float = 10.0) -> None:
        """SIGTERM, then SIGKILL to the process; its descendants may live on until `remove`."""
        if not self.alive():
            self._join()
            return
        self._stopping = self._by_us = True
        self.resume()
        self._signal(signals.SIGTERM)
        try:
            budget.wait_event("the server to end after SIGTERM", self._seen_dead, within=grace_s)
        except DeadlineMissed:
            self._signal(signals.SIGKILL)
            self._seen_dead.wait(_END_S)
        self._join()

    def end_pod(self, budget: Budget, *, by: PodEnd, grace_s: float) -> NoReturn:
        """Raises TargetError."""
        raise TargetError("a plain process is in no pod: use k8s:IMAGE")

    def pause(self) -> None:
        """SIGSTOP for the server and its descendants, parents first: a shell must not see its child stop."""
        self._paused = True
        Budget(_END_S).wait_for("every process of the server to stand still", self._all_frozen)
        self._record("paused")

    def resume(self) -> None:
        """SIGCONT, children first."""
        if not self._paused:
            return
        self._paused = False
        for process in reversed(self._marked()):
            processes.end(process, signals.SIGCONT)
        self._record("resumed")

    def state(self) -> Literal["running", "paused", "dead"]:
        """What the kernel says."""
        word = status_of(self.server_pid(), "State")
        if not self.alive() or not word:
            return "dead"
        return "paused" if word[0] in "Tt" else "running"

    def set_clock(self, offset_s: float) -> None:
        """By the file that libfaketime reads."""
        self._clock.set(offset_s)

    def own_disk(self) -> OwnDisk:
        """It begins with the first life."""
        return self._disk

    def twin(self) -> ProcessTwin:
        """It gets a port of its own; everything else is that of the server."""
        log = self._plan.directory / "twin.log"
        self._twins.append(ProcessTwin(Path(self._places.root), lambda port: self._begun(self._own, port, log)))
        return self._twins[-1]

    def server_pid(self) -> int:
        """0 when it is not alive."""
        return self._process.pid if self._process is not None and self.alive() else 0

    def counters(self) -> Mapping[str, float]:
        """Of the server process alone, as long as it lives."""
        peak = status_of(self.server_pid(), "VmHWM")
        if not peak:
            return {}
        return {"memory.peak_bytes": float(peak.split()[0]) * 1024, "pids": float(len(self._marked()))}

    def survivors(self) -> Sequence[str]:
        """Command lines of what lives although the server does not."""
        return [] if self.alive() else [process.command for process in self._marked()]

    def end_survivors(self) -> None:
        """Raises DeadlineMissed when one of them does not end."""
        if not self.alive():
            processes.end_all(Budget(_END_S), trial=self._plan.owner.trial, part=PART)

    def disk(self, into: Path) -> Path:
        """Raises TargetError when the server's directory cannot be copied."""
        try:
            shutil.copytree(
                self._places.root,
                into,
                symlinks=True,
                dirs_exist_ok=True,
                ignore=_sockets,
                copy_function=shutil.copyfile,
            )
        except (OSError, shutil.Error) as error:
            raise TargetError(f"the server's disk cannot be read: {error}") from error
        return into / Path(self._places.conversations).name

    def edit_disk(self, edit: Callable[[Path], None]) -> None:
        """In place."""
        if self.alive():
            raise TargetError("the disk of a server that runs must not be changed: stop it first")
        edit(Path(self._places.conversations))

    def log_tail(self, lines: int = 40) -> str:
        """The end of what all its lives wrote. The line in which the reading begins is left out: it may begin inside a secret."""
        try:
            with self._log.open("rb") as file:
                begin = file.seek(max(0, self._log.stat().st_size - 200 * lines * 4))
                said = file.read().decode("utf-8", "replace").splitlines()
        except FileNotFoundError:
            return ""
        whole = said[1:] if begin and len(said) > 1 else said
        return self._plan.masker.text("\n".join(whole[-lines:]))

    def end_at_once(self) -> None:
        """Its tools, too: what they wait for may be one of us."""
        self._stopping = self._by_us = True
        for process in self._marked():
            processes.end(process)

    def remove(self) -> None:
        """End every process with the mark of this server, tmux and the shells in it included."""
        existed = self._process is not None
        self._stopping = self._by_us = True
        processes.end_all(Budget(_END_S), trial=self._plan.owner.trial, part=PART)
        self._join()
        for twin in self._twins:
            twin.end()
        self._process = None
        self._disk.end()
        self._port.release()
        if self._scratch is not None:
            with suppress(FileNotFoundError):
                shutil.rmtree(self._scratch)
            self._scratch = None
        if existed:
            self._record("removed")

    def _start_again(self, place: str, release: Release | None = None) -> None:
        if self.alive():
            raise TargetError("the server is still alive and cannot be started again")
        self._join()
        self._launch(place, release)

    def _launch(self, place: str, release: Release | None = None) -> None:
        """A life of this release, of its own if none is named."""
        self.epoch += 1
        release = release or self._own
        self._disk.begin()
        for needed in (self._places.workspace, self._places.conversations, self.journal):
            Path(needed).mkdir(parents=True, exist_ok=True)
        self._by_us = self._stopping = self._paused = False
        self._seen_dead.clear()
        self._process = self._begun(release, self._port.number, self._log)
        of_another = f"release {release.version}" if self._earlier else ""
        self._record("started", place=place, detail=of_another)
        self._watcher = threading.Thread(target=self._watch, args=(self._process,), name="server-watcher", daemon=True)
        self._watcher.start()

    def _begun(self, release: Release, port: int, log: Path) -> subprocess.Popen[bytes]:
        """A process that serves what is on the disk. Raises TargetError when the interpreter does not run."""
        launch = self._adapter.launch(
            version=release.version,
            port=port,
            host=HOST,
            key=self._plan.key,
            secret=self._plan.secret,
            places=self._places,
            extra=self._plan.environment,
        )
        program, rest = split(launch.arguments)
        with log.open("ab") as output:
            try:
                return subprocess.Popen(
                    self._host.command(release.interpreter, *(release.program or program), *rest),
                    env={
                        **self._surroundings(release.interpreter),
                        **launch.environment,
                        **marks.variables(self._plan.owner, PART),
                    },
                    cwd=self._places.root,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise TargetError(f"{release.interpreter} does not run: {error.strerror or error}") from error

    def _surroundings(self, interpreter: Path) -> dict[str, str]:
        if self._scratch is None:
            self._scratch = scratch(self._plan.owner)
            for name in ("home", "tmp", "tmux"):
                (self._scratch / name).mkdir(mode=0o700)
        return {
            "PATH": f"{interpreter.parent}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(self._scratch / "home"),
            "TMPDIR": str(self._scratch / "tmp"),
            "TMUX_TMPDIR": str(self._scratch / "tmux"),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "SHELL": "/bin/bash",
            "TERM": "xterm-256color",
            **self._clock.begin(self._scratch),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
        }

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        code = process.wait()
        seen = time.monotonic_ns()
        self._clock.ended(process.pid)
        code = 128 - code if code < 0 else code
        self._death = Death(exit_code=code, oom_killed=False, oom_events=0, by_us=self._by_us)
        # Death comes before its record: survivors are what is still there afterwards.
        self._record(
            "stopped" if self._stopping else "died",
            t_ns=seen,
            pid=process.pid,
            exit_code=code,
            survivors=[survivor.command for survivor in self._marked()],
        )
        self._seen_dead.set()

    def _record(
        self,
        stage: Literal["started", "died", "stopped", "paused", "resumed", "removed"],
        *,
        t_ns: int = 0,
        pid: int | None = None,
        place: str = "",
        exit_code: int | None = None,
        detail: str = "",
        survivors: Sequence[str] = (),
    ) -> None:
        self._plan.engine.write(
            Life(
                t_ns=t_ns,
                stage=stage,
                epoch=self.epoch,
                host=self._host.name,
                pid=self.server_pid() if pid is None else pid,
                exit_code=exit_code,
                by_us=self._by_us and stage in ("died", "stopped"),
                place=place,
                detail=detail,
                survivors=list(survivors),
            )
        )

    def _all_frozen(self) -> bool:
        moving = [process for process in self._marked() if not stands_still(process.pid)]
        for process in moving:
            processes.end(process, signals.SIGSTOP)
        return not moving

    def _signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _join(self) -> None:
        """Until the watcher has recorded the death of a process that is known to be dead."""
        if self._watcher is not None:
            self._watcher.join(_END_S)

    def _marked(self) -> list[processes.Process]:
        return processes.processes(trial=self._plan.owner.trial, part=PART)


def split(arguments: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is launched (`-m module`, or a script) and the arguments that it gets."""
    length = 2 if arguments[0] == "-m" else 1
    return tuple(arguments[:length]), tuple(arguments[length:])


def _sockets(directory: str, names: list[str]) -> list[str]:
    """What cannot be copied: sockets and FIFOs, and files that vanished since the directory was listed."""
    places = ((name, Path(directory) / name) for name in names)
    return [name for name, place in places if not (place.is_file() or place.is_dir() or place.is_symlink())]
