"""What whole tiers took and found on a release, and whether one check of a tier says what the next one says: docs/tiers.md.

    python -m bench.tiers RESULT...   keep a line for these finished checks, all of one tier of one target, and write the page
    python -m bench.tiers             write the page

RESULT is the directory of a check. The histories of the first one are judged again, to say what that takes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from bench.judge import peak_mb, plain_read
from bench.pages import shown, span
from tailproof.guarantees.catalogue import judge
from tailproof.history.archive import record_files
from tailproof.history.reader import History
from tailproof.outgoing.atomic import write_atomically
from tailproof.reports import json
from tailproof.reports.result import Counts, Result, TimesResult, TrialResult
from tailproof.reports.words import count
from tailproof.runner.finished import result_file
from tailproof.scenario.schema import TIERS

LINES = Path(__file__).resolve().parent / "tiers.jsonl"
PAGE = LINES.parents[1] / "docs" / "tiers.md"


class Unstable(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict that was not the same in all checks of a series: outcome -> how often, and what the rarest one said."""

    scenario: str
    guarantee: str
    outcomes: dict[str, int]
    says: str


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """The histories of a check, loaded and judged by one process, one after the other. `floor_s` is a plain decode of their lines."""

    histories: int
    mb: float
    seconds: float
    floor_s: float
    peak_mb: float


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """Finished checks of one tier of one target. `seconds` has one number for each check; counts and times are those of the first."""

    target: str
    client: str
    tier: str
    days: list[str]
    seconds: list[float]
    says: list[str]
    counts: Counts
    times: TimesResult | None
    verdicts: int
    unstable: list[Unstable]
    judged: Judged


def main() -> int:
    """Keep what was given, and write the page. 2 when the checks given are not of one tier of one target."""
    parser = argparse.ArgumentParser(prog="python -m bench.tiers", description=__doc__.partition("\n")[0])
    parser.add_argument("results", nargs="*", type=Path, metavar="RESULT")
    parser.add_argument("--judge", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.judge:
        print(msgspec.json.encode(_judge_here(given.judge)).decode())
        return 0
    if given.results:
        results = [json.read(result_file(place)) for place in given.results]
        if len({(one.target, one.client, _tier(one)) for one in results}) > 1:
            print("these checks are not of one tier of one target", file=sys.stderr)
            return 2
        with LINES.open("ab") as file:
            file.write(msgspec.json.encode(_series(results, given.results[0])) + b"\n")
    write_atomically(PAGE, page(told()).encode())
    return 0


def told() -> list[Series]:
    """The newest series of each tier of each target, client by client."""
    lines = LINES.read_bytes().splitlines() if LINES.exists() else []
    every = [msgspec.json.decode(line, type=Series) for line in lines]
    newest = {(one.target, one.client, one.tier): one for one in every}
    return sorted(newest.values(), key=lambda one: (one.target, one.client, TIERS.index(one.tier)))


def _series(results: Sequence[Result], first: Path) -> Series:
    result = results[0]
    done = subprocess.run(
        [sys.executable, "-m", "bench.tiers", "--judge", str(first)], check=True, capture_output=True, text=True
    )
    return Series(
        target=result.target,
        client=result.client,
        tier=_tier(result),
        days=sorted({one.started[:10] for one in results}),
        seconds=[round(one.duration_s, 1) for one in results],
        says=sorted({one.gate.says for one in results}),
        counts=result.gate.counts,
        times=result.times,
        verdicts=sum(1 for _ in result.judged()),
        unstable=list(_unstable(results)),
        judged=msgspec.json.decode(done.stdout, type=Judged),
    )


def _tier(result: Result) -> str:
    """The widest tier among its trials."""
    return max((trial.tier for trial in result.trials), key=TIERS.index)


def _unstable(results: Sequence[Result]) -> Iterator[Unstable]:
    seen: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for result in results:
        for trial in result.trials:
            for guarantee, outcome, says in _outcomes(trial):
                seen[trial.called, guarantee].append((outcome, says))
    for (scenario, guarantee), told_ in sorted(seen.items()):
        often = Counter(outcome for outcome, _ in told_)
        often["no verdict"] += len(results) - len(told_)
        often += Counter()  # without what never happened
        if len(often) > 1:
            rarest = min(often, key=lambda outcome: often[outcome])
            says = next((says for outcome, says in told_ if outcome == rarest), "")
            yield Unstable(scenario=scenario, guarantee=guarantee, outcomes=dict(often.most_common()), says=says)


def _outcomes(trial: TrialResult) -> Iterator[tuple[str, str, str]]:
    if trial.error:
        yield "(the trial)", "failed", trial.error
    for verdict in trial.verdicts:
        yield verdict.guarantee, "known" if verdict.known else verdict.outcome.value, verdict.says


def _judge_here(out: Path) -> Judged:
    histories = [out / trial.history for trial in json.read(result_file(out)).trials if trial.history]
    began = time.perf_counter()
    for place in histories:
        plain_read(place)
    floor_s = time.perf_counter() - began
    began = time.perf_counter()
    for place in histories:
        judge(History.load(place))
    return Judged(
        histories=len(histories),
        mb=round(sum(file.stat().st_size for place in histories for file in record_files(place).values()) / 1e6, 1),
        seconds=round(time.perf_counter() - began, 2),
        floor_s=round(floor_s, 4),
        peak_mb=round(peak_mb(), 1),
    )


def page(series: Sequence[Series]) -> str:
    """docs/tiers.md."""
    return "\n".join(
        [
            "# Whole tiers on a release",
            "",
            "Written by `python -m bench.tiers` from `bench/tiers.jsonl`: played with `-n 2` on two cores. Where there is",
            "more than one check of a tier, they were compared verdict by verdict.",
            "",
            _head(
                *("target", "client", "tier", "checks", "played", "minutes", "trials", "verdicts"),
                *("hold", "violated", "known", "inconclusive", "faults proven"),
            ),
            *map(_row, series),
            "",
            "## Where the time went",
            "",
            "Of the first check, in seconds, over all its trials, two of which run side by side.",
            "",
            _head("target", "tier", "server starts", "client starts", "what scenarios play", "server stops", "ours"),
            *(_times_row(one, one.times) for one in series if one.times),
            "",
            "## Judging",
            "",
            "The histories of the first check, loaded and judged again by one process. The floor is a decode of each of their lines.",
            "",
            _head("target", "tier", "histories", "MB", "seconds", "times the floor", "peak MB"),
            *map(_judged_row, series),
            "",
            "## What was not the same each time",
            "",
            *_differences(series),
            "",
        ]
    )


def _head(*titles: str) -> str:
    return f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}"


def _row(one: Series) -> str:
    counts, least, most = one.counts, min(one.seconds) / 60, max(one.seconds) / 60
    minutes = f"{least:.1f}" if len(one.seconds) == 1 else f"{least:.1f} to {most:.1f}"
    return (
        f"| `{one.target}` | `{one.client}` | {one.tier} | {len(one.seconds)} | {span(one.days)} | {minutes} | {counts.trials} "
        f"| {one.verdicts} | {counts.holds} | {counts.violated} | {counts.known} | {counts.inconclusive} "
        f"| {counts.proven} of {counts.faults} |"
    )


def _times_row(one: Series, times: TimesResult) -> str:
    return (
        f"| `{one.target}` | {one.tier} | {times.server_start_s:.0f} | {times.client_start_s:.0f} | {times.runs_s:.0f} "
        f"| {times.server_stop_s:.0f} | {times.ours_s:.0f} |"
    )


def _judged_row(one: Series) -> str:
    did = one.judged
    return (
        f"| `{one.target}` | {one.tier} | {did.histories} | {did.mb:.0f} | {did.seconds:.1f} | {did.seconds / did.floor_s:.1f} "
        f"| {did.peak_mb:.0f} |"
    )


def _differences(series: Sequence[Series]) -> Iterator[str]:
    several = [one for one in series if len(one.seconds) > 1]
    for one in several:
        if not one.unstable:
            yield f"- `{one.target}`, {one.tier}: nothing, in {len(one.seconds)} checks."
        undecided = Counter[tuple[str, int, int]]()
        for verdict in one.unstable:
            if verdict.outcomes.keys() == {"holds", "inconclusive"}:
                undecided[verdict.scenario, verdict.outcomes["inconclusive"], verdict.outcomes["holds"]] += 1
                continue
            often = ", ".join(f"{number} times {outcome}" for outcome, number in verdict.outcomes.items())
            yield f"- `{one.target}`, {one.tier}: `{verdict.scenario}`, `{verdict.guarantee}`: {often} ({shown(verdict.says)})."
        for (scenario, never, always), number in undecided.items():
            yield (
                f"- `{one.target}`, {one.tier}: `{scenario}`: {count(number, 'verdict')} {never} times inconclusive, "
                f"{always} times holds."
            )
    if not several:
        yield "No tier was checked more than once."


if __name__ == "__main__":
    raise SystemExit(main())
