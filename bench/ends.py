"""How commands end: every signal of `fixtures/ends/signals.py`, every full disk of `fixtures/ends/full_disk.py`.

`python -m bench.ends [--rows GLOB]` plays them one after the other, prints a line for each, and ends with 1 when one of them was not as
promised or could not be played.
"""

from __future__ import annotations

import argparse
import signal
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path

from fixtures.ends import full_disk, signals


def main() -> int:
    """Play; 0 when every row is as promised."""
    parser = argparse.ArgumentParser(prog="python -m bench.ends", description=__doc__)
    parser.add_argument("--rows", default="*", metavar="GLOB")
    rows = parser.parse_args().rows
    # Behind `nohup` or a shell's `&` these are ignored, and so would be by the checks that are to hear them.
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    with tempfile.TemporaryDirectory(prefix="tailproof-ends-") as temporary:
        place = Path(temporary)
        wrong = [*_signals(rows, place / "signals"), *_full_disks(rows, place / "disks")]
    return 1 if wrong else 0


def _signals(rows: str, place: Path) -> list[str]:
    chosen = [row for row in signals.ROWS if fnmatchcase(row.name, rows)]
    wrong, seconds = [], []
    for row in chosen:
        # A busy machine is late now and then: what is wrong is wrong again.
        for attempt in ("first", "again"):
            ended_s, found = signals.play(row, place / attempt / row.name)
            if ended_s > signals.ENDS_S:
                found.append("too late")
            _say(row.name, f"{ended_s:4.1f} s", found)
            if not found:
                break
        seconds.append(ended_s)
        wrong += [row.name] if found else []
    if chosen:
        print(f"{len(chosen)} signals, {len(wrong)} wrong, longest end {max(seconds):.1f} s", flush=True)
    return wrong


def _full_disks(rows: str, place: Path) -> list[str]:
    chosen = [row for row in full_disk.ROWS if fnmatchcase(row.name, rows)]
    why_not = full_disk.cannot() if chosen else ""
    wrong = []
    for row in chosen:
        for attempt in ("first", "again"):
            found = [f"not played: {why_not}"] if why_not else full_disk.play(row, place / attempt / row.name)
            _say(row.name, "", found)
            if not found:
                break
        wrong += [row.name] if found else []
    if chosen:
        print(f"{len(chosen)} full disks, {len(wrong)} wrong", flush=True)
    return wrong


def _say(name: str, measured: str, wrong: list[str]) -> None:
    print(f"{'WRONG' if wrong else 'ok':6} {name:36} {measured:7} {'; '.join(wrong)}".rstrip(), flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
