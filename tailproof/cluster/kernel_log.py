"""What this machine's kernel writes into its log when it kills for want of memory: it names the control group, and so the container.

Unlike a counter of that group, which goes with its last process, the log is still there for whoever comes late.
"""

from __future__ import annotations

import os
import re
import select
import threading
from collections.abc import Callable
from pathlib import Path

KMSG = Path("/dev/kmsg")
RECORD_BYTES = 16 << 10
"""One reading gives one record, which must fit."""
_TICK_S = 0.1
_KILL = re.compile(rb"oom-kill:.*task_memcg=(?P<group>[^,]+),.*pid=(?P<pid>\d+)")


class KernelLog:
    """From now on until `close`; `on_kill` is told, on this object's thread, the control group of each process that is killed."""

    def __init__(self, on_kill: Callable[[str], None]) -> None:
        """Raises OSError: nobody may read it here."""
        self._file = os.open(KMSG, os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self._file, 0, os.SEEK_END)
        self._on_kill = on_kill
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._read, name="kernel-log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Idempotent."""
        if not self._closing.is_set():
            self._closing.set()
            self._thread.join(5)
            os.close(self._file)

    def _read(self) -> None:
        while not self._closing.is_set():
            if not select.select([self._file], [], [], _TICK_S)[0]:
                continue
            try:
                record = os.read(self._file, RECORD_BYTES)
            except BrokenPipeError:
                continue  # records were overwritten before they were read; the next reading goes on behind them
            except OSError:
                return
            if (kill := _KILL.search(record)) is not None:
                self._on_kill(kill["group"].decode("utf-8", "replace"))
