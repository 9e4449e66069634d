"""What was planned for a trial, read from the scenario in its header: what does not stand there was never meant to happen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tailproof.history.records import Header

KILLS = frozenset({"process.kill", "memory.server"})
"""Faults of which the server dies."""
RESTARTS = KILLS | {"process.restart"}
"""Faults that end a life of the server; it is started again."""
BREAKERS = frozenset({"wire.cut", "wire.down", "network.reset_peer", "network.timeout", "network.limit_data"})
"""Faults that end a stream which is open."""
DELETION = "user.delete"
PATH = ("wire.", "network.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFault:
    """One fault as the scenario asks for it."""

    id: str
    name: str
    at: str


def planned_faults(header: Header) -> tuple[PlannedFault, ...]:
    """The faults of the scenario, in the order of the file."""
    return tuple(
        PlannedFault(id=str(plan.get("id", "")), name=str(plan.get("fault", "")), at=str(plan.get("at", "")))
        for plan in header.plan.get("faults") or ()
    )


def plans(header: Header, *names: str) -> bool:
    """A fault of one of these kinds was planned; a name that ends in a dot stands for all that begin so."""
    return any(
        fault.name == name or (name.endswith(".") and fault.name.startswith(name))
        for fault in planned_faults(header)
        for name in names
    )


def turns(header: Header) -> Iterator[Mapping[str, Any]]:
    """The turns of the script."""
    yield from header.plan.get("script") or ()


def calls_tools(header: Header) -> bool:
    """The script makes the model call a tool, the one that ends a run included."""
    return any(turn.get("tools") or turn.get("finish") is not None for turn in turns(header))


def leaves_tokens(header: Header) -> bool:
    """The script runs a tool that writes into the tool journal."""
    return any(call.get("journal", True) for turn in turns(header) for call in turn.get("tools") or ())


def is_dormant(header: Header) -> bool:
    """The server was started with deferred initialisation."""
    return bool((header.plan.get("server") or {}).get("dormant"))


def asks_for_confirmation(header: Header) -> bool:
    """The agent waits for a confirmation before each action."""
    return header.plan.get("confirmation") == "always"
