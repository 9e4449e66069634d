"""What a dead owner left is found and removed; what a living one has is not touched."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from tailproof import ownership
from tailproof.targets.engine import connect
from tailproof.targets.target import Owner
from tailproof.waiting import Budget

CHILD = """
import sys
from pathlib import Path
from tailproof.adapters.openhands import OpenHands
from tailproof.history.recorder import Witness
from tailproof.ownership import owner_id, scratch
from tailproof.targets.process import Installation, ProcessTarget
from tailproof.targets.target import Owner, Plan
from tailproof.waiting import Budget
trial, program = sys.argv[1:]
owner = Owner(trial=trial, owner=owner_id())
place = scratch(owner)
target = ProcessTarget("small", adapter=OpenHands(), program=(program,),
                       provide=lambda budget: Installation(interpreter=Path(sys.executable), version="0"))
target.prepare(Budget(10))
server = target.server(Plan(owner=owner, directory=place / "server", journal=place / "journal", key="", secret="",
                            engine=Witness("engine", place / "engine.jsonl", {})))
server.start(Budget(10))
print(owner.owner, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def trial() -> Iterator[str]:
    """The name of a trial, of which nothing is left afterwards."""
    name = uuid4().hex[:12]
    yield name
    ownership.clean(spare_living=False, trial=name)


@pytest.fixture
def dead_owner() -> str:
    """The identity of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = ownership.owner_id(process.pid)
    assert ownership.owner_lives(identity)
    process.communicate(b"\n")
    return identity


def sleeper(owner: Owner) -> subprocess.Popen[bytes]:
    """A process with the mark."""
    return subprocess.Popen(["sleep", "300"], env=ownership.marks(owner, "server"), start_new_session=True)


def test_this_process_lives() -> None:
    assert ownership.owner_lives(ownership.owner_id())


def test_a_dead_process_does_not_live(dead_owner: str) -> None:
    assert not ownership.owner_lives(dead_owner)


@pytest.mark.parametrize(
    "owner",
    [
        pytest.param(
            f"{os.getpid()}:1:{ownership.owner_id().rpartition(':')[2]}", id="another process with its number"
        ),
        pytest.param(f"{ownership.owner_id().rpartition(':')[0]}:another-boot", id="before the last boot"),
        pytest.param("", id="empty"),
        pytest.param("nonsense", id="nonsense"),
    ],
)
def test_an_owner_that_is_not_this_very_process_does_not_live(owner: str) -> None:
    assert not ownership.owner_lives(owner)


def test_what_a_living_owner_has_is_spared(trial: str) -> None:
    owner = Owner(trial=trial, owner=ownership.owner_id())
    place = ownership.scratch(owner)
    with sleeper(owner) as process:
        assert ownership.clean(trial=trial) == []
        assert process.poll() is None
        assert place.is_dir()
        assert len(ownership.clean(spare_living=False, trial=trial)) == 2
    assert not place.exists()


def test_processes_and_directories_of_a_dead_owner_are_removed(trial: str, dead_owner: str) -> None:
    owner = Owner(trial=trial, owner=dead_owner)
    place = ownership.scratch(owner)
    (place / "kept").mkdir()
    with sleeper(owner) as process:
        removed = ownership.clean(trial=trial)
        assert process.wait(10) == -9
    assert [line.split()[:2] for line in removed] == [["removed", "process"], ["removed", "scratch"]]
    assert not place.exists()
    assert ownership.clean(trial=trial) == []


def test_a_process_that_executes_one_program_after_the_other_is_found_at_every_look(trial: str, tmp_path: Path) -> None:
    """In the middle of an `exec` its environment cannot be read."""
    script = tmp_path / "again"
    script.write_text(f"exec sh {script}\n")
    environment = ownership.marks(Owner(trial=trial, owner=ownership.owner_id()), "server")
    with subprocess.Popen(["sh", str(script)], env=environment, start_new_session=True) as process:
        looks = [[found.pid for found in ownership.processes(trial=trial)] for _ in range(100)]
        ownership.end_all(Budget(10), trial=trial)
        assert process.wait(10) == -9
    assert looks == [[process.pid]] * 100


def shows_nothing(monkeypatch: pytest.MonkeyPatch, pid: int, looks: int, *names: str) -> list[str]:
    """For so many looks the process shows nothing in these files; what was looked at."""
    read, looked = ownership._read, list[str]()

    def blank(asked: int, name: str) -> bytes:
        if asked == pid:
            looked.append(name)
            if name in names and looked.count(name) <= looks:
                return b""
        return read(asked, name)

    monkeypatch.setattr(ownership, "_read", blank)
    return looked


@pytest.mark.parametrize("looks", [1, 3])
def test_a_process_is_looked_at_again_until_it_shows_what_it_is(
    trial: str, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    with sleeper(Owner(trial=trial, owner=ownership.owner_id())) as process:
        shows_nothing(monkeypatch, process.pid, looks, "environ", "cmdline")
        assert [found.command for found in ownership.processes(trial=trial)] == ["sleep 300"]
        ownership.end_all(Budget(10), trial=trial)
        assert process.wait(10) == -9


def test_a_process_without_an_environment_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "300"], env={}) as process:
        try:
            looked = shows_nothing(monkeypatch, process.pid, 0)
            monkeypatch.setattr(ownership, "_EXEC_S", 300.0)
            assert process.pid not in [found.pid for found in ownership.processes()]
            assert looked.count("environ") == ownership._BLANK_LOOKS + 1
        finally:
            process.kill()


def test_a_process_that_never_shows_anything_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "_EXEC_S", 0.1)
    with subprocess.Popen(["sleep", "300"]) as process:
        looked = shows_nothing(monkeypatch, process.pid, 1 << 30, "environ", "cmdline")
        ownership.processes()
        first = len(looked)
        ownership.processes()
        assert len(looked) == first + 2
        process.kill()


def test_a_directory_without_our_mark_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "tailproof-somebody").mkdir()
    (tmp_path / "tailproof-broken").mkdir()
    (tmp_path / "tailproof-broken" / ownership.OWNER_FILE).write_text("{")
    assert [it for it in ownership.leftovers() if it.kind == "scratch directory"] == []


def test_a_directory_is_marked_at_the_scratch_directory_that_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trial: str
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    inner = tmp_path / "tailproof-trial-x" / "server"
    inner.mkdir(parents=True)
    ownership.mark_directory(inner, Owner(trial=trial, owner="1:1:x"))
    (found,) = ownership.leftovers(trial=trial)
    assert found.name == str(tmp_path / "tailproof-trial-x")


def test_a_killed_harness_leaves_a_server_that_clean_removes(trial: str) -> None:
    program = str(Path(__file__).with_name("small_server.py"))
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, trial, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as harness:
        assert harness.stdout is not None
        assert harness.stdout.readline()
        harness.kill()
    assert any("small_server" in process.command for process in ownership.processes(trial=trial))
    kinds = [leftover.kind for leftover in ownership.leftovers(trial=trial)]
    assert kinds == ["process", "scratch directory", "scratch directory"]
    ownership.clean(trial=trial)
    assert ownership.leftovers(trial=trial) == []


def test_processes_are_never_ended_without_a_trial() -> None:
    with pytest.raises(ValueError, match="trial"):
        ownership.end_all(Budget(1), trial="")


def test_without_an_engine_the_rest_is_found(trial: str, dead_owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/engine.sock")
    ownership.scratch(Owner(trial=trial, owner=dead_owner))
    assert [leftover.kind for leftover in ownership.leftovers(trial=trial)] == ["scratch directory"]


@pytest.mark.engine
def test_containers_networks_and_volumes_of_a_dead_owner_are_removed(
    trial: str, dead_owner: str, small_image: str
) -> None:
    labels = ownership.labels(Owner(trial=trial, owner=dead_owner))
    with closing(connect()) as engine:
        volume = engine.volumes.create(f"tailproof-{trial}", labels=labels)
        engine.networks.create(f"tailproof-{trial}", labels=labels)
        engine.containers.create(small_image, labels=labels, volumes={volume.name: {"bind": "/workspace"}})
        found = [leftover.kind for leftover in ownership.leftovers(trial=trial)]
        assert found == ["container", "network", "volume"]
        assert all(line.startswith("removed ") for line in ownership.clean(trial=trial))
    assert ownership.leftovers(trial=trial) == []
