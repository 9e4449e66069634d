"""The action as a runner runs it, from nothing: `python -m bench.action`.

Every step of `action.yml`, the first one, too: it installs tailproof with its locked packages into an environment of its own, and what it
installed judges a server that is right, then one that is not. `tests/test_action.py` runs the steps after the first, with the tailproof
that is there. Exit code 1 when an outcome is not the one that is due.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tailproof.ownership.scratch import workroom
from tests.test_action import BROKEN, Runner


def main() -> int:
    """Print a line for each job."""
    with workroom() as place:
        first = Runner(place / "open", asked("reference"), tailproof=None)
        good = told("from nothing, a server that is right", first, "open", 0)
        installed = first.outputs["install"].get("tailproof", "")
        if installed:
            second = Runner(place / "closed", asked(BROKEN), tailproof=Path(installed))
            good = told("with that, one that is not", second, "closed", 1) and good
    return 0 if good and installed else 1


def asked(server: str) -> dict[str, str]:
    """The inputs of the job: half a second of work for the server."""
    return {"source": server, "tier": "quick", "client": "plain", "scenario": "calm"}


def told(what: str, runner: Runner, state: str, code: int) -> bool:
    """Run a job and say how it ended; whether that is due."""
    runner.home.mkdir()
    began = time.monotonic()
    runner.run()
    took = time.monotonic() - began
    good = (runner.output("state"), runner.exit_code) == (state, code)
    sys.stdout.write(
        f"{what}: gate {runner.output('state') or 'not told'}, exit code {runner.exit_code}, {took:.0f} s"
        f" ({'as due' if good else f'due are {state} and {code}'})\n"
    )
    sys.stdout.write("" if good else runner.log)
    return good


if __name__ == "__main__":
    sys.exit(main())
