"""What an adapter must be able to do to put an executor on trial: a control plane that runs each turn of an agent in a sandbox."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from tailproof.history.record import Neutral
from tailproof.history.server_records import WholeEvent
from tailproof.incoming.stream import MessageStream
from tailproof.protocol.adapter import Answer, Launcher
from tailproof.waiting import Budget

Ability = Literal["execution-status", "session-status", "resume", "keys", "cancel", "release", "twin"]
"""What an executor may lack: a status of its executions or of its sessions, streams that begin behind an event, idempotency keys, the two
ways in which a client ends a turn, a second process on the same store. A scenario that needs what is missing is not run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the executor says of an execution or a session."""

    raw: str = ""
    """Its word; empty when it says none."""
    cause: str = ""
    deadline_s: int = 0
    """The deadline that it advertises, from the acknowledgement on; 0 for none."""


class ExecutorApi(Protocol):
    """The verbs of one running executor. Never raises for an answer, as `adapter.Api`."""

    @abstractmethod
    def ready(self, budget: Budget | None = None) -> Answer:
        """Ask whether it takes requests."""

    @abstractmethod
    def version(self) -> tuple[Answer, str]:
        """The release that it says it is."""

    @abstractmethod
    def create_session(self, sandbox: Mapping[str, Any]) -> tuple[Answer, str]:
        """A session whose sandboxes are pods with these `labels` and this spec (`pod`); its id."""

    @abstractmethod
    def send_turn(self, session: str, script: Sequence[str], *, key: str) -> tuple[Answer, str]:
        """Ask for a turn of the agent under an idempotency key; the id of the execution."""

    @abstractmethod
    def session(self, session: str) -> tuple[Answer, Said]:
        """Its status."""

    @abstractmethod
    def execution(self, execution: str) -> tuple[Answer, Said]:
        """Its status."""

    @abstractmethod
    def events(self, session: str, *, after: str = "") -> tuple[Answer, Sequence[WholeEvent]]:
        """All events behind one of them, on one page."""

    @abstractmethod
    def stream(self, *, session: str = "", execution: str = "", after: str = "") -> MessageStream:
        """The events of a session, or of an execution until it has ended, behind one of them; not yet opened."""

    @abstractmethod
    def cancel(self, execution: str) -> Answer:
        """End an execution."""

    @abstractmethod
    def release(self, session: str) -> Answer:
        """End a session with all that belongs to it."""

    @abstractmethod
    def close(self) -> None:
        """End what is under way, in any thread."""


class ExecutorAdapter(Launcher, Protocol):
    """The protocol of one executor."""

    abilities: frozenset[Ability]

    @abstractmethod
    def executor(self, base_url: str, *, budget: Budget | None = None) -> ExecutorApi:
        """The verbs over one base URL."""

    @abstractmethod
    def surroundings(self, *, cluster_url: str, namespace: str) -> Mapping[str, str]:
        """The environment variables that tell it of its cluster."""

    @abstractmethod
    def decode(self, raw: bytes | bytearray) -> WholeEvent:
        """One event from a message of a stream, with the execution that it is of (`run`). Raises NotAnEvent."""

    @abstractmethod
    def neutral(self, raw_status: str) -> Neutral:
        """The status of an execution or a session in neutral words; an execution that has ended is `done`, `failed` or `interrupted`."""
