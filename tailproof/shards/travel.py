"""What a check takes along into pods: the releases that their image has to hold, the files and options of the user, who plays what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from tailproof.clients.spec import kind_of as client_kind_of
from tailproof.incoming import BadInput
from tailproof.outgoing.masking import without_user_info
from tailproof.outgoing.visible import clip
from tailproof.provision.locks import release_before
from tailproof.provision.recipe import PythonRecipe
from tailproof.resources import REFERENCE
from tailproof.runner.check import CheckOptions
from tailproof.runner.pairs import PLAIN
from tailproof.shards.inside import ARGUMENTS, ORDER
from tailproof.targets.resolve import kind_of

DEAL, BASELINE = "deal.json", "baseline.yaml"
MOST_BYTES = 900 << 10
"""A ConfigMap holds 1 MiB."""
_SAID = 60


class CannotTravel(BadInput):
    """What was asked for cannot be had in a pod: wrong usage, said in one sentence."""


def releases(targets: Iterable[str], clients: Iterable[str], *, earlier: bool) -> list[tuple[PythonRecipe, str]]:
    """What the image has to hold for these (concrete) targets and clients; with `earlier` the release before each target's, too.

    Raises:
        CannotTravel: one of them is no release, and not shipped with the harness.
        BadTarget, BadClient: one of them is none.
    """
    found: list[tuple[PythonRecipe, str]] = []
    for spec in targets:
        kind, what = kind_of(spec)
        if isinstance(kind.recipe, PythonRecipe):
            before = release_before(kind.recipe, what) if earlier else ""
            found += [(kind.recipe, version) for version in (what, before) if version]
        elif spec.partition(":")[0] != REFERENCE:
            raise CannotTravel(_cannot("target", without_user_info(spec)))
    for spec in clients:
        client, what = client_kind_of(spec)
        if isinstance(client.recipe, PythonRecipe):
            found.append((client.recipe, what))
        elif spec.partition(":")[0] not in (REFERENCE, PLAIN):
            raise CannotTravel(_cannot("client", spec))
    return list(dict.fromkeys(found))


def _cannot(noun: str, spec: str) -> str:
    return (
        f"--on kubernetes takes releases along, and the {noun} {clip(spec, _SAID)} is none: "
        "pods reach neither this machine nor its engine. Take pypi:VERSION and sdk:VERSION, or run it here"
    )


def order(
    options: CheckOptions,
    *,
    targets: Sequence[str],
    clients: Sequence[str],
    deal: Sequence[Iterable[str]],
    parallel: int,
) -> dict[str, bytes]:
    """The files that every pod finds: what its command is told, and what the user has written. Raises CannotTravel: they are too large."""
    files = {DEAL: msgspec.json.encode([sorted(names) for names in deal])}
    arguments = [*targets, *(f"--client={word}" for word in clients)]
    for number, word in enumerate(options.scenarios):
        if word.endswith(".yaml"):
            files[f"{number}.yaml"] = Path(word).read_bytes()
            word = str(ORDER / f"{number}.yaml")
        arguments.append(f"--scenario={word}")
    if options.baseline:
        files[BASELINE] = Path(options.baseline).read_bytes()
        arguments.append(f"--baseline={ORDER / BASELINE}")
    arguments += [f"--{name}={value}" for name, value in _settings(options)]
    arguments += [f"--deal={ORDER / DEAL}", f"-n{parallel}", *(["--keep"] if options.keep else [])]
    files[ARGUMENTS] = msgspec.json.encode((arguments, len(deal)))
    if (total := sum(map(len, files.values()))) > MOST_BYTES:
        raise CannotTravel(
            f"scenarios and baseline have {total >> 10} kB: a pod is given {MOST_BYTES >> 10} kB at most"
        )
    return files


def _settings(options: CheckOptions) -> Iterator[tuple[str, object]]:
    yield "tier", options.tier
    yield "seed", options.seed
    yield "repetitions", options.repetitions
    yield "fail-on", options.fail_on
    yield "allow-inconclusive", options.allow_inconclusive
