"""Lock files: one release, its siblings, hashes, and nothing of the place where they were made."""

from __future__ import annotations

import re
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tailproof.adapters.openhands.recipes import RELEASES
from tailproof.provision.errors import Unavailable
from tailproof.provision.locks import known_releases, lock_for, newest_release, resolve_lock
from tailproof.waiting import Budget

LOCKS = sorted(RELEASES.committed.glob("*.txt"))


def test_releases_are_in_the_order_of_their_numbers() -> None:
    known = known_releases(RELEASES)
    assert known.index("1.7.4") < known.index("1.11.0") < known.index("1.58.0")


def test_a_candidate_stands_below_its_release(tmp_path: Path) -> None:
    rising = ["1.9.1", "1.58.0.dev1", "1.58.0a2", "1.58.0rc1", "1.58.0rc2", "1.58.0", "1.58.0.post1", "1.58.1"]
    (tmp_path / "locks").mkdir()
    for version in sorted(rising):
        (tmp_path / "locks" / f"{version}.txt").touch()
    assert known_releases(replace(RELEASES, home=tmp_path)) == rising


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of wheels that stands for the package index: there is no other."""
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


def test_newest_is_what_the_index_calls_newest_candidates_aside(index: Path) -> None:
    for version in ("1.9.9", "99.0.0", "99.1.0rc1"):
        stem = f"{RELEASES.package.replace('-', '_')}-{version}"
        with zipfile.ZipFile(index / f"{stem}-py3-none-any.whl", "w") as wheel:
            about = f"Metadata-Version: 2.1\nName: {RELEASES.package}\nVersion: {version}\n"
            wheel.writestr(f"{stem}.dist-info/METADATA", about)
            wheel.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{stem}.dist-info/RECORD", "")
    found = newest_release(RELEASES, Budget(60))
    assert (found.version, found.says) == ("99.0.0", "the newest in the package index")


@pytest.mark.parametrize(("seconds", "because"), [(60, "failed"), (0, "took longer than 0 s")], ids=["empty", "silent"])
def test_without_an_answer_newest_is_the_newest_that_is_committed(index: Path, seconds: float, because: str) -> None:
    found = newest_release(RELEASES, Budget(seconds))
    assert found.version == known_releases(RELEASES)[-1]
    assert found.says.startswith("the newest with a committed lock file: looking up openhands-agent-server")
    assert because in found.says


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_pins_the_release_and_its_siblings(lock: Path) -> None:
    lines = lock.read_text().splitlines()
    for package in RELEASES.packages:
        assert any(line.startswith(f"{package.name}=={lock.stem} ") for line in lines), package.name


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
    assert lock_for(RELEASES, "1.58.0", Budget(1)).path in LOCKS


def test_a_word_is_no_version() -> None:
    with pytest.raises(Unavailable, match=r"'latest' is not a version; known releases: .*1\.58\.0"):
        resolve_lock(RELEASES, "latest", Budget(1))


@pytest.mark.release
def test_a_release_that_does_not_exist_is_said_with_its_neighbours() -> None:
    with pytest.raises(Unavailable, match=r"has no release 1\.11\.99; the nearest are 1\.11\.\d+, 1\.12\.0"):
        resolve_lock(RELEASES, "1.11.99", Budget(120))
