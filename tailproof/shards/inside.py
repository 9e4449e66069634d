"""The program of a pod: runs one part of a check, tells its events, and stays until what it has found was fetched.

    python -m tailproof.shards.inside

Events go to standard output, one line of JSON each, the last of them `shard over`. Ends with 0 when its results were fetched, so that the
cluster counts a part as done only when they are not needed here any more; else with another code, and the cluster runs the part again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from tailproof.incoming.json import decoder
from tailproof.outgoing.say import say
from tailproof.runner import out_dir
from tailproof.shards.account import Over
from tailproof.waiting import Budget, DeadlineMissed

ORDER = Path("/check")
"""Where what is to be done is mounted."""
ARGUMENTS = "arguments.json"
RESULTS = Path("/results")
OUT = "out"
"""The `--out` of the check, below RESULTS."""
FETCHED = RESULTS / "fetched"
"""Made by whoever has fetched the results."""
FETCH_S = 900.0
"""How long they are kept for somebody to fetch."""
LOST, NOT_FETCHED = 3, 4
_SAYS_LINES = 5


def main() -> int:
    """Returns the exit code."""
    number = int(os.environ["JOB_COMPLETION_INDEX"]) + 1
    arguments, of = decoder(tuple[list[str], int]).decode((ORDER / ARGUMENTS).read_bytes())
    command = [sys.executable, "-m", "tailproof.cli", "check", *arguments]
    command += [f"--shard={number}/{of}", f"--out={RESULTS / OUT}", "--progress=json"]
    # Standard error is kept, for the sentence that says why there is no result.
    with (RESULTS / "said").open("w+b") as said:
        code = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=said).returncode
        said.seek(0)
        lines = said.read().decode(errors="replace").splitlines()[-_SAYS_LINES:]
    there = (RESULTS / OUT / out_dir.RESULT).is_file()
    over = Over(code=code, result=there, says="" if there else " ".join(" ".join(lines).split()))
    say(msgspec.json.encode(over).decode())
    sys.stdout.flush()
    if not there:
        return LOST
    try:
        Budget(FETCH_S).wait_for("the results to be fetched", FETCHED.exists, every=0.1)
    except DeadlineMissed:
        return NOT_FETCHED
    return 0


if __name__ == "__main__":
    sys.exit(main())
