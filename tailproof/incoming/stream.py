"""What a stream of messages is, however it is framed: a WebSocket, server-sent events."""

from __future__ import annotations

from typing import Literal, Protocol

from tailproof.incoming.connection import Waiting
from tailproof.waiting import Budget

BROKEN = 1006
"""The code of a stream that ended without a word, as RFC 6455 has it (section 7.4.1)."""
IN_ORDER = 1000
HowSent = Literal["text", "binary", "ping"]
"""The kind of a frame that is sent."""


class Refused(Exception):
    """The subscription was answered, and not accepted."""

    def __init__(self, code: int) -> None:
        super().__init__(f"{code} the handshake was refused")
        self.code = code


class MessageStream(Protocol):
    """Read by one thread, ended by any."""

    def open(self, budget: Budget) -> None:
        """Connect and subscribe.

        Raises:
            Refused: it was answered with another status.
            Unsound: what came is no answer to a subscription, or did not end.
            OSError: the connection broke.
            DeadlineMissed, Cancelled: as every wait.
        """

    def receive(self) -> bytes | bytearray | None:
        """The next message; None when the stream has ended, or `end` was called. Raises Unsound."""

    def narrow(self) -> None:
        """From now on nobody reads: the kernel keeps as little as it can of what comes."""

    def waiting(self) -> Waiting:
        """What has come since, and what became of the connection. Raises OSError."""

    def close(self, *, goodbye_s: float | None = None) -> tuple[int, str]:
        """Say goodbye where the protocol has one, wait `goodbye_s` for that of the other side, and give the connection back; code and
        reason of the end, `IN_ORDER` and `BROKEN` where the protocol has no codes."""

    def end(self) -> None:
        """From any thread: `open` and `receive` give up."""

    def interrupt(self) -> None:
        """From any thread, for one that `end` did not reach: the connection is gone."""


class SpokenStream(MessageStream, Protocol):
    """One on which a subscriber may say something, too."""

    def say(self, how: HowSent, data: bytes, budget: Budget) -> None:
        """Send one frame, in the thread that reads. Raises OSError: the connection broke. DeadlineMissed, Cancelled: as every wait."""

    @property
    def pongs(self) -> int:
        """How many pings of ours were answered."""
