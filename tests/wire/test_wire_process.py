"""The wire as a process: bounded memory, a journal that survives a SIGKILL, its exit codes, and its end with its owner."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from wire_stage import SECONDS, event, frames, ids, journal, raw_server, subscriber, wait_count, wire_to

from tailproof.history.header import Header
from tailproof.history.reader import History
from tailproof.history.records import End, WireCount
from tailproof.waiting import Budget
from tailproof.wire.framing import TEXT, frame
from tailproof.wire.handle import Wire, WireError
from tailproof.wire.rules import Rule

ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
UPGRADE = b"GET /s HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tailproof.wire", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("delayed", [False, True], ids=["reader-stands-still", "frames-are-delayed"])
def test_back_pressure_keeps_memory_bounded(tmp_path: Path, delayed: bool) -> None:
    message = frame(TEXT, b"x" * 120_000)
    count = 1_000

    def flood(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(ACCEPTED)
        for _ in range(count):
            sock.sendall(message)
        sock.recv(1)

    with raw_server(flood) as port, wire_to(port, tmp_path) as wire:
        if delayed:
            wire.add(Rule.from_options("lag", "delay", {"seconds": 3600}))
        with socket.create_connection(("127.0.0.1", wire.port)) as sock:
            sock.settimeout(SECONDS)
            sock.sendall(UPGRADE)
            wait_count(wire, "paused", 1)
            queued = wire.counters()["queued_bytes"]
            resident = psutil.Process(wire.pid).memory_info().rss
            assert 0 < queued < (16 << 20) + (1 << 20)
            assert resident < 100 << 20
            if delayed:
                assert wire.counters()["down.frames_out"] == 0
                wire.remove("lag")
            left = len(ACCEPTED) + count * len(message)
            while left:
                left -= len(sock.recv(min(left, 1 << 20)))
            assert psutil.Process(wire.pid).memory_info().rss < 100 << 20
        assert wait_count(wire, "down.frames_out", count) == count


def test_untouched_bytes_are_exact_whatever_rules_are_about(tmp_path: Path) -> None:
    pieces = [
        frame(TEXT, b"fragm", fin=False) + frame(9, b"ping") + frame(0, b"ented"),
        frame(TEXT, event(1).encode()),
        frame(2, bytes(range(256)) * 300),
        frame(TEXT, b""),
        frame(10, b"pong"),
        frame(8, (1000).to_bytes(2, "big") + b"bye"),
    ]
    sent = b"".join(pieces)

    def talk(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(ACCEPTED)
        for position in range(0, len(sent), 1009):
            sock.sendall(sent[position : position + 1009])

    for options in (None, {"match": {"name": "Never"}}, {"match": {"name": "Observation"}}):
        with raw_server(talk) as port, wire_to(port, tmp_path) as wire:
            if options is not None:
                wire.add(Rule.from_options("r", "drop", options))
            with socket.create_connection(("127.0.0.1", wire.port)) as sock:
                sock.settimeout(SECONDS)
                sock.sendall(UPGRADE)
                got = b""
                while more := sock.recv(65536):
                    got += more
            kept = (
                [p for p in pieces if p is not pieces[1]] if options == {"match": {"name": "Observation"}} else pieces
            )
            assert got == ACCEPTED + b"".join(kept)


def test_dropping_a_fragmented_message_keeps_the_ping_inside(tmp_path: Path) -> None:
    ping = frame(9, b"alive?")

    def talk(sock: socket.socket) -> None:
        sock.recv(65536)
        sock.sendall(ACCEPTED + frame(TEXT, b'{"id":"a",', fin=False) + ping + frame(0, b'"kind":"Gone"}'))

    with raw_server(talk) as port, wire_to(port, tmp_path) as wire:
        wire.add(Rule.from_options("r", "drop", {"match": {"name": "Gone"}}))
        with socket.create_connection(("127.0.0.1", wire.port)) as sock:
            sock.settimeout(SECONDS)
            sock.sendall(UPGRADE)
            got = b""
            while more := sock.recv(65536):
                got += more
        assert got == ACCEPTED + ping
        assert wire.counters()["down.frames_out"] == 0


def test_a_journal_whose_writer_was_killed_is_readable(streams: int, tmp_path: Path) -> None:
    (tmp_path / "header.json").write_text(
        json.dumps({"trial": "t", "scenario": "s", "seed": 0, "target": "t", "client": "c"})
    )
    with wire_to(streams, tmp_path) as wire, subscriber(wire) as client:
        client.send("300")
        assert len(ids(client, 300)) == 300
        wire.sync()
        os.kill(wire.pid, signal.SIGKILL)
        with pytest.raises(WireError, match="the wire has ended"):
            Budget(SECONDS).wait_for("the wire to be gone", lambda: wire.sync())
    history = History.load(tmp_path)
    assert isinstance(history.header, Header)
    assert history.ends == []
    assert (wire.records, wire.failed) == (None, "the wire died (exit code -9)")
    assert len([f for f in history.frames if f.direction == "down" and f.done == "passed"]) == 300
    assert not history.damaged
    with (tmp_path / "wire.jsonl").open("r+b") as lines:
        lines.truncate((tmp_path / "wire.jsonl").stat().st_size - 20)
    assert len(History.load(tmp_path).damaged) == 1


def test_counters_stand_in_the_journal_around_a_rule(streams: int, tmp_path: Path) -> None:
    with wire_to(streams, tmp_path) as wire, subscriber(wire) as client:
        client.send("3")
        ids(client, 3)
        wire.add(Rule.from_options("r", "drop", {}))
        client.send("2")
        wire.wait_fired("r", Budget(SECONDS), times=2)
        wire.remove("r")
    counts = [r.counters for r in journal(tmp_path) if isinstance(r, WireCount)]
    before, after = (next(c for c in counts if c.get("rule.r.done") == done) for done in (0, 2))
    assert after["down.frames_in"] - before["down.frames_in"] == 2
    assert after["down.frames_out"] == before["down.frames_out"] == 3


def test_every_record_is_numbered_in_order(streams: int, tmp_path: Path) -> None:
    with wire_to(streams, tmp_path) as wire, subscriber(wire) as client:
        client.send("50")
        ids(client, 50)
    records = journal(tmp_path)
    assert [r.seq for r in records] == list(range(len(records)))
    assert [r.t_ns for r in records] == sorted(r.t_ns for r in records)
    assert {r.witness for r in records} == {"wire"}
    assert records[0].wall > 0
    assert len(frames(tmp_path)) >= 50


def test_it_ends_with_the_number_of_its_records_and_tells_its_owner(streams: int, tmp_path: Path) -> None:
    with wire_to(streams, tmp_path) as wire, subscriber(wire) as client:
        client.send("20")
        ids(client, 20)
        assert wire.records is None
    *before, end = journal(tmp_path)
    assert isinstance(end, End)
    assert end.records == len(before)
    assert (wire.records, wire.failed) == (len(before) + 1, "")


def test_whoever_owns_a_wire_hears_at_once_that_it_died(streams: int, tmp_path: Path) -> None:
    heard: list[str] = []
    with Wire.start(f"127.0.0.1:{streams}", tmp_path / "wire.jsonl", on_failure=heard.append) as wire:
        os.kill(wire.pid, signal.SIGKILL)
        Budget(SECONDS).wait_for("the owner to hear of it", lambda: heard)
        wire.stop()
    assert heard == ["the wire died (exit code -9)"]


def test_what_a_dead_wire_has_counted_proves_nothing_any_more(streams: int, tmp_path: Path) -> None:
    heard: list[str] = []
    with Wire.start(f"127.0.0.1:{streams}", tmp_path / "wire.jsonl", on_failure=heard.append) as wire:
        assert wire.counters()["connections"] == 0
        os.kill(wire.pid, signal.SIGKILL)
        Budget(SECONDS).wait_for("the owner to hear of it", lambda: heard)
        with pytest.raises(WireError):
            wire.counters()


def test_a_wire_that_is_told_to_end_has_not_died(streams: int, tmp_path: Path) -> None:
    heard: list[str] = []
    Wire.start(f"127.0.0.1:{streams}", tmp_path / "wire.jsonl", on_failure=heard.append).stop()
    assert heard == []


def test_a_journal_that_cannot_be_written_is_no_end_in_order(streams: int, tmp_path: Path) -> None:
    (tmp_path / "wire.jsonl").symlink_to("/dev/full")
    with wire_to(streams, tmp_path) as wire, subscriber(wire) as client:
        client.send("3")
        assert len(ids(client, 3)) == 3, "the path goes on"
    assert (wire.records, wire.failed) == (None, "the journal of the wire cannot be written: No space left on device")


def test_several_threads_may_ask_at_once(streams: int, tmp_path: Path) -> None:
    with wire_to(streams, tmp_path) as wire:
        failed: list[BaseException] = []

        def ask(number: int) -> None:
            try:
                for turn in range(20):
                    name = f"r{number}.{turn}"
                    wire.add(Rule.from_options(name, "drop", {}))
                    assert wire.counters()[f"rule.{name}.done"] == 0
                    assert wire.remove(name)
            except BaseException as error:
                failed.append(error)
                raise

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed


def test_it_ends_with_its_owner(streams: int, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tailproof.wire",
            "--control",
            "--upstream",
            f"127.0.0.1:{streams}",
            "--listen",
            "127.0.0.1:0",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdout:
        assert b"listening" in process.stdout.readline()
        process.stdin.close()
        assert process.wait(SECONDS) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_the_journal_written(streams: int, tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "wire.jsonl"
    command = [sys.executable, "-m", "tailproof.wire", "--upstream", f"127.0.0.1:{streams}", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen([*command, "--journal", str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        assert "the wire listens on 127.0.0.1:" in process.stdout.readline()
        process.send_signal(number)
        assert process.wait(SECONDS) == 0
    *_, count, end = journal(tmp_path)
    assert isinstance(count, WireCount)
    assert isinstance(end, End)
    assert end.records == len(journal(tmp_path)) - 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {id: a, do: dely}", ":1: rule a: Invalid enum value 'dely'"),
        ("- id: a\n  do: drop\n- id: b\n  do: delay\n", ":3: rule b: `delay` needs seconds"),
        ("- {id: a, do: drop, macth: {}}", "`macth`"),
        ("- {id: a, do: drop, match: {field: 3}}", "match.field"),
        ("- {id: a, do: drop}\n- {id: a, do: drop}", ":2: there are two rules a"),
        ("- {id: a, do: status, code: 503, match: {name: x}}", "match.name means nothing on: http"),
        ("- {id: a, do: delay, seconds: 1, on: http}", "`delay` works on: stream"),
        ("- {id: a, do: burst, seconds: 0}", "`burst` needs more than 0 seconds"),
        ("- {id: a, do: delay, seconds: -0.50}", "rule a: Expected `float` >= 0"),
        ("- {id: a, do: cut, when: at-once, match: {name: x}}", "match.name means frames"),
        ("- {id: a, do: down, match: {route: x}}", "match.route means nothing on: wire"),
        ("- {id: a, do: down, direction: up}", "direction means nothing on: wire"),
        ("- [", ":1: is not YAML: "),
        ("id: a", "a rules file is a list of rules"),
        ("", "is empty"),
    ],
)
def test_a_bad_rules_file_is_said_in_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    done = run("--upstream", "127.0.0.1:1", "--listen", "127.0.0.1:0", "--rules", str(path))
    assert done.returncode == 64
    assert said in done.stderr
    assert str(path) in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_rules_from_a_file_are_in_force_from_the_start(streams: int, tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    path.write_text('[{"id": "a", "do": "status", "code": 418}]')
    command = [sys.executable, "-m", "tailproof.wire", "--upstream", f"127.0.0.1:{streams}", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(
        [*command, "--rules", str(path), "--control"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdout:
        port = int(json.loads(process.stdout.readline())["listening"].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert sock.recv(65536).startswith(b"HTTP/1.1 418 ")
        process.stdin.close()
        assert process.wait(SECONDS) == 0


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as place:
        port = place.getsockname()[1]
        done = run("--upstream", "127.0.0.1:1", "--listen", f"127.0.0.1:{port}")
        assert (done.returncode, done.stderr) == (
            2,
            f"tailproof wire: cannot listen on 127.0.0.1:{port}: Address already in use\n",
        )
        with pytest.raises(WireError, match=f"cannot listen on 127.0.0.1:{port}"):
            Wire.start("127.0.0.1:1", tmp_path / "wire.jsonl", listen_port=port)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--upstream", "nowhere"],
        ["--upstream", "a:1", "--listen", "b:99999"],
        ["--upstream", "a:1", "--listen", "b:1", "--id", "params.id"],
    ],
)
def test_wrong_usage_is_one_sentence(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 64
    assert done.stderr.startswith("tailproof wire: ")
    assert len(done.stderr.splitlines()) == 1
