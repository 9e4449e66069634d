"""In which lane of the timeline a record stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tailproof.history.access_records import Canary, Knock
from tailproof.history.execution_records import AgentSaid, Turn
from tailproof.history.pod_records import PodEvent, PodSeen
from tailproof.history.record import CLIENT
from tailproof.history.records import (
    Act,
    AnyRecord,
    BreakOff,
    ChildCall,
    ClientError,
    Counter,
    Effect,
    Exchange,
    Fault,
    Frame,
    Life,
    Missed,
    ModelCall,
    Phase,
    Post,
    Pulse,
    Rendezvous,
    Run,
    Stall,
    WireCount,
)
from tailproof.history.server_records import (
    Child,
    Event,
    Listing,
    Neighbour,
    Reading,
    Request,
    Said,
    Status,
    Stream,
    Vocabulary,
    WholeEvent,
)

LANES = {
    "trial": "Trial: points, faults",
    "client": "Client",
    "wire-up": "Wire up",
    "wire-down": "Wire down",
    "observer": "Observer: stream",
    "rest": "Observer: REST",
    "hooks": "Webhooks",
    "model": "Model",
    "tools": "Tools",
    "server": "Server",
    "disk": "Disk",
    "access": "Trial: access",
}
"""Lane -> its title, in the order in which they are shown."""


def lane_of(record: AnyRecord | Event) -> str:
    """A key of `LANES`."""
    of_kind = _OF_KIND.get(type(record))
    lane = of_kind(record) if callable(of_kind) else of_kind
    return lane or _OF_WITNESS.get(record.witness, "trial")


def _of_event(event: Event) -> str:
    if event.witness == CLIENT:
        return "client"
    return {"page": "rest", "stream": "observer", "disk": "disk"}.get(event.reading.partition(":")[0], "")


_OF_WITNESS = {
    **{"client": "client", "wire": "wire-up", "observer": "observer", "user": "observer", "hooks": "hooks"},
    **{"model": "model", "tool": "tools", "engine": "server", "pod": "server", "disk": "disk"},
}

_OF_KIND: dict[type, str | Callable[[Any], str]] = {
    **dict.fromkeys((Phase, Rendezvous, Fault, Act, Stall, Missed, BreakOff), "trial"),
    **dict.fromkeys((Life, Counter, PodSeen, PodEvent), "server"),
    **dict.fromkeys((Run, ClientError), "client"),
    **dict.fromkeys((Knock, Canary), "access"),
    **dict.fromkeys((Exchange, WireCount), "wire-up"),
    Request: lambda one: "client" if one.witness == CLIENT else "rest",
    Event: _of_event,
    WholeEvent: _of_event,
    Stream: lambda one: "wire-down" if one.path == "wire" else "client" if one.witness == CLIENT else "observer",
    Said: "observer",
    **dict.fromkeys((Listing, Neighbour), "rest"),
    Reading: lambda one: one.reader,
    Status: lambda one: {"stream": "observer"}.get(one.via, one.via),
    **dict.fromkeys((Child, Vocabulary), "rest"),
    **dict.fromkeys((ModelCall, ChildCall), "model"),
    **dict.fromkeys((Effect, Pulse), "tools"),
    Frame: lambda one: f"wire-{one.direction}",
    Post: "hooks",
    Turn: "client",
    AgentSaid: "tools",
}
