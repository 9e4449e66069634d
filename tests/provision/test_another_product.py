"""A product of somebody else is resolved, installed and built like the first one: its package brings a recipe with its kinds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tailproof.provision.environments import environment
from tailproof.provision.errors import Unavailable
from tailproof.provision.installations import installation_of
from tailproof.provision.locks import known_releases, lock_for, newest_release
from tailproof.provision.recipe import Package, PythonRecipe
from tailproof.resources import folder
from tailproof.waiting import Budget

ADAPTER = """
from pathlib import Path
from tailproof.provision.recipe import ImageRecipe, Package, PythonRecipe
from tailproof.targets.kind import TargetKind

HOME = Path(__file__).parent
RELEASES = PythonRecipe(
    word="six", home=HOME, locks="locks/six", packages=(Package("six", "six"),), lowest_python="3.11", pythons=("3.13", "3.11")
)
IMAGES = ImageRecipe(releases=RELEASES, repository="example/six", dockerfile=HOME / "Dockerfile")
KINDS = {"six": TargetKind(form="six:VERSION", protocol="six", make=None, recipe=RELEASES, image=IMAGES)}
CLASH = {"seven": TargetKind(form="seven:VERSION", protocol="six", make=None, recipe=PythonRecipe(
    word="six", home=HOME, locks="locks/seven", packages=(Package("seven", "seven"),), lowest_python="3.11", pythons=("3.13",)
))}
"""
VERSION = "1.17.0"


@pytest.fixture
def product(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PythonRecipe:
    """What is installed in `tmp_path` beside tailproof, and its recipe; the cache is empty."""
    (tmp_path / "six_adapter.py").write_text(ADAPTER)
    info = tmp_path / "six_adapter-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: six-adapter\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tailproof.targets]\nsix = six_adapter:KINDS\n")
    monkeypatch.setenv("TAILPROOF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return PythonRecipe(
        word="six",
        home=tmp_path,
        locks="locks/six",
        packages=(Package("six", "six"),),
        lowest_python="3.11",
        pythons=("3.13", "3.11"),
    )


def ran(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=120, check=False, env=dict(os.environ)
    )


@pytest.mark.release
def test_a_release_gets_a_lock_an_environment_and_is_found_in_it(product: PythonRecipe, tmp_path: Path) -> None:
    assert ran(folder("docker") / "lock.py", f"six:{VERSION}").stderr == ""
    assert known_releases(product) == [VERSION]
    lock = lock_for(product, VERSION, Budget(0)).path
    assert lock == tmp_path / "locks" / "six" / f"{VERSION}.txt"
    first, second, third = lock.read_text().splitlines()[:3]
    assert first.startswith(f"# six {VERSION}, with the dependencies of 20")
    assert second == f"# made by: python docker/lock.py six:{VERSION}"
    assert third == f"six=={VERSION} \\"

    built = environment(product, VERSION, Budget(120))
    assert built.directory.parent == tmp_path / "cache" / "environments"
    assert built.directory.name.startswith(f"six-{VERSION}-py3.")
    installed = installation_of(product, product.packages[0], built.directory, Budget(60))
    assert (installed.version, installed.interpreter) == (VERSION, built.interpreter)


@pytest.mark.release
def test_without_a_committed_lock_one_is_resolved_and_kept_apart_from_those_of_others(product: PythonRecipe) -> None:
    lock = lock_for(product, VERSION, Budget(120))
    assert lock.path == product.resolved / f"{VERSION}.txt"
    with pytest.raises(Unavailable, match=r"six has no release 0\.0\.1; the nearest are "):
        lock_for(product, "0.0.1", Budget(120))


def test_newest_of_a_product_without_locks_is_known_to_the_index_alone(product: PythonRecipe) -> None:
    with pytest.raises(Unavailable, match="looking up six in the package index took longer"):
        newest_release(product, Budget(0))


def test_its_image_is_asked_for_by_its_word(product: PythonRecipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/engine.sock")
    product.committed.mkdir(parents=True)
    (product.committed / f"{VERSION}.txt").write_text("")
    said = ran("-m", "tailproof.cli", "image", "build", f"six:{VERSION}")
    assert (said.returncode, said.stderr[:36]) == (2, "Error: no Docker engine answers (No ")
    said = ran("-m", "tailproof.cli", "image", "build", f"seven:{VERSION}")
    assert said.returncode == 64
    assert f"'seven:{VERSION}' names no release: VERSION or six:VERSION" in " ".join(said.stderr.split())


def test_two_recipes_of_one_word_are_refused(product: PythonRecipe, tmp_path: Path) -> None:
    points = "[tailproof.targets]\nsix = six_adapter:KINDS\nseven = six_adapter:CLASH\n"
    (tmp_path / "six_adapter-1.0.dist-info" / "entry_points.txt").write_text(points)
    said = ran(folder("docker") / "lock.py", "six:1.0")
    assert said.returncode == 2
    assert said.stderr.startswith("two recipes have the word 'six': ")
    assert "Traceback" not in said.stderr
