"""Any program that follows the protocol of JSON lines (`docs/clients/typescript.md`) as a client: `program:FILE`."""

from __future__ import annotations

from tailproof.clients.client import Client
from tailproof.clients.kind import BadClient, ClientPlan, Kind
from tailproof.clients.program import ProgramClient
from tailproof.clients.script import command_of
from tailproof.incoming.files import is_file, place_of
from tailproof.waiting import Budget

FORM = "program:FILE"


def _check(word: str) -> None:
    if not word or not is_file(place_of(word)):
        raise BadClient(
            f"{word or 'program'} is no file: {FORM} takes a program that follows commands (docs/clients/typescript.md)"
        )
    command_of(place_of(word))


def _prepare(word: str, budget: Budget) -> object:
    return None


def _make(word: str, plan: ClientPlan) -> Client:
    return ProgramClient(
        plan.name,
        plan.adapter,
        plan.recorder,
        command=command_of(place_of(word)),
        scratch=plan.scratch,
        environment=plan.environment,
    )


PROGRAM = Kind(form=FORM, check=_check, prepare=_prepare, make=_make, file=place_of)
