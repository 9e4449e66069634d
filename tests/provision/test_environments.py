"""Environments are built once, shared, never half-built, and go when nobody asks for them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tailproof.adapters.openhands.recipes import RELEASES
from tailproof.provision.environments import environment, evict
from tailproof.provision.errors import Unavailable
from tailproof.provision.pythons import find_python, probe
from tailproof.waiting import Budget

BUILD = """
import sys
from tailproof.adapters.openhands.recipes import RELEASES
from tailproof.provision import environments
from tailproof.waiting import Budget
build = environments._build
def counting(*arguments):
    print("built", flush=True)
    build(*arguments)
environments._build = counting
print(environments.environment(RELEASES, "0.0.1", Budget(120)).directory, flush=True)
"""


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A release 0.0.1 in a cache of its own, with one package that needs no index; gives its lock file."""
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "WORD = 'here'\n")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    lock = tmp_path / "cache" / "locks" / "0.0.1.txt"
    lock.parent.mkdir(parents=True)
    lock.write_text(f"tiny @ {wheel.as_uri()} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    monkeypatch.setenv("TAILPROOF_CACHE", str(tmp_path / "cache"))
    return lock


def test_an_environment_is_built_with_bytecode_and_found_again(release: Path) -> None:
    first = environment(RELEASES, "0.0.1", Budget(120))
    said = subprocess.run([first.interpreter, "-c", "import tiny; print(tiny.WORD)"], capture_output=True, text=True)
    assert said.stdout == "here\n"
    assert list(first.directory.rglob("tiny.cpython-*.pyc"))
    made = (first.directory / "pyvenv.cfg").stat().st_mtime_ns
    again = environment(RELEASES, "0.0.1", Budget(120))
    assert again == first
    assert (again.directory / "pyvenv.cfg").stat().st_mtime_ns == made


def test_two_processes_at_once_build_it_once(release: Path) -> None:
    both = [
        subprocess.Popen([sys.executable, "-c", BUILD], stdout=subprocess.PIPE, text=True, env=dict(os.environ))
        for _ in range(2)
    ]
    said = [process.communicate()[0].split() for process in both]
    assert sorted(len(words) for words in said) == [1, 2]
    assert len({words[-1] for words in said}) == 1


def test_a_wrong_hash_builds_nothing(release: Path) -> None:
    release.write_text(release.read_text().rpartition(":")[0] + f":{'0' * 64}\n")
    with pytest.raises(Unavailable, match=r"installing release 0\.0\.1 failed"):
        environment(RELEASES, "0.0.1", Budget(120))
    made = [place.name for place in release.parents[1].glob("environments/*") if place.is_dir()]
    assert [name for name in made if not name.endswith(".aside")] == []


def test_another_lock_file_is_another_environment(release: Path) -> None:
    first = environment(RELEASES, "0.0.1", Budget(120))
    release.write_text(f"# a comment changes nothing\n{release.read_text()}")
    assert environment(RELEASES, "0.0.1", Budget(120)) == first
    release.write_text(f"{release.read_text()}\n--no-binary :none:\n")
    assert environment(RELEASES, "0.0.1", Budget(120)).directory != first.directory


def test_what_nobody_asked_for_is_evicted(release: Path) -> None:
    built = environment(RELEASES, "0.0.1", Budget(120))
    assert evict(1) == []
    long_ago = built.directory.stat().st_mtime - 2 * 86400
    os.utime(built.directory, (long_ago, long_ago))
    assert evict(1) == [str(built.directory)]
    assert not built.directory.exists()


def test_a_python_of_the_user_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_python(RELEASES)
    assert found.version >= (3, 12)
    monkeypatch.setenv("TAILPROOF_PYTHON", str(found.path))
    assert find_python(RELEASES) == probe(found.path)


def test_a_python_that_does_not_run_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TAILPROOF_PYTHON", str(tmp_path / "python"))
    with pytest.raises(Unavailable, match="is not a Python that runs"):
        find_python(RELEASES)


def test_no_python_is_said_with_the_ways_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TAILPROOF_PYTHON", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(Unavailable, match=r"uv python install 3\.13"):
        find_python(RELEASES)
