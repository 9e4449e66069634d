"""Environments of releases for Node, built once from a lock and shared by all processes on this machine."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from tailproof.provision.cache import cache, published
from tailproof.provision.npm import find_node, npm
from tailproof.provision.npm_locks import LOCKED, MANIFEST, NpmLock, npm_lock_for
from tailproof.provision.recipe import NpmRecipe
from tailproof.waiting import Budget

_RECIPE = "1"
"""Raised when environments of the same lock are to be built anew."""


@dataclass(frozen=True, slots=True)
class NodeEnvironment:
    """A finished environment: packages below `directory/node_modules`, and the Node that runs them."""

    version: str
    directory: Path
    node: Path
    lock: NpmLock


def node_environment(recipe: NpmRecipe, version: str, budget: Budget) -> NodeEnvironment:
    """The environment of a release; built when it is not there yet. Safe to call from several processes.

    Raises:
        Unavailable: no such release, no Node, or it cannot be installed.
    """
    node = find_node()
    lock = npm_lock_for(recipe, version, budget)
    # Below the environments of Python releases, so that both are evicted alike.
    place = cache() / "environments" / _key(recipe, lock)
    published(
        place,
        mark=f"node_modules/{recipe.package}/package.json",
        build=lambda aside: _build(recipe, lock, aside, budget),
        what=f"the environment of {recipe.package} {version}",
        budget=budget,
    )
    return NodeEnvironment(version, place, node, lock)


def _key(recipe: NpmRecipe, lock: NpmLock) -> str:
    """By what is in it. The packages have no compiled parts and their scripts are not run: the Node does not matter."""
    content = hashlib.sha256()
    for part in (_RECIPE, (lock.directory / LOCKED).read_text()):
        content.update(part.encode() + b"\0")
    return f"{recipe.label(lock.version)}-{content.hexdigest()[:12]}"


def _build(recipe: NpmRecipe, lock: NpmLock, aside: Path, budget: Budget) -> None:
    aside.mkdir(parents=True)
    for name in (MANIFEST, LOCKED):
        shutil.copyfile(lock.directory / name, aside / name)
    npm(["ci", "--ignore-scripts"], doing=f"installing {recipe.package} {lock.version}", budget=budget, cwd=aside)
