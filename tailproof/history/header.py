"""The header of a history: what was played, with what, and what its witnesses could see."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from tailproof.history.record import Count, Day, Parameter

SEEDS = (-(1 << 63), (1 << 63) - 1)
"""The least seed and the greatest."""
READ_SCHEMAS = (1, 2, 3, 4, 5, 6)
"""The versions that are read, oldest first."""
SCHEMA_VERSION = READ_SCHEMAS[-1]
"""2: each witness counts its records (`End`), the header says what each of them could see, and a break-off is a record. 3: what is
wrong with an answer or a stream itself is told (`flaw`), and so is what the harness ended (`cut`). 4: the plan says `seeded`
where it said `grown`. 5: what users do stands under `acts` in the plan, and is recorded as an `Act`; both were a fault's. 6: what the
API server says of a pod is recorded."""
Spec = Annotated[str, Meta(max_length=4096)]
Seed = Annotated[int, Meta(ge=SEEDS[0], le=SEEDS[1])]


class Header(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`header.json`: who met whom, where, and what was decided up front."""

    schema: Count = 1
    """Which version of this file wrote it. Those of the first did not say so."""
    trial: Spec
    scenario: Spec
    seed: Seed
    target: Spec
    """The target as it was asked for, for example `pypi:1.58.0`."""
    client: Spec
    """The client as it was asked for, for example `sdk:1.58.0` or `plain`."""
    versions: dict[str, Spec] = {}
    """harness, server, client (its own release), engine, python and image digest, where they are known."""
    machine: dict[str, str | int] = {}
    parameters: dict[str, Parameter] = {}
    """Every T and N in force (`status.crash`: seconds, ...): the adapter's defaults overridden by the scenario."""
    facts: dict[str, bool | str | int] = {}
    """What the protocol promises, as the adapter has it: `crash_policy`, `ends_with_snapshot`, `deferred_init`,
    `page_size`, ...; and `client_tells`, what the client reports (`held`, `callbacks`, `status`, `exit`; parted by blanks)."""
    sources: dict[str, Spec] = {}
    """Guarantee -> where the protocol makes that promise. Empty in an older history."""
    witnesses: dict[str, list[str]] = {}
    """What each witness of this trial is able to see: witness -> `log`, `stream`, `status`, `requests`, ... (`guarantees.witnesses`).
    A witness that does not stand here is none of this trial (the disk of a server that somebody else runs)."""
    plan: dict[str, Any] = {}
    """The scenario as it was loaded, with the random choices already made."""
    started: Day = 0.0
