"""Runs a program of somebody else (uv, npm) to its end, within a budget."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tailproof.ownership.marks import own_variables
from tailproof.ownership.scratch import workroom
from tailproof.provision.errors import Unavailable
from tailproof.waiting import Budget, DeadlineMissed

BUILD = "build"
"""The mark of programs that build what a check needs."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended, and what it wrote."""

    code: int
    out: str
    err: str


def run_to_end(
    command: Sequence[str | Path],
    *,
    doing: str,
    budget: Budget,
    environment: Mapping[str, str] | None = None,
    cwd: Path = Path("/"),
) -> Ended:
    """Run a program without input until it ends by itself. `doing` says in words what it is run for. It and what it makes in the
    temporary directory are ours: it gets one of its own.

    Raises:
        Unavailable: it did not end within the budget; it was killed.
    """
    with workroom() as room, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        worn = {**(os.environ if environment is None else environment), **own_variables(BUILD), "TMPDIR": str(room)}
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=worn,
            cwd=cwd,
            start_new_session=True,  # what it starts ends with it
        )
        try:
            code = budget.wait_for(
                doing, lambda: (process.poll(),) if process.poll() is not None else None, every=0.05
            )[0]
        except DeadlineMissed as missed:
            raise Unavailable(f"{doing} took longer than {missed.seconds:.0f} s") from missed
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        out.seek(0)
        err.seek(0)
        return Ended(code or 0, out.read().decode(errors="replace"), err.read().decode(errors="replace"))
