"""A tool journal is open to whoever the tools of a server run as."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from tailproof.targets.container_files import open_to_all, pack, unpack


def modes(journal: Path) -> dict[str, int]:
    return {place.name: place.stat().st_mode & 0o777 for place in (journal, *journal.rglob("*"))}


def test_the_journal_and_the_directories_of_trials_in_it_can_be_entered_and_written(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    (journal / "a-trial").mkdir(parents=True, mode=0o700)
    (journal / "a-trial" / "tokens").touch(mode=0o600)
    (journal / "tokens").touch(mode=0o600)
    open_to_all(journal)
    assert modes(journal) == {"journal": 0o777, "a-trial": 0o777, "tokens": 0o666}


def test_a_journal_that_is_not_there_yet_is_made(tmp_path: Path) -> None:
    open_to_all(tmp_path / "deep" / "journal")
    assert modes(tmp_path / "deep" / "journal") == {"journal": 0o777}


@pytest.mark.parametrize("error", [FileNotFoundError, PermissionError], ids=["removed-by-a-tool", "made-by-a-tool"])
def test_what_a_tool_made_or_removed_meanwhile_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    (tmp_path / "its-own").touch(mode=0o600)
    (tmp_path / "ours").touch(mode=0o600)
    chmod = Path.chmod

    def refused(self: Path, mode: int) -> None:
        if self.name == "its-own":
            raise error
        chmod(self, mode)

    monkeypatch.setattr(Path, "chmod", refused)
    open_to_all(tmp_path)
    assert modes(tmp_path) == {tmp_path.name: 0o777, "its-own": 0o600, "ours": 0o666}


@pytest.mark.parametrize("filters", [True, False], ids=["a-python-with-filters", "one-without"])
def test_an_archive_gives_its_files_and_nothing_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filters: bool
) -> None:
    if not filters:
        monkeypatch.delattr(tarfile, "data_filter")
    (tmp_path / "kept" / "deep").mkdir(parents=True)
    (tmp_path / "kept" / "deep" / "file").write_text("text")
    packed = io.BytesIO()
    pack(tmp_path / "kept", packed)
    with tarfile.open(fileobj=packed) as archive:
        unpack(archive, tmp_path / "into")
    assert (tmp_path / "into" / "kept" / "deep" / "file").read_text() == "text"
    outside = io.BytesIO()
    with tarfile.open(fileobj=outside, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("../outside"))
    outside.seek(0)
    with tarfile.open(fileobj=outside) as archive, pytest.raises(tarfile.TarError):
        unpack(archive, tmp_path / "into")
    assert not (tmp_path / "outside").exists()
