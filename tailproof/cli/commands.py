"""The command line. Exit codes: 0 gate open, 1 gate closed, 2 could not tell, 64 wrong usage or bad input."""

from __future__ import annotations

import io
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from tailproof.cli.check import check
from tailproof.cli.errors import acts_on_errors
from tailproof.cli.explore import explore
from tailproof.cli.results import COMMANDS as READING_RESULTS
from tailproof.extensions import Part
from tailproof.history.header import SEEDS
from tailproof.outgoing.say import say
from tailproof.outgoing.visible import clip
from tailproof.provision.cache import cache
from tailproof.reports.gate import EXIT_USAGE
from tailproof.runner import ending

_TELL_A_VERDICT = ("check", "explore", "judge", "repro", "gate", "merge", "compare")
UNUSED_DAYS = 30.0
SAID_LINE = 1000
"""Characters of a line of an error."""


class _Commands(click.Group):
    """Click's own usage errors end with 64, as ours do."""

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        asked = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
        ending.leave(
            lambda: self._code(*args, **kwargs), log=cache() / ending.LOG, tells_verdict=asked in _TELL_A_VERDICT
        )

    def _code(self, *args: Any, **kwargs: Any) -> int:
        try:
            super().main(*args, **{**kwargs, "standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as error:
            _show(error)
        except click.ClickException as error:
            _show(error)
            return EXIT_USAGE
        except click.Abort as error:
            raise KeyboardInterrupt from error
        return 0


def _show(error: click.ClickException) -> None:
    words = io.StringIO()
    error.show(file=words)
    # It may repeat what was typed, whatever that is.
    say("\n".join(clip(line, SAID_LINE) for line in words.getvalue().rstrip("\n").split("\n")), err=True)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="tailproof", prog_name="tailproof")
@click.pass_context
def main(context: click.Context) -> None:
    """Can an agent server be trusted when the network lags, the process dies and the container restarts?"""
    # A check looks at the engine, too, when it knows that it can be run; `clean` says what it removes line by line.
    if context.invoked_subcommand not in ("check", "clean", "wire"):
        from tailproof.runner.leftovers import sweep

        if removed := sweep(engine=context.invoked_subcommand in ("repro", "compare", "explore")):
            say(removed, err=True)


@main.command()
@click.argument("history", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--guarantee", "globs", multiple=True, metavar="GLOB", help="Only these guarantees (repeatable).")
@click.option("--baseline", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--compared", is_flag=True, help="Show how much each verdict compared, and on which witnesses it rests.")
@acts_on_errors
def judge(history: Path, globs: Sequence[str], baseline: Path | None, *, compared: bool) -> NoReturn:
    """Judge a saved HISTORY (a directory) again."""
    from tailproof.runner.rejudge import judge_again

    text, code = judge_again(history, globs=globs, baseline=baseline, compared=compared)
    say(text)
    sys.exit(code)


@main.command()
@click.argument("history", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("address")
@acts_on_errors
def show(history: Path, address: str) -> None:
    """Print the record ADDRESS (wire:81) of a saved HISTORY (a directory), and those around it in short."""
    from tailproof.runner.show import show as shown

    say(shown(history, address))


@main.command()
@click.argument("what", type=click.Path(exists=True, path_type=Path), metavar="RESULT|HISTORY")
@click.argument("cards", nargs=-1, metavar="[CARD]...")
@click.option("--trials", type=click.IntRange(1, 1000), default=3, show_default=True, help="How often to try.")
@click.option("-n", "workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Trials side by side.")
@click.option("--out", default="tailproof-results/repro", show_default=True, metavar="DIR")
@click.option(
    "--necessity",
    is_flag=True,
    help="Also without the fault, and with it one point earlier and later; RESULT and its report then tell.",
)
@acts_on_errors
def repro(what: Path, cards: Sequence[str], trials: int, workers: int, out: str, *, necessity: bool) -> NoReturn:
    """Run the violated trials of RESULT (result.json) or HISTORY again, with the same scenario, seed, target and client, and say in how
    many of n trials each violation came back.

    CARD picks violations: 'events.tail[stream-lag]', or a guarantee or a trial alone. A script that was the client is run as it
    travelled with the history."""
    from tailproof.runner.repro import reproduce

    code = reproduce(
        what,
        cards=cards,
        trials=trials,
        parallel=workers,
        out=Path(out).resolve(),
        necessity=necessity,
        echo=say,
    )
    sys.exit(code)


@main.command("list")
@acts_on_errors
def list_() -> None:
    """List scenarios, guarantees, acts, faults, targets, clients and protocols, each with its package if another package brings it."""
    from tailproof.acts.session import KINDS as SANDBOX_ACTS
    from tailproof.extensions import brought_by, table
    from tailproof.faults.sandbox import KINDS as SANDBOX_FAULTS
    from tailproof.guarantees.catalogue import CATALOGUE
    from tailproof.runner.check import catalogue

    scenarios = catalogue()
    width = max(shutil.get_terminal_size().columns, 80)
    column = max(len(name) for name in [*CATALOGUE, *(scenario.name for scenario in scenarios)])

    def row(name: str, mark: str, text: str) -> None:
        head = f"  {name:<{column}} {mark:<7} "
        say(textwrap.fill(" ".join(text.split()), width, initial_indent=head, subsequent_indent=" " * len(head)))

    say("scenarios")
    for scenario in scenarios:
        row(scenario.name, scenario.tier, scenario.summary)
    say("\nguarantees")
    for guarantee in CATALOGUE.values():
        row(guarantee.id, guarantee.level, guarantee.promise + brought_by("guarantees", guarantee.id))
    say("\nacts and faults where an executor is on trial\n  " + "  ".join([*SANDBOX_ACTS, *SANDBOX_FAULTS]))
    shown: dict[Part, list[str]] = {
        "acts": list(table("acts")),
        "faults": list(table("faults")),
        "targets": [kind.form for kind in table("targets").values()],
        "clients": [kind.form for kind in table("clients").values()],
        "adapters": list(table("adapters")),
    }
    for part, words in shown.items():
        told = (word + brought_by(part, name) for word, name in zip(words, table(part), strict=True))
        say(f"\n{'protocols' if part == 'adapters' else part}\n  " + "  ".join(told))


@main.command()
def doctor() -> NoReturn:
    """Say what this machine can and cannot run, and why."""
    from tailproof.doctor import examine

    findings = examine()
    for finding in findings:
        say(f"{'ok     ' if finding.ok else 'MISSING'} {finding.name:<18} {finding.says}")
        if not finding.ok:
            say(f"        needed for {finding.needed_for}; {finding.remedy}")
    sys.exit(0 if all(finding.ok or not finding.required for finding in findings) else ending.CANNOT_TELL)


@main.command("seed-history")
@click.argument("version")
@click.option("--events", type=click.IntRange(50, 100_000), required=True, help="Number of events in the log.")
@click.option(
    "--bytes",
    "sizes",
    default="2000",
    show_default=True,
    metavar="B|MIN-MAX",
    help="Size of each event in bytes, as stored.",
)
@click.option("--seed", type=click.IntRange(*SEEDS), default=0, help="Seed of sizes, ids and texts [default: 0].")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="A new directory.")
@click.option("--model-url", default="", metavar="URL", help="Address of the model that the conversation will use.")
@acts_on_errors
def seed_history(version: str, events: int, sizes: str, seed: int, out: Path, model_url: str) -> None:
    """Make a conversation of release VERSION with a long history, in a directory to start a server on."""
    from tailproof.protocol.adapter import SeededHistory
    from tailproof.scenario.schema import SeededPlan
    from tailproof.trial.seeded_history import export

    try:
        given = [int(word) for word in sizes.split("-", 1)]
        least, most = SeededPlan(events=events, bytes=given * 2 if len(given) == 1 else given).sizes
    except ValueError as error:
        raise click.UsageError(
            f"--bytes {sizes}: write a size or two, 200 to 120000, for example 2000 or 500-8000"
        ) from error
    history = SeededHistory(events=events, least=least, most=most, seed=seed)
    exported = export(version, history, out, model_url=model_url, say=lambda line: say(line, err=True))
    say(f"conversation {exported.conversation} with {events} events; start a server on it with\n{exported.command}")


@main.group()
def image() -> None:
    """Build images: of the server under test, and of the harness."""


@image.command("build")
@click.argument("release", metavar="VERSION|WORD:VERSION")
@click.option(
    "--shape",
    type=click.Choice(["python", "binary"]),
    default="python",
    show_default=True,
    help="The server as packages under a Python, or as one file without one.",
)
@acts_on_errors
def image_build(release: str, shape: str) -> None:
    """Build the image of one release from its lock file."""
    from tailproof.clients.recipes import images, named
    from tailproof.provision.images import build_image

    recipe, version = named(release, images())
    wanted = recipe.binary if shape == "binary" else recipe
    if wanted is None:
        raise click.UsageError(f"releases like {release} are not published as one file")
    say(build_image(wanted, version, say=lambda line: say(line, err=True)))


@image.command("harness")
@click.argument("targets", metavar="TARGET...", nargs=-1, required=True)
@click.option("--client", "clients", multiple=True, metavar="SPEC", help="As for check (repeatable).")
@acts_on_errors
def image_harness(targets: Sequence[str], clients: Sequence[str]) -> None:
    """Build the image in which a cluster runs the shards of a check of TARGETs: the harness, and all that they need."""
    from tailproof.shards.run import image_for

    say(image_for(targets, clients))


@main.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def wire(arguments: Sequence[str]) -> NoReturn:
    """Run the wire alone: --upstream HOST:PORT|URL --listen HOST:PORT [--rules FILE] [--journal FILE]."""
    from tailproof.wire.__main__ import main as run_wire

    sys.exit(run_wire(list(arguments)))


@main.command()
@click.option("--all", "everything", is_flag=True, help="Also what belongs to a process that is still running.")
@click.option(
    "--owner",
    "owners",
    multiple=True,
    metavar="MARK",
    help="Only what this process left: the TAILPROOF_OWNER in its mark. May be given more than once.",
)
def clean(everything: bool, owners: Sequence[str]) -> None:
    """Remove what killed trials left: containers, networks, volumes, namespaces, processes, scratch directories.

    Environments of releases that were not used for 30 days are removed, too.
    """
    from tailproof.provision.environments import evict
    from tailproof.runner.leftovers import clean as clean_up

    removed = clean_up(spare_living=not everything, owners=owners)
    removed += [] if owners else evict(older_than_days=UNUSED_DAYS)
    for line in removed:
        say(line)
    say(f"{len(removed)} removed" if removed else "nothing was left")


for command in (check, explore, *READING_RESULTS):
    main.add_command(command)
