"""Tool commands run in real shells; their journal is read by the real watcher."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tailproof.history.reader import History
from tailproof.history.recorder import Recorder
from tailproof.model.journal import TOKENS, command_of, parse
from tailproof.model.script import Command, Leaves
from tailproof.model.tool import ToolJournal
from tailproof.waiting import Budget, DeadlineMissed

SHELLS = ("sh", "bash")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "the journal"
    path.mkdir()
    return path


@pytest.fixture
def journal(directory: Path, recorder: Recorder) -> Iterator[ToolJournal]:
    journal = ToolJournal(directory, recorder.witness("tools"))
    journal.start()
    yield journal
    journal.close()


def command(token: str, run: str = "", gate: bool = False) -> Command:
    return Command(token=token, run=run, gate=gate, journal=True)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_command_is_journaled_at_its_begin_and_end(
    shell: str, directory: Path, journal: ToolJournal, recorder: Recorder
) -> None:
    done = subprocess.run(
        [shell, "-c", command_of(command("t1", "echo inside"), str(directory))],
        capture_output=True,
        text=True,
        check=True,
    )
    journal.wait_token("t1", "end", Budget(10))
    assert done.stdout == "inside\ndone t1\n"
    recorder.close()
    effects = History.load(recorder.directory).effects
    assert [(effect.token, effect.stage) for effect in effects] == [("t1", "begin"), ("t1", "end")]
    assert effects[0].pid == effects[1].pid > 1
    assert effects[1].after_ns == effects[1].t_ns - effects[0].t_ns > 0


@pytest.mark.parametrize("shell", SHELLS)
def test_a_gated_command_waits_and_then_runs_what_the_gate_says(
    shell: str, directory: Path, journal: ToolJournal
) -> None:
    tool = subprocess.Popen([shell, "-c", command_of(command("t1", gate=True), str(directory))])
    journal.wait_token("t1", "begin", Budget(10))
    assert journal.seen("t1", "end") == 0
    journal.open_gate("t1", f"touch '{directory}/harm'")
    assert tool.wait(10) == 0
    assert (directory / "harm").exists()
    assert journal.seen("t1", "end") == 1


@pytest.mark.parametrize(("run", "code"), [("exit 3", 3), ("false", 1), ("sh -c 'kill -9 $$'", 137), ("true", 0)])
@pytest.mark.parametrize("shell", SHELLS)
def test_a_tool_ends_as_the_scenarios_command_did_and_its_shell_goes_on(
    shell: str, run: str, code: int, directory: Path, journal: ToolJournal
) -> None:
    line = command_of(command("t1", run), str(directory))
    ended = subprocess.run([shell, "-c", f"{line}; echo $?"], capture_output=True, text=True, check=False)
    assert ended.stdout.splitlines() == ["done t1", str(code)]
    assert subprocess.run([shell, "-c", line], capture_output=True, check=False).returncode == code
    assert journal.seen("t1", "end") == 2


def test_a_stubborn_command_fails_as_others_do(directory: Path, journal: ToolJournal) -> None:
    stubborn = Command(token="t1", run="exit 3", gate=False, journal=True, stubborn=True)
    ended = subprocess.run(["sh", "-c", command_of(stubborn, str(directory))], capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (3, b"done t1\n")


def test_many_tools_at_once_never_mix_their_lines(directory: Path, journal: ToolJournal) -> None:
    tools = [subprocess.Popen(["sh", "-c", command_of(command(f"t{n}"), str(directory))]) for n in range(20)]
    assert [tool.wait(30) for tool in tools] == [0] * 20
    lines = [parse(line) for line in (directory / TOKENS).read_text().splitlines()]
    assert None not in lines
    assert all(journal.seen(f"t{n}", "end") == 1 for n in range(20))


def test_half_a_line_is_left_for_the_next_look(directory: Path, journal: ToolJournal) -> None:
    with (directory / TOKENS).open("ab", buffering=0) as file:
        file.write(b"1000 t1 be")
        assert journal.seen("t1") == 0
        file.write(b"gin 7 host\n")
    assert journal.seen("t1") == 1


def test_a_token_that_never_comes_says_what_was_written_instead(directory: Path, journal: ToolJournal) -> None:
    (directory / TOKENS).write_text("1000 t1 begin 7 host\n")
    with pytest.raises(DeadlineMissed, match=r"for a tool to write t2 begin; last seen: t1 begin"):
        journal.wait_token("t2", "begin", Budget(0.1))


def test_a_journal_that_cannot_be_read_is_noted_once(directory: Path, journal: ToolJournal, recorder: Recorder) -> None:
    (directory / TOKENS).mkdir()
    assert journal.seen("t1") == journal.seen("t1") == 0
    recorder.close()
    notes = [note.text for note in History.load(recorder.directory).notes]
    assert notes == ["the tool journal cannot be read: Is a directory"]


@pytest.mark.parametrize("leaves", ["job", "detached"])
@pytest.mark.parametrize("shell", SHELLS)
def test_what_a_command_leaves_behind_says_that_it_lives_until_it_is_ended(
    shell: str, leaves: Leaves, directory: Path, journal: ToolJournal, recorder: Recorder
) -> None:
    left = Command(token="t1", run="", gate=False, journal=True, leaves=leaves)
    started = subprocess.Popen([shell, "-c", command_of(left, str(directory))], start_new_session=True)
    assert started.wait(20) == 0
    Budget(20).wait_for("a first sign of life", lambda: journal.last_pulse("t1") > 0, every=0.05)
    first_ns = journal.last_pulse("t1")
    Budget(20).wait_for("another sign of life", lambda: journal.last_pulse("t1") > first_ns, every=0.05)
    with suppress(ProcessLookupError):
        os.killpg(started.pid, signal.SIGKILL)
    processes = subprocess.run(["pgrep", "-f", str(directory)], capture_output=True, text=True, check=False).stdout
    assert bool(processes.split()) is (leaves == "detached"), processes
    for pid in processes.split():
        os.kill(int(pid), signal.SIGKILL)
    recorder.close()
    history = History.load(recorder.directory)
    assert {pulse.token for pulse in history.pulses} == {"t1"}
    assert [effect.stage for effect in history.effects] == ["begin", "end"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_stubborn_command_goes_on_whatever_asks_it_to_end(
    shell: str, directory: Path, journal: ToolJournal, recorder: Recorder
) -> None:
    stubborn = Command(token="t1", run="", gate=True, journal=True, stubborn=True)
    started = subprocess.Popen([shell, "-c", command_of(stubborn, str(directory))], start_new_session=True)
    journal.wait_token("t1", "begin", Budget(20))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.killpg(started.pid, number)
    with pytest.raises(subprocess.TimeoutExpired):
        started.wait(0.5)
    journal.open_gate("t1")
    assert started.wait(20) == 0
    assert journal.seen("t1", "end") == 1
