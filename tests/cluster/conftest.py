"""A namespace of a real cluster, and a way to it that can be cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from cluster_stage import Door, StartPod, pod_of

from tailproof.cluster import pods
from tailproof.cluster.bring import bring
from tailproof.cluster.namespaces import make_namespace, remove_namespace
from tailproof.cluster.reach import Cluster, connect, kubeconfig
from tailproof.ownership.owners import Owner, owner_id
from tailproof.provision.base_image import WITH_PYTHON, base_image
from tailproof.provision.engine import connect as connect_engine
from tailproof.waiting import Budget

IMAGE = "tailproof/test-pod:latest"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """The one that is meant on this machine."""
    with closing(connect()) as cluster:
        yield cluster


@pytest.fixture
def owner() -> Owner:
    return Owner(trial=uuid4().hex[:12], owner=owner_id())


@pytest.fixture
def namespace(cluster: Cluster, owner: Owner) -> Iterator[str]:
    """Made for one test, and asked to end with it."""
    name = f"tailproof-test-{owner.trial}"
    make_namespace(cluster, name, owner, Budget(60))
    yield name
    remove_namespace(cluster, name)


@pytest.fixture(scope="session")
def image() -> str:
    """The base image of the releases, with a shell and Python, brought into the cluster."""
    with closing(connect_engine()) as engine:
        base = base_image(engine, WITH_PYTHON, say=lambda line: None, budget=Budget(600))
        engine.images.get(base).tag(IMAGE)
    bring(IMAGE, Budget(300))
    return IMAGE


@pytest.fixture
def start_pod(cluster: Cluster, namespace: str, image: str) -> StartPod:
    """Starts a pod `p` of containers that run lines of shell, and waits until all of them run. `limits`: container -> memory."""

    def start_pod(*, limits: Mapping[str, str] | None = None, **commands: str) -> str:
        pods.make(cluster, namespace, pod_of(image, commands, limits or {}))
        pods.wait_for(cluster, namespace, "p", "the pod to run", pods.running, Budget(90))
        return "p"

    return start_pod


@pytest.fixture
def door(tmp_path: Path) -> Iterator[tuple[Door, str]]:
    """The door, and a kubeconfig that leads through it."""
    settings = yaml.safe_load(Path(kubeconfig()).read_text())
    place = settings["clusters"][0]["cluster"]
    host, _, port = place["server"].removeprefix("https://").partition(":")
    door = Door(host, int(port))
    place["server"] = f"https://127.0.0.1:{door.port}"
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(settings))
    yield door, str(file)
    door.close()
