"""The clients that speak every protocol: what they do is said to an adapter, or they do it all by themselves."""

from __future__ import annotations

from collections.abc import Mapping

from tailproof.clients.client import Client
from tailproof.clients.kind import BadClient, ClientPlan, Kind
from tailproof.clients.own_program import PROGRAM
from tailproof.clients.plain import PlainClient
from tailproof.clients.script import SCRIPT
from tailproof.waiting import Budget


def _check_plain(what: str) -> None:
    if what:
        raise BadClient(f"the plain client takes nothing behind a colon, and {what!r} stands there")


def _prepare_nothing(what: str, budget: Budget) -> None:
    """It runs with what the harness has."""


def _plain(what: str, plan: ClientPlan) -> Client:
    return PlainClient(plan.adapter, plan.recorder, environment=plan.environment)


KINDS: Mapping[str, Kind] = {
    "plain": Kind(form="plain", check=_check_plain, prepare=_prepare_nothing, make=_plain, equips=True),
    "program": PROGRAM,
    "script": SCRIPT,
}
