"""Builds the image of one release from its lock file and the recipes in `docker/`."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable

import docker
from docker.errors import ImageNotFound

from tailproof import resources
from tailproof.ownership.scratch import workroom
from tailproof.provision.base_image import base_image, base_recipe
from tailproof.provision.cache import cache, only_one
from tailproof.provision.engine import build, connect, engine_does
from tailproof.provision.environments import requirements
from tailproof.provision.errors import Unavailable
from tailproof.provision.locks import Lock, lock_for
from tailproof.provision.uv import THIS_PYTHON, uv
from tailproof.waiting import Budget, DeadlineMissed

REPOSITORY = "tailproof/agent-server"
VERSION_LABEL = "tailproof.version"
RECIPE_LABEL = "tailproof.recipe"
"""A hash over the recipes and the lock file: what decides whether an image is built again."""
PYTHON = "3.13"
"""The Python of the base image, whichever way that was made."""

_PLATFORMS = {
    "x86_64": "x86_64-unknown-linux-gnu",
    "amd64": "x86_64-unknown-linux-gnu",
    "aarch64": "aarch64-unknown-linux-gnu",
    "arm64": "aarch64-unknown-linux-gnu",
}


def build_image(version: str, *, say: Callable[[str], None] = lambda line: None, budget: Budget | None = None) -> str:
    """The tag of the image of a release; it is built unless one from the same recipe and lock file is there.

    Needs an engine, but no registry. `say` gets a line per step.

    Raises:
        Unavailable: no engine, no such release, or a step failed; the message says which.
    """
    budget = budget or Budget(1800)
    lock = lock_for(version, budget)
    tag = f"{REPOSITORY}:{version}"
    engine = connect()
    try:
        with only_one(cache() / "images" / f"{version}.lock", budget, doing=f"building {tag}"):
            recipe = _recipe(lock)
            if _label(engine, tag) == recipe:
                say(f"{tag} is there already")
            else:
                _build(engine, lock, tag, recipe, say, budget)
    except DeadlineMissed as missed:
        raise Unavailable(f"{tag} could not be built: {missed}") from missed
    finally:
        engine.close()
    return tag


def _build(
    engine: docker.DockerClient, lock: Lock, tag: str, recipe: str, say: Callable[[str], None], budget: Budget
) -> None:
    base = base_image(engine, say=say, budget=budget)
    with workroom() as place:
        say(f"downloading release {lock.version}")
        uv(
            [
                *("pip", "install", *THIS_PYTHON, "--quiet", "--require-hashes", "--target", f"{place}/packages"),
                *("--python-version", PYTHON, "--python-platform", _platform(engine), "--requirements", str(lock.path)),
            ],
            doing=f"downloading release {lock.version}",
            budget=budget,
        )
        shutil.copy(resources.folder("docker") / "Dockerfile", place)
        say(f"building {tag}")
        build(
            engine,
            place,
            tag,
            arguments={"BASE": base, "PYTHON": PYTHON},
            labels={VERSION_LABEL: lock.version, RECIPE_LABEL: recipe},
            network="none",
        )


def _recipe(lock: Lock) -> str:
    content = hashlib.sha256()
    for part in (
        base_recipe(),
        (resources.folder("docker") / "Dockerfile").read_text(),
        PYTHON,
        requirements(lock.path),
    ):
        content.update(part.encode() + b"\0")
    return content.hexdigest()[:16]


def _label(engine: docker.DockerClient, tag: str) -> str:
    with engine_does(f"looking for {tag}"):
        try:
            return str(engine.images.get(tag).labels.get(RECIPE_LABEL, ""))
        except ImageNotFound:
            return ""


def _platform(engine: docker.DockerClient) -> str:
    with engine_does("asking for its architecture"):
        machine = engine.info()["Architecture"]
    try:
        return _PLATFORMS[machine]
    except KeyError:
        raise Unavailable(f"there is no image recipe for the architecture {machine} of the engine") from None
