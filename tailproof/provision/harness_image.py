"""Builds the image that holds the harness itself and the releases that it is to judge: what a part of a check runs in on another machine,
which may reach no package index."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import docker
import msgspec
from docker.errors import ImageNotFound

from tailproof import resources
from tailproof.ownership.scratch import workroom
from tailproof.provision import toxiproxy
from tailproof.provision.base_image import WITH_PYTHON, base_image
from tailproof.provision.cache import cache, only_one
from tailproof.provision.engine import build, connect, engine_does
from tailproof.provision.environments import requirements
from tailproof.provision.errors import Unavailable
from tailproof.provision.faketime import faketime
from tailproof.provision.images import PLATFORMS, PYTHON, platform_of
from tailproof.provision.locks import Lock, lock_for
from tailproof.provision.recipe import PythonRecipe
from tailproof.provision.uv import THIS_PYTHON, uv
from tailproof.waiting import Budget, DeadlineMissed

REPOSITORY = "tailproof/harness"
MANIFEST = "manifest.json"
BUILD_S = 1800.0
_NAME = "tailproof"
_NOT_SHIPPED = ("__pycache__", "node_modules", "src")


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """A release in the image: which one, and where its packages and its lock file lie below the folder of the manifest."""

    locks: str
    """The folder of lock files that tells its recipe from all others."""
    version: str
    packages: str
    lock: str


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the image is made of, apart from the harness's own code."""

    pins: str
    """Name and version of every package beside which this harness runs."""
    locks: Sequence[tuple[PythonRecipe, Lock]]
    tools: Sequence[tuple[Path, str]]
    """A file of this machine, and where it goes below `/usr/local`."""

    @property
    def key(self) -> str:
        """Another one when the image is to be made anew."""
        recipe = (resources.folder("docker") / "harness-packages.Dockerfile").read_text()
        parts = [WITH_PYTHON.recipe, recipe, PYTHON, self.pins, *(to for _, to in self.tools)]
        parts += [f"{one.locks} {lock.version} {requirements(lock.path)}" for one, lock in self.locks]
        return _hash(part.encode() for part in parts)


def harness_image(releases: Iterable[tuple[PythonRecipe, str]], *, say: Callable[[str], None]) -> str:
    """The tag of an image with this very harness and these releases, for the engine of this machine. What is there is not built again:
    the packages are one image, the harness's code another one on top of it. `say` gets a line per step.

    Raises:
        Unavailable: no engine, no such release, another architecture, or a step failed.
    """
    budget = Budget(BUILD_S)
    locks = [(recipe, lock_for(recipe, version, budget)) for recipe, version in dict.fromkeys(releases)]
    parts = _Parts(_pins(budget), locks, list(_tools()))
    packages = f"{REPOSITORY}-packages:{parts.key}"
    tag = f"{REPOSITORY}:{_hash([parts.key.encode(), *_code()])}"
    with closing(connect()) as engine:
        if PLATFORMS.get(platform.machine()) != platform_of(engine):
            raise Unavailable(f"{tag} would hold programs of this machine, and the engine has another architecture")
        try:
            with only_one(cache() / "images" / "harness.lock", budget, doing="building the image of the harness"):
                if not _is_there(engine, packages):
                    _build_packages(engine, parts, packages, say, budget)
                if not _is_there(engine, tag):
                    say(f"building {tag}")
                    _build_harness(engine, packages, tag)
        except DeadlineMissed as missed:
            raise Unavailable(f"{tag} could not be built: {missed}") from missed
    return tag


def _build_packages(
    engine: docker.DockerClient, parts: _Parts, tag: str, say: Callable[[str], None], budget: Budget
) -> None:
    base = base_image(engine, WITH_PYTHON, say=say, budget=budget)
    machine = platform_of(engine)
    with workroom() as place:
        (place / "pins.txt").write_text(parts.pins)
        (place / "asked.txt").write_text("\n".join(_asked()))
        say("downloading the harness's packages")
        _install(place / "harness", machine, ["--constraints", f"{place}/pins.txt"], f"{place}/asked.txt", budget)
        (place / "releases").mkdir()
        carried = []
        for number, (recipe, lock) in enumerate(parts.locks):
            say(f"downloading release {recipe.spec(lock.version)}")
            one = Carried(
                locks=recipe.locks, version=lock.version, packages=f"{number}/packages", lock=f"{number}/lock"
            )
            _install(place / "releases" / one.packages, machine, ["--require-hashes"], str(lock.path), budget)
            shutil.copy(lock.path, place / "releases" / one.lock)
            carried.append(one)
        (place / "releases" / MANIFEST).write_bytes(msgspec.json.encode(carried))
        (place / "tools").mkdir()
        for file, to in parts.tools:
            (place / "tools" / to).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place / "tools" / to)
        shutil.copy(resources.folder("docker") / "harness-packages.Dockerfile", place / "Dockerfile")
        say(f"building {tag}")
        build(engine, place, tag, arguments={"BASE": base, "PYTHON": PYTHON}, labels={}, network="none")


def _build_harness(engine: docker.DockerClient, packages: str, tag: str) -> None:
    with workroom() as place:
        for file, to in _files():
            (place / to).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place / to)
        shutil.copy(resources.folder("docker") / "harness.Dockerfile", place / "Dockerfile")
        build(engine, place, tag, arguments={"BASE": packages, "PYTHON": PYTHON}, labels={}, network="none")


def _install(to: Path, machine: str, options: Sequence[str], asked: str, budget: Budget) -> None:
    uv(
        [
            *("pip", "install", *THIS_PYTHON, "--quiet", "--target", str(to), *options),
            *("--python-version", PYTHON, "--python-platform", machine, "--requirements", asked),
        ],
        doing="downloading packages for the image of the harness",
        budget=budget,
    )


def _asked() -> list[str]:
    """What the harness needs to run, as its own metadata say it; not what its tests need."""
    return [one for one in importlib.metadata.requires(_NAME) or () if "extra ==" not in one]


def _pins(budget: Budget) -> str:
    frozen = uv(
        ["pip", "freeze", "--python", sys.executable, "--exclude-editable"],
        doing="listing the harness's packages",
        budget=budget,
    )
    return "\n".join(line for line in frozen.splitlines() if "==" in line and not line.startswith(f"{_NAME}=="))


def _tools() -> Iterator[tuple[Path, str]]:
    """Programs and libraries that the harness has found here and whose lack would leave scenarios out there."""
    if (server := toxiproxy.find()) is not None:
        yield server, "bin/toxiproxy-server"
    if (library := faketime()) is not None:
        yield library, f"lib/faketime/{library.name}"


def _files() -> Iterator[tuple[Path, str]]:
    """The harness itself as a wheel would install it: its code, what is shipped with it, and what names its entry points."""
    package = Path(resources.__file__).parent
    for file in _below(package):
        if "_data" not in file.relative_to(package).parts:
            yield file, f"tailproof/{_NAME}/{file.relative_to(package)}"
    for name in sorted(resources.FOLDERS):
        folder = resources.folder(name)
        for file in _below(folder):
            yield file, f"tailproof/{_NAME}/_data/{name}/{file.relative_to(folder)}"
    told = importlib.metadata.distribution(_NAME)
    for name in ("METADATA", "entry_points.txt"):
        place = Path(str(told.locate_file(f"{_NAME}-{told.version}.dist-info/{name}")))
        yield place, f"tailproof/{_NAME}-{told.version}.dist-info/{name}"


def _below(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and entry.name not in _NOT_SHIPPED:
            yield from _below(entry)
        elif entry.is_file():
            yield entry


def _code() -> Iterator[bytes]:
    for file, to in _files():
        yield to.encode()
        yield file.read_bytes()
    yield (resources.folder("docker") / "harness.Dockerfile").read_bytes()


def _hash(parts: Iterable[bytes]) -> str:
    content = hashlib.sha256()
    for part in parts:
        content.update(part + b"\0")
    return content.hexdigest()[:16]


def _is_there(engine: docker.DockerClient, tag: str) -> bool:
    with engine_does(f"looking for {tag}"):
        try:
            engine.images.get(tag)
        except ImageNotFound:
            return False
    return True
