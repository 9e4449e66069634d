"""A history that was compressed is the same history."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from tailproof.guarantees.catalogue import CATALOGUE, judge
from tailproof.history.archive import SUFFIX, archive, record_files
from tailproof.history.lines import HistoryError
from tailproof.history.reader import History

KEPT = Path(__file__).parents[1] / "histories" / "OH-1832-bad.tar.xz"


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A history of a real release."""
    with tarfile.open(KEPT) as packed:
        packed.extractall(tmp_path, filter="data")
    return tmp_path


def _judged(directory: Path) -> dict[str, object]:
    return dict(judge(History.load(directory), list(CATALOGUE)))


def test_it_is_smaller_and_its_verdicts_are_the_same(history: Path) -> None:
    before, size = _judged(history), sum(path.stat().st_size for path in record_files(history).values())
    archive(history)
    files = record_files(history)
    assert {path.suffix for path in files.values()} == {SUFFIX}
    assert sum(path.stat().st_size for path in files.values()) * 3 < size
    assert not list(history.glob("*.jsonl"))
    assert _judged(history) == before


def test_it_is_archived_once(history: Path) -> None:
    archive(history)
    names = sorted(path.name for path in history.iterdir())
    archive(history)
    assert sorted(path.name for path in history.iterdir()) == names


def test_of_a_file_that_is_there_twice_the_whole_one_counts(history: Path) -> None:
    before = _judged(history)
    whole = history / "trial.jsonl"
    records = whole.read_bytes()
    archive(history)
    whole.write_bytes(records)
    (history / f"trial.jsonl{SUFFIX}").write_bytes(b"half of it")
    assert _judged(history) == before


def test_one_that_is_cut_off_is_missed_and_one_that_is_none_is_said(history: Path) -> None:
    sound = History.load(history)
    archive(history)
    cut = history / f"trial.jsonl{SUFFIX}"
    cut.write_bytes(cut.read_bytes()[:-9])
    left = History.load(history)
    # The last record of the trial's own witness counts all the others: a history without it is known to be torn.
    assert (len(sound.ends), len([end for end in left.ends if end.witness == "trial"])) == (len(left.ends) + 1, 0)
    cut.write_bytes(b"no archive at all")
    with pytest.raises(HistoryError, match=r"trial\.jsonl\.zst: cannot be read"):
        History.load(history)


def test_what_is_damaged_is_named_by_its_line(history: Path) -> None:
    records = history / "trial.jsonl"
    records.write_bytes(records.read_bytes().replace(b'{"kind"', b'{"kin', 1) + b"no record\n")
    named = History.load(history).damaged
    assert named
    archive(history)
    assert History.load(history).damaged == named
