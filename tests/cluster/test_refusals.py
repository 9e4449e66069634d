"""What a user is told when there is no cluster, or it says no: one sentence, and what would help."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from cluster_stage import Door, pod_of
from kubernetes import client

from tailproof.cluster import pods
from tailproof.cluster.reach import Cluster, check_nodes, check_rights, connect, kubeconfig
from tailproof.cluster.refusals import AlreadyThere, ClusterError, Gone, NotThere, Refused
from tailproof.waiting import Budget, DeadlineMissed


def written(tmp_path: Path, server: str, **user: str) -> str:
    """A kubeconfig for an address."""
    place = tmp_path / "kubeconfig"
    place.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": server}}],
                "users": [{"name": "u", "user": user}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )
    return str(place)


def test_without_a_cluster_it_is_said_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TAILPROOF_CACHE", str(tmp_path))
    with pytest.raises(ClusterError, match=r"no Kubernetes cluster is known here: .*KUBECONFIG.*docker/cluster\.sh up"):
        kubeconfig({})
    with pytest.raises(ClusterError, match=r"KUBECONFIG names /nowhere/config, which is not there"):
        kubeconfig({"KUBECONFIG": "/nowhere/config"})


@pytest.mark.parametrize("text", ["", "a: [", "just words", "{}", "contexts: 5\ncurrent-context: x\n"])
def test_a_kubeconfig_that_is_none_is_said_to_be_none(text: str, tmp_path: Path) -> None:
    place = tmp_path / "config"
    place.write_text(text)
    with pytest.raises(ClusterError, match=r"the kubeconfig .*config cannot be used: .+"):
        connect(str(place))


def test_an_address_at_which_nobody_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Gone, match=rf"127\.0\.0\.1:{port}.*Connection refused.*is it up\? \(kubeconfig"):
        connect(written(tmp_path, f"http://127.0.0.1:{port}"))


@pytest.fixture
def answering() -> Iterator[tuple[ThreadingHTTPServer, dict[str, object]]]:
    """Something at an address that is no API server."""
    says: dict[str, object] = {"code": 200, "body": "{}"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = str(says["body"]).encode()
            self.send_response(int(str(says["code"])))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server, says
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("code", "body", "told"),
    [
        (200, "{}", "is no Kubernetes cluster"),
        (200, "[]", "is no Kubernetes cluster"),
        (500, "oh", r"refused \(500\)"),
        (401, "", "does not know the user"),
    ],
)
def test_what_answers_is_no_cluster_or_a_sick_one(
    code: int,
    body: str,
    told: str,
    tmp_path: Path,
    answering: tuple[ThreadingHTTPServer, dict[str, object]],
) -> None:
    server, says = answering
    says.update(code=code, body=body)
    with pytest.raises(ClusterError, match=told):
        connect(written(tmp_path, f"http://127.0.0.1:{server.server_address[1]}"))


@pytest.mark.cluster
def test_our_cluster_is_reached_and_ready(cluster: Cluster) -> None:
    check_rights(cluster)
    check_nodes(cluster)


@pytest.mark.cluster
def test_a_user_without_rights_is_told_which(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    token = cluster.ask(
        "asking for a token",
        cluster.core.create_namespaced_service_account_token,
        "default",
        namespace,
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
    )["status"]["token"]
    settings = yaml.safe_load(Path(cluster.kubeconfig).read_text())
    settings["users"][0]["user"] = {"token": token}
    place = tmp_path / "poor"
    place.write_text(yaml.safe_dump(settings))
    with closing(connect(str(place))) as poor:
        with pytest.raises(Refused, match=r"may not create namespaces, .*create pods, .*create pods/portforward"):
            check_rights(poor)
        with pytest.raises(Refused, match=r"^making the pod p: not allowed: .*cannot create resource"):
            pods.make(poor, namespace, pod_of("none", {"a": "true"}, {}))


@pytest.mark.cluster
def test_too_small_a_quota(cluster: Cluster, namespace: str) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none"},
        "spec": {"hard": {"pods": "0"}},
    }
    cluster.ask("making a quota", cluster.core.create_namespaced_resource_quota, namespace, quota)

    def counted() -> bool:
        found = cluster.ask("reading", cluster.core.read_namespaced_resource_quota, "none", namespace)
        return "hard" in found.get("status", {})

    Budget(60).wait_for("the quota to be counted", counted, every=0.1)
    with pytest.raises(Refused, match=r"^making the pod p: the quota is too small: .*exceeded quota: none"):
        pods.make(cluster, namespace, pod_of("none", {"a": "true"}, {}))


@pytest.mark.cluster
def test_an_image_that_nobody_has(cluster: Cluster, namespace: str) -> None:
    pods.make(cluster, namespace, pod_of("tailproof/nowhere:1", {"a": "true"}, {}))
    with pytest.raises(ClusterError, match=r"tailproof/nowhere:1 cannot be had by the cluster \(ErrImageNeverPull\)"):
        pods.wait_for(cluster, namespace, "p", "the pod to run", pods.running, Budget(60))


@pytest.mark.engine
@pytest.mark.cluster
def test_a_pod_that_no_node_takes(cluster: Cluster, namespace: str, image: str) -> None:
    pods.make(cluster, namespace, pod_of(image, {"a": "true"}, {}, nodeSelector={"no": "such"}))
    with pytest.raises(DeadlineMissed, match=r"no node takes it: 0/1 nodes are available"):
        pods.wait_for(cluster, namespace, "p", "the pod to run", pods.running, Budget(3))


@pytest.mark.cluster
def test_what_is_not_there_and_what_is_there_already(cluster: Cluster, namespace: str) -> None:
    assert pods.read(cluster, namespace, "nobody") is None
    pods.delete(cluster, namespace, "nobody")
    with pytest.raises(NotThere, match=r"^evicting the pod nobody: pods .nobody. not found"):
        pods.evict(cluster, namespace, "nobody")
    wanted = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    with pytest.raises(AlreadyThere, match="already exists"):
        cluster.ask("making it again", client.CoreV1Api(cluster.api).create_namespace, wanted)


@pytest.mark.cluster
def test_an_api_server_that_dies_in_between(door: tuple[Door, str]) -> None:
    way, place = door
    with closing(connect(place)) as cluster:
        way.shut()
        with pytest.raises(Gone, match=r"^listing the nodes: the cluster does not answer"):
            check_nodes(cluster)
        way.open()
        check_nodes(cluster)


def test_no_node_is_ready(tmp_path: Path, answering: tuple[ThreadingHTTPServer, dict[str, object]]) -> None:
    server, says = answering
    says["body"] = json.dumps({"gitVersion": "v1", "items": []})
    node = {"metadata": {"name": "n1"}, "spec": {}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
    node["status"]["conditions"][0]["message"] = "Kubelet stopped posting node status."  # type: ignore[index]
    with closing(connect(written(tmp_path, f"http://127.0.0.1:{server.server_address[1]}"))) as cluster:
        with pytest.raises(ClusterError, match="no node of the cluster is ready: it has none"):
            check_nodes(cluster)
        says["body"] = json.dumps({"items": [node]})
        with pytest.raises(ClusterError, match="n1: Kubelet stopped posting node status"):
            check_nodes(cluster)
