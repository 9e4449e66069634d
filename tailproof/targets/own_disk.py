"""A small filesystem for the data of one server, which can be filled up and made read-only: that of the machine is never touched."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tailproof.history.plan import Filesystem
from tailproof.ownership import mounts
from tailproof.provision.errors import Unavailable
from tailproof.waiting import Budget

BYTES = 64 << 20
LACK = "the server's data cannot be given a filesystem of its own here: that takes root (CAP_SYS_ADMIN), to mount one"
_FILLER = ".tailproof-filler"
_PROBE = ".tailproof-probe"
_PIECE = 1 << 20
_MOUNT_S = 10.0
_NO_WRITER_S = 10.0
"""How long it is waited for that nobody has a file open for writing: until then the kernel makes nothing read-only."""


class DiskError(Unavailable):
    """The filesystem does not do what it must; the message says what."""


CAPABILITY = frozenset({"own-disk"} if mounts.allowed() else set[str]())
"""What a target can do besides where we may mount."""


class OwnDisk:
    """A filesystem at `place`, mounted when the server is first started and unmounted when it is removed. Without one the place stays
    as it is."""

    def __init__(self, place: Path, *, filesystem: Filesystem) -> None:
        self.place = place
        self.filesystem = filesystem
        self._mounted = False
        self._said = ""
        """By `mount`, the last time."""

    def begin(self) -> None:
        """Mount it, once. Raises DiskError."""
        if not self.filesystem or self._mounted:
            return
        self.place.mkdir(parents=True, exist_ok=True)
        if self.filesystem == "ext4":
            mounted = self._mounted_so("-t", "ext4", "-o", "loop", str(self._image()))
        else:
            mounted = self._mounted_so("-t", "tmpfs", "-o", f"size={BYTES},mode=0777", mounts.SOURCE)
        if not mounted:
            raise DiskError(f"the server's data gets no filesystem of its own: {self._said}")
        self._mounted = True
        self.place.chmod(0o777)

    def end(self) -> None:
        """Unmount it, whoever is still in it. Idempotent."""
        if self._mounted:
            mounts.unmount(self.place)
            self._mounted = False

    def fill(self) -> None:
        """Take all the room that there is. Raises DiskError: it has no filesystem of its own."""
        self._check()
        piece = b"\0" * _PIECE
        with (self.place / _FILLER).open("ab", buffering=0) as filler:
            while len(piece):
                try:
                    if filler.write(piece) == len(piece):
                        continue
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise DiskError(f"the server's disk cannot be filled: {error}") from error
                piece = piece[: len(piece) // 2]

    def empty(self) -> None:
        """Give the room back. Idempotent."""
        (self.place / _FILLER).unlink(missing_ok=True)

    def make_writable(self, writable: bool) -> None:
        """Remount it. Raises DiskError; DeadlineMissed when somebody has a file open for writing all the time."""
        self._check()
        option = f"remount,{'rw' if writable else 'ro'}"
        Budget(_NO_WRITER_S).wait_for(
            "the server's disk to be remounted",
            lambda: self._mounted_so("-o", option),
            every=0.05,
            saw=lambda: self._said,
        )

    def freeze(self) -> None:
        """From now on whatever writes stands still in the kernel; reading goes on. Raises DiskError."""
        self._check()
        try:
            mounts.freeze(self.place)
        except OSError as error:
            raise DiskError(f"the server's disk cannot be frozen: {error}") from error

    def thaw(self) -> None:
        """Whatever stood still goes on. Idempotent."""
        mounts.thaw(self.place)

    def look(self) -> Mapping[str, int | str]:
        """What the kernel says of it, and what becomes of a write by somebody who is not the server. Raises DiskError."""
        self._check()
        room = os.statvfs(self.place)
        return {"bytes free": room.f_bavail * room.f_frsize, "a write of ours": self._try()}

    def _try(self) -> str:
        """`done`, or the name of the error."""
        probe = self.place / _PROBE
        try:
            probe.write_bytes(b"\0" * 512)
        except OSError as error:
            return errno.errorcode.get(error.errno or 0, str(error.errno))
        finally:
            with suppress(OSError):
                probe.unlink(missing_ok=True)
        return "done"

    def _image(self) -> Path:
        """A file with an empty ext4 in it, beside the place. Raises DiskError."""
        image = self.place.with_name(f"{self.place.name}.ext4")
        with image.open("wb") as file:
            file.truncate(BYTES)
        made = self._done("mkfs.ext4", "-q", "-m", "0", "-L", mounts.SOURCE, str(image.resolve()))
        if not made:
            raise DiskError(f"the server's data gets no filesystem of its own: {self._said}")
        return image.resolve()

    def _check(self) -> None:
        if not self._mounted:
            raise DiskError("this server's data has no filesystem of its own")

    def _mounted_so(self, *words: str) -> bool:
        return self._done("mount", *words, str(self.place.resolve()))

    def _done(self, *command: str) -> bool:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_MOUNT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DiskError(f"{LACK}: {error}") from error
        self._said = done.stderr.strip()
        return not done.returncode
