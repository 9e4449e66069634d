"""What the exchanges of a connection ask of it."""

from __future__ import annotations

from typing import Protocol

from tailproof.wire.armed import Armed
from tailproof.wire.http import Body
from tailproof.wire.journal import Journal


class LinkIO(Protocol):
    """The connection that the exchanges go over."""

    number: int
    journal: Journal
    host: str
    """What requests name as their `Host`; empty for what the client said."""

    def rule_for(self, method: str, path: str) -> Armed | None:
        """The HTTP rule that acts on this request."""

    def send_up(self, data: bytes) -> None:
        """To the server, which is connected when needed."""

    def send_down(self, data: bytes) -> None:
        """To the client."""

    def shut_up(self) -> None:
        """FIN to the server, behind what was sent."""

    def stand_still(self, why: str, *, both: bool = True) -> None:
        """Read no more from the client (and from the server)."""

    def move_on(self, why: str) -> None:
        """Take `stand_still` back."""

    def upgraded(self, path: str, *, websocket: bool) -> None:
        """The connection speaks another protocol from here on; bytes that came already follow."""

    def events(self, path: str, body: Body) -> None:
        """The answer is a stream of events, and nothing else comes on this connection; bytes that came already follow."""

    def reset(self) -> None:
        """RST to both sides."""

    def finish(self) -> None:
        """FIN to both sides."""
