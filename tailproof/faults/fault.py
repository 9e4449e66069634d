"""What a fault is: something done on purpose that can show and heal itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from tailproof.model.conversation import PlayedScript
from tailproof.model.tool import ToolJournal
from tailproof.targets.target import Server
from tailproof.trial.observer import Observer
from tailproof.waiting import Budget
from tailproof.wire.handle import Wire
from tailproof.wire.toxiproxy import Toxiproxy


@dataclass(slots=True, kw_only=True)
class Stage:
    """What a fault may touch while its trial runs."""

    server: Server
    wire: Wire
    model: PlayedScript
    tools: ToolJournal
    budget: Budget
    ready: Callable[[], None]
    """Waits until the (restarted) server answers as ready, and records it."""
    capabilities: frozenset[str]
    observer: Observer
    """Past the wire: what another user of the same server would use."""
    conversation: str = ""
    """Empty until it was created."""
    deleted: bool = False
    """Another user has deleted the conversation: no run of it has an end that anybody could see."""
    toxiproxy: Toxiproxy | None = None
    token: str = ""
    """The token of the tool that is held at the rendezvous, if it is one of a running tool."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether the fault had its effect, from counters that are not the fault's own."""

    proven: bool
    counters: Mapping[str, Any] = field(default_factory=dict)


class Fault(Protocol):
    """The five verbs. `heal` is idempotent and runs whatever happened before it."""

    id: str
    name: str
    scope: str
    ends_a_life: bool
    """The server dies of it; healing starts it again."""
    proves: Literal["at-once", "before-healing"]
    """When the effect can be measured: right after the injection, or only once traffic has met the fault."""

    def available(self, capabilities: frozenset[str]) -> str | None:
        """None, or one sentence: what is missing for this fault and how to get it."""

    def describe(self) -> str:
        """What is done, in a sentence a user understands."""

    def inject(self, stage: Stage) -> None:
        """Do it. The intent is on disk already."""

    def verify(self, stage: Stage) -> Proof:
        """Prove the effect; may wait for it within the stage's budget."""

    def heal(self, stage: Stage) -> None:
        """Undo it."""
