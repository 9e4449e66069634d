"""Files of others: a regular one, of so many bytes, in UTF-8. What is none is said in one sentence, and nobody waits for it."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from io import FileIO
from pathlib import Path

from tailproof.incoming import BadInput
from tailproof.incoming.limits import PROBLEMS, size
from tailproof.outgoing.visible import clip

_HEAD_BYTES = 4096
_PATH_CHARS = 400
_MESSAGE_CHARS = 400
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class BadFile(BadInput):
    """A file that cannot be used. `str()` gives one `file:line: message` per problem, the first of many; line 0 means the whole
    file."""

    def __init__(
        self, path: Path, line: int, message: str, *, also: Sequence[tuple[int, str]] = (), more: int = 0
    ) -> None:
        self.path = path
        self.line = line
        self.message = message
        self.also = tuple(also)
        problems = ((line, message), *self.also)
        told = [_located(path, *problem) for problem in problems[:PROBLEMS]]
        if untold := len(problems) - len(told) + more:
            told.append(f"... and {untold:,} more")
        super().__init__("\n".join(told))


def open_regular(path: Path) -> FileIO:
    """`path` for reading, unbuffered. Raises BadFile: absent, unreadable, or a directory, a pipe, a device."""
    try:
        # Without O_NONBLOCK a pipe that nobody writes to would be waited for.
        file = FileIO(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        raise BadFile(path, 0, f"cannot be read: {error.strerror or error}") from error
    mode = os.fstat(file.fileno()).st_mode
    if not stat.S_ISREG(mode):
        file.close()
        raise BadFile(path, 0, f"is {_KINDS.get(stat.S_IFMT(mode), 'something else')}, not a regular file")
    return file


def is_plain_file(path: Path) -> bool:
    """A regular file, and no link to one."""
    return path.is_file() and not path.is_symlink()


def begins(path: Path, pattern: re.Pattern[bytes]) -> bool:
    """A plain file whose first 4 kB match. Raises OSError."""
    if not is_plain_file(path):
        return False
    with path.open("rb") as file:
        return pattern.match(file.read(_HEAD_BYTES)) is not None


def read_bytes(path: Path, limit: int) -> bytes:
    """All of a file. Raises BadFile: as `open_regular`, and longer than `limit` bytes."""
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > limit:  # before any of it is held; a file of the kernel's own has no size
            raise BadFile(path, 0, f"is longer than {size(limit)}")
        try:
            raw = os.read(file.fileno(), limit + 1)
            while 0 < len(raw) <= limit and (rest := os.read(file.fileno(), limit + 1 - len(raw))):
                raw += rest
        except OSError as error:
            raise BadFile(path, 0, f"cannot be read: {error.strerror or error}") from error
    if len(raw) > limit:
        raise BadFile(path, 0, f"is longer than {size(limit)}")
    return raw


def read_text(path: Path, limit: int) -> str:
    """All of a text file. Raises BadFile: as `read_bytes`, and not UTF-8."""
    raw = read_bytes(path, limit)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadFile(path, raw.count(b"\n", 0, error.start) + 1, "is not UTF-8 text") from error


def place_of(word: str) -> Path:
    """The absolute path that a word of a user means; `~` is a home directory where there is one."""
    try:
        return Path(word).expanduser().absolute()
    except RuntimeError:
        return Path(word).absolute()


def from_here(path: Path) -> str:
    """How a path is shown: as a person types it in the working directory, and whole only when it does not lie below that."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def lies_below(directory: Path, name: str) -> bool:
    """Whether a name that somebody else chose stays below `directory`, links followed."""
    try:
        return (directory / name).resolve().is_relative_to(directory.resolve())
    except (OSError, RuntimeError, ValueError):  # too long, links in a circle, a NUL: no path at all
        return False


def is_file(path: Path) -> bool:
    """A regular file stands there; False also where the path is none at all, being too long."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_directory(path: Path) -> bool:
    """A directory stands there; False also where the path is none at all, being too long."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _located(path: Path, line: int, message: str) -> str:
    where = clip(str(path), _PATH_CHARS)
    return f"{where}:{line}: {clip(message, _MESSAGE_CHARS)}" if line else f"{where}: {clip(message, _MESSAGE_CHARS)}"
