"""One server of one trial in pods: the same volume through all its lives, the same address here.

Two see how it fares. The API server tells what the kubelet makes of it; the kernel of the node, where that is this machine, tells what
happened. A death counts once the API server has told it; whether it was an OOM kill, both have to say.
"""

from __future__ import annotations

import signal as signals
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, NoReturn

from tailproof.cluster.namespaces import marks_of
from tailproof.cluster.refusals import ClusterError
from tailproof.protocol.adapter import Launcher
from tailproof.targets import pod_disk, pod_spec
from tailproof.targets.container_processes import ContainerProcess
from tailproof.targets.own_disk import OwnDisk
from tailproof.targets.pod_holder import PodRelease
from tailproof.targets.pod_host import SEEN_S, PodHost, of_a_started_server
from tailproof.targets.pod_lives import PodLives
from tailproof.targets.pod_sight import Sight
from tailproof.targets.port import HOST
from tailproof.targets.process_server import split
from tailproof.targets.target import Death, Place, Plan, PodEnd, Scope, ServerFailed, TargetError
from tailproof.waiting import Budget, DeadlineMissed

_BACK_OFF_S = 330.0
"""How long the kubelet waits at most before it starts a container again."""


class PodServer:
    """See `targets.target.Server`."""

    def __init__(
        self, plan: Plan, *, adapter: Launcher, own: PodRelease, earlier: PodRelease | None, pull: str
    ) -> None:
        """`earlier` is the release before it, if any life shall be of that: then a StatefulSet makes the pods."""
        self._plan = plan
        self._adapter = adapter
        self._own, self._earlier, self._pull = own, earlier, pull
        self._server: ContainerProcess | None = None
        self._lives = PodLives(plan)
        self._sight: Sight | None = None
        self._host = PodHost(
            plan,
            self._spec,
            first=earlier if earlier and plan.begins_as_earlier else own,
            controlled=earlier is not None,
            expect=self._lives.expect,
        )
        self.url = ""
        self.epoch = -1
        self.workspace = pod_spec.PLACES.workspace
        self.journal = pod_spec.JOURNAL

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self, budget: Budget) -> None:
        """Make namespace, volume and pod and let the server begin; returns when its process runs. Raises TargetError, ClusterError."""
        self._plan.directory.mkdir(parents=True, exist_ok=True)
        self._host.open(budget)
        self.url = self._host.url
        self._sight = self._lives.follow(self._host.cluster, self._host.namespace)
        self._host.create(budget)
        self._run(budget, "first")

    def restart(self, budget: Budget, *, place: Place) -> None:
        """`in-place`: the container that the kubelet has started again in the same pod. `new-host`: the pod is evicted, and another
        one begins on the same volume. After a life of the release before it, a rolling update comes first."""
        if self.alive():
            raise TargetError("the server is still alive and cannot be started again")
        if self._host.release is not self._own:
            self._host.update(self._own, budget)
        elif place == "new-host" and not self._host.unused:
            self._host.replace(budget)
        self._run(budget, place)

    def downgrade(self, budget: Budget) -> None:
        """A rolling update back. Raises TargetError."""
        if self._earlier is None:
            raise TargetError("this image names no release before it: use that of a release that tailproof builds")
        self._host.update(self._earlier, budget)
        self._run(budget, "in-place")

    def reach(self, url: str) -> None:
        """By the relay in the pod."""
        self._host.relay.expose(int(url.rpartition(":")[2].partition("/")[0]))

    def alive(self) -> bool:
        """The server process runs; its pod and its container may run without it."""
        return self._server is not None and self._of_sight.lives(self._server)

    def server_pid(self) -> int:
        """On the node, or where nobody sees it one that no process of this machine has; 0 when it is not alive."""
        if self._server is None or not self._of_sight.lives(self._server):
            return 0
        self._server = self._of_sight.current(self._server)
        return self._server.pid

    def state(self) -> Literal["running", "paused", "dead"]:
        """What the kernel says of the process."""
        if not self.server_pid() or self._server is None:
            return "dead"
        return "paused" if self._of_sight.stopped(self._server) else "running"

    def kill(self, *, scope: Scope, signal: str) -> None:
        """`server`: the process, after which its init ends the container. `group`: every process of the container but the init.
        `container`: the init, with which all of it ends on SIGKILL."""
        number = signals.Signals[f"SIG{signal}"]
        self._lives.end_is_ours()
        match scope:
            case "container":
                self._of_sight.signal_first(number)
            case "group":
                self._of_sight.signal_all(number, but_the_first=True)
            case "server":
                if self.server_pid() and self._server is not None:
                    self._of_sight.signal(self._server, number)

    def wait_dead(self, budget: Budget) -> None:
        """Until the API server has told of the death of the container. Raises DeadlineMissed; ClusterError without one."""
        budget.wait_for(
            "the API server to tell of the death", self._lives.over, saw=lambda: f"server is {self.state()}"
        )

    def last_death(self) -> Death:
        """Raises TargetError when no death was seen yet."""
        return self._lives.death()

    def stop(self, budget: Budget, *, grace_s: float = 10.0) -> None:
        """SIGTERM to the container's first process, then SIGKILL after the grace, as the kubelet does it."""
        if not self._host.pod or self._lives.ended.is_set():
            return
        self._lives.end_is_ours(stop=True)
        self.resume()
        self._of_sight.signal_first(signals.SIGTERM)
        with suppress(DeadlineMissed):
            budget.wait_for("the server to end", self._of_sight.empty, within=grace_s)
        if self.alive():
            self._of_sight.signal_first(signals.SIGKILL)
        budget.wait_for("the API server to tell of the stop", self._lives.over, within=SEEN_S)

    def end_pod(self, budget: Budget, *, by: PodEnd, grace_s: float) -> Mapping[str, str]:
        """The kubelet sends SIGTERM, then SIGKILL after the grace (but for a deletion: that of the pod). The next pod is made at once, as
        a controller makes it, or by one: the server in it is held, and the volume can be read meanwhile."""
        if by == "rollout" and self._host.release is self._own:
            raise TargetError("the server is of the target's release already: nothing would be updated")
        self._lives.end_is_ours(stop=True)
        return self._host.end(budget, by=by, grace_s=grace_s, last=self._own, over=self._lives.over)

    def pause(self) -> None:
        """SIGSTOP for every process of the container."""
        self._of_sight.signal_all(signals.SIGSTOP)
        self._lives.record("paused")

    def resume(self) -> None:
        """SIGCONT for them."""
        if self.state() != "paused":
            return
        self._of_sight.signal_all(signals.SIGCONT)
        self._lives.record("resumed")

    def set_clock(self, offset_s: float) -> NoReturn:
        """Raises TargetError."""
        raise TargetError("a pod has no clock of its own: use pypi:VERSION")

    # -- witnesses ----------------------------------------------------------------------------------------------------

    def counters(self) -> Mapping[str, float]:
        """Of the container's control group, as long as it lives; each new value is recorded."""
        found = self._of_sight.counters() if self.alive() else {}
        self._lives.counted(found)
        return found

    def survivors(self) -> Sequence[str]:
        """None: with the first process of a container all others end, and its sidecars are no tools of the server's."""
        return []

    def end_survivors(self) -> None:
        """There are none."""

    def disk(self, into: Path) -> Path:
        """Copy the conversations out of the volume. Raises TargetError, ClusterError."""
        return pod_disk.read(self._host.beside, into)

    def edit_disk(self, edit: Callable[[Path], None]) -> None:
        """On a copy, which goes back into the volume."""
        if self.alive():
            raise TargetError("the disk of a server that runs must not be changed: stop it first")
        with tempfile.TemporaryDirectory(dir=self._plan.directory, prefix="edit-") as place:
            conversations = pod_disk.read(self._host.beside, Path(place))
            edit(conversations)
            pod_disk.write(self._host.beside, conversations)

    def log_tail(self, lines: int = 40) -> str:
        """The end of what the server wrote, in the life before the last one, too; empty when there is none or no cluster."""
        return self._plan.masker.text(self._host.log(lines))

    def end_at_once(self) -> None:
        """Past the kubelet."""
        self._lives.end_is_ours(stop=True)
        server, sight = self._server, self._sight
        if server is not None and sight is not None and sight.lives(server):
            with suppress(ClusterError, TargetError):
                sight.signal(server, signals.SIGKILL)

    def remove(self) -> None:
        """The namespace, and with it all that is in it: the cluster has taken that on, and takes some seconds for it. When the cluster
        is gone, that is recorded and `tailproof clean` does it later."""
        self._lives.end_is_ours(stop=True)
        self._host.leave()
        self._lives.close()
        if self._host.close():
            self._lives.record("removed")

    def twin(self) -> NoReturn:
        """Raises TargetError."""
        raise TargetError("a pod gets no second server on its volume: use pypi:VERSION or src:DIR")

    def own_disk(self) -> OwnDisk:
        """It has none."""
        return OwnDisk(Path(), filesystem="")

    # -- inside -------------------------------------------------------------------------------------------------------

    @property
    def _of_sight(self) -> Sight:
        return of_a_started_server(self._sight)

    def _spec(self, name: str, release: PodRelease) -> pod_spec.Json:
        launch = self._adapter.launch(
            version=release.version,
            port=pod_spec.PORT,
            host=HOST,
            key=self._plan.key,
            secret=self._plan.secret,
            places=pod_spec.PLACES,
            extra=self._plan.environment,
        )
        _, arguments = split(launch.arguments)
        wanted = pod_spec.PodPlan(
            name=name,
            image=release.image,
            pull=self._pull,
            entrypoint=release.entrypoint,
            arguments=arguments,
            environment=launch.environment,
            memory_bytes=self._plan.memory_bytes,
            claim="data",
            marks=marks_of(self._plan.owner),
        )
        return pod_spec.pod(wanted)

    def _run(self, budget: Budget, place: str) -> None:
        self._server = None
        self._host.unused = False
        budget.wait_for("the kubelet to start the container", self._lives.runs, within=_BACK_OFF_S, every=0.05)
        self._lives.begin()
        self.epoch = self._lives.epoch
        began = time.monotonic_ns()
        self._host.relay.let_begin(pod_spec.GATE)
        try:
            patience_s = self._of_sight.patience_s
            budget.wait_for("the server process in the pod", self._find_server, within=patience_s)
        except DeadlineMissed as missed:
            raise ServerFailed(f"the pod runs no server: {missed}\n{self.log_tail()}") from missed
        self._lives.pid = self.server_pid()
        of_another = f"release {self._host.release.version}" if self._earlier else ""
        self._lives.record("started", place=place, t_ns=began if self._of_sight.at_once else 0, detail=of_another)

    def _find_server(self) -> bool:
        self._server = self._of_sight.server()
        return self._server is not None or self._lives.over()
