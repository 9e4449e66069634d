"""Which client a word asks for: `plain`, `sdk:VERSION`, `src:DIR`, `ts:VERSION`, `program:FILE`,
`script:FILE`, `reference[:VARIANT]`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tailproof import resources
from tailproof.clients.client import Client
from tailproof.clients.kind import BadClient, ClientPlan, Kind
from tailproof.clients.own_program import PROGRAM
from tailproof.clients.plain import PlainClient
from tailproof.clients.program import SDK_PROGRAM, ProgramClient
from tailproof.clients.script import SCRIPT
from tailproof.clients.typescript import TYPESCRIPT
from tailproof.incoming.files import place_of
from tailproof.incoming.limits import SAID_CHARS
from tailproof.outgoing.visible import clip
from tailproof.provision.environments import environment
from tailproof.provision.installations import SDK, installation_of, lacks
from tailproof.provision.locks import is_version, known_releases
from tailproof.resources import REFERENCE
from tailproof.waiting import Budget

__all__ = ["KINDS", "BadClient", "kind_of", "prepare", "resolved"]

BUILDERS = 4
"""How many environments are built side by side: resolving and fetching wait for the network, unpacking for the disk."""


def resolved(asked: str, *, target: str, version: str) -> str:
    """The concrete spec of the client that `asked` means for a target and its release (empty when it cannot be told).

    Nothing asked means the client that belongs to the target; `sdk` is that of its release, `sdk:newest` the newest with a
    committed lock file (a check has asked the package index before, and names a release).

    Raises:
        BadClient: there is no such client.
    """
    if not asked and target.partition(":")[0] == REFERENCE:
        return REFERENCE
    if not asked and not version:
        return "plain"
    if asked in ("", "sdk"):
        if not version:
            raise BadClient(f"the release of {target} is not known before it runs: name the client, sdk:VERSION")
        asked = f"sdk:{version}"
    if asked == "sdk:newest":
        asked = f"sdk:{known_releases()[-1]}"
    kind, what = kind_of(asked)
    kind.check(what)
    return asked


def prepare(specs: Iterable[str], budget: Budget) -> None:
    """Build what these clients (resolved) need, side by side; what is there is not built again.

    Raises:
        BadClient: a spec is wrong.
        Unavailable: an environment cannot be had; the others are finished first.
    """
    wanted = [kind_of(spec) for spec in dict.fromkeys(specs)]
    with ThreadPoolExecutor(max_workers=BUILDERS, thread_name_prefix="build") as builders:
        built = [builders.submit(kind.prepare, what, budget) for kind, what in wanted]
    for one in built:
        one.result()


def kind_of(spec: str) -> tuple[Kind, str]:
    """The kind that a spec names, and what stands behind its colon. Raises BadClient."""
    word, colon, what = spec.partition(":")
    kind = KINDS.get(word)
    if kind is None:
        raise BadClient(
            f"there is no client {clip(repr(spec), SAID_CHARS)}; there are {', '.join(kind.form for kind in KINDS.values())}"
        )
    if colon and not what:
        raise BadClient(f"client {spec!r} names nothing behind the colon: {kind.form}")
    return kind, what


# -- plain and reference ------------------------------------------------------------------------------------------------


def _check_plain(what: str) -> None:
    if what:
        raise BadClient(f"the plain client takes nothing behind a colon, and {what!r} stands there")


def _check_nothing(what: str) -> None:
    """The program itself knows its variants."""


def _prepare_nothing(what: str, budget: Budget) -> None:
    """It runs with what the harness has."""


def _plain(what: str, plan: ClientPlan) -> Client:
    return PlainClient(plan.adapter, plan.recorder, environment=plan.environment)


def _reference(variant: str, plan: ClientPlan) -> Client:
    program = resources.folder("fixtures") / "reference_client.py"
    return _program(plan, [sys.executable, program, *(("--broken", variant) if variant else ())])


# -- the SDK: a release, or a directory of the user --------------------------------------------------------------------


def _check_sdk(version: str) -> None:
    if not is_version(version):
        raise BadClient(
            f"{clip(repr(version), SAID_CHARS)} is not a release: sdk:VERSION, for example sdk:{known_releases()[-1]}"
        )


def _sdk(version: str, plan: ClientPlan) -> Client:
    return _program(plan, [environment(version, plan.budget).interpreter, "-I", SDK_PROGRAM])


def _check_src(place: str) -> None:
    if not place:
        raise BadClient("src names no directory: src:DIR takes a checkout of the SDK or a virtual environment")
    if lack := lacks(_directory(place), SDK):
        raise BadClient(lack)


def _prepare_src(place: str, budget: Budget) -> object:
    return installation_of(_directory(place), SDK, budget)


def _src(place: str, plan: ClientPlan) -> Client:
    installed = installation_of(_directory(place), SDK, plan.budget)
    source = installed.facts.get("source", "")
    return _program(plan, [installed.interpreter, "-I", SDK_PROGRAM], facts={"client source": source} if source else {})


def _directory(place: str) -> Path:
    return place_of(place)


def _program(plan: ClientPlan, command: list[str | Path], facts: dict[str, str] | None = None) -> Client:
    return ProgramClient(
        plan.name,
        plan.adapter,
        plan.recorder,
        command=command,
        scratch=plan.scratch,
        environment=plan.environment,
        facts=facts or {},
    )


# -- the table -----------------------------------------------------------------------------------------------------------


KINDS: dict[str, Kind] = {
    "plain": Kind(form="plain", check=_check_plain, prepare=_prepare_nothing, make=_plain),
    "sdk": Kind(
        form="sdk:VERSION",
        check=_check_sdk,
        prepare=environment,
        make=_sdk,
    ),
    "src": Kind(form="src:DIR", check=_check_src, prepare=_prepare_src, make=_src),
    "ts": TYPESCRIPT,
    "program": PROGRAM,
    "script": SCRIPT,
    REFERENCE: Kind(form=f"{REFERENCE}[:VARIANT]", check=_check_nothing, prepare=_prepare_nothing, make=_reference),
}
"""Every kind of client, by the word before the colon."""
