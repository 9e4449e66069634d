"""Where the shipped folders are: in a checkout beside the package, in a wheel below it."""

from __future__ import annotations

from pathlib import Path

REFERENCE = "reference"
"""What the reference server and the reference client are called, as a target and as a client: both are shipped."""

FOLDERS = frozenset({"suites", "scenarios", "fixtures", "reports", "docker"})
_PACKAGE = Path(__file__).resolve().parent


def shipped(path: Path) -> str:
    """`suites/baseline.yaml` for a file that comes with tailproof, wherever it is installed; empty for any other."""
    for root in (_PACKAGE / "_data", _PACKAGE.parent):
        if path.is_relative_to(root) and path.relative_to(root).parts[0] in FOLDERS:
            return path.relative_to(root).as_posix()
    return ""


def installed(path: Path) -> bool:
    """It lies in a wheel that was installed, and not in a checkout."""
    return path.is_relative_to(_PACKAGE / "_data")


def folder(name: str) -> Path:
    """`suites`, `scenarios`, `fixtures`, `reports` or `docker`. Raises FileNotFoundError for a broken installation."""
    for place in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"this installation of tailproof lacks its folder {name!r}; install it again")
