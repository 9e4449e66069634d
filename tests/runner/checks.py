"""Runs whole checks as a user does: the command line in a process of its own, against the reference server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tailproof.reports import json as results
from tailproof.reports.result import Result

ASKED_FOR = (
    "calm",
    "deferred-init",
    "kill-tool-running",
    "message-*",
    "oom-*",
    "restart-*",
    "stream-lag",
    "stream-sliced",
    "stream-tail-dropped",
)
"""Scenarios of the gate, those that need a container or Toxiproxy among them."""
CHECK_S = 300


@dataclass(frozen=True, slots=True)
class Checked:
    """A check that has ended."""

    code: int
    stdout: str
    stderr: str
    out: Path

    @property
    def result(self) -> Result:
        """The result file; a test fails here when there is none."""
        return results.read(self.out / "result.json")

    def trials_begun(self) -> list[str]:
        """The trials that were begun, once per begin, as the events of the check tell."""
        events = [json.loads(line) for line in (self.out / "run.ndjson").read_text().splitlines()]
        return [event["trial"] for event in events if event.get("phase") == "preparing"]

    def outcomes(self) -> dict[str, str]:
        """Guarantee and scenario -> outcome."""
        return {
            f"{verdict.guarantee}[{trial.scenario}]": str(verdict.outcome) for trial, verdict in self.result.judged()
        }


def tailproof(*arguments: str, environment: dict[str, str] | None = None, cwd: Path | None = None) -> Checked:
    """`tailproof ARGUMENTS`, to its end. `--out` names where `out` is."""
    out = Path(arguments[arguments.index("--out") + 1]) if "--out" in arguments else Path()
    done = subprocess.run(
        [sys.executable, "-m", "tailproof.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=CHECK_S,
        env={**os.environ, "COLUMNS": "100", **(environment or {})},
        cwd=cwd,
        check=False,
    )
    return Checked(done.returncode, done.stdout, done.stderr, out)
