"""Builds the image of one release from its lock file and a recipe."""

from __future__ import annotations

import hashlib
import platform
import shutil
from collections.abc import Callable

import docker
from docker.errors import ImageNotFound

from tailproof.ownership.scratch import workroom
from tailproof.provision.base_image import WITH_PYTHON, WITHOUT_PYTHON, base_image, pull
from tailproof.provision.binary import SERVER, packed, packer_lock
from tailproof.provision.cache import cache, only_one
from tailproof.provision.engine import build, connect, engine_does
from tailproof.provision.environments import requirements
from tailproof.provision.errors import Unavailable
from tailproof.provision.locks import Lock, lock_for
from tailproof.provision.recipe import BinaryRecipe, ImageRecipe
from tailproof.provision.uv import THIS_PYTHON, uv
from tailproof.waiting import Budget, DeadlineMissed

VERSION_LABEL = "tailproof.version"
BUILD_S = 1800.0
PACK_S = 7200.0
RECIPE_LABEL = "tailproof.recipe"
"""A hash over what the image is made of, its base too: what decides whether an image is built again."""
PYTHON = "3.13"
"""The Python of the base image, whichever way that was made."""

PLATFORMS = {
    "x86_64": "x86_64-unknown-linux-gnu",
    "amd64": "x86_64-unknown-linux-gnu",
    "aarch64": "aarch64-unknown-linux-gnu",
    "arm64": "aarch64-unknown-linux-gnu",
}


def build_image(
    recipe: ImageRecipe | BinaryRecipe, version: str, *, say: Callable[[str], None] = lambda line: None
) -> str:
    """The tag of the image of a release; it is built unless one from the same recipe and lock file is there.

    Needs an engine, but no registry. `say` gets a line per step.

    Raises:
        Unavailable: no engine, no such release, or a step failed; the message says which.
    """
    budget = Budget(PACK_S if isinstance(recipe, BinaryRecipe) else BUILD_S)
    lock = lock_for(recipe.releases, version, budget)
    tag = f"{recipe.repository}:{version}"
    engine = connect()
    try:
        with only_one(cache() / "images" / f"{tag.replace('/', '-')}.lock", budget, doing=f"building {tag}"):
            if _label(engine, tag) == _made_of(recipe, lock, budget):
                say(f"{tag} is there already")
            elif isinstance(recipe, ImageRecipe):
                _build(engine, recipe, lock, tag, say, budget)
            elif refused := _take_published(engine, recipe, lock, tag, say, budget):
                say(f"{refused}; packing the server here instead, which takes many minutes")
                _build_binary(engine, recipe, lock, tag, say, budget)
    except DeadlineMissed as missed:
        raise Unavailable(f"{tag} could not be built: {missed}") from missed
    finally:
        engine.close()
    return tag


def _build(
    engine: docker.DockerClient,
    recipe: ImageRecipe,
    lock: Lock,
    tag: str,
    say: Callable[[str], None],
    budget: Budget,
) -> None:
    base = base_image(engine, WITH_PYTHON, say=say, budget=budget)
    with workroom() as place:
        say(f"downloading release {lock.version}")
        uv(
            [
                *("pip", "install", *THIS_PYTHON, "--quiet", "--require-hashes", "--target", f"{place}/packages"),
                *(
                    "--python-version",
                    PYTHON,
                    "--python-platform",
                    platform_of(engine),
                    "--requirements",
                    str(lock.path),
                ),
            ],
            doing=f"downloading release {lock.version}",
            budget=budget,
        )
        shutil.copy(recipe.dockerfile, place / "Dockerfile")
        say(f"building {tag}")
        build(
            engine,
            place,
            tag,
            arguments={"BASE": base, "PYTHON": PYTHON},
            labels=_labels(recipe, lock, budget),
            network="none",
        )


def _take_published(
    engine: docker.DockerClient,
    recipe: BinaryRecipe,
    lock: Lock,
    tag: str,
    say: Callable[[str], None],
    budget: Budget,
) -> str:
    """Have the product's own image under our tag and labels. Empty when it worked, else why not."""
    reference = recipe.published.format(version=lock.version)
    refused = pull(engine, reference)
    if refused:
        return refused
    say(f"{tag} is the published {reference}")
    with workroom() as place:
        (place / "Dockerfile").write_text(f"FROM {reference}\n")
        build(engine, place, tag, arguments={}, labels=_labels(recipe, lock, budget), network="none")
    return ""


def _build_binary(
    engine: docker.DockerClient,
    recipe: BinaryRecipe,
    lock: Lock,
    tag: str,
    say: Callable[[str], None],
    budget: Budget,
) -> None:
    if PLATFORMS.get(platform.machine()) != platform_of(engine):
        raise Unavailable(f"{tag} would be packed for this machine, and the engine has another architecture")
    base = base_image(engine, WITHOUT_PYTHON, say=say, budget=budget)
    server = packed(recipe, lock.version, budget)
    with workroom() as place:
        shutil.copy(server, place / SERVER)
        (place / SERVER).chmod(0o755)
        shutil.copy(recipe.dockerfile, place / "Dockerfile")
        say(f"building {tag}")
        build(engine, place, tag, arguments={"BASE": base}, labels=_labels(recipe, lock, budget), network="none")


def _labels(recipe: ImageRecipe | BinaryRecipe, lock: Lock, budget: Budget) -> dict[str, str]:
    return {VERSION_LABEL: lock.version, RECIPE_LABEL: _made_of(recipe, lock, budget)}


def _made_of(recipe: ImageRecipe | BinaryRecipe, lock: Lock, budget: Budget) -> str:
    content = hashlib.sha256()
    if isinstance(recipe, ImageRecipe):
        parts = [WITH_PYTHON.recipe, recipe.dockerfile.read_text(), PYTHON]
    else:
        packer = requirements(packer_lock(recipe, budget).path)
        parts = [WITHOUT_PYTHON.recipe, recipe.dockerfile.read_text(), recipe.spec.read_text(), packer]
    for part in (*parts, requirements(lock.path)):
        content.update(part.encode() + b"\0")
    return content.hexdigest()[:16]


def _label(engine: docker.DockerClient, tag: str) -> str:
    with engine_does(f"looking for {tag}"):
        try:
            return str(engine.images.get(tag).labels.get(RECIPE_LABEL, ""))
        except ImageNotFound:
            return ""


def platform_of(engine: docker.DockerClient) -> str:
    """The platform of an engine's containers, in the words of uv. Raises Unavailable."""
    with engine_does("asking for its architecture"):
        machine = engine.info()["Architecture"]
    try:
        return PLATFORMS[machine]
    except KeyError:
        raise Unavailable(f"there is no image recipe for the architecture {machine} of the engine") from None
