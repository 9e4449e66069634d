"""Files of which nobody ever sees half."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path


def write_atomically(path: Path, content: bytes | bytearray, *, mode: int | None = None) -> None:
    """Write a file so that nobody ever sees half of it, with the permissions of `mode`, whatever the umask, where it is given. Raises
    OSError; what was there before is still there then."""
    aside = aside_of(path)
    try:
        aside.write_bytes(content)
        if mode is not None:
            aside.chmod(mode)
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise


def aside_of(path: Path) -> Path:
    """Where a file is written that shall become `path`: beside it, under a name of this thread."""
    return path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")


def is_aside(name: str, of: str) -> bool:
    """Whether a file called `name` is what `write_atomically` leaves of a file called `of` when it is killed."""
    return re.fullmatch(rf"\.{re.escape(of)}\.\d+\.\d+", name) is not None
