"""Scratch directories: each bears its owner in its name, so that there is no moment at which it is nobody's.

They stand in the temporary directory, and beside what is built aside in a cache. A file in them tells more: the trial.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from tailproof.incoming import json
from tailproof.incoming.files import BadFile, read_bytes
from tailproof.incoming.limits import OWNER_BYTES, Unsound
from tailproof.ownership import mounts, standstill
from tailproof.ownership.owners import Owner, owner_id, whereabouts

OWNER_FILE = ".tailproof-owner"
_NAME = re.compile(r"tailproof-(?P<pid>[0-9a-z]+)-(?P<began>[0-9a-z]+)-(?P<place>[0-9a-f]{4})-[0-9a-z_]+")
"""Short: the path of a socket in such a directory has room for 108 bytes."""
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def scratch(owner: Owner, *, beside: Path | None = None) -> Path:
    """A new directory of this owner, in the temporary directory or `beside` another path. Raises OSError."""
    directory = Path(tempfile.mkdtemp(prefix=_prefix(owner), dir=None if beside is None else beside.parent))
    try:
        (directory / OWNER_FILE).write_bytes(msgspec.json.encode({"trial": owner.trial, "owner": owner.owner}))
    except OSError:
        # On a full disk the file is there, and empty.
        shutil.rmtree(directory, ignore_errors=True)
        raise
    return directory


@contextmanager
def workroom(*, beside: Path | None = None) -> Iterator[Path]:
    """A directory of this process for as long as the block runs. Raises OSError."""
    directory = scratch(Owner(trial="", owner=owner_id()), beside=beside)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def name_for(owner: Owner) -> str:
    """What a directory of a trial is called that somebody else will make."""
    return f"{_prefix(owner)}{owner.trial}"


def owned(homes: Iterable[Path]) -> Iterator[tuple[Path, Owner]]:
    """The scratch directories of this user in `homes`, each with its owner. What has no mark of ours is passed over."""
    for home in homes:
        for directory in sorted(home.glob("tailproof-*")):
            with suppress(FileNotFoundError, PermissionError):
                owner = owner_of(directory)
                if owner is not None and directory.lstat().st_uid == os.geteuid():
                    yield directory, owner


def owner_of(directory: Path) -> Owner | None:
    """By its file, else by its name; None when neither is ours, and for what is no directory."""
    if directory.is_symlink() or not directory.is_dir():
        return None
    try:
        told = json.decode(read_bytes(directory / OWNER_FILE, OWNER_BYTES), dict[str, str])
        return Owner(trial=told["trial"], owner=told["owner"])
    except (BadFile, Unsound, KeyError):
        named = _NAME.fullmatch(directory.name)
    if named is None:
        return None
    place = whereabouts() if named["place"] == _hash(whereabouts()) else named["place"]
    return Owner(trial="", owner=f"{int(named['pid'], 36)}:{int(named['began'], 36)}:{place}")


def remove(directory: Path) -> None:
    """Remove a scratch directory, and what we mounted in it; nothing happens when it is gone. Raises OSError, also when something else
    is mounted there: a build that was killed may have left the machine's own `/dev`."""
    inside = mounts.inside(directory)
    for place, ours in inside.items():
        if not ours:
            raise OSError(f"{place} is mounted in it: unmount that first")
    standstill.go_on(directory)
    for place in inside:
        mounts.unmount(place)
    with suppress(FileNotFoundError):
        shutil.rmtree(directory)


def thaw(directory: Path) -> None:
    """What was left standing still for this directory goes on: a process that is not ours, and whoever writes to a filesystem that is
    frozen, whom nobody can end before."""
    standstill.go_on(directory)
    for place in mounts.inside(directory):
        mounts.thaw(place)


def _prefix(owner: Owner) -> str:
    pid, ticks, place = owner.owner.split(":", 2)
    return f"tailproof-{_base36(int(pid))}-{_base36(int(ticks))}-{_hash(place)}-"


def _hash(place: str) -> str:
    return hashlib.sha256(place.encode()).hexdigest()[:4]


def _base36(number: int) -> str:
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
        if not number:
            return digits
