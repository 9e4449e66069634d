"""`tailproof check`: what it can be asked for, and how it becomes a run of the suites."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from tailproof.cli.errors import acts_on_errors
from tailproof.history.header import SEEDS
from tailproof.incoming.route import CA_VARIABLE
from tailproof.outgoing.say import say
from tailproof.reports.gate import EXIT_USAGE, MOST_ALLOWED


@click.command()
@click.argument("targets", metavar="TARGET...", nargs=-1, required=True)
@click.option(
    "--client",
    "clients",
    multiple=True,
    metavar="SPEC",
    help="sdk (the SDK of each target's own release; the default), sdk:VERSION, src:DIR, ts:VERSION, script:FILE, "
    "program:FILE or plain (repeatable: every target meets every client).",
)
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    metavar="GLOB",
    help="Run only these scenarios (repeatable); a FILE.yaml works, too.",
)
@click.option("--tier", type=click.Choice(["quick", "gate", "deep"]), default="gate", show_default=True)
@click.option("--shard", metavar="K/N", help="Run only part K of N; each scenario is in exactly one.")
@click.option("--on", "engine", type=click.Choice(["kubernetes"]), help="Where the shards run [default: here].")
@click.option("--shards", type=click.IntRange(1, 500), metavar="N", help="With --on: in so many pods, side by side.")
@click.option(
    "--image", default="", metavar="NAME", help="With --on: one of `tailproof image harness` that the cluster can pull."
)
@click.option("--deal", hidden=True, help="The scenarios of all shards, dealt out by --on.")
@click.option(
    "-n",
    "workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Trials side by side, in each shard.",
)
@click.option("--out", default="tailproof-results", show_default=True, metavar="DIR", help="Histories and reports.")
@click.option(
    "--baseline", type=click.Path(exists=True, dir_okay=False), help="Known violations [default: the shipped list]."
)
@click.option("--seed", type=click.IntRange(*SEEDS), help="Seed of all random choices [default: random].")
@click.option(
    "--model-url",
    default="",
    metavar="URL",
    help="For url: targets: the address at which the server reaches the model.",
)
@click.option(
    "--ca",
    envvar=CA_VARIABLE,
    type=click.Path(exists=True, dir_okay=False, resolve_path=True),
    help="For url:https targets: certificates (PEM) to trust in addition to the machine's.",
)
@click.option("--repetitions", type=click.IntRange(1, 1000), default=1, show_default=True, help="Trials per scenario.")
@click.option(
    "--fail-on",
    type=click.Choice(["must", "should"]),
    default="must",
    show_default=True,
    help="The gate closes over a violated MUST, or over a SHOULD, too.",
)
@click.option(
    "--allow-inconclusive",
    type=click.IntRange(0, MOST_ALLOWED),
    default=0,
    show_default=True,
    metavar="N",
    help="So many inconclusive verdicts do not leave the gate unknown; errors, unproven faults and blind witnesses always do.",
)
@click.option("--keep", is_flag=True, help="Compress the histories, to be kept for long; all commands read them.")
@click.option(
    "--dry-run", is_flag=True, help="Say what would be run, what would not and why, and how long it takes; run nothing."
)
@click.option(
    "--progress",
    type=click.Choice(["plain", "rich", "json"]),
    help="A line for each trial, a picture that moves, or run events as lines of JSON on standard output [default: what the terminal can].",
)
@click.option("--junit", type=click.Path(dir_okay=False), help="Write JUnit XML.")
@click.option("--html", type=click.Path(dir_okay=False), help="Write the report as one HTML file.")
@click.option("--alluredir", type=click.Path(file_okay=False), help="Write Allure results.")
@acts_on_errors
def check(targets: Sequence[str], **asked: Any) -> NoReturn:
    """Run the scenarios against each TARGET and judge them: pypi:VERSION, pypi:newest, docker:IMAGE, src:DIR or url:URL."""
    import pytest

    from tailproof import resources
    from tailproof.runner.outputs import check_scratch

    for name in ("out", "junit", "html", "alluredir"):
        if asked[name] == "":
            raise click.UsageError(f"--{name} is empty: name a place, or leave it out")
    if asked["shard"] == "":
        raise click.UsageError("--shard is empty: name a part as 1/4, or leave it out")
    _check_place(asked)
    if asked["dry_run"]:
        from tailproof.runner.dry_run import foretell

        sys.exit(foretell(targets, asked, width=shutil.get_terminal_size().columns, echo=say))
    moves = sys.stderr.isatty() and not os.environ.get("CI") and os.environ.get("TERM") != "dumb"
    progress = asked["progress"] or ("rich" if moves else "plain")
    if asked["engine"]:
        sys.exit(_on_kubernetes(targets, asked, progress))
    check_scratch()
    options = {
        "--tier": asked["tier"],
        "--shard": asked["shard"],
        "--deal": asked["deal"],
        "--out": asked["out"],
        "--baseline": asked["baseline"],
        "--seed": asked["seed"],
        "--model-url": asked["model_url"],
        "--repetitions": asked["repetitions"],
        "--fail-on": asked["fail_on"],
        "--allow-inconclusive": asked["allow_inconclusive"],
        "--junit-xml": asked["junit"],
        "--html-page": asked["html"],
        "--alluredir": asked["alluredir"],
    }
    arguments = [f"{name}={value}" for name, value in options.items() if value not in (None, "")]
    for name, words in (("target", targets), ("client", asked["clients"]), ("scenario", asked["scenarios"])):
        arguments += [f"--{name}={word}" for word in words]
    arguments += ["--keep"] if asked["keep"] else []
    arguments += [f"--progress={progress}", "--whole"]
    # Trials side by side are the supervisor's business; one process is enough to judge them.
    arguments += [f"--parallel={asked['workers']}"]
    if asked["ca"]:
        # Whoever reaches the server by itself, as the wire does, finds it there.
        os.environ[CA_VARIABLE] = asked["ca"]
    quiet = [
        "-s",
        "-qq",
        "--no-header",
        "--no-summary",
        "--tb=no",
        "-p",
        "no:cacheprovider",
        "-o",
        "console_output_style=classic",
    ]
    # Words for somebody's own tests: they would leave out some of these, or all.
    os.environ.pop("PYTEST_ADDOPTS", None)
    suites = resources.folder("suites")
    code = pytest.main([str(suites), f"--rootdir={suites}", "-c", os.devnull, *quiet, *arguments])
    sys.exit(EXIT_USAGE if code == pytest.ExitCode.USAGE_ERROR else int(code))


def _check_place(asked: Mapping[str, Any]) -> None:
    """Raises click.UsageError: options do not go together."""
    if bool(asked["engine"]) != bool(asked["shards"]):
        raise click.UsageError("--on kubernetes and --shards N belong together")
    if asked["image"] and not asked["engine"]:
        raise click.UsageError("--image is for --on kubernetes")
    if not asked["engine"]:
        return
    for name in ("shard", "junit", "alluredir", "model_url", "ca"):
        if asked[name]:
            raise click.UsageError(f"--{name.replace('_', '-')} does not go with --on kubernetes")


def _on_kubernetes(targets: Sequence[str], asked: Mapping[str, Any], progress: str) -> int:
    import random

    from tailproof.runner.check import CheckOptions
    from tailproof.shards.run import Asked, check_on_kubernetes

    wanted = Asked(
        targets=targets,
        clients=asked["clients"],
        shards=asked["shards"],
        parallel=asked["workers"],
        image=asked["image"],
        progress=progress,
        width=shutil.get_terminal_size((120, 24)).columns,
    )
    seed = random.SystemRandom().randrange(1 << 32) if asked["seed"] is None else asked["seed"]
    out = str(Path(asked["out"]).resolve())
    return check_on_kubernetes(wanted, CheckOptions.of({**asked, "seed": seed, "out": out}))
