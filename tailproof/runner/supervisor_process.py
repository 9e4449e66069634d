"""A supervisor, as the one that started it sees it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tailproof.incoming.json import decoder
from tailproof.ownership import marks
from tailproof.ownership.owners import Owner, owner_id
from tailproof.ownership.scratch import scratch
from tailproof.runner import leftovers
from tailproof.runner.orders import GAVE_UP, NOT_ENDED, Progress

TAKE_DOWN_S = 8.0
"""How long whoever ended a supervisor waits for it."""


class SupervisorProcess:
    """Leaving the `with` block takes every trial down and waits for it.

    `on_progress` is called in a thread of its own with everything that the supervisor tells. `keeps` are files that stay open for
    as long as it lives.
    """

    def __init__(
        self,
        *,
        parallel: int,
        log: Path,
        on_progress: Callable[[Progress], object] = lambda progress: None,
        keeps: Sequence[int] = (),
    ) -> None:
        self.died = ""
        """How it ended, when that was not in order; known once it was told to end."""
        self.gave_up = ""
        """Why it runs no trial any more, as it said itself."""
        self.removed = ""
        """What it left when it died, and what became of that."""
        self._told = False
        self._place = scratch(Owner(trial="", owner=owner_id()))
        self.address = str(self._place / "supervisor")
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tailproof.runner.supervisor",
                    "--address",
                    self.address,
                    "--parallel",
                    str(parallel),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **marks.own_variables(marks.SUPERVISOR)},
                start_new_session=True,
                pass_fds=keeps,
            )
        self._owner = owner_id(self._process.pid)
        self._ended = False
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != b"ready":
            shutil.rmtree(self._place, ignore_errors=True)
            raise RuntimeError(f"the supervisor did not start; see {log}")
        # Somebody must always read: a full pipe would hold every trial at its next phase.
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stdout, on_progress), name="progress", daemon=True
        )
        self._reader.start()

    def hurry(self) -> None:
        """Let it take down, and wait for nothing."""
        self._told = True
        self._process.send_signal(signal.SIGTERM)

    def end(self) -> None:
        """Let it take down. When it has died, or does not come to an end, what it leaves is removed here. Idempotent."""
        assert self._process.stdin is not None
        if self._ended:
            return
        early = not self._told and self._process.poll() is not None
        self._told = True
        if not self._process.stdin.closed:
            self._process.stdin.close()
        try:
            code = self._process.wait(TAKE_DOWN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            self.died = f"the supervisor did not take its trials down within {TAKE_DOWN_S:.0f} s and was killed"
        else:
            if code == NOT_ENDED:
                self.died = "a trial did not come to its end and was left"
            elif (early or code) and not self.gave_up:
                self.died = f"the supervisor ended by itself (exit code {code})"
        if self.died:
            self.removed = leftovers.remove_left_by(self._owner)
        self._reader.join(timeout=5)
        shutil.rmtree(self._place, ignore_errors=True)
        self._ended = True

    def _read(self, lines: IO[bytes], on_progress: Callable[[Progress], object]) -> None:
        decode = decoder(Progress).decode
        with lines:
            for line in lines:
                progress = decode(line)
                if progress.phase == GAVE_UP:
                    self.gave_up = progress.detail
                else:
                    on_progress(progress)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
