"""Which packages a release for Node is run with: a committed lock, or one resolved as of the release's own day."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path

import semver

from tailproof.outgoing.atomic import write_atomically
from tailproof.ownership.scratch import workroom
from tailproof.provision.errors import Unavailable
from tailproof.provision.locks import is_version
from tailproof.provision.npm import NpmFailed, npm
from tailproof.provision.recipe import NpmRecipe
from tailproof.waiting import Budget

MANIFEST = "package.json"
LOCKED = "package-lock.json"


@dataclass(frozen=True, slots=True)
class NpmLock:
    """A lock: the directory with `package.json` and `package-lock.json`, and the release that it is for."""

    version: str
    directory: Path
    committed: bool
    """False when it was resolved on this machine."""


def known_npm_releases(recipe: NpmRecipe) -> list[str]:
    """Releases with a committed lock, oldest first."""
    return sorted((path.parent.name for path in recipe.committed.glob(f"*/{LOCKED}")), key=semver.Version.parse)


def npm_lock_for(recipe: NpmRecipe, version: str, budget: Budget) -> NpmLock:
    """The committed lock of a release, else one that is resolved now and kept in the cache.

    Raises:
        Unavailable: there is no such release, or it cannot be resolved.
    """
    committed = recipe.committed / version
    if (committed / LOCKED).is_file():
        return NpmLock(version, committed, True)
    resolved = recipe.resolved / version
    if not (resolved / LOCKED).is_file():
        write_npm_lock(resolve_npm_lock(recipe, version, budget), resolved)
    return NpmLock(version, resolved, False)


def write_npm_lock(texts: dict[str, str], directory: Path) -> None:
    """Write what `resolve_npm_lock` gave; the lock itself comes last, so that a directory that has it is whole."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in (MANIFEST, LOCKED):
        write_atomically(directory / name, texts[name].encode())


def resolve_npm_lock(
    recipe: NpmRecipe, version: str, budget: Budget, *, as_of: dt.datetime | None = None
) -> dict[str, str]:
    """The texts of `package.json` and `package-lock.json` by name: hashed packages of a release, with those that were there on
    `as_of` (default: a day after the release was uploaded). No registry stands in them.

    Raises:
        Unavailable: there is no such release (the known ones are named), or its dependencies cannot be met.
    """
    if not is_version(version):
        raise Unavailable(f"{version!r} is not a version; known releases: {', '.join(known_npm_releases(recipe))}")
    with workroom() as place:
        day = as_of or _uploaded(recipe.package, version, budget, place) + dt.timedelta(days=1)
        stamp = day.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        asked = f" --as-of {as_of:%Y-%m-%d}" if as_of else ""
        manifest = {
            "name": "client-under-test",
            "description": f"{recipe.package} {version} with the dependencies of {stamp}; "
            f"made by: python docker/lock.py {recipe.spec(version)}{asked}",
            "private": True,
            "dependencies": {recipe.package: version},
        }
        (place / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
        npm(
            [
                *("install", "--package-lock-only", "--ignore-scripts", "--omit-lockfile-registry-resolved=true"),
                *("--before", stamp),
            ],
            doing=f"resolving {recipe.package} {version} as of {stamp}",
            budget=budget,
            cwd=place,
        )
        texts = {file: (place / file).read_text() for file in (MANIFEST, LOCKED)}
    loose = [name for name, one in json.loads(texts[LOCKED])["packages"].items() if name and "integrity" not in one]
    if loose:
        raise Unavailable(f"the lock of {recipe.package} {version} would lack the hashes of {', '.join(loose)}")
    return texts


def _uploaded(package: str, version: str, budget: Budget, cwd: Path) -> dt.datetime:
    try:
        said = npm(
            ["view", package, "time", "--json"],
            doing=f"looking up {package} in the package registry",
            budget=budget,
            cwd=cwd,
        )
        times: dict[str, str] = json.loads(said)
    except ValueError as bad:
        raise Unavailable(f"the package registry does not say when {package} was uploaded: {bad}") from bad
    except NpmFailed as failed:
        if "E404" in failed.said:
            raise Unavailable(f"the package registry has no {package}") from failed
        raise
    if version not in times:
        there = sorted((one for one in times if semver.Version.is_valid(one)), key=semver.Version.parse)
        raise Unavailable(f"{package} has no release {version}; there are {', '.join(there[-8:])}")
    return dt.datetime.fromisoformat(times[version])
