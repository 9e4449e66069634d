"""Where a server in pods stands: namespace and volume, the pod of this life and how the next one takes its place, and the way to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from tailproof.cluster import inside, pods
from tailproof.cluster.forward import Forward, Loop
from tailproof.cluster.namespaces import make_namespace, marks_of, remove_namespace
from tailproof.cluster.reach import Cluster, connect
from tailproof.cluster.refusals import ClusterError
from tailproof.history.records import BreakOff, Note
from tailproof.targets import pod_spec
from tailproof.targets.pod_holder import REVISION_LABEL, Holder, OneByOne, PodRelease, StatefulSet
from tailproof.targets.pod_relay import Relay
from tailproof.targets.target import Plan, PodEnd, TargetError
from tailproof.waiting import Budget

SEEN_S = 20.0
"""How long a kubelet may take to tell of what has happened."""
_BESIDE_S = 60.0
_POD_S = 120.0

T = TypeVar("T")


class PodHost:
    """One pod after the other, on one volume and behind one address."""

    def __init__(
        self,
        plan: Plan,
        spec: Callable[[str, PodRelease], pod_spec.Json],
        *,
        first: PodRelease,
        controlled: bool,
        expect: Callable[[str], None],
    ) -> None:
        """`spec` is that of a pod of this name and release; `controlled`: a StatefulSet makes them. `expect` is told the name of each pod
        before it is made."""
        self.namespace = f"tailproof-{plan.owner.trial}"
        self.url = ""
        """Stable across pods; empty before `open`."""
        self.pod = ""
        """That which was made last; empty for none."""
        self.release = first
        """Of which that is."""
        self.unused = False
        """No life has begun in it yet."""
        self._plan = plan
        self._spec = spec
        self._controlled = controlled
        self._expect = expect
        self._cluster: Cluster | None = None
        self._loop = Loop()
        self._forward: Forward | None = None
        self._relay: Relay | None = None
        self._holder: Holder | None = None
        self._uid = ""
        self._made = False

    @property
    def cluster(self) -> Cluster:
        """Raises TargetError: there is none before `open` and behind `close`."""
        return of_a_started_server(self._cluster)

    @property
    def relay(self) -> Relay:
        """Raises TargetError before `open`."""
        return of_a_started_server(self._relay)

    def open(self, budget: Budget) -> None:
        """Make namespace and volume, and the way to pods that are still to come. Raises ClusterError."""
        self._cluster = cluster = connect()
        self._made = True
        make_namespace(cluster, self.namespace, self._plan.owner, budget)
        cluster.ask(
            "making a volume",
            cluster.core.create_namespaced_persistent_volume_claim,
            self.namespace,
            pod_spec.claim("data", marks_of(self._plan.owner)),
        )
        self._relay = Relay(self._loop, cluster, self.namespace, self._plan.journal, on_drop=self._dropped)
        self._forward = Forward(self._loop, cluster, self.namespace, "", pod_spec.PORT, on_drop=self._dropped)
        self.url = self._forward.url
        kept = StatefulSet if self._controlled else OneByOne
        self._holder = kept(cluster, self.namespace, self._spec)

    def create(self, budget: Budget) -> None:
        """The next pod, and wait until it runs: the server in it is held. Raises ClusterError, DeadlineMissed."""
        holder, before = of_a_started_server(self._holder), self._uid
        name = holder.name
        self._expect(name)
        holder.make(self.release)
        self.pod = name
        pods.wait_made(self.cluster, self.namespace, name, budget.part(_POD_S), after=before)
        seen = pods.wait_for(
            self.cluster, self.namespace, name, f"the pod {name} to run", pods.running, budget.part(_POD_S)
        )
        self._uid, self.unused = seen.uid, True
        self.relay.attach(name, budget)
        if self._forward is not None:
            self._forward.point(name)

    def update(self, release: PodRelease, budget: Budget) -> None:
        """Let the controller end the pod and make the next one of this release. Raises ClusterError, DeadlineMissed."""
        self.relay.detach()
        self.release = release
        of_a_started_server(self._holder).make(release)
        pods.wait_gone(self.cluster, self.namespace, self.pod, budget, uid=self._uid)
        self.create(budget)

    def replace(self, budget: Budget) -> None:
        """The pod goes as a drain makes it go, and the next one is made as a controller makes it, or by one. Raises ClusterError,
        DeadlineMissed."""
        self.relay.detach()
        if self._look():
            pods.evict(self.cluster, self.namespace, self.pod)
        pods.wait_gone(self.cluster, self.namespace, self.pod, budget, uid=self._uid)
        self.create(budget)

    def end(
        self, budget: Budget, *, by: PodEnd, grace_s: float, last: PodRelease, over: Callable[[], bool]
    ) -> Mapping[str, str]:
        """As `PodServer.end_pod` says. `last` is the release of a rolling update, `over` whether the life in it has ended."""
        name, uid, before = self.pod, self._uid, self._look()
        node_name = str(before.get("spec", {}).get("nodeName", ""))
        self.relay.detach()
        try:
            match by:
                case "rollout":
                    self.release = last
                    of_a_started_server(self._holder).make(last)
                case "delete":
                    pods.delete(self.cluster, self.namespace, name, grace_s=max(1, round(grace_s)))
                case _:
                    if by == "drain":
                        pods.cordon(self.cluster, node_name, unschedulable=True)
                    pods.evict(self.cluster, self.namespace, name)
            budget.wait_for("the API server to tell of the end", over, within=grace_s + SEEN_S)
            pods.wait_gone(self.cluster, self.namespace, name, budget, uid=uid)
        finally:
            if by == "drain":
                pods.cordon(self.cluster, node_name, unschedulable=False)
        self.create(budget)
        return {**_called(before, "before"), **_called(self._look(), "after")}

    def beside(self, command: Sequence[str], given: bytes | None) -> inside.Done:
        """Run it in the relay, which lives while the server does not. Raises ClusterError, DeadlineMissed."""
        return inside.run(
            self.cluster, self.namespace, self.pod, pod_spec.RELAY, command, Budget(_BESIDE_S), given=given
        )

    def log(self, lines: int) -> str:
        """The end of what the server wrote, in the life before the last one, too; empty when there is none or no cluster."""
        said = ""
        if self.pod and self._cluster is not None:
            for before in (True, False):
                with suppress(ClusterError):
                    said += pods.log(
                        self._cluster, self.namespace, self.pod, pod_spec.AGENT, lines=lines, before=before
                    )
        return said

    def leave(self) -> None:
        """The namespace is asked to go, and with it all that is in it. When the cluster is gone, that is recorded, and `tailproof clean`
        does it later. Idempotent."""
        if self._relay is not None:
            self._relay.detach()
        if self._forward is not None:
            self._forward.close()
        self._loop.close()
        try:
            if self._made and self._cluster is not None:
                remove_namespace(self._cluster, self.namespace)
                self._made = False
        except ClusterError as error:
            left = f"`tailproof clean` removes the namespace {self.namespace}"
            self._plan.engine.write(Note(f"{error}; {left}"))

    def close(self) -> bool:
        """Behind `leave`: nobody asks the cluster any more. Idempotent; whether there was a pod."""
        if self._cluster is not None:
            self._cluster.close()
            self._cluster = None
        had, self.pod = bool(self.pod), ""
        return had

    def _dropped(self, says: str) -> None:
        """The way to the pod broke: what anybody sees of the server then is not its own doing."""
        self._plan.engine.write(BreakOff(by="harness", doing="port-forward", says=says))

    def _look(self) -> Mapping[str, Any]:
        """At the pod, as the API server has it now."""
        return pods.read(self.cluster, self.namespace, self.pod) or {}


def of_a_started_server(part: T | None) -> T:
    """Raises TargetError."""
    if part is None:
        raise TargetError("the server was not started")
    return part


def _called(pod: Mapping[str, Any], when: str) -> dict[str, str]:
    """What the cluster calls a pod."""
    metadata = pod.get("metadata", {})
    found = {f"pod {when}": str(metadata.get("uid", ""))}
    if revision := (metadata.get("labels") or {}).get(REVISION_LABEL):
        agent = next(one for one in pod["spec"]["containers"] if one["name"] == pod_spec.AGENT)
        found |= {f"revision {when}": str(revision), f"image {when}": str(agent["image"])}
    return found
