"""What does the wire cost? The wire with its journal on against a direct connection and other proxies, in the same run.

`python -m bench.wire [--rounds N] [--quick] [--install] [--json FILE]`: rounds are interleaved, medians are printed with the
targets of issue 3 beside them. CPU is read from the kernel per process; latencies are those beyond the direct connection's.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import load, rivals
from tailproof.ownership.scratch import workroom

SMALL, LARGE = 2_000, 120_000
RATE = 500
SLOW_BYTES_PER_S = 30_000_000
SLOWNESS = {"mitmproxy": 40}
"""Ways that are so much slower that they get fewer frames; they are compared by their rates."""

Numbers = dict[str, dict[str, list[float]]]


def main() -> int:
    """Run the rounds, print the table, and write the numbers where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="a tenth of the frames, for a look")
    parser.add_argument("--install", action="store_true", help="get missing rivals into the cache first")
    parser.add_argument("--only", default="", help="comma-separated ways to measure, for tuning")
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    if asked.install:
        rivals.install()
    only = set(asked.only.split(",")) if asked.only else set(rivals.WAYS)
    absent = {name: why for name in rivals.WAYS if name in only and (why := rivals.missing(name))}
    names = [name for name in rivals.WAYS if name in only and name not in absent]
    scale = 0.1 if asked.quick else 1.0
    numbers: Numbers = defaultdict(lambda: defaultdict(list))
    for number in range(asked.rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            with workroom() as scratch, load.source() as port:
                _measure(name, port, scratch, scale, numbers[name])
        sys.stderr.write(f"round {number + 1} of {asked.rounds}\n")
    medians = {name: {what: statistics.median(all_) for what, all_ in found.items()} for name, found in numbers.items()}
    sys.stdout.write(_table(medians) + "\n" + _targets(medians) + "\n")
    for name, why in absent.items():
        sys.stdout.write(f"not run: {name}: {why}\n")
    if asked.json:
        asked.json.write_text(json.dumps({"medians": medians, "rounds": numbers, "not_run": absent}, indent=1) + "\n")
    return 0


def _measure(name: str, source: int, scratch: Path, scale: float, found: dict[str, list[float]]) -> None:
    slowness = SLOWNESS.get(name, 1)
    with rivals.WAYS[name](source, scratch) as way:
        load.flood(way.port, SMALL, 500)  # warm
        count = int(60_000 * scale / slowness)
        before = way.cpu_s()
        seconds = load.flood(way.port, SMALL, count)
        with contextlib.suppress(ZeroDivisionError):
            found["small_per_s"].append(count / seconds)
            found["small_mb_s"].append(count * SMALL / seconds / 1e6)
            found["cpu_ms_per_1000"].append((way.cpu_s() - before) * 1e6 / count)
        count = int(3_000 * scale / slowness)
        seconds = load.flood(way.port, LARGE, count)
        found["large_per_s"].append(count / seconds)
        found["large_mb_s"].append(count * LARGE / seconds / 1e6)
        latencies = load.pace(way.port, SMALL, max(200, int(1_000 * scale)), RATE)
        found["p50_ms"].append(latencies[len(latencies) // 2] * 1e3)
        found["p99_ms"].append(latencies[int(len(latencies) * 0.99)] * 1e3)
        found["rss_mb"].append(way.memory("VmHWM"))
        if name == "wire":
            load.flood(way.port, LARGE, int(600 * max(scale, 0.3)), bytes_per_s=SLOW_BYTES_PER_S)
            found["slow_reader_rss_mb"].append(way.memory("VmHWM"))


COLUMNS = (
    ("small_per_s", "2 kB msg/s", ",.0f"),
    ("small_mb_s", "MB/s", ",.0f"),
    ("cpu_ms_per_1000", "CPU ms/1000", ".2f"),
    ("large_per_s", "120 kB msg/s", ",.0f"),
    ("large_mb_s", "MB/s", ",.0f"),
    ("p50_ms", "p50 ms", ".3f"),
    ("p99_ms", "p99 ms", ".3f"),
    ("rss_mb", "peak MB", ".1f"),
)


def _table(medians: dict[str, dict[str, float]]) -> str:
    rows = [["way", *(title for _, title, _ in COLUMNS)]]
    for name, found in medians.items():
        rows.append([name, *(format(found[what], form) for what, _, form in COLUMNS)])
    return _aligned(rows)


def _targets(medians: dict[str, dict[str, float]]) -> str:
    wire = medians.get("wire")
    if wire is None:
        return ""
    rows = [["target of the issue", "measured", "asked", ""]]

    def against(rival: str, what: str, title: str, asked: float) -> None:
        if rival in medians:
            ratio = wire[what] / medians[rival][what]
            rows.append([title, f"{ratio:.2f} x", f">= {asked:g} x", "met" if ratio >= asked else "missed"])

    def below(title: str, value: float, asked: float, unit: str) -> None:
        rows.append([title, f"{value:.3g} {unit}", f"<= {asked:g} {unit}", "met" if value <= asked else "missed"])

    against("haproxy", "small_per_s", "2 kB frames against HAProxy", 0.65)
    against("toxiproxy", "small_per_s", "2 kB frames against Toxiproxy", 1)
    against("mitmproxy", "small_per_s", "2 kB frames against mitmproxy with an addon", 80)
    against("haproxy", "large_per_s", "120 kB frames against HAProxy", 1)
    below("CPU for 1,000 frames of 2 kB", wire["cpu_ms_per_1000"], 3, "ms")
    if "direct" in medians:
        for what in ("p50", "p99"):
            added = wire[f"{what}_ms"] - medians["direct"][f"{what}_ms"]
            below(f"added latency {what} at {RATE} frames/s", added, 0.2, "ms")
    below("peak memory", wire["rss_mb"], 45, "MB")
    below("peak memory with a reader of 30 MB/s", wire["slow_reader_rss_mb"], 45, "MB")
    return _aligned(rows)


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
