"""The clients that speak the protocol of the OpenHands agent-server: its SDKs, and the small one in `fixtures/` or a variant of it that
breaks one promise."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from tailproof import resources
from tailproof.adapters.openhands.name import PROTOCOL
from tailproof.adapters.openhands.recipes import RELEASES, SDK
from tailproof.adapters.openhands.typescript import TYPESCRIPT
from tailproof.clients.client import Client
from tailproof.clients.kind import BadClient, ClientPlan, Kind
from tailproof.clients.program import ProgramClient
from tailproof.incoming.files import place_of
from tailproof.incoming.limits import SAID_CHARS
from tailproof.outgoing.visible import clip
from tailproof.provision.environments import environment
from tailproof.provision.installations import installation_of, lacks
from tailproof.provision.locks import is_version, known_releases
from tailproof.resources import REFERENCE
from tailproof.waiting import Budget

SDK_PROGRAM = Path(__file__).with_name("sdk_program.py")
"""Drives a released SDK: `INTERPRETER -I sdk_program.py`."""


def _concrete_sdk(what: str, *, target: str, release: str) -> str:
    """`sdk` is the release of the target, `sdk:newest` the newest with a committed lock file (a check has asked the package index
    before, and names a release)."""
    if not what and not release:
        raise BadClient(f"the release of {target} is not known before it runs: name the client, sdk:VERSION")
    return f"sdk:{known_releases(RELEASES)[-1] if what == 'newest' else what or release}"


def _check_nothing(what: str) -> None:
    """The program itself knows its variants."""


def _prepare_nothing(what: str, budget: Budget) -> None:
    """It runs with what the harness has."""


def _reference(variant: str, plan: ClientPlan) -> Client:
    program = resources.folder("fixtures") / "reference_client.py"
    return _program(plan, [sys.executable, program, *(("--broken", variant) if variant else ())])


def _check_sdk(version: str) -> None:
    if not is_version(version):
        raise BadClient(
            f"{clip(repr(version), SAID_CHARS)} is not a release: sdk:VERSION, for example sdk:{known_releases(RELEASES)[-1]}"
        )


def _sdk(version: str, plan: ClientPlan) -> Client:
    return _program(plan, [environment(RELEASES, version, plan.budget).interpreter, "-I", SDK_PROGRAM])


def _check_src(place: str) -> None:
    if not place:
        raise BadClient("src names no directory: src:DIR takes a checkout of the SDK or a virtual environment")
    if lack := lacks(SDK, _directory(place)):
        raise BadClient(lack)


def _prepare_src(place: str, budget: Budget) -> object:
    return installation_of(RELEASES, SDK, _directory(place), budget)


def _src(place: str, plan: ClientPlan) -> Client:
    installed = installation_of(RELEASES, SDK, _directory(place), plan.budget)
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


KINDS: Mapping[str, Kind] = {
    "sdk": Kind(
        form="sdk:VERSION",
        protocol=PROTOCOL,
        check=_check_sdk,
        prepare=partial(environment, RELEASES),
        make=_sdk,
        concrete=_concrete_sdk,
        recipe=RELEASES,
        equips=True,
        is_the_targets=lambda version: not version,
    ),
    "src": Kind(form="src:DIR", protocol=PROTOCOL, check=_check_src, prepare=_prepare_src, make=_src, equips=True),
    "ts": TYPESCRIPT,
    REFERENCE: Kind(
        form=f"{REFERENCE}[:VARIANT]",
        protocol=PROTOCOL,
        check=_check_nothing,
        prepare=_prepare_nothing,
        make=_reference,
        equips=True,
    ),
}
