"""A small filesystem for a server's data: it refuses when it shall, and nothing of it stays."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from target_stage import Begin

from tailproof.ownership import mounts, scratch
from tailproof.ownership.owners import Owner, owner_id
from tailproof.targets import own_disk
from tailproof.targets.own_disk import BYTES, DiskError, OwnDisk
from tailproof.targets.process import ProcessTarget
from tailproof.waiting import Budget, DeadlineMissed

pytestmark = pytest.mark.skipif(not mounts.allowed(), reason=own_disk.LACK)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[OwnDisk]:
    made = OwnDisk(tmp_path / "disk", filesystem="tmpfs")
    made.begin()
    yield made
    made.end()
    assert not mounts.inside(tmp_path)


def test_a_full_one_takes_nothing_until_it_is_emptied(disk: OwnDisk) -> None:
    (disk.place / "before").write_bytes(b"there")
    disk.fill()
    assert disk.look() == {"bytes free": 0, "a write of ours": "ENOSPC"}
    assert (disk.place / "before").read_bytes() == b"there"
    disk.empty()
    assert disk.look()["a write of ours"] == "done"


def test_a_read_only_one_takes_nothing_until_it_is_writable(disk: OwnDisk) -> None:
    disk.make_writable(False)
    assert disk.look()["a write of ours"] == "EROFS"
    disk.make_writable(True)
    assert disk.look()["a write of ours"] == "done"


def test_what_is_written_to_a_frozen_one_waits_and_what_is_read_does_not(tmp_path: Path) -> None:
    disk = OwnDisk(tmp_path / "disk", filesystem="ext4")
    disk.begin()
    (disk.place / "before").write_bytes(b"there")
    disk.freeze()
    write = [sys.executable, "-c", f"open({str(disk.place / 'after')!r}, 'w').write('written')"]
    with subprocess.Popen(write) as writer:
        Budget(10).wait_for("the writer to stand still in the kernel", lambda: _state(writer.pid) == "D")
        assert (disk.place / "before").read_bytes() == b"there"
        disk.thaw()
    assert (disk.place / "after").read_text() == "written"
    disk.thaw()
    disk.end()
    assert not mounts.inside(tmp_path)


def test_what_a_dead_owner_left_frozen_ends_with_it(tmp_path: Path) -> None:
    directory = scratch.scratch(Owner(trial="t", owner=owner_id()))
    disk = OwnDisk(directory / "server" / "disk", filesystem="ext4")
    disk.begin()
    disk.freeze()
    with subprocess.Popen([sys.executable, "-c", f"open({str(disk.place / 'after')!r}, 'w')"]) as writer:
        Budget(10).wait_for("the writer to stand still in the kernel", lambda: _state(writer.pid) == "D")
        writer.kill()
        scratch.remove(directory)
    assert not directory.exists()
    assert not mounts.inside(directory)


def test_a_tmpfs_cannot_be_frozen(disk: OwnDisk) -> None:
    with pytest.raises(DiskError, match="cannot be frozen"):
        disk.freeze()
    disk.thaw()


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_nothing_becomes_read_only_under_a_writer(disk: OwnDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_disk, "_NO_WRITER_S", 0.2)
    with (disk.place / "open").open("w"), pytest.raises(DeadlineMissed, match="busy"):
        disk.make_writable(False)
    assert disk.look()["a write of ours"] == "done"


def test_it_goes_although_somebody_is_still_in_it(disk: OwnDisk, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], cwd=disk.place, stdin=subprocess.PIPE):
        disk.end()
        assert not mounts.inside(tmp_path)


def test_one_that_is_not_wanted_is_none(tmp_path: Path) -> None:
    none = OwnDisk(tmp_path, filesystem="")
    none.begin()
    assert not mounts.inside(tmp_path)
    for asked in (none.fill, none.look, none.freeze, lambda: none.make_writable(False)):
        with pytest.raises(DiskError, match="no filesystem of its own"):
            asked()


def test_what_a_dead_owner_left_mounted_goes_with_its_directory() -> None:
    directory = scratch.scratch(Owner(trial="t", owner=owner_id()))
    OwnDisk(directory / "server" / "disk", filesystem="tmpfs").begin()
    scratch.remove(directory)
    assert not directory.exists()
    assert not mounts.inside(directory)


def test_the_data_of_a_server_lies_on_it_through_all_its_lives(begin: Begin, small_process: ProcessTarget) -> None:
    trial = begin(small_process, own_disk="tmpfs")
    trial.start()
    place = trial.server.own_disk().place
    assert Path(trial.server.workspace).stat().st_dev == place.stat().st_dev != place.parent.stat().st_dev
    room = os.statvfs(place)
    assert room.f_blocks * room.f_frsize == BYTES
    trial.server.stop(trial.budget)
    trial.server.restart(trial.budget, place="in-place")
    trial.server.remove()
    assert not mounts.inside(place)
