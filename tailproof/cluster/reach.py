"""Which cluster is meant, whether it answers, and whether we may do there what trials need."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache as cache_once
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from kubernetes import client, config
from kubernetes.config import ConfigException

from tailproof.cluster.refusals import ClusterError, Refused, cluster_does
from tailproof.ownership.owners import Owner, owner_id
from tailproof.ownership.scratch import name_for
from tailproof.provision.cache import cache

HOW_TO_GET_ONE = (
    "name one in KUBECONFIG (kind, k3s, a cloud), or make one of this machine: sudo sh docker/cluster.sh up"
)
TIMEOUT_S = 30.0
GLANCE_S = 5.0
"""How long whoever only wants to know waits for an answer."""

Right = tuple[str, str, str]
"""Verb, API group, and resource or resource/part of it."""
TRIALS_NEED: Sequence[Right] = (
    ("create", "", "namespaces"),
    ("delete", "", "namespaces"),
    ("create", "", "pods"),
    ("delete", "", "pods"),
    ("watch", "", "pods"),
    ("create", "", "pods/exec"),
    ("create", "", "pods/portforward"),
    ("create", "", "pods/eviction"),
    ("create", "", "persistentvolumeclaims"),
)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that can be asked. Give it back with `close`."""

    api: client.ApiClient
    kubeconfig: str
    ours: bool
    """`docker/cluster.sh` made it, and its node is this machine."""
    core: client.CoreV1Api = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "core", client.CoreV1Api(self.api))

    @property
    def sees_node(self) -> bool:
        """The harness sees the processes of pods and what the kernel of their node counts, and may signal them."""
        return self.ours and os.geteuid() == 0

    @property
    def address(self) -> str:
        """Where its API server is."""
        return str(self.api.configuration.host)

    def ask(
        self, doing: str, verb: Callable[..., Any], *args: Any, timeout_s: float = TIMEOUT_S, **options: Any
    ) -> Any:
        """The JSON that the API server answers to one verb of the client. Raises ClusterError, which begins with `doing`."""
        with cluster_does(doing):
            answer = verb(*args, _preload_content=False, _request_timeout=timeout_s, **options)
            if not 200 <= answer.status <= 299:
                raise client.exceptions.ApiException(http_resp=answer, body=answer.data, data=None)
            return json.loads(answer.data)

    def another(self) -> Cluster:
        """The same cluster by another client: one that streams is lent to nobody else."""
        return Cluster(client.ApiClient(self.api.configuration), self.kubeconfig, self.ours)

    def close(self) -> None:
        """Give the connections back. Idempotent."""
        self.api.rest_client.close()


def own_kubeconfig() -> Path:
    """Where that of `docker/cluster.sh` is while its cluster is up."""
    return cache() / "cluster" / "run" / "kubeconfig"


def kubeconfig(environment: Mapping[str, str] = os.environ) -> str:
    """The one that is meant: KUBECONFIG, that of the user, that of our own cluster. Raises ClusterError: there is none."""
    if named := environment.get("KUBECONFIG", ""):
        if not any(Path(place).is_file() for place in named.split(os.pathsep) if place):
            raise ClusterError(f"KUBECONFIG names {named}, which is not there: {HOW_TO_GET_ONE}")
        return named
    for place in (Path.home() / ".kube" / "config", own_kubeconfig()):
        if place.is_file():
            return str(place)
    raise ClusterError(f"no Kubernetes cluster is known here: {HOW_TO_GET_ONE}")


def connect(named: str = "", *, timeout_s: float = TIMEOUT_S) -> Cluster:
    """The cluster of a kubeconfig; without one, that which is meant. Raises ClusterError when it does not answer."""
    place = named or kubeconfig()
    settings = client.Configuration()
    # Urllib3 tries three times more by itself, and what is waited for here has a deadline of its own.
    settings.retries = False
    load: Any = config.load_kube_config
    try:
        load(place, client_configuration=settings, persist_config=False, temp_file_path=str(_place_for_keys()))
    except (ConfigException, yaml.YAMLError, OSError, KeyError, TypeError, ValueError) as error:
        raise ClusterError(f"the kubeconfig {place} cannot be used: {str(error).splitlines()[0]}") from error
    if _is_here(settings.host):
        settings.proxy = None  # the client takes HTTPS_PROXY even for what is on this machine
    found = Cluster(client.ApiClient(settings), place, _is_own(place))
    try:
        version = found.ask(
            f"asking the cluster at {found.address} for its version",
            client.VersionApi(found.api).get_code,
            timeout_s=timeout_s,
        )
    except Refused:
        found.close()
        raise
    except ClusterError as error:
        found.close()
        raise type(error)(f"{error}: is it up? (kubeconfig {place})") from error
    if not isinstance(version, dict) or "gitVersion" not in version:
        found.close()
        raise ClusterError(f"what answers at {found.address} is no Kubernetes cluster (kubeconfig {place})")
    return found


def _is_here(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def release(cluster: Cluster) -> str:
    """Which Kubernetes it is: `v1.33.13`. Raises ClusterError."""
    told = cluster.ask("asking the cluster for its version", client.VersionApi(cluster.api).get_code)
    return str(told["gitVersion"])


def check_rights(cluster: Cluster, needed: Sequence[Right] = TRIALS_NEED, *, by: str = "trials") -> None:
    """Raises Refused with everything that is `needed` (`by` whom, in words) and that this user may not do; ClusterError."""
    reviews = client.AuthorizationV1Api(cluster.api)
    lacks = []
    for verb, group, resource in needed:
        kind, _, part = resource.partition("/")
        wanted = {"verb": verb, "group": group, "resource": kind, **({"subresource": part} if part else {})}
        answer = cluster.ask(
            "asking the cluster for our rights",
            reviews.create_self_subject_access_review,
            {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": wanted},
            },
        )
        if not answer["status"].get("allowed"):
            lacks.append(f"{verb} {resource}")
    if lacks:
        raise Refused(f"the user of {cluster.kubeconfig} may not {', '.join(lacks)} in all namespaces, which {by} need")


def second_witness(cluster: Cluster) -> str:
    """Who tells of the deaths of containers besides the API server."""
    return "the kernel of the node" if cluster.sees_node else "a program inside the pod"


def is_ours() -> bool:
    """The cluster that is meant was made by `docker/cluster.sh`: its node may be emptied."""
    try:
        return _is_own(kubeconfig())
    except ClusterError:
        return False


def check_nodes(cluster: Cluster) -> None:
    """Raises ClusterError when no node is ready to take a pod, with what each says of itself. Whoever may not see them learns it from a
    pod that no node takes."""
    try:
        nodes = cluster.ask("listing the nodes", cluster.core.list_node)["items"]
    except Refused:
        return
    says = []
    for node in nodes:
        conditions = {one["type"]: one for one in node["status"].get("conditions", ())}
        ready = conditions.get("Ready", {})
        if ready.get("status") == "True" and not node["spec"].get("unschedulable"):
            return
        says.append(f"{node['metadata']['name']}: {ready.get('message') or 'it takes no pods'}")
    raise ClusterError(f"no node of the cluster is ready: {'; '.join(says) or 'it has none'}")


@cache_once
def _place_for_keys() -> Path:
    """Where the client writes keys that stand in a kubeconfig itself, if it has to: a directory of this process, which goes with it or,
    when that was killed, with the next command."""
    place = Path(tempfile.gettempdir()) / name_for(Owner(trial="kubeconfig", owner=owner_id()))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place


def _is_own(place: str) -> bool:
    own = own_kubeconfig()
    try:
        return own.is_file() and Path(place).samefile(own)
    except OSError:
        return False
