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
from typing import Any, Literal, NoReturn, TypeVar

from tailproof.cluster import inside, pods
from tailproof.cluster.forward import Forward, Loop
from tailproof.cluster.namespaces import make_namespace, marks_of, remove_namespace
from tailproof.cluster.reach import Cluster, connect
from tailproof.cluster.refusals import ClusterError
from tailproof.history.records import BreakOff, Note
from tailproof.protocol.adapter import Launcher
from tailproof.targets import pod_disk, pod_spec
from tailproof.targets.container_processes import ContainerProcess
from tailproof.targets.own_disk import OwnDisk
from tailproof.targets.pod_holder import REVISION_LABEL, Holder, OneByOne, PodRelease, StatefulSet
from tailproof.targets.pod_lives import PodLives
from tailproof.targets.pod_relay import Relay
from tailproof.targets.pod_sight import Sight
from tailproof.targets.port import HOST
from tailproof.targets.process_server import split
from tailproof.targets.target import Death, Place, Plan, PodEnd, Scope, ServerFailed, TargetError
from tailproof.waiting import Budget, DeadlineMissed

_SEEN_S = 20.0
"""How long a kubelet may take to tell of what has happened."""
_BACK_OFF_S = 330.0
"""How long the kubelet waits at most before it starts a container again."""
_POD_S = 120.0

T = TypeVar("T")


class PodServer:
    """See `targets.target.Server`."""

    def __init__(
        self, plan: Plan, *, adapter: Launcher, own: PodRelease, earlier: PodRelease | None, pull: str
    ) -> None:
        """`earlier` is the release before it, if any life shall be of that: then a StatefulSet makes the pods."""
        self._plan = plan
        self._adapter = adapter
        self._own, self._earlier, self._pull = own, earlier, pull
        self._release = earlier if earlier and plan.begins_as_earlier else own
        """Of which the pod is that was made last."""
        self._namespace = f"tailproof-{plan.owner.trial}"
        self._cluster: Cluster | None = None
        self._loop = Loop()
        self._forward: Forward | None = None
        self._relay: Relay | None = None
        self._holder: Holder | None = None
        self._pod = self._uid = ""
        self._unused = False
        """No life has begun in that pod yet."""
        self._server: ContainerProcess | None = None
        self._lives = PodLives(plan)
        self._sight: Sight | None = None
        self._made = False
        self.url = ""
        self.epoch = -1
        self.workspace = pod_spec.PLACES.workspace
        self.journal = pod_spec.JOURNAL

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self, budget: Budget) -> None:
        """Make namespace, volume and pod and let the server begin; returns when its process runs. Raises TargetError, ClusterError."""
        self._plan.directory.mkdir(parents=True, exist_ok=True)
        self._cluster = cluster = connect()
        self._made = True
        make_namespace(cluster, self._namespace, self._plan.owner, budget)
        self._sight = self._lives.follow(cluster, self._namespace)
        cluster.ask(
            "making a volume",
            cluster.core.create_namespaced_persistent_volume_claim,
            self._namespace,
            pod_spec.claim("data", marks_of(self._plan.owner)),
        )
        self._relay = Relay(self._loop, cluster, self._namespace, self._plan.journal, on_drop=self._dropped)
        self._forward = Forward(self._loop, cluster, self._namespace, "", pod_spec.PORT, on_drop=self._dropped)
        self.url = self._forward.url
        kept = StatefulSet if self._earlier is not None else OneByOne
        self._holder = kept(cluster, self._namespace, self._spec)
        self._create(budget)
        self._run(budget, "first")

    def restart(self, budget: Budget, *, place: Place) -> None:
        """`in-place`: the container that the kubelet has started again in the same pod. `new-container`: the pod is evicted, and another
        one begins on the same volume. After a life of the release before it, a rolling update comes first."""
        if self.alive():
            raise TargetError("the server is still alive and cannot be started again")
        if self._release is not self._own:
            self._update(self._own, budget)
        elif place == "new-container" and not self._unused:
            self._replace(budget)
        self._run(budget, place)

    def downgrade(self, budget: Budget) -> None:
        """A rolling update back. Raises TargetError."""
        if self._earlier is None:
            raise TargetError("this image names no release before it: use that of a release that tailproof builds")
        self._update(self._earlier, budget)
        self._run(budget, "in-place")

    def reach(self, url: str) -> None:
        """By the relay in the pod."""
        self._of_relay.expose(int(url.rpartition(":")[2].partition("/")[0]))

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
        if not self._pod or self._lives.ended.is_set():
            return
        self._lives.end_is_ours(stop=True)
        self.resume()
        self._of_sight.signal_first(signals.SIGTERM)
        with suppress(DeadlineMissed):
            budget.wait_for("the server to end", self._of_sight.empty, within=grace_s)
        if self.alive():
            self._of_sight.signal_first(signals.SIGKILL)
        budget.wait_for("the API server to tell of the stop", self._lives.over, within=_SEEN_S)

    def end_pod(self, budget: Budget, *, by: PodEnd, grace_s: float) -> Mapping[str, str]:
        """The kubelet sends SIGTERM, then SIGKILL after the grace (but for a deletion: that of the pod). The next pod is made at once, as
        a controller makes it, or by one: the server in it is held, and the volume can be read meanwhile."""
        cluster, name, uid = self._of_cluster, self._pod, self._uid
        if by == "rollout" and self._release is self._own:
            raise TargetError("the server is of the target's release already: nothing would be updated")
        before = self._look()
        node_name = str(before.get("spec", {}).get("nodeName", ""))
        self._lives.end_is_ours(stop=True)
        self._of_relay.detach()
        try:
            match by:
                case "rollout":
                    self._release = self._own
                    self._of_holder.make(self._own)
                case "delete":
                    pods.delete(cluster, self._namespace, name, grace_s=max(1, round(grace_s)))
                case _:
                    if by == "drain":
                        pods.cordon(cluster, node_name, unschedulable=True)
                    pods.evict(cluster, self._namespace, name)
            budget.wait_for("the API server to tell of the end", self._lives.over, within=grace_s + _SEEN_S)
            pods.wait_gone(cluster, self._namespace, name, budget, uid=uid)
        finally:
            if by == "drain":
                pods.cordon(cluster, node_name, unschedulable=False)
        self._create(budget)
        return {**_called(before, "before"), **_called(self._look(), "after")}

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
        return pod_disk.read(self._beside, into)

    def edit_disk(self, edit: Callable[[Path], None]) -> None:
        """On a copy, which goes back into the volume."""
        if self.alive():
            raise TargetError("the disk of a server that runs must not be changed: stop it first")
        with tempfile.TemporaryDirectory(dir=self._plan.directory, prefix="edit-") as place:
            conversations = pod_disk.read(self._beside, Path(place))
            edit(conversations)
            pod_disk.write(self._beside, conversations)

    def log_tail(self, lines: int = 40) -> str:
        """The end of what the server wrote, in the life before the last one, too; empty when there is none or no cluster."""
        if not self._pod or self._cluster is None:
            return ""
        said = ""
        for before in (True, False):
            with suppress(ClusterError):
                said += pods.log(self._cluster, self._namespace, self._pod, pod_spec.AGENT, lines=lines, before=before)
        return self._plan.masker.text(said)

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
        if self._relay is not None:
            self._relay.detach()
        if self._forward is not None:
            self._forward.close()
        self._loop.close()
        if self._cluster is not None:
            try:
                if self._made:
                    remove_namespace(self._cluster, self._namespace)
                    self._made = False
            except ClusterError as error:
                left = f"`tailproof clean` removes the namespace {self._namespace}"
                self._plan.engine.write(Note(f"{error}; {left}"))
            self._lives.close()
            self._cluster.close()
            self._cluster = None
            if self._pod:
                self._pod = ""
                self._lives.record("removed")

    def twin(self) -> NoReturn:
        """Raises TargetError."""
        raise TargetError("a pod gets no second server on its volume: use pypi:VERSION or src:DIR")

    def own_disk(self) -> OwnDisk:
        """It has none."""
        return OwnDisk(Path(), filesystem="")

    # -- inside -------------------------------------------------------------------------------------------------------

    @property
    def _of_cluster(self) -> Cluster:
        return _of_a_started_server(self._cluster)

    @property
    def _of_relay(self) -> Relay:
        return _of_a_started_server(self._relay)

    def _dropped(self, says: str) -> None:
        """The way to the pod broke: what anybody sees of the server then is not its own doing."""
        self._plan.engine.write(BreakOff(by="harness", doing="port-forward", says=says))

    @property
    def _of_sight(self) -> Sight:
        return _of_a_started_server(self._sight)

    @property
    def _of_holder(self) -> Holder:
        return _of_a_started_server(self._holder)

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

    def _look(self) -> Mapping[str, Any]:
        """At the pod, as the API server has it now."""
        return pods.read(self._of_cluster, self._namespace, self._pod) or {}

    def _create(self, budget: Budget) -> None:
        cluster, name, before = self._of_cluster, self._of_holder.name, self._uid
        self._lives.expect(name)
        self._of_holder.make(self._release)
        self._pod = name
        pods.wait_made(cluster, self._namespace, name, budget.part(_POD_S), after=before)
        seen = pods.wait_for(
            cluster, self._namespace, name, f"the pod {name} to run", pods.running, budget.part(_POD_S)
        )
        self._uid, self._unused = seen.uid, True
        self._of_relay.attach(name, budget)
        if self._forward is not None:
            self._forward.point(name)

    def _update(self, release: PodRelease, budget: Budget) -> None:
        """Let the controller end the pod and make the next one of this release."""
        self._of_relay.detach()
        self._release = release
        self._of_holder.make(release)
        pods.wait_gone(self._of_cluster, self._namespace, self._pod, budget, uid=self._uid)
        self._create(budget)

    def _replace(self, budget: Budget) -> None:
        """The pod goes as a drain makes it go, and the next one is made as a controller makes it, or by one."""
        self._of_relay.detach()
        if self._look():
            pods.evict(self._of_cluster, self._namespace, self._pod)
        pods.wait_gone(self._of_cluster, self._namespace, self._pod, budget, uid=self._uid)
        self._create(budget)

    def _run(self, budget: Budget, place: str) -> None:
        self._server = None
        self._unused = False
        budget.wait_for("the kubelet to start the container", self._lives.runs, within=_BACK_OFF_S, every=0.05)
        self._lives.begin()
        self.epoch = self._lives.epoch
        began = time.monotonic_ns()
        self._of_relay.let_begin(pod_spec.GATE)
        try:
            patience_s = self._of_sight.patience_s
            budget.wait_for("the server process in the pod", self._find_server, within=patience_s)
        except DeadlineMissed as missed:
            raise ServerFailed(f"the pod runs no server: {missed}\n{self.log_tail()}") from missed
        self._lives.pid = self.server_pid()
        of_another = f"release {self._release.version}" if self._earlier else ""
        self._lives.record("started", place=place, t_ns=began if self._of_sight.at_once else 0, detail=of_another)

    def _find_server(self) -> bool:
        self._server = self._of_sight.server()
        return self._server is not None or self._lives.over()

    def _beside(self, command: Sequence[str], given: bytes | None) -> inside.Done:
        """Run it in the relay, which lives while the server does not."""
        return inside.run(
            self._of_cluster, self._namespace, self._pod, pod_spec.RELAY, command, Budget(60), given=given
        )


def _called(pod: Mapping[str, Any], when: str) -> dict[str, str]:
    """What the cluster calls a pod."""
    metadata = pod.get("metadata", {})
    found = {f"pod {when}": str(metadata.get("uid", ""))}
    if revision := (metadata.get("labels") or {}).get(REVISION_LABEL):
        agent = next(one for one in pod["spec"]["containers"] if one["name"] == pod_spec.AGENT)
        found |= {f"revision {when}": str(revision), f"image {when}": str(agent["image"])}
    return found


def _of_a_started_server(part: T | None) -> T:
    """Raises TargetError."""
    if part is None:
        raise TargetError("the server was not started")
    return part
