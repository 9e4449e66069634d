"""A server as a plain process: what a kill reaches, what survives, what is left in the end."""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from target_stage import Begin, Trial

from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.ownership import marks
from tailproof.ownership.owners import stat
from tailproof.provision.installations import Installation
from tailproof.runner import leftovers
from tailproof.targets.own_host import CAPABILITY
from tailproof.targets.process import ProcessTarget
from tailproof.targets.process_server import Release
from tailproof.targets.target import TargetError
from tailproof.waiting import Budget


def test_a_start_is_recorded_with_pid_host_and_place(begin: Begin, small_process: ProcessTarget) -> None:
    trial = begin(small_process)
    trial.start()
    (life,) = trial.lives()
    assert (life.stage, life.epoch, life.place, life.host) == ("started", 0, "first", socket.gethostname())
    assert life.pid == trial.server.server_pid() > 0


def test_nothing_of_the_harness_environment_reaches_the_server(
    begin: Begin, small_process: ProcessTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_TOKEN", "canary")
    trial = begin(small_process, environment={"ASKED_FOR": "this"})
    trial.start()
    told = dict(
        pair.split("=", 1)
        for pair in Path(f"/proc/{trial.server.server_pid()}/environ").read_text().split("\0")
        if pair
    )
    assert "SOME_TOKEN" not in told
    assert told["HOME"] != os.environ["HOME"]
    assert told["ASKED_FOR"] == "this"
    assert told[marks.TRIAL] == trial.plan.owner.trial


def test_a_twin_lives_at_the_same_place_by_another_port_and_ends_alone(
    begin: Begin, small_process: ProcessTarget
) -> None:
    trial = begin(small_process)
    trial.start()
    first = trial.server.server_pid()
    twin = trial.server.twin()
    assert (twin.pid(), twin.shares_disk(first)) == (0, False), "it was not started yet"
    twin.start()
    trial.budget.wait_for("the twin to be where the server is", lambda: twin.shares_disk(first))
    assert twin.url != trial.server.url
    assert 0 < twin.pid() != first
    assert not twin.shares_disk(os.getpid())
    twin.end()
    twin.end()
    assert (twin.pid(), trial.server.server_pid()) == (0, first)
    assert [life.stage for life in trial.lives()] == ["started"], "it is no life of the server"


def test_a_new_host_is_the_same_disk_and_address_under_another_name_to_the_end(
    begin: Begin, small_process: ProcessTarget, tmp_path: Path
) -> None:
    if not CAPABILITY:
        pytest.skip("takes CAP_SYS_ADMIN, `unshare` and `hostname`")
    trial = begin(small_process)
    trial.start()
    url = trial.server.url
    for place in ("new-host", "in-place", "new-host"):
        trial.server.kill(scope="server", signal="KILL")
        trial.server.wait_dead(trial.budget)
        trial.server.restart(trial.budget, place=place)  # type: ignore[arg-type]
        trial.ready()
    assert trial.server.url == url
    name = f"tailproof-{trial.plan.owner.trial}"
    started = [life for life in trial.lives() if life.stage == "started"]
    assert [(life.place, life.host) for life in started] == [
        ("first", socket.gethostname()),
        ("new-host", f"{name}-1"),
        ("new-process", f"{name}-1"),
        ("new-host", f"{name}-2"),
    ]
    assert started[-1].pid == trial.server.server_pid()
    told = (trial.server.disk(tmp_path / "disk") / "lives").read_text().split()
    assert told == [life.host for life in started], "what each life was told is not its name"


def test_a_twin_that_nobody_ended_goes_with_the_server(begin: Begin, small_process: ProcessTarget) -> None:
    trial = begin(small_process)
    trial.start()
    twin = trial.server.twin()
    twin.start()
    trial.server.remove()
    assert twin.pid() == 0


def test_killing_the_server_leaves_its_tools_alive(begin: Begin, small_process: ProcessTarget) -> None:
    trial = begin(small_process)
    trial.start()
    trial.shell("sleep 987")
    trial.wait_command("sleep 987")
    trial.server.kill(scope="server", signal="KILL")
    trial.server.wait_dead(trial.budget)
    assert trial.server.state() == "dead"
    assert any("sleep 987" in command for command in trial.server.survivors())
    died = trial.lives()[-1]
    assert (died.stage, died.exit_code, died.by_us) == ("died", 137, True)
    assert any("sleep 987" in command for command in died.survivors)
    trial.server.end_survivors()
    assert trial.server.survivors() == []


def test_killing_the_group_leaves_nothing_alive(begin: Begin, small_process: ProcessTarget) -> None:
    trial = begin(small_process)
    trial.start()
    trial.shell("sleep 987")
    trial.wait_command("sleep 987")
    trial.server.kill(scope="group", signal="KILL")
    trial.server.wait_dead(trial.budget)
    assert trial.processes() == []
    assert trial.server.last_death().exit_code == 137


@pytest.mark.tmux
def test_a_tmux_server_and_its_shells_belong_to_the_trial(begin: Begin, small_process: ProcessTarget) -> None:
    trial = begin(small_process)
    trial.start()
    trial.shell("tmux new-session -d 'sleep 988'")
    trial.wait_command("sleep 988")
    trial.server.kill(scope="server", signal="KILL")
    trial.server.wait_dead(trial.budget)
    assert any("tmux" in command for command in trial.server.survivors())
    trial.server.remove()
    assert trial.processes() == []


def test_a_process_has_no_container_to_kill(begin: Begin, small_process: ProcessTarget) -> None:
    trial = begin(small_process)
    trial.start()
    with pytest.raises(TargetError, match="no container to kill"):
        trial.server.kill(scope="container", signal="KILL")


def test_a_server_that_ends_by_itself_was_not_killed_by_us(begin: Begin, small_process: ProcessTarget) -> None:
    trial = begin(small_process)
    trial.start()
    with pytest.raises(httpx.HTTPError):
        httpx.post(f"{trial.server.url}/exit", content="3")
    trial.server.wait_dead(trial.budget)
    death = trial.server.last_death()
    assert (death.exit_code, death.by_us) == (3, False)


def test_a_restart_has_a_new_pid_and_the_same_address_and_disk(
    begin: Begin, small_process: ProcessTarget, tmp_path: Path
) -> None:
    trial = begin(small_process)
    trial.start()
    url, pid = trial.server.url, trial.server.server_pid()
    trial.server.kill(scope="server", signal="KILL")
    trial.server.wait_dead(trial.budget)
    trial.server.restart(trial.budget, place="in-place")
    trial.ready()
    assert trial.server.url == url
    assert trial.server.server_pid() not in (0, pid)
    started = [life for life in trial.lives() if life.stage == "started"]
    assert [(life.epoch, life.place) for life in started] == [(0, "first"), (1, "new-process")]
    assert len((trial.server.disk(tmp_path / "disk") / "lives").read_text().splitlines()) == 2


def test_the_disk_is_changed_only_while_the_server_is_stopped_and_the_next_life_finds_it_so(
    begin: Begin, small_process: ProcessTarget, tmp_path: Path
) -> None:
    trial = begin(small_process)
    trial.start()
    with pytest.raises(TargetError, match="stop it first"):
        trial.server.edit_disk(lambda conversations: None)
    trial.server.stop(trial.budget)
    trial.server.edit_disk(lambda conversations: (conversations / "lives").write_text("before\n"))
    trial.server.restart(trial.budget, place="in-place")
    trial.ready()
    assert (trial.server.disk(tmp_path / "disk") / "lives").read_text().splitlines()[0] == "before"


def test_a_living_server_is_not_started_twice(begin: Begin, small_process: ProcessTarget) -> None:
    trial = begin(small_process)
    trial.start()
    with pytest.raises(TargetError, match="still alive"):
        trial.server.restart(trial.budget, place="in-place")


def test_the_port_of_a_dead_server_goes_to_nobody_else(begin: Begin, small_process: ProcessTarget) -> None:
    trial = begin(small_process)
    trial.start()
    port = int(trial.server.url.rpartition(":")[2])
    trial.server.kill(scope="server", signal="KILL")
    trial.server.wait_dead(trial.budget)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))


def test_a_paused_server_is_frozen_with_its_tools_and_goes_on(begin: Begin, small_process: ProcessTarget) -> None:
    trial = begin(small_process)
    trial.start()
    trial.shell("sleep 989")
    trial.wait_command("sleep 989")
    trial.server.pause()
    assert trial.server.state() == "paused"
    assert set(states(trial)) <= {"T", "D"}
    assert trial.server.alive()
    assert not trial.answers()
    trial.server.resume()
    trial.server.resume()
    assert trial.server.state() == "running"
    assert trial.answers()
    assert [life.stage for life in trial.lives()] == ["started", "paused", "resumed"]


def test_a_process_whose_child_has_yet_to_become_a_program_stands_still_too(
    begin: Begin, small_process: ProcessTarget, tmp_path: Path
) -> None:
    trial = begin(small_process)
    trial.start()
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    spawn = f"os.posix_spawn('/bin/true', ['true'], {{}}, file_actions=[(os.POSIX_SPAWN_OPEN, 0, '{fifo}', os.O_RDONLY, 0)])"
    trial.shell(f'{sys.executable} -c "import os; {spawn}; os.waitpid(-1, 0)"')
    trial.budget.wait_for("a process to wait for its child", lambda: "D" in states(trial))
    trial.server.pause()
    assert set(states(trial)) == {"T", "D"}
    trial.server.resume()
    with fifo.open("w"):
        trial.budget.wait_for("the child to become a program, and both to end", lambda: states(trial) == ["S"])


def states(trial: Trial) -> list[str]:
    """Of the processes of a trial, as the kernel tells them."""
    found = []
    for process in trial.processes():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            found.append(stat(process.pid)[0])
    return found


def test_a_stop_is_no_death(begin: Begin, small_process: ProcessTarget) -> None:
    trial = begin(small_process)
    trial.start()
    trial.server.stop(trial.budget)
    trial.server.stop(trial.budget)
    assert [life.stage for life in trial.lives()] == ["started", "stopped"]
    assert trial.lives()[-1].exit_code == 128 + signal.SIGTERM


def test_a_removed_server_leaves_no_process_no_directory_and_no_record_twice(
    begin: Begin, small_process: ProcessTarget
) -> None:
    trial = begin(small_process)
    trial.start()
    trial.shell("sleep 990")
    trial.wait_command("sleep 990")
    trial.server.remove()
    trial.server.remove()
    assert trial.processes() == []
    left = [str(it) for it in leftovers.leftovers(trial=trial.plan.owner.trial)]
    assert left == [f"scratch directory {trial.plan.directory.parent} (trial {trial.plan.owner.trial})"]
    assert [life.stage for life in trial.lives()].count("removed") == 1


def test_the_log_ends_with_what_the_server_said_last(begin: Begin, small_process: ProcessTarget) -> None:
    trial = begin(small_process)
    assert trial.server.log_tail() == ""
    trial.start()
    trial.shell("true")
    trial.budget.wait_for("the log", lambda: trial.server.log_tail(1) == "POST /sh", saw=trial.server.log_tail)


def test_the_log_is_told_without_the_keys_of_the_server(begin: Begin, small_process: ProcessTarget) -> None:
    trial = begin(small_process)
    trial.start()
    keys = trial.plan.key, trial.plan.secret
    trial.shell("; ".join(f"echo {key} {key.encode().hex()}" for key in keys) + "; echo told")
    trial.budget.wait_for("the log", lambda: "told" in trial.server.log_tail(), saw=trial.server.log_tail)
    said = trial.server.log_tail().splitlines()
    assert {f"<secret:{name}> <secret:{name}>" for name in ("session key", "server secret")} <= set(said)
    assert not any(key in line for key in keys for line in said)


def test_a_memory_limit_needs_a_container(begin: Begin, small_process: ProcessTarget) -> None:
    with pytest.raises(TargetError, match="use docker:IMAGE"):
        begin(small_process, memory_bytes=1 << 30)


def test_only_the_first_life_is_of_the_release_before(begin: Begin) -> None:
    """Both are the small server here: which of them was started stands in the record and on the command line."""
    python, small = Path(sys.executable), str(Path(__file__).with_name("small_server.py"))
    target = ProcessTarget(
        "small",
        adapter=OpenHands(),
        provide=lambda budget: Installation(interpreter=python, version="2.0"),
        program=(small,),
        earlier=lambda budget: Release(interpreter=python, version="1.0", program=(small,)),
    )
    target.prepare(Budget(10), earlier=True)
    assert target.facts["earlier"] == "1.0"
    trial = begin(target, begins_as_earlier=True)
    trial.start()
    for _ in range(2):
        trial.server.stop(trial.budget)
        trial.server.restart(trial.budget, place="in-place")
    assert [life.detail for life in trial.lives() if life.stage == "started"] == [
        "release 1.0",
        "release 2.0",
        "release 2.0",
    ]


def test_a_release_before_it_has_to_be_prepared(begin: Begin, small_process: ProcessTarget) -> None:
    with pytest.raises(TargetError, match="no release before it"):
        begin(small_process, begins_as_earlier=True)
