"""Which Python a release can be run with. The harness' own may be too old."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uv as uv_package

from tailproof.provision.errors import Unavailable
from tailproof.provision.recipe import PythonRecipe

_ASK = (
    "import json, platform, sys, sysconfig;"
    "print(json.dumps([sys.executable, list(sys.version_info[:3]), sysconfig.get_platform(), platform.libc_ver()[0],"
    " sys.implementation.cache_tag]))"
)


@dataclass(frozen=True, slots=True)
class Python:
    """An interpreter, as it describes itself."""

    path: Path
    version: tuple[int, int, int]
    platform: str
    """Operating system, machine and C library: what compiled wheels depend on."""

    @property
    def release(self) -> str:
        """For example `3.13.0`."""
        return ".".join(map(str, self.version))


def find_python(recipe: PythonRecipe) -> Python:
    """A Python that its releases run on: `TAILPROOF_PYTHON`, then PATH, `~/.pyenv/versions` and those that uv manages.

    Raises:
        Unavailable: there is none, or the one in TAILPROOF_PYTHON is too old; the message says what to do.
    """
    told = os.environ.get("TAILPROOF_PYTHON")
    if told:
        python = probe(Path(shutil.which(told) or told).expanduser())
        if python is None or python.version < _lowest(recipe):
            fault = f"is Python {python.release}" if python else "is not a Python that runs"
            raise Unavailable(f"TAILPROOF_PYTHON={told} {fault}; releases need Python {recipe.lowest_python} or newer")
        return python
    found = list(_pythons(recipe))
    for wanted in recipe.pythons:
        for python in found:
            if python.release.startswith(f"{wanted}."):
                return python
    if found:
        return found[0]
    raise Unavailable(
        f"releases run on Python {recipe.lowest_python} or newer and there is none on PATH, in ~/.pyenv/versions or managed by uv: "
        f"`uv python install {recipe.pythons[0]}`, or a package python{recipe.pythons[0]}, or set TAILPROOF_PYTHON"
    )


def _pythons(recipe: PythonRecipe) -> Iterator[Python]:
    """Every usable one on this machine, each once."""
    seen = set()
    for path in _candidates(recipe):
        python = probe(path)
        if python is None or python.version < _lowest(recipe) or python.path.resolve() in seen:
            continue
        seen.add(python.path.resolve())
        yield python


def probe(path: Path) -> Python | None:
    """What an interpreter says of itself; None when it does not run (a shim without its Python, another architecture)."""
    try:
        file = path.stat()
    except OSError:
        return None
    return _asked(path, file.st_ino, file.st_mtime_ns)


def _lowest(recipe: PythonRecipe) -> tuple[int, ...]:
    return tuple(map(int, recipe.lowest_python.split(".")))


@functools.lru_cache(maxsize=256)
def _asked(path: Path, inode: int, changed_ns: int) -> Python | None:
    # Every trial looks for its Python, and asking all of a machine takes most of a second: the same file is asked once.
    try:
        answer = subprocess.run(
            [path, "-I", "-c", _ASK], capture_output=True, timeout=20, check=True, stdin=subprocess.DEVNULL
        ).stdout
        executable, version, platform, libc, tag = json.loads(answer)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Python(Path(executable), (version[0], version[1], version[2]), f"{platform}-{libc or 'libc'}-{tag}")


def _candidates(recipe: PythonRecipe) -> Iterator[Path]:
    for name in (*(f"python{wanted}" for wanted in recipe.pythons), "python3"):
        found = shutil.which(name)
        if found:
            yield Path(found)
    home = Path.home()
    yield from sorted((home / ".pyenv" / "versions").glob("3.*/bin/python3"), reverse=True)
    try:
        managed = subprocess.run(
            [uv_package.find_uv_bin(), "python", "dir"], capture_output=True, text=True, timeout=20, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return
    yield from sorted(Path(managed).glob("cpython-3.*/bin/python3"), reverse=True)
