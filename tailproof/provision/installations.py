"""What a directory of the user holds: a virtual environment as it is, or a checkout, installed in our cache."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tailproof.incoming.files import is_directory
from tailproof.outgoing.visible import PATH_CHARS, clip
from tailproof.provision.cache import cache, only_one
from tailproof.provision.errors import Unavailable
from tailproof.provision.pythons import find_python, probe
from tailproof.provision.recipe import Package, PythonRecipe
from tailproof.provision.uv import uv
from tailproof.waiting import Budget, DeadlineMissed

_ASK_VERSION = (
    "import importlib.metadata as m, importlib.util as u, json, sys;"
    "print(json.dumps(m.version(sys.argv[1]) if u.find_spec(sys.argv[2]) else ''))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What holds a server or a client, and the Python that runs it."""

    interpreter: Path
    version: str
    facts: Mapping[str, str] = field(default_factory=dict)


def installation_of(recipe: PythonRecipe, package: Package, directory: Path, budget: Budget) -> Installation:
    """What a directory of the user holds of `package`, one of the recipe: a virtual environment as it is, or a checkout of their
    repository, installed in our cache. The facts tell the Python and the commit.

    Raises:
        Unavailable: it holds none, or the checkout cannot be installed.
    """
    if lack := lacks(package, directory):
        raise Unavailable(lack)
    held = (directory / "pyvenv.cfg").is_file()
    interpreter = directory / "bin" / "python" if held else _of_checkout(recipe, directory, budget)
    version = _version_in(interpreter, package, directory)
    python = probe(interpreter)
    facts = {"python": python.release if python else "", "source": "" if held else _commit(directory)}
    return Installation(interpreter=interpreter, version=version, facts={k: v for k, v in facts.items() if v})


def lacks(package: Package, directory: Path) -> str:
    """Why a directory cannot hold `package`, in a sentence; empty when it looks as if it does."""
    if not is_directory(directory):
        return f"{clip(str(directory), PATH_CHARS)} is not a directory: src:DIR takes a checkout of {package.name} or a virtual environment"
    if (directory / "pyvenv.cfg").is_file() or (directory / package.name / "pyproject.toml").is_file():
        return ""
    return (
        f"{directory} is neither a virtual environment (no pyvenv.cfg) nor a checkout of the repository that holds "
        f"{package.name} (no {package.name}/pyproject.toml)"
    )


def _of_checkout(recipe: PythonRecipe, directory: Path, budget: Budget) -> Path:
    """An environment in our cache in which the checkout is installed as it stands, editable: nothing is written into it but
    what its build backend writes."""
    packages = [directory / one.name for one in recipe.packages if (directory / one.name / "pyproject.toml").is_file()]
    python = find_python(recipe)
    place = cache() / "checkouts" / hashlib.sha256(f"{directory}\0{python.path}".encode()).hexdigest()[:12]
    try:
        with only_one(place.with_suffix(".lock"), budget, doing=f"installing {directory}"):
            if (directory / "uv.lock").is_file():
                uv(
                    [
                        *("sync", "--quiet", "--frozen", "--all-packages", "--no-dev", "--compile-bytecode"),
                        *("--project", str(directory), "--python", str(python.path)),
                    ],
                    doing=f"installing the checkout {directory}",
                    budget=budget,
                    environment={**os.environ, "UV_PROJECT_ENVIRONMENT": str(place)},
                )
            else:
                if not (place / "pyvenv.cfg").is_file():
                    uv(
                        ["venv", "--quiet", "--no-project", "--python", str(python.path), str(place)],
                        doing="making an environment",
                        budget=budget,
                    )
                editable = [word for package in packages for word in ("--editable", str(package))]
                uv(
                    [
                        "pip",
                        "install",
                        "--quiet",
                        "--compile-bytecode",
                        "--python",
                        str(place / "bin" / "python"),
                        *editable,
                    ],
                    doing=f"installing the checkout {directory}",
                    budget=budget,
                )
    except DeadlineMissed as missed:
        raise Unavailable(f"{directory} could not be installed: {missed}") from missed
    return place / "bin" / "python"


def _version_in(interpreter: Path, package: Package, directory: Path) -> str:
    """The release that an environment holds. Raises Unavailable when it holds none."""
    try:
        done = subprocess.run(
            [interpreter, "-I", "-c", _ASK_VERSION, package.name, package.module],
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"the environment of {directory} does not run: {error}") from error
    version: str = json.loads(done.stdout) if done.returncode == 0 else ""
    if not version:
        raise Unavailable(f"{directory} holds no {package.name}: install it there, or name another directory")
    return version


def _commit(directory: Path) -> str:
    """What a checkout stands at, with a mark when files were changed; empty when that cannot be told."""
    command = ["git", "-C", str(directory), "describe", "--always", "--dirty", "--tags"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
