"""A server in a container: lives on one volume, deaths as the engine and the kernel tell them."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import closing
from pathlib import Path

import pytest
from engine_door import EngineDoor
from target_stage import Begin, Trial

from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.adapters.openhands.recipes import IMAGES
from tailproof.history.header import Header
from tailproof.history.recorder import Recorder
from tailproof.ownership.owners import Owner, owner_id
from tailproof.provision.engine import connect
from tailproof.provision.errors import Unavailable
from tailproof.runner import leftovers
from tailproof.targets import container_server, own_clock
from tailproof.targets.container import ContainerTarget
from tailproof.targets.target import Plan, TargetError
from tailproof.trial.server_pool import ServerPool
from tailproof.waiting import Budget

pytestmark = pytest.mark.engine

MIB = 1 << 20
EAT_AND_WAIT = "(head -c {megabytes}M /dev/zero; sleep 30) | tail > /dev/null"


def test_a_start_is_recorded_and_the_server_is_found_below_its_init(
    begin: Begin, small_container: ContainerTarget
) -> None:
    trial = begin(small_container)
    trial.start()
    (life,) = trial.lives()
    assert (life.stage, life.epoch, life.place) == ("started", 0, "first")
    assert life.host == f"tailproof-{trial.plan.owner.trial}-0"
    assert "small_server.py" in Path(f"/proc/{trial.server.server_pid()}/cmdline").read_text()


@pytest.mark.parametrize("scope", ["server", "group", "container"])
def test_whatever_is_killed_the_container_dies_with_its_tools(
    begin: Begin, small_container: ContainerTarget, scope: str
) -> None:
    trial = begin(small_container)
    trial.start()
    trial.shell("sleep 600")
    trial.server.kill(scope=scope, signal="KILL")  # type: ignore[arg-type]
    trial.server.wait_dead(trial.budget)
    death = trial.server.last_death()
    assert (death.exit_code, death.oom_killed, death.by_us) == (137, False, True)
    assert trial.server.survivors() == []
    assert (trial.server.alive(), trial.server.state()) == (False, "dead")
    assert [life.stage for life in trial.lives()] == ["started", "died"]


def test_a_twin_is_another_container_on_the_same_volume_and_ends_alone(
    begin: Begin, small_container: ContainerTarget
) -> None:
    trial = begin(small_container)
    trial.start()
    trial.ready()
    first = trial.server.server_pid()
    twin = trial.server.twin()
    assert (twin.pid(), twin.shares_disk(first)) == (0, False), "it was not started yet"
    twin.start()
    assert twin.shares_disk(first)
    assert not twin.shares_disk(os.getpid())
    assert 0 < twin.pid() != first
    assert twin.url != trial.server.url
    trial.budget.wait_for("the twin to answer", lambda: trial.answers(twin.url))
    twin.end()
    twin.end()
    assert (twin.pid(), trial.server.server_pid()) == (0, first)
    assert [life.stage for life in trial.lives()] == ["started"], "it is no life of the server"


def test_a_twin_that_nobody_ended_goes_with_the_server(begin: Begin, small_container: ContainerTarget) -> None:
    trial = begin(small_container)
    trial.start()
    twin = trial.server.twin()
    twin.start()
    trial.server.remove()
    assert twin.pid() == 0
    assert {it.kind for it in leftovers.leftovers(trial=trial.plan.owner.trial)} <= {"scratch directory"}


def test_in_place_keeps_the_host_name_and_a_new_host_has_another(
    begin: Begin, small_container: ContainerTarget, tmp_path: Path
) -> None:
    trial = begin(small_container)
    trial.start()
    url = trial.server.url
    for place in ("in-place", "new-host"):
        trial.server.kill(scope="container", signal="KILL")
        trial.server.wait_dead(trial.budget)
        trial.server.restart(trial.budget, place=place)  # type: ignore[arg-type]
        trial.ready()
    assert trial.server.url == url
    name = f"tailproof-{trial.plan.owner.trial}"
    started = [life for life in trial.lives() if life.stage == "started"]
    assert [(life.epoch, life.place, life.host) for life in started] == [
        (0, "first", f"{name}-0"),
        (1, "in-place", f"{name}-0"),
        (2, "new-host", f"{name}-1"),
    ]
    # What each life wrote into the volume is there, read while the container is dead.
    trial.server.stop(trial.budget)
    kept = (trial.server.disk(tmp_path / "disk") / "lives").read_text().split()
    assert kept == [f"{name}-0", f"{name}-0", f"{name}-1"]


def test_the_tools_of_every_trial_of_a_shared_server_can_write_into_its_journal(
    small_container: ContainerTarget, tmp_path: Path
) -> None:
    """The first trial's directory is there before the container is, and the container opens the journal to its user."""
    pool = ServerPool(most=1)
    owner = Owner(trial="journal-test", owner=owner_id())
    small_container.prepare(Budget(600))
    pooled = pool.take("small", owner, shared=True, key=lambda: "key")
    budget = Budget(60)
    try:
        server = pooled.make(small_container, environment={}, memory_bytes=0)
        first, seen_first = pooled.journal("first")
        server.start(budget)
        second, seen_second = pooled.journal("second")
        plan = Plan(owner=owner, directory=first, journal=first, key="", secret="", engine=pooled.engine)
        header = Header(trial="t", scenario="s", seed=0, target="-", client="-")
        with Recorder(tmp_path, header) as recorder:
            stage = Trial(server, plan, recorder)
        stage.ready()
        for journal, seen in ((first, seen_first), (second, seen_second)):
            pooled.check_journal(journal)
            stage.shell(f"id -u >> {seen}/tokens && mv {seen}/tokens {seen}/whole")
            budget.wait_for(f"a tool to write into {seen}", lambda journal=journal: (journal / "whole").exists())
            assert (journal / "whole").read_text() == "10001\n"
    finally:
        pooled.remove()


def test_the_disk_is_changed_while_the_server_is_stopped_and_its_user_writes_on_in_it(
    begin: Begin, small_container: ContainerTarget, tmp_path: Path
) -> None:
    trial = begin(small_container)
    trial.start()
    with pytest.raises(TargetError, match="stop it first"):
        trial.server.edit_disk(lambda conversations: None)
    trial.server.stop(trial.budget)

    def edit(conversations: Path) -> None:
        (conversations / "lives").write_text("before\n")
        (conversations / "one" / "events").mkdir(parents=True)
        (conversations / "one" / "events" / "event").write_text("new")

    trial.server.edit_disk(edit)
    trial.server.restart(trial.budget, place="in-place")
    trial.ready()
    trial.shell("cat /workspace/conversations/one/events/event > /workspace/conversations/one/events/copy")
    disk = tmp_path / "disk"

    def copied() -> bool:
        copy = trial.server.disk(disk) / "one" / "events" / "copy"
        return copy.exists() and copy.read_text() == "new"

    trial.budget.wait_for("the copy", copied, every=0.2)
    assert (disk / "conversations" / "lives").read_text().splitlines()[0] == "before"


def test_tools_write_a_journal_that_the_harness_can_remove(begin: Begin, small_container: ContainerTarget) -> None:
    trial = begin(small_container)
    trial.plan.journal.mkdir(mode=0o700)
    (trial.plan.journal / "tokens").touch(mode=0o600)
    trial.start()
    trial.shell(f"id -u >> {trial.server.journal}/tokens; touch {trial.server.journal}/done")
    trial.budget.wait_for("the tool", (trial.plan.journal / "done").exists)
    assert (trial.plan.journal / "tokens").read_text() == "10001\n"
    shutil.rmtree(trial.plan.journal)


def test_the_kernel_kills_the_largest_process_which_is_the_server(
    begin: Begin, small_container: ContainerTarget
) -> None:
    trial = begin(small_container, memory_bytes=256 * MIB, environment={"SMALL_SERVER_MEGABYTES": "100"})
    trial.start()
    eat = EAT_AND_WAIT.format(megabytes=30)
    trial.shell(f"for i in $(seq 12); do {{ {eat}; }} & done; wait")
    trial.server.wait_dead(trial.budget)
    death = trial.server.last_death()
    assert (death.exit_code, death.oom_killed, death.by_us) == (137, True, False)
    assert death.oom_events > 0
    died = trial.lives()[-1]
    assert (died.stage, died.oom_killed, died.by_us) == ("died", True, False)


def test_the_kernel_kills_a_large_child_and_the_server_lives_on(begin: Begin, small_container: ContainerTarget) -> None:
    trial = begin(small_container, memory_bytes=256 * MIB)
    trial.start()
    pid = trial.server.server_pid()
    assert trial.server.counters()["memory.oom_kill"] == 0
    trial.shell("head -c 1024M /dev/zero | tail > /dev/null")
    trial.budget.wait_for("the counter to grow", lambda: trial.server.counters()["memory.oom_kill"] > 0)
    assert trial.server.server_pid() == pid
    assert trial.answers()
    counted = [it.value for it in trial.history().counters if it.name == "memory.oom_kill"]
    assert counted == [0, 1]


def test_the_kernel_refuses_more_processes_than_a_container_may_have(
    begin: Begin, small_container: ContainerTarget
) -> None:
    trial = begin(small_container, processes=120)
    trial.start()
    pid = trial.server.server_pid()
    before = trial.server.counters()
    assert (before["processes.limit"], before["processes.refused"]) == (120, 0)
    trial.shell("i=0; while [ $i -lt 240 ]; do sleep 3 & i=$((i+1)); done")
    trial.budget.wait_for("a refusal", lambda: trial.server.counters()["processes.refused"] > 0)
    assert trial.server.server_pid() == pid
    trial.budget.wait_for("them to be gone", lambda: trial.server.counters()["processes.now"] < 60)
    assert trial.answers()


def test_a_container_without_a_limit_of_processes_has_none(begin: Begin, small_container: ContainerTarget) -> None:
    trial = begin(small_container)
    trial.start()
    assert "processes.limit" not in trial.server.counters()


def test_counters_are_read_inside_when_the_host_cannot_see_them(
    begin: Begin, small_container: ContainerTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = begin(small_container, memory_bytes=256 * MIB)
    trial.start()
    seen = trial.server.counters()
    monkeypatch.setattr("tailproof.ownership.cgroup.on_host", lambda pid: None)
    inside = trial.server.counters()
    assert set(inside) == set(seen)
    assert inside["memory.oom_kill"] == 0
    assert inside["memory.peak_bytes"] >= seen["memory.peak_bytes"] > 0


@pytest.mark.skipif(not own_clock.capability(), reason="libfaketime is not here")
def test_the_clock_of_a_container_is_set_and_set_right(begin: Begin, small_container: ContainerTarget) -> None:
    assert "own-clock" in small_container.capabilities
    trial = begin(small_container, own_clock=True)
    trial.start()
    for hours in (0, 3, -30, 0):
        trial.server.set_clock(hours * 3600)
        off_s = abs(trial.date().timestamp() - time.time() - hours * 3600)
        assert off_s < 60, f"{off_s} s beside {hours} hours"


@pytest.mark.skipif(not own_clock.capability(), reason="libfaketime is not here")
def test_the_clock_of_an_image_with_another_c_library_cannot_be_set(
    begin: Begin, small_container: ContainerTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container_server, "LOADER", "/lib/ld-musl-x86_64.so.1")
    trial = begin(small_container, own_clock=True)
    with pytest.raises(TargetError, match="cannot be set: it has no /lib/ld-musl"):
        trial.server.start(trial.budget)


def test_a_paused_container_is_frozen_and_goes_on(begin: Begin, small_container: ContainerTarget) -> None:
    trial = begin(small_container)
    trial.start()
    trial.server.pause()
    assert trial.server.state() == "paused"
    assert not trial.answers()
    trial.server.resume()
    trial.server.resume()
    assert trial.server.state() == "running"
    assert trial.answers()


def test_a_paused_container_can_be_stopped(begin: Begin, small_container: ContainerTarget) -> None:
    trial = begin(small_container)
    trial.start()
    trial.server.pause()
    trial.server.stop(trial.budget)
    assert [life.stage for life in trial.lives()] == ["started", "paused", "resumed", "stopped"]


def test_a_removed_server_leaves_no_container_and_no_volume(begin: Begin, small_container: ContainerTarget) -> None:
    trial = begin(small_container)
    trial.start()
    kinds = {it.kind for it in leftovers.leftovers(trial=trial.plan.owner.trial)}
    assert kinds == {"container", "volume", "scratch directory"}
    trial.server.remove()
    trial.server.remove()
    assert {it.kind for it in leftovers.leftovers(trial=trial.plan.owner.trial)} == {"scratch directory"}


def test_an_image_of_ours_that_was_not_built_says_how_to_build_it() -> None:
    image = "tailproof/agent-server:0.0.1"
    target = ContainerTarget(f"docker:{image}", image, adapter=OpenHands(), recipe=IMAGES)
    with pytest.raises(TargetError, match=r"tailproof image build 0\.0\.1"):
        target.prepare(Budget(60))


def test_an_engine_that_is_lost_in_a_trial_is_said_in_one_sentence_and_cleaned_later(
    begin: Begin, small_container: ContainerTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EngineDoor() as door:
        with monkeypatch.context() as through:
            through.setenv("DOCKER_HOST", door.address)
            trial = begin(small_container)
            trial.start()
        trial.server.kill(scope="container", signal="KILL")
        trial.server.wait_dead(trial.budget)
        trial.server.restart(trial.budget, place="in-place")
        door.close()
        with pytest.raises(Unavailable, match="engine is gone") as told:
            trial.server.wait_dead(trial.budget)
        assert "\n" not in str(told.value)
        trial.server.remove()
    assert any("tailproof clean" in note.text for note in trial.history().notes)
    removed = leftovers.clean(spare_living=False, trial=trial.plan.owner.trial)
    assert {line.split()[1] for line in removed} == {"container", "volume", "scratch"}
    trial.plan.directory.parent.mkdir()


def test_no_engine_is_said_with_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix:///tmp/no-engine-{os.getpid()}.sock")
    with pytest.raises(Unavailable, match=r"docker/engine\.sh"), closing(connect()):
        pass
