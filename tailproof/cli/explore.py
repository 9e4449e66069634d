"""`tailproof explore`: what it can be asked for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

import click

from tailproof.cli.errors import acts_on_errors
from tailproof.history.header import SEEDS
from tailproof.outgoing.say import say

OUT = "tailproof-results/explore"


@click.command()
@click.argument("target", required=False)
@click.option("--client", default="", metavar="SPEC", help="As for check [default: the target's own].")
@click.option("--budget", default="30m", show_default=True, metavar="TIME|N", help="30m, 2h, or a number of trials.")
@click.option("--seed", type=click.IntRange(*SEEDS), help="Seed of the order [default: random].")
@click.option("--out", metavar="DIR", help=f"Journal, histories and reports [default: {OUT}].")
@click.option("--resume", metavar="DIR", help="Go on with the exploration in DIR.")
@click.option("-n", "workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Trials side by side.")
@click.option("--shard", default="", metavar="K/N", help="Only part K of N of the cells.")
@click.option(
    "--baseline",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Known violations [default: the shipped list].",
)
@click.option(
    "--model-url",
    default="",
    metavar="URL",
    help="For url: targets: the address at which the server reaches the model.",
)
@acts_on_errors
def explore(
    target: str | None,
    client: str,
    budget: str,
    seed: int | None,
    out: str | None,
    resume: str | None,
    workers: int,
    shard: str,
    baseline: Path | None,
    model_url: str,
) -> NoReturn:
    """Draw situations that nobody has written down, play them against TARGET, and shrink what breaks a promise to the smallest scenario
    that still breaks it. Exit codes as of check."""
    from tailproof.explore.session import Asked, explore

    if target is None and resume is None:
        raise click.UsageError("name a TARGET, or an exploration to go on with: --resume DIR")
    if resume is not None and out is not None:
        raise click.UsageError("--resume names where the exploration lies: leave --out out")
    asked = Asked(
        target=target or "",
        client=client,
        budget=budget,
        seed=seed,
        out=Path(resume or out or OUT).resolve(),
        resume=resume is not None,
        parallel=workers,
        baseline=baseline,
        model_url=model_url,
        shard=shard,
    )
    sys.exit(explore(asked, echo=say))
