"""What the two commands do about what a machine lacks: docker/needs.sh, docker/seed.py, and tests that cannot be run on it."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tailproof.doctor import look

ROOT = Path(__file__).resolve().parents[2]
NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere/engine.sock"}
NEEDS_AN_ENGINE = "tests/targets/test_container_target.py"


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in the checkout, with nothing of this session that would change what it does."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("TAILPROOF_NO", "PYTEST_"))}
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=ROOT,
        env={**mine, **environment},
        stdin=subprocess.DEVNULL,
    )


def needs(goal: str, bin_directory: Path = Path(sys.executable).parent, **environment: str) -> tuple[int, str, str]:
    """`docker/needs.sh GOAL`: its exit code, what it says, what it complains of."""
    done = run("sh", "docker/needs.sh", goal, bin_directory, **environment)
    return done.returncode, done.stdout, done.stderr


# -- docker/needs.sh ----------------------------------------------------------------------------------------------------


@pytest.mark.engine
@pytest.mark.mmdebstrap
@pytest.mark.node
@pytest.mark.release
@pytest.mark.tmux
@pytest.mark.toxiproxy
def test_a_machine_that_has_everything_is_left_alone_in_silence() -> None:
    assert needs("test") == (0, "", "")
    assert needs("check") == (0, "", "")


def test_what_is_missing_is_said_with_what_brings_it_and_the_command_goes_on() -> None:
    code, said, complained = needs("test", TAILPROOF_INSTALL="no", **NO_ENGINE)
    assert (code, said) == (0, "")
    assert "make test goes on without engine, needed for docker: targets" in complained
    assert "docker/engine.sh" in complained


def test_where_everything_has_to_be_there_it_is_a_failure() -> None:
    code, _, complained = needs("test", TAILPROOF_INSTALL="no", TAILPROOF_NO_SKIPS="1", **NO_ENGINE)
    assert code == 2
    assert "TAILPROOF_NO_SKIPS is set" in complained


def test_a_check_never_asks_for_an_engine() -> None:
    _, said, complained = needs("check", TAILPROOF_INSTALL="no", **NO_ENGINE)
    assert "engine" not in said + complained.replace("docker/engine.sh", "")


def test_another_goal_is_wrong_usage() -> None:
    assert needs("bench")[0] == 64


@pytest.fixture
def debian(tmp_path: Path) -> dict[str, str]:
    """The PATH of a Debian machine with root and without tmux, where apt-get brings one and keeps a diary."""
    place = tmp_path / "bin"
    place.mkdir()
    for directory in os.environ["PATH"].split(os.pathsep):
        for file in Path(directory).iterdir() if Path(directory).is_dir() else ():
            if file.name not in ("tmux", "apt-get", "id", "go") and not (place / file.name).is_symlink():
                (place / file.name).symlink_to(file)
    for name, does in {
        "id": "echo 0",
        "apt-get": f'echo "$*" >>{tmp_path}/diary\ncase "$*" in *tmux*) ln -s /bin/true {place}/tmux ;; esac',
    }.items():
        (place / name).write_text(f"#!/bin/sh\n{does}\n")
        (place / name).chmod(0o755)
    return {"PATH": str(place), "TAILPROOF_TOXIPROXY": shutil.which("true") or ""}


@pytest.mark.release
def test_root_is_told_what_is_installed_and_why_and_nothing_is_done_the_second_time(
    debian: dict[str, str], tmp_path: Path
) -> None:
    code, said, complained = needs("check", **debian)
    assert (code, complained) == (0, "")
    assert said.startswith("make check installs tmux: the terminals of a server")
    diary = (tmp_path / "diary").read_text()
    assert "install --no-install-recommends tmux" in diary
    assert needs("check", **debian) == (0, "", "")
    assert (tmp_path / "diary").read_text() == diary


@pytest.mark.release
def test_root_may_forbid_it(debian: dict[str, str], tmp_path: Path) -> None:
    code, said, complained = needs("check", TAILPROOF_INSTALL="no", **debian)
    assert (code, said) == (0, "")
    assert complained.startswith("make check goes on without tmux")
    assert not (tmp_path / "diary").exists()


# -- tests that cannot be run -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", ["0", "2"])
def test_tests_that_need_an_engine_are_counted_in_the_last_lines(workers: str) -> None:
    done = run(sys.executable, "-m", "pytest", NEEDS_AN_ENGINE, "-n", workers, **NO_ENGINE)
    assert done.returncode == 0, done.stdout
    head, counts, closing = done.stdout.splitlines()[-3:]
    assert "not run here" in head
    assert "for want of engine: start one with docker/engine.sh" in counts
    assert f"{counts.split()[0]} skipped" in closing


def test_where_everything_has_to_be_there_they_fail() -> None:
    done = run(sys.executable, "-m", "pytest", NEEDS_AN_ENGINE, "-n", "0", TAILPROOF_NO_SKIPS="1", **NO_ENGINE)
    assert done.returncode == 1
    assert "TAILPROOF_NO_SKIPS is set and engine is missing" in done.stdout
    assert "skipped" not in done.stdout.splitlines()[-1]


def test_every_mark_is_one_that_the_doctor_knows() -> None:
    from tests.conftest import NEEDS

    assert [look(name).name for name, _ in NEEDS.values()]


# -- docker/seed.py -----------------------------------------------------------------------------------------------------


@pytest.fixture
def index(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A package index of our own: its directory and its address."""
    place = tmp_path / "simple" / "pip"
    place.mkdir(parents=True)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(tmp_path))  # type: ignore[arg-type]

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield place, f"http://127.0.0.1:{server.server_port}/simple"
        server.shutdown()
        thread.join()


def seed(venv: Path, **environment: str) -> tuple[int, str]:
    done = run(sys.executable, "docker/seed.py", venv, NO_PROXY="127.0.0.1", **environment)
    return done.returncode, done.stderr


@pytest.mark.parametrize("told", ["environment", "file"])
def test_pip_is_looked_for_where_pip_would_look(index: tuple[Path, str], tmp_path: Path, told: str) -> None:
    place, address = index
    (place / "index.html").write_text('<a href="pip-1.0-py3-none-any.whl">pip</a>')
    file = tmp_path / "pip.conf"
    file.write_text(f"[global]\nindex-url = {address}\n")
    environment = {"environment": {"PIP_INDEX_URL": address}, "file": {"PIP_CONFIG_FILE": str(file)}}[told]
    if told == "file":
        environment["PIP_INDEX_URL"] = ""
    code, said = seed(tmp_path / "venv", **environment)
    assert code == 2
    assert said.startswith("pip could not be had from the package index: it lists no pip-")
    assert said.count("\n") == 1


def test_a_wheel_with_another_hash_is_not_run(index: tuple[Path, str], tmp_path: Path) -> None:
    wheel = re.search(r'^WHEEL = "(.*)"$', (ROOT / "docker" / "seed.py").read_text(), re.MULTILINE)
    assert wheel is not None
    name = wheel[1]
    place, address = index
    (place / "index.html").write_text(f'<a href="{name}#sha256=00">pip</a>')
    (place / name).write_bytes(b"import this")
    code, said = seed(tmp_path / "venv", PIP_INDEX_URL=address)
    assert (code, said.split(": ", 1)[1]) == (2, f"its {name} is not the one whose hash is known\n")


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/simple", "nonsense"])
def test_an_index_that_is_not_there_is_said_in_one_sentence(tmp_path: Path, address: str) -> None:
    code, said = seed(tmp_path / "venv", PIP_INDEX_URL=address)
    assert code == 2
    assert said.count("\n") == 1
