"""Which packages a release is run with: a committed lock file, or one resolved on the fly as of the release's own day."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from tailproof.outgoing.atomic import write_atomically
from tailproof.ownership.scratch import workroom
from tailproof.provision.errors import Unavailable
from tailproof.provision.recipe import PythonRecipe
from tailproof.provision.uv import THIS_PYTHON, UvFailed, uv
from tailproof.waiting import Budget

_VERSION = re.compile(r"\d+(\.\d+)*([ab]|rc|\.post|\.dev)?\d*")


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock file: requirements with hashes, and the release that it is for."""

    version: str
    path: Path


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest release, and who says so (`says`, the rest of a sentence that begins with the release)."""

    version: str
    says: str


def is_version(text: str) -> bool:
    """It is written like the number of a release; whether there is such a release is another question."""
    return _VERSION.fullmatch(text) is not None


def known_releases(recipe: PythonRecipe) -> list[str]:
    """Releases with a committed lock file, oldest first; a release candidate stands before its release."""
    return sorted((path.stem for path in recipe.committed.glob("*.txt")), key=Version)


def release_before(recipe: PythonRecipe, version: str) -> str:
    """The newest older release with a committed lock file; empty when there is none."""
    older = [one for one in known_releases(recipe) if Version(one) < Version(version)]
    return older[-1] if older else ""


def newest_release(recipe: PythonRecipe, budget: Budget) -> Newest:
    """The newest release in the package index, release candidates aside; the newest one with a committed lock file when the
    index does not answer within the budget. Whether it can be installed is another question.

    Raises:
        Unavailable: the index does not answer, and there is no committed lock file.
    """
    try:
        (found,) = _look_up(recipe, [recipe.package], budget)
    except Unavailable as silent:
        known = known_releases(recipe)
        if not known:
            raise
        return Newest(known[-1], f"the newest with a committed lock file: {silent}")
    return Newest(str(found["version"]), "the newest in the package index")


def lock_for(recipe: PythonRecipe, version: str, budget: Budget) -> Lock:
    """The committed lock file of a release, else one that is resolved now and kept in the cache.

    Raises:
        Unavailable: there is no such release, or it cannot be resolved.
    """
    committed = recipe.committed / f"{version}.txt"
    if committed.is_file():
        return Lock(version, committed)
    resolved = recipe.resolved / f"{version}.txt"
    if not resolved.is_file():
        text = resolve_lock(recipe, version, budget)
        resolved.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(resolved, text.encode())
    return Lock(version, resolved)


def resolve_lock(recipe: PythonRecipe, version: str, budget: Budget, *, as_of: dt.datetime | None = None) -> str:
    """The text of a lock file: hashed requirements of a release for its lowest Python and above, with the packages that were
    there on `as_of` (default: a day after the release was uploaded).

    Raises:
        Unavailable: there is no such release (the nearest ones are named), or its dependencies cannot be met.
    """
    if not is_version(version):
        raise Unavailable(f"{version!r} is not a version; known releases: {', '.join(known_releases(recipe))}")
    day = as_of or _uploaded(recipe, version, budget) + dt.timedelta(days=1)
    stamp = day.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with workroom() as place:
        asked = place / "requirements.in"
        asked.write_text("".join(f"{package.name}=={version}\n" for package in recipe.packages))
        text = uv(
            [
                *(
                    "pip",
                    "compile",
                    *THIS_PYTHON,
                    "--universal",
                    "--python-version",
                    recipe.lowest_python,
                    "--generate-hashes",
                ),
                *("--exclude-newer", stamp, "--no-header", "--no-annotate", "--quiet", str(asked)),
            ],
            doing=f"resolving release {version} as of {stamp}",
            budget=budget,
        )
    siblings = " and its siblings" if len(recipe.packages) > 1 else ""
    head = (
        f"# {recipe.package} {version}{siblings}, with the dependencies of {stamp}\n"
        f"# made by: python docker/lock.py {recipe.spec(version)}{f' --as-of {as_of:%Y-%m-%d}' if as_of else ''}\n"
    )
    return head + text


def _uploaded(recipe: PythonRecipe, version: str, budget: Budget) -> dt.datetime:
    """When the last file of a release was uploaded. Raises Unavailable when the index has no such release."""
    try:
        found = _look_up(recipe, [f"{package.name}=={version}" for package in recipe.packages], budget)
    except UvFailed as failed:
        if "there is no version of" not in " ".join(failed.said.split()):
            raise
        near = ", ".join(_nearest(recipe, version, budget)) or ", ".join(known_releases(recipe))
        raise Unavailable(f"{recipe.package} has no release {version}; the nearest are {near}") from failed
    times = [
        file["upload-time"]
        for package in found
        for file in [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        if "upload-time" in file
    ]
    if not times:
        raise Unavailable(
            f"the package index does not say when {version} was uploaded: give docker/lock.py an --as-of day"
        )
    latest: dt.datetime = max(times)
    return latest


def _nearest(recipe: PythonRecipe, version: str, budget: Budget) -> list[str]:
    near = []
    for bound, resolution in (("<", "highest"), (">", "lowest-direct")):
        try:
            found = _look_up(recipe, [f"{recipe.package}{bound}{version}"], budget, "--resolution", resolution)
        except UvFailed:
            continue
        near += [str(package["version"]) for package in found]
    return near


def _look_up(
    recipe: PythonRecipe, requirements: list[str], budget: Budget, *options: str
) -> list[dict[str, dict[str, dt.datetime]]]:
    """What the index knows of some requirements alone, without their dependencies."""
    with workroom() as place:
        asked = place / "requirements.in"
        asked.write_text("\n".join(requirements))
        text = uv(
            [
                *("pip", "compile", *THIS_PYTHON, "--no-deps", "--no-header", "--format", "pylock.toml", "--quiet"),
                *("--python-version", recipe.pythons[0], *options, str(asked)),
            ],
            doing=f"looking up {requirements[0]} in the package index",
            budget=budget,
        )
    packages: list[dict[str, dict[str, dt.datetime]]] = tomllib.loads(text)["packages"]
    return packages
