"""Every client, by the name it is asked for."""

from __future__ import annotations

from pathlib import Path

from tailproof.clients.client import Client, ClientError
from tailproof.clients.kind import BadClient, ClientPlan, Sight
from tailproof.clients.spec import kind_of
from tailproof.history.recorder import Recorder
from tailproof.ownership.marks import variables
from tailproof.ownership.owners import Owner
from tailproof.protocol.adapter import Adapter
from tailproof.waiting import Budget

BUILD_S = 900.0
PART = "client"


def client_for(
    name: str,
    adapter: Adapter,
    recorder: Recorder,
    *,
    scratch: Path,
    owner: Owner,
    budget: Budget | None = None,
    sight: Sight | None = None,
) -> Client:
    """The client of a resolved spec (`tailproof.clients.spec`); what it needs is built when it is not there yet.

    Raises:
        ClientError: there is no such client.
        Unavailable: what it needs cannot be had.
    """
    try:
        kind, what = kind_of(name)
        kind.check(what)
    except BadClient as bad:
        raise ClientError(str(bad)) from bad
    plan = ClientPlan(
        name=name,
        adapter=adapter,
        recorder=recorder,
        scratch=scratch,
        environment={**variables(owner, PART), "TMPDIR": str(scratch)},
        budget=budget or Budget(BUILD_S),
        sight=sight,
    )
    return kind.make(what, plan)
