"""Writes `docker/locks/VERSION.txt`: what one release is installed with, resolved as of its own day.

python docker/lock.py 1.7.3
python docker/lock.py 1.58.0 --as-of 2026-11-21
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from pathlib import Path

from tailproof.targets.locks import resolve_lock
from tailproof.targets.target import TargetError
from tailproof.waiting import Budget


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("version")
    parser.add_argument("--as-of", type=dt.datetime.fromisoformat, help="YYYY-MM-DD; default: a day after its upload")
    asked = parser.parse_args()
    as_of = asked.as_of.replace(tzinfo=dt.UTC) if asked.as_of else None
    try:
        text = resolve_lock(asked.version, Budget(600), as_of=as_of)
    except TargetError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    path = Path(__file__).parent / "locks" / f"{asked.version}.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
