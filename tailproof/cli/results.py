"""Commands that read results of checks: decide on them, put them together, compare them, keep the baseline by them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from tailproof.cli.errors import acts_on_errors
from tailproof.history.header import SEEDS
from tailproof.outgoing.say import say
from tailproof.reports.gate import MOST_ALLOWED

F = TypeVar("F", bound=Callable[..., Any])
_RESULTS = click.argument(
    "results", metavar="RESULT...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path)
)


def _standard(command: F) -> F:
    """The options that decide a gate anew."""
    for option in (
        click.option(
            "--allow-inconclusive",
            type=click.IntRange(0, MOST_ALLOWED),
            metavar="N",
            help="So many inconclusive verdicts do not leave the gate unknown [default: as the check was asked].",
        ),
        click.option(
            "--fail-on",
            type=click.Choice(["must", "should"]),
            help="The gate closes over a violated MUST, or over a SHOULD, too [default: as the check was asked].",
        ),
        click.option(
            "--baseline",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Known violations [default: those that the check knew].",
        ),
    ):
        command = option(command)
    return command


@click.command()
@_RESULTS
@_standard
@acts_on_errors
def gate(results: Sequence[Path], **asked: Any) -> NoReturn:
    """Decide on finished checks: each RESULT is a result.json or its directory; several are the shards of one check.

    A shard that is missing leaves the gate unknown (2); one that is there twice, or of another check, is wrong usage (64).
    """
    from tailproof.reports import terminal
    from tailproof.runner.finished import asked_for, decided

    result = decided(results, asked_for(results, **asked))
    say(terminal.render(result, width=_width()))
    sys.exit(result.gate.exit_code)


@click.command()
@_RESULTS
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@_standard
@acts_on_errors
def merge(results: Sequence[Path], out: Path, **asked: Any) -> NoReturn:
    """Put the shards of one check together: one result.json in DIR, with its reports and all histories.

    The exit code is that of the gate.
    """
    from tailproof.reports import terminal
    from tailproof.runner import out_dir
    from tailproof.runner.finished import asked_for, kept

    result, lost = kept(results, out, asked_for(results, **asked))
    for sentence in lost:
        say(sentence, err=True)
    files = {"report": str(out / out_dir.REPORT), "result": str(out / out_dir.RESULT)}
    say(terminal.render(result, files=files, width=_width()))
    sys.exit(result.gate.exit_code)


@click.group()
def baseline() -> None:
    """Keep the list of known violations."""


@baseline.command("update")
@_RESULTS
@click.option(
    "--baseline",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The list to change; begun if there is none [default: the shipped one, in a checkout].",
)
@click.option("--reason", default="", metavar="TEXT", help="Of what is added: why it is known, in one sentence.")
@click.option("--link", default="", metavar="URL", help="Of what is added: where it is discussed.")
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), metavar="DAY", help="Of what is added: the last day.")
@click.option("--guarantee", "guarantees", multiple=True, metavar="GLOB", help="Add only these (repeatable).")
@click.option("--scenario", "scenarios", multiple=True, metavar="GLOB", help="Add only of these (repeatable).")
@click.option("--dry-run", is_flag=True, help="Write nothing; show what would change.")
@acts_on_errors
def baseline_update(
    results: Sequence[Path],
    *,
    file: Path | None,
    expires: datetime | None,
    guarantees: Sequence[str],
    scenarios: Sequence[str],
    dry_run: bool,
    **asked: str,
) -> NoReturn:
    """Bring a baseline up to what each RESULT found: new violations are added, entries that occur no more are removed.

    What still occurs on a newer release is marked so (last_seen). Comments and order stay. The exit code is 1 if something is left to
    decide: an expired entry, or a new violation that --guarantee and --scenario left out.
    """
    from tailproof.reports.baseline_update import Wanted
    from tailproof.runner.known import bring_up_to_date

    wanted = Wanted(
        expires=expires.date() if expires else None,
        guarantees=guarantees or ("*",),
        scenarios=scenarios or ("*",),
        **asked,
    )
    sys.exit(bring_up_to_date(results, file, wanted, dry_run=dry_run, say=say))


@click.command()
@click.argument("base")
@click.argument("candidate")
@click.option(
    "--goal", default="", metavar="TEXT", help="What the change is for; ids in it say which findings prove it."
)
@click.option("--ci", "checks", default="", metavar="TEXT", help="What CI and tests say of the change, in one line.")
@click.option("--scenario", "scenarios", multiple=True, metavar="GLOB", help="Only these scenarios (repeatable).")
@click.option("-n", "workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Trials side by side.")
@click.option("--repetitions", type=click.IntRange(1, 1000), default=1, show_default=True, help="Trials per scenario.")
@click.option("--seed", type=click.IntRange(*SEEDS), help="Seed of all random choices [default: of RESULT, or random].")
@click.option("--fail-on", type=click.Choice(["must", "should"]), help="What closes [default: must, or as RESULT].")
@click.option("--baseline", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Known violations.")
@click.option(
    "--out",
    default="tailproof-results/compare",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
)
@acts_on_errors
def compare(**asked: Any) -> NoReturn:
    """Say what a change breaks and mends: BASE and CANDIDATE are each a result.json, its directory, or TARGET[,CLIENT] to check now.

    Writes DIR/compare.md, the QA report of a pull request, DIR/compare.html, the page of the candidate that says of each finding how it
    was before, and DIR/compare.json. The exit code is 1 if a violation is new or the goal is not achieved, 2 if something could not be
    verified that might be one, else 0.
    """
    from tailproof.reports import terminal_compare
    from tailproof.runner import out_dir
    from tailproof.runner.sides import Asked, compared

    wanted = Asked(**asked)
    comparison = compared(wanted, say=lambda line: say(line, err=True))
    files = {
        "page": str(wanted.out / out_dir.COMPARE_PAGE),
        "report": str(wanted.out / out_dir.COMPARE_REPORT),
        "data": str(wanted.out / out_dir.COMPARE_DATA),
    }
    say(terminal_compare.render(comparison, files=files, width=_width()))
    sys.exit(comparison.exit_code)


@click.command()
@click.argument("result", type=click.Path(exists=True, path_type=Path))
@click.option("--sarif", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="The findings as SARIF.")
@click.option(
    "--perfetto",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Each trial as a Perfetto trace; the histories must lie beside the result.",
)
@acts_on_errors
def export(result: Path, sarif: Path | None, perfetto: Path | None) -> None:
    """Write RESULT (a result.json or its directory) in the formats of other tools."""
    from tailproof.runner import export as writer

    writer.export(result, to_sarif=sarif, traces=perfetto, echo=say)


@click.command()
@click.argument("result", type=click.Path(exists=True, path_type=Path))
@acts_on_errors
def github(result: Path) -> NoReturn:
    """Tell a GitHub runner of RESULT (a result.json or its directory): annotations, step summary, outputs of the step.

    The exit code is that of the gate.
    """
    from tailproof.runner.github import tell

    sys.exit(tell(result, os.environ, say))


COMMANDS = (gate, merge, compare, baseline, export, github)


def _width() -> int:
    return max(80, shutil.get_terminal_size().columns)
