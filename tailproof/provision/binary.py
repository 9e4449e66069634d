"""Packs the server of a release into one file with PyInstaller: once for a lock file, shared by all processes on this machine."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from tailproof.ownership.scratch import workroom
from tailproof.provision.cache import cache, published
from tailproof.provision.environments import Environment, environment, requirements
from tailproof.provision.errors import Unavailable
from tailproof.provision.locks import Lock, known_releases, lock_for
from tailproof.provision.recipe import BinaryRecipe
from tailproof.provision.run_to_end import run_to_end
from tailproof.provision.uv import uv
from tailproof.waiting import Budget

SERVER = "server"
_SAYS_CHARS = 400
# What the packer itself needs stands last on the path: the product's own version of a package is the one to be packed.
_PACK = "import sys; sys.path.append(sys.argv.pop(1)); from PyInstaller.__main__ import run; run()"


def packed(recipe: BinaryRecipe, version: str, budget: Budget) -> Path:
    """The file, which runs on this machine's architecture and on no older C library than this machine's. Packing takes many minutes.

    Raises:
        Unavailable: the release cannot be installed or packed.
    """
    installed = environment(recipe.releases, version, budget)
    packer = packer_lock(recipe, budget)
    place = cache() / "binaries" / _key(recipe, installed, packer)
    published(
        place,
        mark=SERVER,
        build=lambda aside: _pack(recipe, installed, packer, aside, budget),
        what=f"the binary of {recipe.releases.spec(version)}",
        budget=budget,
    )
    return place / SERVER


def packer_lock(recipe: BinaryRecipe, budget: Budget) -> Lock:
    """What PyInstaller is installed from. Raises Unavailable."""
    return lock_for(recipe.packer, next(reversed(known_releases(recipe.packer)), ""), budget)


def _key(recipe: BinaryRecipe, installed: Environment, packer: Lock) -> str:
    content = hashlib.sha256()
    for part in (installed.directory.name, requirements(packer.path), recipe.spec.read_text()):
        content.update(part.encode() + b"\0")
    return f"{recipe.releases.label(installed.version)}-{content.hexdigest()[:12]}"


def _pack(recipe: BinaryRecipe, installed: Environment, packer: Lock, aside: Path, budget: Budget) -> None:
    with workroom() as room:
        uv(
            [
                *("pip", "install", "--quiet", "--require-hashes", "--target", f"{room}/packer"),
                *("--python", str(installed.interpreter), "--requirements", str(packer.path)),
            ],
            doing=f"installing PyInstaller {packer.version}",
            budget=budget,
        )
        ended = run_to_end(
            [
                *(installed.interpreter, "-c", _PACK, f"{room}/packer", "--noconfirm", "--log-level", "ERROR"),
                *("--distpath", aside, "--workpath", room / "work", recipe.spec),
            ],
            doing=f"packing release {installed.version}",
            budget=budget,
            environment={**os.environ, "PYINSTALLER_CONFIG_DIR": f"{room}/settings"},
            cwd=room,
        )
    if ended.code or not (aside / SERVER).is_file():
        words = " ".join(ended.err.split())[-_SAYS_CHARS:]
        raise Unavailable(f"release {installed.version} could not be packed into one file: {words}")
