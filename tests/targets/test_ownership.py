"""What a dead owner left is found and removed; what a living one has is not touched."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from tailproof.ownership import marks, mounts, owners, processes, scratch
from tailproof.ownership.owners import Owner
from tailproof.provision.cache import cache, published
from tailproof.provision.engine import connect
from tailproof.provision.run_to_end import run_to_end
from tailproof.runner import leftovers
from tailproof.waiting import Budget

CHILD = """
import sys
from pathlib import Path
from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.history.recorder import Witness
from tailproof.outgoing.masking import Masker
from tailproof.ownership.owners import owner_id
from tailproof.ownership.scratch import scratch
from tailproof.provision.installations import Installation
from tailproof.targets.process import ProcessTarget
from tailproof.ownership.owners import Owner
from tailproof.targets.target import Plan
from tailproof.waiting import Budget
trial, program = sys.argv[1:]
owner = Owner(trial=trial, owner=owner_id())
place = scratch(owner)
target = ProcessTarget("small", adapter=OpenHands(), program=(program,),
                       provide=lambda budget: Installation(interpreter=Path(sys.executable), version="0"))
target.prepare(Budget(10))
server = target.server(Plan(owner=owner, directory=place / "server", journal=place / "journal", key="", secret="",
                            engine=Witness("engine", place / "engine.jsonl", Masker({}))))
server.start(Budget(10))
print(owner.owner, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def trial() -> Iterator[str]:
    """The name of a trial, of which nothing is left afterwards."""
    name = uuid4().hex[:12]
    yield name
    leftovers.clean(spare_living=False, trial=name)


@pytest.fixture
def dead_owner() -> str:
    """The identity of a process that has ended. Other tests start commands meanwhile, and each of them removes what it left."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = owners.owner_id(process.pid)
    assert owners.owner_lives(identity)
    assert not owners.owner_died(identity)
    process.communicate(b"\n")
    return identity


@pytest.fixture
def lost_owner() -> str:
    """One of before the last boot: only `clean` removes what it left."""
    return f"{owners.owner_id().rpartition(':')[0]}:another-boot"


def sleeper(owner: Owner) -> subprocess.Popen[bytes]:
    """A process with the mark."""
    return subprocess.Popen(["sleep", "300"], env=marks.variables(owner, "server"), start_new_session=True)


def test_this_process_lives() -> None:
    assert owners.owner_lives(owners.owner_id())


def test_a_dead_process_does_not_live(dead_owner: str) -> None:
    assert not owners.owner_lives(dead_owner)
    assert owners.owner_died(dead_owner)


def test_a_process_that_nobody_waited_for_yet_does_not_live() -> None:
    with subprocess.Popen(["true"]) as process:
        Budget(10).wait_for("it to end", lambda: owners.stat(process.pid)[0] == "Z")
        assert not owners.owner_lives(owners.owner_id(process.pid))


def test_a_process_of_another_container_is_not_known_to_be_dead() -> None:
    """Several of them may share one engine, and each counts its processes from 1."""
    other = f"{os.getpid()}:1:{owners.whereabouts().partition('.')[0]}.1"
    assert owners.owner_lives(other)
    assert not owners.owner_died(other)


def test_a_process_of_another_boot_is_not_known_to_be_dead(lost_owner: str) -> None:
    """It may run on another machine that shares the engine; `clean` is asked to decide."""
    assert not owners.owner_lives(lost_owner)
    assert not owners.owner_died(lost_owner)


@pytest.mark.parametrize(
    "owner",
    [
        pytest.param(f"{os.getpid()}:1:{owners.owner_id().rpartition(':')[2]}", id="another process with its number"),
        pytest.param(f"{owners.owner_id().rpartition(':')[0]}:another-boot", id="before the last boot"),
        pytest.param("", id="empty"),
        pytest.param("nonsense", id="nonsense"),
    ],
)
def test_an_owner_that_is_not_this_very_process_does_not_live(owner: str) -> None:
    assert not owners.owner_lives(owner)


def test_what_a_living_owner_has_is_spared(trial: str) -> None:
    owner = Owner(trial=trial, owner=owners.owner_id())
    place = scratch.scratch(owner)
    with sleeper(owner) as process:
        assert leftovers.clean(trial=trial) == []
        assert process.poll() is None
        assert place.is_dir()
        assert len(leftovers.clean(spare_living=False, trial=trial)) == 2
    assert not place.exists()


def test_processes_and_directories_of_a_dead_owner_are_removed(trial: str, lost_owner: str) -> None:
    owner = Owner(trial=trial, owner=lost_owner)
    place = scratch.scratch(owner)
    (place / "kept").mkdir()
    with sleeper(owner) as process:
        removed = leftovers.clean(trial=trial)
        assert process.wait(10) == -9
    assert [line.split()[:2] for line in removed] == [["removed", "process"], ["removed", "scratch"]]
    assert not place.exists()
    assert leftovers.clean(trial=trial) == []


def test_a_process_that_executes_one_program_after_the_other_is_found_at_every_look(trial: str, tmp_path: Path) -> None:
    """In the middle of an `exec` its environment cannot be read."""
    script = tmp_path / "again"
    script.write_text(f"exec sh {script}\n")
    environment = marks.variables(Owner(trial=trial, owner=owners.owner_id()), "server")
    with subprocess.Popen(["sh", str(script)], env=environment, start_new_session=True) as process:
        looks = [[found.pid for found in processes.processes(trial=trial)] for _ in range(100)]
        processes.end_all(Budget(10), trial=trial)
        assert process.wait(10) == -9
    assert looks == [[process.pid]] * 100


def shows_nothing(monkeypatch: pytest.MonkeyPatch, pid: int, looks: int, *names: str) -> list[str]:
    """For so many looks the process shows nothing in these files; what was looked at."""
    read, looked = processes._read, list[str]()

    def blank(asked: int, name: str) -> bytes:
        if asked == pid:
            looked.append(name)
            if name in names and looked.count(name) <= looks:
                return b""
        return read(asked, name)

    monkeypatch.setattr(processes, "_read", blank)
    return looked


@pytest.mark.parametrize("looks", [1, 3])
def test_a_process_is_looked_at_again_until_it_shows_what_it_is(
    trial: str, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    with sleeper(Owner(trial=trial, owner=owners.owner_id())) as process:
        shows_nothing(monkeypatch, process.pid, looks, "environ", "cmdline")
        assert [found.command for found in processes.processes(trial=trial)] == ["sleep 300"]
        processes.end_all(Budget(10), trial=trial)
        assert process.wait(10) == -9


def test_a_process_without_an_environment_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "300"], env={}) as process:
        looked = shows_nothing(monkeypatch, process.pid, 0)
        assert process.pid not in [found.pid for found in processes.processes()]
        assert looked.count("environ") == 1
        process.kill()


def test_a_process_that_never_shows_anything_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_EXEC_S", 0.1)
    with subprocess.Popen(["sleep", "300"]) as process:
        looked = shows_nothing(monkeypatch, process.pid, 1 << 30, "environ", "cmdline")
        processes.processes()
        first = len(looked)
        processes.processes()
        assert len(looked) == first + 2
        process.kill()


FOREIGN = ("tailproof-somebody", "tailproof-1-2-3-4", "tailproof-lock-x8fk2", "other-1a-2b-0c0c-abcd")


def test_a_directory_without_our_mark_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in FOREIGN:
        (tmp_path / name).mkdir()
    (tmp_path / "tailproof-broken").mkdir()
    (tmp_path / "tailproof-broken" / scratch.OWNER_FILE).write_text("{")
    (tmp_path / scratch.name_for(Owner(trial="a0", owner="1:1:x"))).symlink_to(tmp_path / FOREIGN[0])
    assert [it for it in leftovers.leftovers() if it.kind == "scratch directory"] == []


def test_a_directory_is_owned_before_there_is_anything_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dead_owner: str
) -> None:
    """Its name says whose it is: whoever makes it may be killed before it writes a word."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    place = scratch.scratch(Owner(trial="x", owner=dead_owner))
    (place / scratch.OWNER_FILE).unlink()
    (found,) = [it for it in leftovers.leftovers() if it.kind == "scratch directory"]
    assert (found.name, found.owner.owner) == (str(place), dead_owner)
    leftovers.sweep(engine=False)
    assert not place.exists()


def test_what_is_mounted_in_a_directory_is_not_removed_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "inside", lambda directory: {directory / "dev": False})
    (tmp_path / "tailproof-x" / "dev").mkdir(parents=True)
    with pytest.raises(OSError, match="dev is mounted in it"):
        scratch.remove(tmp_path / "tailproof-x")
    assert (tmp_path / "tailproof-x" / "dev").is_dir()


def test_mount_points_are_known() -> None:
    assert mounts.inside(Path("/proc"))[Path("/proc")] is False


# -- before a command begins --------------------------------------------------------------------------------------------


def test_the_next_command_removes_what_died_and_says_so_in_a_line(trial: str, dead_owner: str) -> None:
    owner = Owner(trial=trial, owner=dead_owner)
    place = scratch.scratch(owner)
    with sleeper(owner) as process:
        said = subprocess.run(
            [sys.executable, "-m", "tailproof.cli", "list"], capture_output=True, text=True, timeout=60, check=True
        )
        assert process.wait(10) == -9
    assert not place.exists()
    assert "left by a check that was killed" in said.stderr or said.stderr == "", "another test may have been faster"
    assert "left by a check" not in said.stdout


def test_the_next_command_spares_who_lives_and_who_cannot_be_told(trial: str, lost_owner: str) -> None:
    with (
        sleeper(Owner(trial=trial, owner=owners.owner_id())) as ours,
        sleeper(Owner(trial=trial, owner=lost_owner)) as lost,
    ):
        leftovers.sweep(engine=False)
        assert (ours.poll(), lost.poll()) == (None, None)
        processes.end_all(Budget(10), trial=trial)


def test_a_supervisor_that_takes_its_trials_down_is_given_the_time(
    monkeypatch: pytest.MonkeyPatch, dead_owner: str, tmp_path: Path
) -> None:
    """It ends by itself, because its check has gone; one that does not is ended, with what it has."""
    worn = marks.variables(Owner(trial="", owner=dead_owner), marks.SUPERVISOR)
    done = tmp_path / "done"
    with subprocess.Popen(["sh", "-c", f"sleep 1; touch {done}"], env={**os.environ, **worn}) as process:
        leftovers.sweep(engine=False)
        assert done.exists()
        assert process.wait(10) == 0
    monkeypatch.setattr(leftovers, "_TAKES_DOWN_S", 0.2)
    with subprocess.Popen(["sleep", "300"], env={**os.environ, **worn}) as process:
        leftovers.sweep(engine=False)
        assert process.wait(10) == -9


def test_a_supervisor_whose_check_is_killed_during_a_sweep_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, dead_owner: str
) -> None:
    """It begins to take its trials down when supervisors are no longer waited for."""
    worn = marks.variables(Owner(trial="", owner=dead_owner), marks.SUPERVISOR)
    monkeypatch.setattr(leftovers, "_await_supervisors", lambda doomed: None)
    with subprocess.Popen(["sleep", "300"], env={**os.environ, **worn}) as process:
        leftovers.sweep(engine=False)
        stands = process.poll() is None
        process.kill()
    assert stands


# -- what is built ------------------------------------------------------------------------------------------------------

BUILDER = """
import sys
from pathlib import Path
from tailproof.provision.cache import cache, published
from tailproof.provision.run_to_end import run_to_end
from tailproof.waiting import Budget
def build(aside):
    aside.mkdir()
    run_to_end(["sh", "-c", "mktemp -d; touch started; exec sleep 300"], doing="building", budget=Budget(300), cwd=aside)
published(cache() / "environments" / "it", mark="pyvenv.cfg", build=build, what="it", budget=Budget(60))
"""


def test_what_a_killed_build_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory that it filled aside, the program that filled it, and what that made in the temporary directory."""
    (tmp_path / "t").mkdir()
    monkeypatch.setenv("TAILPROOF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "t"))
    with subprocess.Popen(
        [sys.executable, "-c", BUILDER], env={**os.environ, "TMPDIR": str(tmp_path / "t")}
    ) as builder:
        sites = cache() / "environments"
        Budget(30).wait_for("the build to begin", lambda: list(sites.glob("tailproof-*/it/started")))
        owner = owners.owner_id(builder.pid)
        leftovers.sweep(engine=False)
        assert [one.part for one in processes.processes() if one.owner.owner == owner] == ["build"]
        builder.kill()
    leftovers.sweep(engine=False)
    assert [one for one in processes.processes() if one.owner.owner == owner] == []
    assert [place.name for place in sites.iterdir()] == ["it.lock"]
    assert list((tmp_path / "t").iterdir()) == []


def test_a_program_that_builds_leaves_nothing_in_the_temporary_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ended = run_to_end(["mktemp", "-d"], doing="making a directory", budget=Budget(10))
    assert ended.out.startswith(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_build_that_fails_leaves_nothing_aside(tmp_path: Path) -> None:
    place = tmp_path / "environments" / "it"

    def build(aside: Path) -> None:
        aside.mkdir()
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        published(place, mark="mark", build=build, what="it", budget=Budget(10))
    assert [one.name for one in place.parent.iterdir()] == ["it.lock"]


def test_a_killed_harness_leaves_a_server_that_clean_removes(trial: str) -> None:
    program = str(Path(__file__).with_name("small_server.py"))
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, trial, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as harness:
        assert harness.stdout is not None
        assert harness.stdout.readline()
        assert any("small_server" in process.command for process in processes.processes(trial=trial))
        harness.kill()
    found = Counter(leftover.kind for leftover in leftovers.leftovers(trial=trial))
    # Fewer when a check of another test was quicker: each begins with a look for what the dead left.
    assert found <= Counter({"process": 1, "scratch directory": 2})
    leftovers.clean(trial=trial)
    assert leftovers.leftovers(trial=trial) == []


def test_processes_are_never_ended_without_a_trial() -> None:
    with pytest.raises(ValueError, match="trial"):
        processes.end_all(Budget(1), trial="")


def test_without_an_engine_the_rest_is_found(trial: str, lost_owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/engine.sock")
    scratch.scratch(Owner(trial=trial, owner=lost_owner))
    assert [leftover.kind for leftover in leftovers.leftovers(trial=trial)] == ["scratch directory"]


@pytest.mark.engine
def test_containers_networks_and_volumes_of_a_dead_owner_are_removed(
    trial: str, lost_owner: str, small_image: str
) -> None:
    labels = marks.labels(Owner(trial=trial, owner=lost_owner))
    with closing(connect()) as engine:
        volume = engine.volumes.create(f"tailproof-{trial}", labels=labels)
        engine.networks.create(f"tailproof-{trial}", labels=labels)
        engine.containers.create(small_image, labels=labels, volumes={volume.name: {"bind": "/workspace"}})
        found = [leftover.kind for leftover in leftovers.leftovers(trial=trial)]
        assert found == ["container", "network", "volume"]
        assert all(line.startswith("removed ") for line in leftovers.clean(trial=trial))
    assert leftovers.leftovers(trial=trial) == []


@pytest.mark.engine
def test_the_next_check_removes_containers_of_an_owner_that_died(trial: str, dead_owner: str, small_image: str) -> None:
    labels = marks.labels(Owner(trial=trial, owner=dead_owner))
    with closing(connect()) as engine:
        engine.containers.create(small_image, labels=labels)
    leftovers.sweep(engine=False)
    if left := leftovers.leftovers(trial=trial):  # another test may begin a check meanwhile
        assert [leftover.kind for leftover in left] == ["container"]
    leftovers.sweep(engine=True)
    assert leftovers.leftovers(trial=trial) == []


def test_a_directory_whose_owner_could_not_be_written_is_not_left(tmp_path: Path) -> None:
    """A disk that is full takes the file and not its first byte: so does a limit of none for the size of files."""
    program = (
        "import resource, tempfile\n"
        "tempfile.gettempdir()  # which tries whether it can write there\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "from tailproof.ownership.owners import Owner, owner_id\n"
        "from tailproof.ownership.scratch import scratch\n"
        "scratch(Owner(trial='', owner=owner_id()))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-B", "-c", program],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert "File too large" in ended.stderr
    assert list(tmp_path.iterdir()) == []
