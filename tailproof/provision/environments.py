"""Virtual environments of releases, built once from a lock file and shared by all processes on this machine.

All packages of a release live in the same environment, a server and its clients: one lock file, one directory.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from tailproof.ownership.scratch import workroom
from tailproof.provision.cache import cache, lock_file, only_one, published
from tailproof.provision.locks import Lock, lock_for
from tailproof.provision.pythons import Python, find_python
from tailproof.provision.recipe import PythonRecipe
from tailproof.provision.uv import uv
from tailproof.waiting import Budget, DeadlineMissed

_RECIPE = "1"
"""Raised when environments of the same lock file are to be built anew."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A finished environment."""

    version: str
    directory: Path
    python: Python
    lock: Path

    @property
    def interpreter(self) -> Path:
        """The Python of this environment."""
        return self.directory / "bin" / "python"


def environment(recipe: PythonRecipe, version: str, budget: Budget) -> Environment:
    """The environment of a release; built when it is not there yet. Safe to call from several processes.

    Raises:
        Unavailable: no such release, no Python for it, or it cannot be installed.
    """
    lock = lock_for(recipe, version, budget)
    python = find_python(recipe)
    place = cache() / "environments" / key(recipe, lock, python)
    ready = Environment(version, place, python, lock.path)
    published(
        place,
        mark="pyvenv.cfg",
        build=lambda aside: _build(lock, python, aside, budget),
        what=f"the environment of {recipe.spec(version)}",
        budget=budget,
    )
    return ready


def adopt(recipe: PythonRecipe, version: str, packages: Path, lock: Path, budget: Budget) -> None:
    """Have the environment of a release around packages that were unpacked here for it, so that nothing is fetched when it is asked for.
    Raises Unavailable."""
    kept = recipe.resolved / f"{version}.txt"
    if not (recipe.committed / kept.name).is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(lock, kept)
    found, python = lock_for(recipe, version, budget), find_python(recipe)
    published(
        cache() / "environments" / key(recipe, found, python),
        mark="pyvenv.cfg",
        build=lambda aside: _around(packages, python, aside, budget),
        what=f"the environment of {recipe.spec(version)}",
        budget=budget,
    )


def key(recipe: PythonRecipe, lock: Lock, python: Python) -> str:
    """Names an environment by what is in it: the release for a reader, the hash for everything else."""
    content = hashlib.sha256()
    for part in (_RECIPE, requirements(lock.path), python.release, python.platform, str(python.path)):
        content.update(part.encode() + b"\0")
    return f"{recipe.label(lock.version)}-py{python.version[0]}.{python.version[1]}-{content.hexdigest()[:12]}"


def requirements(path: Path) -> str:
    """A lock file without its comments: what decides the content of an environment or image."""
    return "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("#"))


def evict(older_than_days: float) -> list[str]:
    """Remove environments that nobody asked for in so many days. Returns what was removed."""
    removed = []
    limit = time.time() - older_than_days * 86400
    for place in sorted((cache() / "environments").glob("*")):
        if not place.is_dir() or place.stat().st_mtime > limit:
            continue
        try:
            with only_one(lock_file(place), Budget(0), doing="using it"):
                _remove(place)
        except DeadlineMissed:
            continue
        removed.append(str(place))
    return removed


def _build(lock: Lock, python: Python, aside: Path, budget: Budget) -> None:
    _make(python, aside, budget)
    uv(
        [
            *("pip", "sync", "--quiet", "--require-hashes", "--strict", "--compile-bytecode"),
            *("--python", str(aside / "bin" / "python"), str(lock.path)),
        ],
        doing=f"installing release {lock.version}",
        budget=budget,
    )


def _around(packages: Path, python: Python, aside: Path, budget: Budget) -> None:
    _make(python, aside, budget)
    site = next(aside.glob("lib/python*/site-packages"))
    shutil.rmtree(site)
    site.symlink_to(packages)


def _make(python: Python, aside: Path, budget: Budget) -> None:
    uv(
        ["venv", "--relocatable", "--no-project", "--quiet", "--python", str(python.path), str(aside)],
        doing=f"making an environment with Python {python.release}",
        budget=budget,
    )


def _remove(place: Path) -> None:
    with workroom(beside=place) as room:
        place.rename(room / place.name)
