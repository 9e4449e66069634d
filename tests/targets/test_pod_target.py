"""A server in a pod: lives on one volume, deaths as the API server and the node's kernel tell them, a model that it reaches by relay."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from target_stage import Begin

from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.cluster.namespaces import owned_namespaces
from tailproof.cluster.reach import connect
from tailproof.model.journal import gate_name
from tailproof.provision.engine import connect as connect_engine
from tailproof.runner import leftovers
from tailproof.targets.pod import PodTarget
from tailproof.targets.pod_spec import PodPlan, pod
from tailproof.targets.target import TargetError

MIB = 1 << 20
EAT_AND_WAIT = "(head -c 40M /dev/zero; sleep 30) | tail > /dev/null"


def namespaces_of(trial: str) -> list[leftovers.Leftover]:
    return [left for left in leftovers.leftovers(trial=trial) if left.kind == "namespace"]


@pytest.fixture
def small_pod(small_image: str) -> PodTarget:
    """The small server in a pod."""
    return PodTarget(f"k8s:{small_image}", small_image, adapter=OpenHands())


@pytest.fixture
def called() -> Iterator[tuple[int, list[str]]]:
    """Something that listens on the harness's loopback, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], asked
    server.shutdown()
    server.server_close()


@pytest.mark.engine
@pytest.mark.cluster
def test_the_kubelet_starts_it_again_in_place_and_an_evicted_pod_leaves_its_volume_to_the_next(
    begin: Begin, small_pod: PodTarget, tmp_path: Path
) -> None:
    trial = begin(small_pod)
    trial.start()
    url = trial.server.url
    for place in ("in-place", "new-host"):
        trial.server.kill(scope="server", signal="KILL")
        trial.server.wait_dead(trial.budget)
        death = trial.server.last_death()
        assert (death.exit_code, death.oom_killed, death.oom_events, death.by_us) == (137, False, 0, True)
        assert (trial.server.alive(), trial.server.state()) == (False, "dead")
        trial.server.restart(trial.budget, place=place)  # type: ignore[arg-type]
        trial.ready()
    assert trial.server.url == url
    trial.server.stop(trial.budget)
    kept = (trial.server.disk(tmp_path / "disk") / "lives").read_text().split()
    assert kept == ["server-0", "server-0", "server-1"]
    lives = [(life.stage, life.epoch, life.place, life.host) for life in trial.lives()]
    assert lives == [
        ("started", 0, "first", "server-0"),
        ("died", 0, "", "server-0"),
        ("started", 1, "in-place", "server-0"),
        ("died", 1, "", "server-0"),
        ("started", 2, "new-host", "server-1"),
        ("stopped", 2, "", "server-1"),
    ]
    with closing(connect()) as cluster:
        mine = {one.owner for one in owned_namespaces(cluster) if not one.ending}
        assert trial.plan.owner in mine
        trial.server.remove()
        assert trial.plan.owner not in {one.owner for one in owned_namespaces(cluster) if not one.ending}
    for left in namespaces_of(trial.plan.owner.trial):
        left.remove()  # the cluster takes some seconds for what it was asked for
    assert namespaces_of(trial.plan.owner.trial) == []


@pytest.mark.engine
@pytest.mark.cluster
def test_a_rolling_update_by_the_controller_leaves_name_and_volume_to_a_pod_of_the_next_release(
    begin: Begin, small_image: str, tmp_path: Path
) -> None:
    earlier = f"{small_image.partition(':')[0]}:earlier"
    with closing(connect_engine()) as engine:
        engine.images.get(small_image).tag(earlier)
    target = PodTarget(f"k8s:{small_image}", small_image, adapter=OpenHands(), earlier=lambda: earlier)
    trial = begin(target, begins_as_earlier=True)
    trial.start()
    told = trial.server.end_pod(trial.budget, by="rollout", grace_s=10)
    assert (told["image before"], told["image after"]) == (earlier, small_image)
    assert told["revision before"] != told["revision after"]
    assert told["pod before"] != told["pod after"]
    assert not trial.server.alive()
    trial.server.restart(trial.budget, place="new-host")
    trial.ready()
    with pytest.raises(TargetError, match="nothing would be updated"):
        trial.server.end_pod(trial.budget, by="rollout", grace_s=10)
    trial.server.stop(trial.budget)
    assert (trial.server.disk(tmp_path / "disk") / "lives").read_text().split() == ["server-0", "server-0"]


@pytest.mark.engine
@pytest.mark.cluster
def test_the_model_is_reached_by_relay_and_journal_and_gates_are_the_same_on_both_sides(
    begin: Begin, small_pod: PodTarget, called: tuple[int, list[str]]
) -> None:
    trial = begin(small_pod)
    port, asked = called
    (trial.plan.journal / "sub").mkdir(parents=True)
    trial.start()
    trial.server.reach(f"http://127.0.0.1:{port}/c/x")
    fetch = "import urllib.request as u; u.urlopen('http://127.0.0.1:{port}{path}')"
    for path in ("/one", "/two"):
        trial.shell(f'python3 -c "{fetch.format(port=port, path=path)}"')
        trial.budget.wait_for("the call", lambda path=path: path in asked)
    # What is not exposed is not there, on the loopback of this machine or anywhere else.
    trial.shell(
        f'python3 -c "{fetch.format(port=8001, path="/three")}" || echo refused >> {trial.server.journal}/tokens'
    )
    tokens = trial.plan.journal / "tokens"
    trial.budget.wait_for("the line", lambda: tokens.exists() and tokens.read_text() == "refused\n")
    gate = gate_name("t")
    trial.shell(
        f"until [ -e {trial.server.journal}/sub/{gate} ]; do sleep 0.05; done; sh {trial.server.journal}/sub/{gate}"
    )
    (trial.plan.journal / "sub" / gate).write_text(f"echo through >> {trial.server.journal}/sub/tokens\n")
    inner = trial.plan.journal / "sub" / "tokens"
    trial.budget.wait_for("the gate to open", lambda: inner.exists() and inner.read_text() == "through\n")


@pytest.mark.engine
@pytest.mark.cluster
def test_an_oom_kill_is_proven_by_the_status_and_by_the_kernel(begin: Begin, small_pod: PodTarget) -> None:
    trial = begin(small_pod, memory_bytes=256 * MIB, environment={"SMALL_SERVER_MEGABYTES": "100"})
    trial.start()
    assert trial.server.counters()["memory.limit_bytes"] == 256 * MIB
    trial.shell(f"for i in $(seq 8); do {{ {EAT_AND_WAIT}; }} & done; wait")
    trial.server.wait_dead(trial.budget)
    death = trial.server.last_death()
    assert (death.exit_code, death.oom_killed, death.by_us) == (137, True, False)
    assert death.oom_events >= 1
    history = trial.history()
    assert history.lives[-1].oom_killed
    assert [it.value for it in history.counters if it.name == "memory.oom_kill"][-1] >= 1


def test_a_target_that_was_not_prepared_starts_nothing(begin: Begin) -> None:
    target = PodTarget("k8s:nothing", "nothing", adapter=OpenHands())
    with pytest.raises(TargetError, match="k8s:nothing was not prepared"):
        target.server(None)  # type: ignore[arg-type]


def test_a_pod_is_made_as_a_pod_of_a_platform_is() -> None:
    plan = PodPlan(
        name="server-0",
        image="some/image:1",
        pull="Never",
        entrypoint=("tini", "--", "serve"),
        arguments=("--port", "8000"),
        environment={"KEY": "value"},
        memory_bytes=64 * MIB,
        claim="data",
        marks={"labels": {"a": "b"}, "annotations": {}},
    )
    made = pod(plan)
    spec = made["spec"]
    agent, tools = spec["containers"]
    prepare, relay = spec["initContainers"]
    assert (agent["name"], tools["name"], prepare["name"], relay["name"]) == ("agent", "tools", "prepare", "relay")
    assert agent["command"][-3:] == ["tini", "--", "serve"]
    assert agent["args"] == ["--port", "8000"]
    assert agent["resources"]["limits"] == {"memory": str(64 * MIB)}
    assert "limits" not in tools.get("resources", {})
    # A native sidecar; the other begins and ends with the agent, and holds the phase.
    assert relay["restartPolicy"] == "Always"
    assert "restartPolicy" not in tools
    assert spec["restartPolicy"] == "Always"
    assert spec["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
