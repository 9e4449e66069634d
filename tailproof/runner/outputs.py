"""Whether what was asked for can be written: found out before anything is built or run, not when hours of trials are over."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tailproof.incoming import BadInput
from tailproof.outgoing.visible import clip

SOCKET_BYTES = 107
"""The longest path of a unix socket."""
BELOW_SCRATCH_BYTES = 50
"""What stands behind the temporary directory in the path of a socket of ours."""
_PATH_CHARS = 400
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE})
"""No fault of who named the path."""


class BadOutput(BadInput):
    """Nothing can be written where it was asked for; one sentence."""


class NoScratch(Exception):
    """The machine has no place for temporary files that could be used; one sentence."""


def check_directory(path: Path, what: str) -> None:
    """Make a directory, try to write into it, and leave it as it was. Raises BadOutput, and OSError for a disk that is full."""
    with _writing(path, what), _made(path), tempfile.TemporaryFile(dir=path):
        pass


def check_file(path: Path, what: str) -> None:
    """Try to write a file, and leave it as it was. Raises as `check_directory`."""
    with _writing(path, what), _made(path.parent):
        there = os.path.lexists(path)
        # A pipe that nobody reads is refused and not waited for.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o666))
        if not there:
            path.unlink()


def check_scratch() -> None:
    """Raises NoScratch, and BadOutput for a TMPDIR below which no socket can be."""
    try:
        place = tempfile.gettempdir()
    except FileNotFoundError as error:
        raise NoScratch("no temporary directory can be written: set TMPDIR to one that can") from error
    most = SOCKET_BYTES - BELOW_SCRATCH_BYTES
    if len(os.fsencode(place)) > most:
        raise BadOutput(
            f"TMPDIR is too long, no socket can have a path below it: {most} bytes are the most ({clip(place, _PATH_CHARS)})"
        )


@contextmanager
def _made(path: Path) -> Iterator[None]:
    """The directory is there for a while; what of its path was not there before is removed again."""
    missing = [place for place in (path, *path.parents) if not os.path.lexists(place)]
    try:
        path.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        with suppress(OSError):
            for place in missing:
                place.rmdir()


@contextmanager
def _writing(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise
        said = f"{what} cannot be written, {clip(str(path), _PATH_CHARS)}: {error.strerror or error}"
        raise BadOutput(said) from error
