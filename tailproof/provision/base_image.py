"""What the images of all releases stand on: from a registry when one is reachable, else from Debian packages."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import ImageNotFound

from tailproof import resources
from tailproof.ownership.marks import own_variables
from tailproof.ownership.scratch import workroom
from tailproof.provision.cache import cache, only_one
from tailproof.provision.engine import build, engine_does
from tailproof.provision.errors import EngineError, Unavailable
from tailproof.provision.run_to_end import BUILD
from tailproof.waiting import Budget, DeadlineMissed

REPOSITORY = "tailproof/base"
SUITE = "trixie"
"""The Debian release whose Python is the one that releases were built for."""
_WITHOUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")
_REGISTRY_S = 20.0
"""How long a registry may say nothing before Debian packages are taken."""


@dataclass(frozen=True, slots=True)
class Base:
    """What images stand on."""

    dockerfile: str
    """In `docker/`: how it is made where a registry is reachable."""
    packages: tuple[str, ...]
    """What it has beside the least of Debian where none is."""

    @property
    def recipe(self) -> str:
        """A text that changes when it is to be made anew."""
        return "\n".join([(resources.folder("docker") / self.dockerfile).read_text(), SUITE, *self.packages, *_WITHOUT])


WITH_PYTHON = Base(
    "base.Dockerfile", ("ca-certificates", "curl", "git", "procps", "python3", "python3-venv", "tini", "tmux")
)
WITHOUT_PYTHON = Base("binary-base.Dockerfile", ("bash", "ca-certificates", "git", "tini", "tmux"))
"""Nothing but what a packed server itself starts."""


class NoMmdebstrap(Unavailable):
    """The program that makes the base image where no registry is reached is not here."""

    remedy = "sh docker/engine.sh as root brings it, or apt-get install mmdebstrap"

    def __init__(self) -> None:
        super().__init__(f"without a registry the base image is made with mmdebstrap, which is not here: {self.remedy}")


def base_image(engine: docker.DockerClient, base: Base, *, say: Callable[[str], None], budget: Budget) -> str:
    """The tag of a base image; made when it is not there. Raises Unavailable when neither way works."""
    key = hashlib.sha256(base.recipe.encode()).hexdigest()[:12]
    tag = f"{REPOSITORY}:{key}"
    with only_one(cache() / "images" / "base.lock", budget, doing="making the base image"):
        with engine_does(f"looking for {tag}"):
            try:
                engine.images.get(tag)
            except ImageNotFound:
                pass
            else:
                return tag
        refused = _from_registry(engine, base, tag, say)
        if refused:
            say(f"{refused}; taking Debian packages instead")
            _from_debian(engine, base, tag, key, say, budget)
    return tag


def _from_registry(engine: docker.DockerClient, base: Base, tag: str, say: Callable[[str], None]) -> str:
    """Empty when it worked, else why not."""
    recipe = resources.folder("docker") / base.dockerfile
    wanted = next(line.split()[1] for line in recipe.read_text().splitlines() if line.startswith("FROM "))
    refused = pull(engine, wanted)
    if refused:
        return refused
    say(f"building the base image from {wanted}")
    with workroom() as place:
        shutil.copy(recipe, place / "Dockerfile")
        try:
            build(engine, place, tag, arguments={}, labels={}, network="host")
        except EngineError as error:
            return str(error)
    return ""


def pull(engine: docker.DockerClient, reference: str) -> str:
    """Pull an image. Empty when it worked, else one sentence; gives up on a registry that says nothing for 20 seconds."""
    said = threading.Event()
    outcome: list[str] = []

    def run() -> None:
        try:
            with engine_does(f"pulling {reference}"):
                for line in engine.api.pull(*_parts(reference), stream=True, decode=True):
                    said.set()
                    if "error" in line:
                        outcome.append(f"pulling {reference} failed: {line['error']}")
                        return
            outcome.append("")
        except EngineError as error:
            outcome.append(str(error))
        finally:
            said.set()

    thread = threading.Thread(target=run, name=f"pull {reference}", daemon=True)
    thread.start()
    if not said.wait(_REGISTRY_S):
        return f"no registry that has {reference} is reachable (nothing heard for {_REGISTRY_S:.0f} s)"
    thread.join()
    return outcome[0]


def _parts(reference: str) -> tuple[str, str | None]:
    name, colon, tag = reference.rpartition(":")
    if "@" in reference or not colon or "/" in tag:
        return reference, None if "@" in reference else "latest"
    return name, tag


def _from_debian(
    engine: docker.DockerClient, base: Base, tag: str, key: str, say: Callable[[str], None], budget: Budget
) -> None:
    tree = cache() / "images" / f"base-{key}.tar"
    if not tree.is_file():
        say(f"making a Debian {SUITE} tree with {', '.join(base.packages)}")
        _mmdebstrap(tree, base.packages, budget)
    with engine_does(f"importing {tree.name}"):
        name, _, label = tag.partition(":")
        engine.api.import_image_from_file(str(tree), repository=name, tag=label)


def _mmdebstrap(tree: Path, packages: Sequence[str], budget: Budget) -> None:
    program = shutil.which("mmdebstrap")
    if program is None:
        raise NoMmdebstrap
    with workroom(beside=tree) as room, workroom() as temporary, tempfile.TemporaryFile() as told:
        aside = room / tree.name
        temporary.chmod(0o755)  # the packages are fetched by another user
        command = [
            *(program, "--quiet", "--variant=minbase", f"--include={','.join(packages)}"),
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in _WITHOUT),
            *(SUITE, str(aside)),
        ]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=told,
            cwd=tree.parent,
            env={**os.environ, **own_variables(BUILD), "LC_ALL": "C", "TMPDIR": str(temporary)},
        )
        try:
            budget.wait_for("mmdebstrap to end", lambda: process.poll() is not None, every=0.1)
        except DeadlineMissed as missed:
            raise Unavailable(f"the base image could not be made: {missed}") from missed
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        if process.returncode:
            told.seek(0)
            words = " ".join(told.read().decode(errors="replace").split())
            raise Unavailable(f"mmdebstrap could not make the base image: {words[-400:]}")
        aside.rename(tree)
