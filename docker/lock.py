"""Writes what one release is installed with, resolved as of its own day: `docker/locks/VERSION.txt` for a server and its SDK,
`docker/locks/typescript/VERSION/` for the TypeScript client.

python docker/lock.py 1.7.3
python docker/lock.py 1.58.0 --as-of 2026-11-21
python docker/lock.py ts:1.39.0
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from pathlib import Path

from tailproof.provision.locks import resolve_lock
from tailproof.provision.npm_locks import resolve_npm_lock, write_npm_lock
from tailproof.targets.target import TargetError
from tailproof.waiting import Budget

LOCKS = Path(__file__).parent / "locks"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("version", metavar="VERSION|ts:VERSION")
    parser.add_argument("--as-of", type=dt.datetime.fromisoformat, help="YYYY-MM-DD; default: a day after its upload")
    asked = parser.parse_args()
    as_of = asked.as_of.replace(tzinfo=dt.UTC) if asked.as_of else None
    kind, _, client = asked.version.rpartition(":")
    try:
        if kind == "ts":
            write_npm_lock(resolve_npm_lock(client, Budget(600), as_of=as_of), LOCKS / "typescript" / client)
        else:
            LOCKS.mkdir(exist_ok=True)
            text = resolve_lock(asked.version, Budget(600), as_of=as_of)
            (LOCKS / f"{asked.version}.txt").write_text(text)
    except TargetError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
