"""What a fault is: something done on purpose that can show and heal itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from tailproof.history.record import Record
from tailproof.history.server_records import Event, Status
from tailproof.hooks.receiver import Receiver
from tailproof.incoming.stream import MessageStream
from tailproof.model.conversation import PlayedScript
from tailproof.model.script import Turn
from tailproof.model.tool import ToolJournal
from tailproof.protocol.access import SpoiledWord
from tailproof.protocol.adapter import Adapter, Answer, Api
from tailproof.protocol.conversation import ConversationPlan
from tailproof.protocol.hearing import Hearing
from tailproof.protocol.since import Since
from tailproof.protocol.subscription import Subscription
from tailproof.targets.target import Server
from tailproof.waiting import Budget
from tailproof.wire.handle import Wire
from tailproof.wire.toxiproxy import Toxiproxy

NODE = "node"
"""The scope of a fault that touches every pod of a node: its trial is played while no other one of the check is."""


class OtherUser(Protocol):
    """Another user of the same server, who does not go through the wire."""

    def ask(self, verb: Callable[[Api, str], Answer], conversation: str, *, text: str = "", whole: str = "") -> Answer:
        """Ask the server for anything; `text` is what is sent along, or, beside the `whole` of it, what it is known by. Safe from any
        thread."""

    def statuses(self, since_ns: int = 0) -> list[Status]:
        """All statuses that were seen from `since_ns` on, in the order in which they were seen."""

    def wait_status(
        self, waited_for: str, wanted: Callable[[Status], bool], budget: Budget, *, since_ns: int = 0
    ) -> Status:
        """Until a status that `wanted` accepts was seen after `since_ns`. Raises as `Budget.wait_for` does."""

    def wait_event(
        self, waited_for: str, wanted: Callable[[Event], bool], budget: Budget, *, n: int = 1, since_ns: int = 0
    ) -> Event:
        """Until the stream brought `n` events that `wanted` accepts; the n-th. Raises as `Budget.wait_for` does."""


class ProbeAccess(Protocol):
    """Tries what the server publishes with all kinds of keys."""

    def __call__(self, budget: Budget, *, exhaustive: bool) -> Mapping[str, int]:
        """How many doors were tried, and how often which answer came."""


class SendSpoiled(Protocol):
    """Sends requests that the server must reject, with a secret in them."""

    def __call__(self, conversation: str, what: SpoiledWord, budget: Budget) -> Mapping[str, int]:
        """How often which code was answered."""


class Company(Protocol):
    """More users of the same server, past the wire. Safe from any thread."""

    others: set[str]
    """The conversations that they have created, by the server's word, and have not asked it to delete."""
    deleted: set[str]
    """Those that the server has deleted, by its word."""

    def listen(self, reading: str, since: Since) -> Subscription:
        """One more subscriber to the conversation, who has not subscribed yet: witness `user`. It stays as long as the observer does.
        Raises LookupError for what the protocol does not have."""

    def unread(self) -> MessageStream:
        """A subscription to the conversation that nobody has opened, of which nothing is recorded but what `tell` is told.
        Whoever asks for it closes it."""

    def look(self, reading: str, *, ascending: bool) -> Answer:
        """Ask for the first page of the conversation's events. What it shows is written down as this reading: witness `user`."""

    def hear(self, conversation: str) -> Hearing:
        """Subscribe to another conversation. It is left when the observer goes, at the latest; nothing of it is in the history unless
        `tell` is told."""

    def tell(self, record: Record) -> None:
        """Write down what they did: witness `user`."""

    def beside(self, name: str, script: Sequence[Turn]) -> tuple[ConversationPlan, PlayedScript]:
        """What another conversation beside this one is created with, and what answers it. None of it is in the history."""

    def api(self, url: str = "") -> Api:
        """The server, or its twin at `url`, for requests that are no part of the history unless `tell` is told."""


@dataclass(slots=True, kw_only=True)
class Stage:
    """What a fault may touch while its trial runs."""

    adapter: Adapter
    server: Server
    wire: Wire
    model: PlayedScript
    tools: ToolJournal
    budget: Budget
    ready: Callable[[], None]
    """Waits until the (restarted) server answers as ready, and records it."""
    capabilities: frozenset[str]
    observer: OtherUser
    probe_access: ProbeAccess
    send_spoiled: SendSpoiled
    plant_secret: Callable[[str], str]
    """The value of a secret that the conversation is given now, by its name: it is looked for from here on."""
    company: Company
    vocabulary: Sequence[str] = ()
    """The status words that the server publishes: making its schema anew may take it longer than the loop is held."""
    conversation: str = ""
    """Empty until it was created."""
    plan: ConversationPlan | None = None
    """What it was created with, from then on."""
    deleted: bool = False
    """Another user has deleted the conversation: no run of it has an end that anybody could see."""
    damaged: set[str] = field(default_factory=set)
    """The files on the server's disk that a fault damaged: that they cannot be read is no fault of the reader's."""
    toxiproxy: Toxiproxy | None = None
    hooks: Receiver | None = None
    """There when the scenario has webhooks."""
    token: str = ""
    """The token of the tool that is held at the rendezvous, if it is one of a running tool."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether the fault had its effect, from counters that are not the fault's own."""

    proven: bool
    counters: Mapping[str, Any] = field(default_factory=dict)
    destroyed: tuple[str, ...] = ()
    """The ids of the events that nobody can read from the server's disk any more."""


class Planned(Protocol):
    """What can be said of a fault before it meets a trial."""

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


class Fault(Planned, Protocol):
    """The five verbs. `heal` is idempotent and runs whatever happened before it."""

    def inject(self, stage: Stage) -> None:
        """Do it. The intent is on disk already."""

    def verify(self, stage: Stage) -> Proof:
        """Prove the effect; may wait for it within the stage's budget."""

    def heal(self, stage: Stage) -> None:
        """Undo it."""


Make = Callable[[str, dict[str, Any]], Fault]
"""Makes a fault of its id and its options in the scenario. Raises ValueError: unknown or bad options."""
