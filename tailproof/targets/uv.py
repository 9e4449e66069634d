"""Calls uv, the tool that resolves, downloads and installs what is tested. Index and certificates are the caller's own."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import uv as uv_package

from tailproof.targets.target import TargetError
from tailproof.waiting import Budget, DeadlineMissed


class UvFailed(TargetError):
    """uv ended with an error; `said` is what it wrote, for the caller that knows what it means."""

    def __init__(self, doing: str, said: str) -> None:
        super().__init__(f"{doing} failed: {_sentence(said)}")
        self.said = said


def uv(
    arguments: Sequence[str],
    *,
    doing: str,
    budget: Budget,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run uv and return its standard output. `doing` says in words what it is run for.

    Raises:
        UvFailed: it ended with an error.
        TargetError: it did not end within the budget.
    """
    try:
        program = uv_package.find_uv_bin()
    except FileNotFoundError as missing:
        raise TargetError(f"{doing} needs uv, which is not beside this Python: pip install uv") from missing
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            [program, "--no-progress", "--color", "never", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=environment,
            cwd=Path("/"),
        )
        try:
            code = budget.wait_for(
                doing, lambda: (process.poll(),) if process.poll() is not None else None, every=0.05
            )[0]
        except DeadlineMissed as missed:
            raise TargetError(f"{doing} took longer than {missed.seconds:.0f} s") from missed
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        out.seek(0)
        err.seek(0)
        if code:
            raise UvFailed(doing, err.read().decode(errors="replace"))
        return out.read().decode(errors="replace")


def _sentence(said: str) -> str:
    """The lines in which uv says what is wrong, as one line."""
    lines = [line.strip(" ×╰─▶|│") for line in said.splitlines()]
    told = " ".join(line for line in lines if line)
    return told[:600] or "it did not say why"
