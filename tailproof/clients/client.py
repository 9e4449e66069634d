"""What talks to the server through the wire: a plain protocol client, or a released SDK in its own environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from tailproof.protocol.conversation import ConversationPlan
from tailproof.waiting import Budget

Reportable = Literal["held", "callbacks", "status", "exit"]
"""What a client can report: the list that it holds when its run returns, what its callbacks got, its status, its exit code."""
EVERYTHING: frozenset[Reportable] = frozenset({"held", "callbacks", "status"})
"""What an SDK tells. A guarantee about something that a client does not tell does not apply to it."""


class ClientError(Exception):
    """The client cannot do what the trial asks, for a reason outside a run; the message is a sentence for the user."""


class ClientRaised(ClientError):
    """The software under test itself raised while it did `verb`. That is a finding, not a failure of the harness."""

    def __init__(self, verb: str, error_type: str, error: str) -> None:
        super().__init__(f"the client failed to {verb}: {error_type}: {error}")
        self.verb = verb
        self.error_type = error_type
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """How a run of the client ended: it returned with `status` (raw), or raised."""

    number: int
    t_ns: int
    status: str = ""
    error: str = ""
    error_type: str = ""

    @property
    def raised(self) -> bool:
        """It raised."""
        return bool(self.error_type)


class Client(Protocol):
    """One client of one trial, with one conversation. Methods are called by the trial's thread only.

    `start` before the server is there, `connect` when its address is known, then `create`, and per message `send` and `run`.
    """

    name: str
    """As it was asked for: `plain`, `sdk:VERSION`, `src:DIR`, `ts:VERSION`, `script:FILE`."""
    reports: frozenset[Reportable]
    """What it reports; written into the header of the history (`client_tells`)."""
    environment: Mapping[str, str]
    """The marks of the trial for every process that belongs to the path of this client."""
    tells_requests: bool
    """It writes down itself what it asks of the server; of every other client that is read from the wire."""

    def start(self) -> None:
        """Begin to get ready; does not wait. Raises ClientError."""

    def connect(self, url: str, *, key: str, version: str, budget: Budget) -> None:
        """Take the address of the wire and the release of the server. Raises ClientError, DeadlineMissed."""

    def create(self, plan: ConversationPlan, budget: Budget) -> str:
        """Create the conversation and subscribe to it; its id, which is the planned one where the client can choose it.

        Raises ClientError, DeadlineMissed.
        """

    def send(self, text: str, budget: Budget) -> None:
        """Post a user message. Raises ClientError, DeadlineMissed."""

    def run(self) -> None:
        """Start the client's run in the background."""

    def wait_returned(self, budget: Budget) -> Returned:
        """Until the newest run has returned or raised. Raises ClientError, DeadlineMissed."""

    def close(self) -> None:
        """Report what is held at last, and end. Idempotent, whatever happened before."""
