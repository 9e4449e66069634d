"""What a product is installed from. An adapter says it in these values; the rest of this room knows no product."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tailproof.provision.cache import cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What the releases of a product have in common, whatever installs them."""

    word: str = ""
    """What stands before a version where releases of several recipes are told apart, as in `ts:1.39.0`. No two recipes of an
    installation have one word; a version alone is a release of the recipe without one."""
    home: Path
    """A folder that comes with the adapter."""
    locks: str
    """The folder of the lock files: of those that come with the adapter below `home`, of those that were resolved here below the cache.
    No two recipes share one."""

    @property
    def committed(self) -> Path:
        """Where the lock files are that come with the adapter."""
        return self.home / self.locks

    @property
    def resolved(self) -> Path:
        """Where the lock files are kept that were resolved on this machine."""
        return cache() / self.locks

    def spec(self, version: str) -> str:
        """A release as it is asked for: `ts:1.39.0`."""
        return f"{self.word}:{version}" if self.word else version

    def label(self, version: str) -> str:
        """A release in names of directories: `ts-1.39.0`."""
        return f"{self.word}-{version}" if self.word else version


@dataclass(frozen=True, slots=True)
class Package:
    """A package of the Python package index, and the module that tells whether it is installed. A checkout that holds several has each
    in a folder of its name."""

    name: str
    module: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonRecipe(Recipe):
    """Releases in the Python package index. A lock file is `VERSION.txt`."""

    packages: tuple[Package, ...]
    """Released together under one number; the first one is looked up in the index."""
    lowest_python: str
    """What the releases ask for: a lock file is resolved for this one and everything above."""
    pythons: tuple[str, ...]
    """What the releases were built for, the best first; anything else is taken only when none of them is there."""

    @property
    def package(self) -> str:
        """The first package, for messages."""
        return self.packages[0].name


@dataclass(frozen=True, slots=True, kw_only=True)
class NpmRecipe(Recipe):
    """Releases in the npm registry. A lock is a directory `VERSION/` with `package.json` and `package-lock.json`."""

    package: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecipe:
    """Images of releases."""

    releases: PythonRecipe
    repository: str
    """An image is `REPOSITORY:VERSION`."""
    dockerfile: Path
    """How the packages are copied and what is started. It finds them beside itself as `packages`, and gets the arguments BASE (an image
    with `python$PYTHON`, git, tini and tmux) and PYTHON. There is no network. Its entrypoint takes the arguments of the adapter's
    `launch` that follow the module, and `/workspace` belongs to whoever it runs as."""
    binary: BinaryRecipe | None = None
    """The other shape in which the same releases are published; None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryRecipe:
    """Images of releases whose server is one file, with no Python beside it."""

    releases: PythonRecipe
    repository: str
    """An image is `REPOSITORY:VERSION`."""
    published: str
    """What the product publishes for `{version}`: taken where a registry has it, and packed here where none does."""
    dockerfile: Path
    """How the file is copied and started. It finds it beside itself as `server`, and gets the argument BASE (an image with bash, git,
    tini and tmux). The rest is as for an `ImageRecipe`."""
    spec: Path
    """What PyInstaller is told; what it packs is named `server`."""
    packer: PythonRecipe
    """Releases of PyInstaller: the newest one with a committed lock file packs."""
