"""What differs between the releases of the OpenHands agent-server, as data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from packaging.version import InvalidVersion, Version

StreamKey = Literal["query", "header", "first-frame"]
"""How a subscription proves that it knows the session key."""


@dataclass(frozen=True, slots=True)
class Release:
    """What one release does. The defaults are those of 1.6.0, the oldest release that is supported."""

    stream_key: StreamKey = "query"
    lease_s: int = 0
    """How long another server may believe that a dead one still owns a conversation (`OH_LEASE_TTL_SECONDS`)."""
    deferred_init: bool = False
    lazy_load: bool = False
    """Conversations are loaded when something needs them, not all at the start."""
    stores_before_publishing: bool = False
    resend_mode: bool = False
    """A subscription can begin at a time."""
    session_socket: bool = False
    """There is a second socket, on which a subscription begins behind a place of the log."""
    interrupts: bool = False
    forks: bool = False
    conversations_of_agents: bool = False
    """An agent can start conversations that have its own for their parent."""
    tasks: bool = False
    """An agent can give tasks to sub-agents of the kind `general-purpose`."""
    guards: bool = False
    """Its agents take hooks: commands that are run before and after a tool, and when they want to stop."""
    risks: bool = False
    """Its agents ask for a confirmation by the risk that the model tells of an action."""
    mcp: bool = False
    """Its agents take MCP servers by their names, without a word around them."""
    reads_wait_for_steps: bool = True
    """Listing events, and subscribing, hang until the step that is under way ends: never do it while a tool is held."""
    first_step_alone: bool = True
    """A status read during the first step of a conversation can break the run: two threads build the same model classes
    (seen on 1.7.3, 1 run of 20: `ThinkActionWithRisk is not defined`, then KeyError 'kind' for ever)."""


_CHANGES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("1.12.0", {"stream_key": "header", "reads_wait_for_steps": False, "first_step_alone": False, "guards": True}),
    ("1.15.0", {"resend_mode": True}),
    ("1.17.0", {"tasks": True}),
    ("1.18.0", {"forks": True}),
    ("1.18.1", {"stream_key": "first-frame"}),
    ("1.19.0", {"lease_s": 45}),
    ("1.23.0", {"interrupts": True}),
    ("1.29.0", {"deferred_init": True, "risks": True}),
    ("1.37.0", {"lazy_load": True}),
    ("1.43.1", {"mcp": True}),
    ("1.45.0", {"stores_before_publishing": True, "session_socket": True}),
    ("1.56.0", {"conversations_of_agents": True}),
)
"""From which release on, in rising order. Sources: the released packages; pull requests 2296 (reads), 3184 (lease), 2523 (deferred
initialisation), 4806 (stored first)."""


def release(version: str) -> Release:
    """What the release `version` does, a release candidate as its release does; the newest one for what is no version (PEP 440)."""
    try:
        asked = Version(Version(version).base_version)
    except InvalidVersion:
        asked = None
    known = Release()
    for since, change in _CHANGES:
        if asked is None or asked >= Version(since):
            known = replace(known, **change)
    return known


TRANSITIONS = " ".join(
    (
        "idle>active,interrupted,failed",
        "active>done,failed,stuck,waiting,interrupted",
        "waiting>active,idle,failed",
        "interrupted>active,failed",
        "done>idle,active,interrupted,failed",
        "failed>active,idle",
        "stuck>idle,active,failed",
    )
)
"""Which status can follow which, in neutral words. Sources: `LocalConversation` of the SDK 1.58.0 (run, pause, interrupt, messages,
rejection, the end of a run; a stop hook takes `done` back, an interrupt comes too late for it) and the event service of the server,
which says `failed` of whatever could not be run."""
