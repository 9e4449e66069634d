"""A second process of a server on the same disk, while the first one lives."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from tailproof.targets.port import HOST, Port

_GRACE_S = 15.0
"""How long it may take to end after SIGTERM."""
_END_S = 10.0


class ProcessTwin:
    """See `targets.target.Twin`. It carries the marks of the server, so that whatever ends that ends it, too."""

    def __init__(self, root: Path, begin: Callable[[int], subprocess.Popen[bytes]]) -> None:
        """`begin` starts the process on a port; `root` is the directory that holds the server's data."""
        self._root = root
        self._begin = begin
        self._port = Port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://{HOST}:{self._port.number}"

    def start(self) -> None:
        """Raises TargetError when the interpreter does not run."""
        self._process = self._begin(self._port.number)

    def pid(self) -> int:
        """0 when it is not alive."""
        return self._process.pid if self._process is not None and self._process.poll() is None else 0

    def shares_disk(self, pid: int) -> bool:
        """By the directories in which the kernel says that the two processes are."""
        try:
            return all(Path(f"/proc/{one}/cwd").samefile(self._root) for one in (pid, self.pid()))
        except OSError:
            return False

    def end(self) -> None:
        """SIGTERM, then SIGKILL. Idempotent."""
        if self._process is not None and self.pid():
            self._process.terminate()
            try:
                self._process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(_END_S)
        self._port.release()
