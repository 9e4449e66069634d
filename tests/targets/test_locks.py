"""Lock files: one release, its siblings, hashes, and nothing of the place where they were made."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tailproof import data
from tailproof.targets.locks import PACKAGES, known_releases, lock_for, resolve_lock
from tailproof.targets.target import TargetError
from tailproof.waiting import Budget

LOCKS = sorted((data.folder("docker") / "locks").glob("*.txt"))


def test_releases_are_in_the_order_of_their_numbers() -> None:
    known = known_releases()
    assert known.index("1.7.4") < known.index("1.11.0") < known.index("1.58.0")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_pins_the_release_and_its_siblings(lock: Path) -> None:
    lines = lock.read_text().splitlines()
    for package in PACKAGES:
        assert any(line.startswith(f"{package}=={lock.stem} ") for line in lines), package


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_has_a_hash_for_every_requirement_and_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert "--index" not in text
    blocks = re.split(r"\n(?=[a-z0-9])", text.partition("\n")[2].partition("\n")[2], flags=re.IGNORECASE)
    assert len(blocks) > 100
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_says_how_it_was_made(lock: Path) -> None:
    assert f"docker/lock.py {lock.stem}" in lock.read_text().splitlines()[1]


def test_a_committed_lock_is_preferred() -> None:
    assert lock_for("1.58.0", Budget(1)).path in LOCKS


def test_a_word_is_no_version() -> None:
    with pytest.raises(TargetError, match=r"'latest' is not a version; known releases: .*1\.58\.0"):
        resolve_lock("latest", Budget(1))


@pytest.mark.release
def test_a_release_that_does_not_exist_is_said_with_its_neighbours() -> None:
    with pytest.raises(TargetError, match=r"has no release 1\.11\.99; the nearest are 1\.11\.\d+, 1\.12\.0"):
        resolve_lock("1.11.99", Budget(120))
