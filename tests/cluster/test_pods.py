"""What is done to pods of a real cluster, and what its two witnesses tell of it."""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest
import yaml
from cluster_stage import Door, StartPod, pod_of

from tailproof.cluster import inside, node, pods
from tailproof.cluster.forward import Forward, Loop
from tailproof.cluster.inside import Attached, NotRun
from tailproof.cluster.namespaces import machine, owned_namespaces, remove_namespace, wait_removed
from tailproof.cluster.reach import Cluster, connect, kubeconfig
from tailproof.cluster.refusals import Gone
from tailproof.cluster.watch import PodWatch
from tailproof.history.pod_records import PodEvent, PodSeen
from tailproof.history.records import Note
from tailproof.ownership.owners import Owner
from tailproof.runner.cluster_leftovers import cluster_leftovers, clusters_here
from tailproof.waiting import Budget

pytestmark = [pytest.mark.cluster, pytest.mark.engine]

STAY = "trap 'exit 0' TERM; while :; do sleep 0.2; done"
SERVE = "mkdir -p /tmp/served && cd /tmp/served && echo hello > f && exec python3 -m http.server 8000 --bind 127.0.0.1"
EAT = "echo ready; read line; tail /dev/zero"
"""Waits for a line, then takes all the memory there is."""


@pytest.fixture
def budget() -> Budget:
    return Budget(90)


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


class Told:
    """What a watch told."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.pods: list[PodSeen] = []
        self.words: list[PodEvent | Note] = []
        self.watch = PodWatch(
            cluster, namespace, on_pod=lambda seen, told: self.pods.append(seen), on_word=self.words.append
        )

    def agent(self) -> str:
        """The last state of the agent."""
        agent = self.pods[-1].containers.get("agent") if self.pods else None
        return "" if agent is None else f"{agent.state} {agent.reason} {agent.exit_code}"


def test_a_command_is_run_and_its_exit_code_comes_by_the_error_channel(
    cluster: Cluster, namespace: str, start_pod: StartPod, budget: Budget
) -> None:
    pod = start_pod(agent=STAY)
    done = inside.run(cluster, namespace, pod, "agent", ["sh", "-c", "cat; echo no >&2; exit 7"], budget, given=b"yes")
    assert (done.code, done.out, done.err) == (7, b"yes", b"no\n")
    big = inside.run(cluster, namespace, pod, "agent", ["head", "-c", "3000000", "/dev/zero"], budget)
    assert (big.code, len(big.out)) == (0, 3_000_000)
    with pytest.raises(NotRun, match="running no-such-program in agent of p: "):
        inside.run(cluster, namespace, pod, "agent", ["no-such-program"], budget)
    with pytest.raises((NotRun, Gone), match="running true in nobody of p: "):
        inside.run(cluster, namespace, pod, "nobody", ["true"], budget)


def test_a_command_that_is_cut_off_is_not_one_that_said_nothing(
    cluster: Cluster, namespace: str, start_pod: StartPod, door: tuple[Door, str], budget: Budget
) -> None:
    pod = start_pod(agent=STAY)
    way, place = door
    with closing(connect(place)) as other:
        cut = threading.Timer(1.0, way.shut)
        cut.start()
        with pytest.raises(Gone, match="running sleep in agent of p: "):
            inside.run(other, namespace, pod, "agent", ["sleep", "30"], budget)
        cut.join()


def test_an_attachment_hears_and_is_heard_and_ends_with_the_process(
    cluster: Cluster, namespace: str, image: str, budget: Budget
) -> None:
    wanted = pod_of(image, {"agent": "while read line; do echo got $line; done; exit 4"}, {})
    # Without the second one its input stays open for whoever attaches next.
    wanted["spec"]["containers"][0] |= {"stdin": True, "stdinOnce": True}
    pods.make(cluster, namespace, wanted)
    pods.wait_for(cluster, namespace, "p", "the pod to run", pods.running, budget)
    attached = Attached(cluster, namespace, "p", "agent")
    heard = b""

    def hears(word: bytes) -> bool:
        nonlocal heard
        heard += attached.read(within=0.2)
        return word in heard

    attached.write(b"one\n")
    budget.wait_for("an answer", lambda: hears(b"got one\n"))
    attached.end_input()
    budget.wait_for("the end", lambda: attached.over or hears(b"\0"))
    attached.close()
    # How it ended stands in the status alone.
    ended = pods.wait_for(cluster, namespace, "p", "its end", lambda seen: seen.phase == "Failed", budget)
    assert ended.containers["agent"].exit_code == 4


def test_a_forward_reaches_the_pod_and_is_refused_where_nobody_listens(
    cluster: Cluster, namespace: str, start_pod: StartPod, loop: Loop, budget: Budget
) -> None:
    pod = start_pod(agent=SERVE)
    drops: list[str] = []
    with closing(Forward(loop, cluster, namespace, pod, 8000, on_drop=drops.append)) as forward:
        budget.wait_for("the server", lambda: _get(forward.url) == "hello\n", every=0.2)
        for _ in range(5):
            assert httpx.get(f"{forward.url}/f").text == "hello\n"
    with closing(Forward(loop, cluster, namespace, pod, 8001, on_drop=drops.append)) as nobody:
        with pytest.raises(httpx.HTTPError):
            httpx.get(nobody.url)
        budget.wait_for("the refusal", lambda: nobody.refused == 1)
    assert drops == []


def test_a_forward_that_breaks_says_so_and_carries_the_next_connection(
    cluster: Cluster, namespace: str, start_pod: StartPod, loop: Loop, door: tuple[Door, str], budget: Budget
) -> None:
    pod = start_pod(agent=SERVE)
    way, place = door
    drops: list[str] = []
    with (
        closing(connect(place)) as other,
        closing(Forward(loop, other, namespace, pod, 8000, on_drop=drops.append)) as forward,
    ):
        budget.wait_for("the server", lambda: _get(forward.url) == "hello\n", every=0.2)
        with httpx.Client() as kept:
            assert kept.get(f"{forward.url}/f").text == "hello\n"
            assert drops == []
            way.shut()
            budget.wait_for("a drop", lambda: _get(forward.url) == "" and drops)
        way.open()
        budget.wait_for("the way to be there again", lambda: _get(forward.url) == "hello\n")
    assert all("port 8000 of the pod p" in says for says in drops)


def test_a_reader_that_waits_makes_the_pod_wait(
    cluster: Cluster, namespace: str, start_pod: StartPod, loop: Loop, budget: Budget
) -> None:
    """Who has taken a little of an endless answer has not made the harness take the rest."""
    endless = (
        "import socket; s = socket.create_server(('127.0.0.1', 8000)); c, _ = s.accept(); n = 0\n"
        "c.settimeout(5)\n"
        "try:\n"
        "    while True: n += c.send(b'x' * 65536)\n"
        "except TimeoutError: print('sent', n, flush=True)\n"
        "import time; time.sleep(600)"
    )
    pod = start_pod(agent=f'exec python3 -c "{endless}"')
    with closing(Forward(loop, cluster, namespace, pod, 8000)) as forward:

        async def begin() -> asyncio.StreamWriter:
            _, writer = await asyncio.open_connection("127.0.0.1", forward.number, limit=1 << 16)
            return writer

        async def end(writer: asyncio.StreamWriter) -> None:
            writer.transport.abort()

        def stuck() -> str:
            return pods.log(cluster, namespace, pod, "agent", lines=1)

        budget.wait_for("the server", lambda: "8000" in _listening(cluster, namespace, pod, budget), every=0.2)
        unread = loop.run(begin())
        sent = int(budget.wait_for("the sender to be stuck", stuck, every=0.2).split()[1])
        loop.run(end(unread))
    assert sent < 64 << 20


def test_a_watch_tells_each_step_and_goes_on_after_it_has_expired(
    cluster: Cluster, namespace: str, start_pod: StartPod, budget: Budget, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = PodWatch._list
    asked: list[str] = []

    def too_old(self: PodWatch, place: int, word: str) -> str:
        reached = whole(self, place, word)
        asked.append(word)
        return "1" if asked.count(word) == 1 else reached

    monkeypatch.setattr(PodWatch, "_list", too_old)
    told = Told(cluster, namespace)
    with closing(told.watch):
        pod = start_pod(agent="sleep 1; exit 3")
        budget.wait_for("the end", lambda: told.agent() == "terminated Error 3", saw=told.agent)
        pods.delete(cluster, namespace, pod)
        budget.wait_for("it to be gone", lambda: told.pods[-1].phase == "Gone")
    assert any(isinstance(word, Note) and "410" in word.text for word in told.words)
    assert {"Scheduled", "Started"} <= {word.reason for word in told.words if isinstance(word, PodEvent)}
    assert told.watch.lost == ""


def test_a_watch_says_that_it_is_lost_when_the_api_server_stays_away(
    namespace: str, door: tuple[Door, str], budget: Budget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailproof.cluster.watch.LOST_S", 1.0)
    way, place = door
    with closing(connect(place)) as other:
        told = Told(other, namespace)
        with closing(told.watch):
            way.shut()
            budget.wait_for("it to be lost", lambda: told.watch.lost)
        assert "does not answer" in told.watch.lost


def test_an_oom_kill_is_told_by_the_kernel_and_by_the_status_while_the_phase_says_running(
    cluster: Cluster, namespace: str, start_pod: StartPod, budget: Budget
) -> None:
    if not cluster.ours:
        pytest.skip("the node's kernel is not ours to ask")
    told = Told(cluster, namespace)
    with closing(told.watch):
        start_pod(
            agent="until [ -e /tmp/go ]; do sleep 0.1; done; exec tail /dev/zero", tools=STAY, limits={"agent": "64Mi"}
        )
        agent = budget.wait_for("its id", lambda: told.pods and told.pods[-1].containers["agent"].id)
        kernel: list[node.KernelSaw] = []
        watch = node.KernelWatch(agent, node.pids(agent)[0], kernel.append)
        with closing(watch):
            inside.run(cluster, namespace, "p", "agent", ["touch", "/tmp/go"], budget)
            budget.wait_for("the status", lambda: told.agent() == "terminated OOMKilled 137", saw=told.agent)
            budget.wait_for("the group to be gone", lambda: watch.saw.gone_ns)
        assert watch.saw.oom_kills == 1
        assert watch.saw.first_oom_ns <= watch.saw.gone_ns <= time.monotonic_ns()
        last = told.pods[-1]
        assert (last.phase, last.containers["tools"].state) == ("Running", "running")
        assert last.conditions["Ready"].startswith("False")


def test_an_evicted_pod_is_gone_and_its_namespace_is_found_by_its_owner(
    cluster: Cluster, namespace: str, owner: Owner, start_pod: StartPod, budget: Budget
) -> None:
    pod = start_pod(agent=STAY)
    pods.evict(cluster, namespace, pod)
    pods.wait_gone(cluster, namespace, pod, budget)
    mine = [one for one in owned_namespaces(cluster) if one.name == namespace]
    assert [(one.owner, one.ending) for one in mine] == [(owner, False)]
    (left,) = [one for one in cluster_leftovers(clusters_here()) if one.owner == owner]
    assert str(left) == f"namespace {namespace} (trial {owner.trial})"
    left.remove()
    assert [one for one in owned_namespaces(cluster) if one.name == namespace] == []
    remove_namespace(cluster, namespace)
    wait_removed(cluster, namespace, budget)
    assert len(machine()) == 16


def _get(url: str) -> str:
    with suppress(httpx.HTTPError):
        return httpx.get(f"{url}/f", timeout=5).text
    return ""


def _listening(cluster: Cluster, namespace: str, pod: str, budget: Budget) -> str:
    done = inside.run(cluster, namespace, pod, "agent", ["cat", "/proc/net/tcp"], budget)
    return "8000" if b":1F40" in done.out else ""


def test_keys_that_a_killed_command_left_in_files_go_with_the_next(tmp_path: Path) -> None:
    settings = yaml.safe_load(Path(kubeconfig()).read_text())
    for part in (settings["clusters"][0]["cluster"], settings["users"][0]["user"]):
        for key in [key for key in part if key in ("certificate-authority", "client-certificate", "client-key")]:
            part[f"{key}-data"] = base64.b64encode(Path(part.pop(key)).read_bytes()).decode()
    place = tmp_path / "kubeconfig"
    place.write_text(yaml.safe_dump(settings))
    home = tmp_path / "tmp"
    home.mkdir()
    dies = "import os; from tailproof.cluster.reach import connect; connect(); os.kill(os.getpid(), 9)"
    environment = {**os.environ, "KUBECONFIG": str(place), "TMPDIR": str(home)}
    subprocess.run([sys.executable, "-c", dies], env=environment, timeout=60, check=False)
    (left,) = home.iterdir()
    assert len(list(left.iterdir())) == 3
    sweeps = "from tailproof.runner.leftovers import sweep; sweep(engine=False)"
    subprocess.run([sys.executable, "-c", sweeps], env=environment, timeout=60, check=True)
    assert list(home.iterdir()) == []
