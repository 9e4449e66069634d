"""Filesystems that are mounted in our scratch directories: which are ours, and how they go."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
from contextlib import suppress
from pathlib import Path

SOURCE = "tailproof"
"""What a filesystem of ours is called in the machine's table of mounts: that is its mark."""
_CAN_MOUNT = 21
"""CAP_SYS_ADMIN."""
_UNMOUNT_S = 10.0
_FIFREEZE, _FITHAW = 0xC0045877, 0xC0045878
"""Of linux/fs.h."""


def allowed() -> bool:
    """This process may mount."""
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return found is not None and bool(int(found[1], 16) >> _CAN_MOUNT & 1)


def inside(directory: Path) -> dict[Path, bool]:
    """What is mounted at this directory or below it, and whether it is ours; the last mounted first."""
    found = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        place = Path(fields.split()[4].encode().decode("unicode_escape"))
        if directory == place or directory in place.parents:
            kind, source = rest.split()[:2]
            found[place] = (kind, source) == ("tmpfs", SOURCE) or directory in _image_of(source).parents
    return dict(reversed(found.items()))


def freeze(place: Path) -> None:
    """Whatever writes to the filesystem that is mounted there stands still in the kernel until it is thawed; reading goes on. Raises
    OSError."""
    _control(place, _FIFREEZE)


def thaw(place: Path) -> None:
    """Nothing happens to one that is not frozen, or cannot be."""
    with suppress(OSError):
        _control(place, _FITHAW)


def unmount(place: Path) -> None:
    """Out of everybody's sight at once; gone when the last process has left it. Raises OSError."""
    thaw(place)
    try:
        done = subprocess.run(
            ["umount", "--lazy", str(place)], capture_output=True, text=True, timeout=_UNMOUNT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{place} cannot be unmounted: {error}") from error
    if done.returncode:
        raise OSError(f"{place} cannot be unmounted: {done.stderr.strip()}")


def _image_of(device: str) -> Path:
    """The file behind a loop device; the root for anything else."""
    try:
        return Path((Path("/sys/block") / Path(device).name / "loop/backing_file").read_text().strip())
    except OSError:
        return Path("/")


def _control(place: Path, request: int) -> None:
    directory = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(directory, request, 0)
    finally:
        os.close(directory)
