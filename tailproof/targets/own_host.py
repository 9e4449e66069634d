"""The host of one plain process: its name is the machine's, or its own, by a namespace of the kernel (`man 7 uts_namespaces`)."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

from tailproof.ownership import mounts

_PROGRAMS = ("unshare", "hostname", "sh")
_BEGIN = 'hostname "$0" && exec "$@"'
_CHARS = 63
"""Of a host name in Linux."""

CAPABILITY = frozenset({"new-host"} if mounts.allowed() and all(map(shutil.which, _PROGRAMS)) else set[str]())
"""What a plain process can do besides, where we may make a namespace."""


class OwnHost:
    """Which host the lives of a server are on. They share everything else of the machine."""

    def __init__(self, name: str) -> None:
        """`name` is what the new ones are called; each gets a number."""
        self._stem = name
        self._moves = 0

    def move(self) -> None:
        """The next life is on another one."""
        self._moves += 1

    @property
    def name(self) -> str:
        """As `gethostname` tells it there."""
        return f"{self._stem}-{self._moves}"[-_CHARS:] if self._moves else socket.gethostname()

    def command(self, *words: str | Path) -> list[str | Path]:
        """What becomes `words` on this host, as the same process."""
        if not self._moves:
            return list(words)
        return ["unshare", "--uts", "--", "sh", "-c", _BEGIN, self.name, *words]
