"""The reference executor's store: fenced, in order, and whole after a SIGKILL."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # `fixtures` is not installed under this name

from fixtures.executor.store import LeaseLost, Row, Store, now  # noqa: E402


def begun(store: Store) -> Row:
    with store.write() as tx:
        tx.run("INSERT INTO sessions (id, spec) VALUES ('s', '{}')")
        tx.run(
            "INSERT INTO executions (id, session, key, payload, state, deadline, heard, fence) "
            "VALUES ('e', 's', 'k', '{}', 'running', ?, ?, 1)",
            now() + 60,
            now(),
        )
    row = store.one("SELECT * FROM executions")
    assert row is not None
    return row


def broken_off(store: Store, row: Row) -> None:
    with store.owned(row) as tx:
        tx.state(row, "completed")
        raise RuntimeError("in the middle")


def test_a_state_and_its_event_are_committed_together_or_not_at_all(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"), "s")
    row = begun(store)
    with pytest.raises(RuntimeError, match="in the middle"):
        broken_off(store, row)
    assert [one.state for one in store.read("SELECT state FROM executions")] == ["running"]
    assert not store.events(0, session="s")


def test_who_lost_the_lease_writes_nothing(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"), "s")
    row = begun(store)
    with store.write() as tx:
        tx.run("UPDATE executions SET fence = 2")
    with pytest.raises(LeaseLost), store.owned(row) as tx:
        tx.event("s", "e", "output", {})
    assert not store.events(0, session="s")


def test_nothing_is_written_behind_the_end(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"), "s")
    row = begun(store)
    with store.owned(row) as tx:
        tx.state(row, "completed")
    with pytest.raises(LeaseLost), store.owned(row) as tx:
        tx.event("s", "e", "output", {})
    assert [one.kind for one in store.events(0, session="s")] == ["state"]


WRITER = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from fixtures.executor.store import Store
store = Store(sys.argv[1], "s")
for number in range(int(sys.argv[3])):
    with store.write() as tx:
        tx.event("s", "e", "output", {"n": number})
    print(number, flush=True)
    if number == 40:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_acknowledged_outlives_a_sigkill(tmp_path: Path) -> None:
    place = tmp_path / "store"
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(place), str(ROOT), "1000"], capture_output=True, text=True, check=False
    )
    told = [int(line) for line in done.stdout.split()]
    assert done.returncode == -9
    assert told[-1] == 40
    kept = sqlite3.connect(place).execute("SELECT id FROM events ORDER BY id").fetchall()
    assert [identity for (identity,) in kept] == list(range(1, 42))
