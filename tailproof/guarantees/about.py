"""What a promise is about, told from the header alone: the plan, the protocol, the client. See `Guarantee.applies`."""

from __future__ import annotations

from collections.abc import Callable

from tailproof.history.header import Header
from tailproof.history.plan import DAMAGE, KILLS, RESTARTS, client_tells, plans, skew


def a_client(header: Header) -> str:
    """Of a client with a loop of its own."""
    return "" if client_tells(header) else "the plain protocol client has no loop of its own"


def client_reports(what: str, lacks: str) -> Callable[[Header], str]:
    """Of a client that reports this, and of the server's own release."""

    def why_not(header: Header) -> str:
        return skew(header) if what in client_tells(header) else lacks

    return why_not


def a_client_of_the_release(header: Header) -> str:
    """Of a client with a loop of its own, and of the server's own release."""
    return a_client(header) or skew(header)


def a_death(header: Header) -> str:
    """Of a server that was killed."""
    return "" if plans(header, *KILLS) else "nothing in this scenario kills the server"


def a_restart(header: Header) -> str:
    """Of a server that was stopped or killed and started again."""
    return "" if plans(header, *RESTARTS) else "nothing in this scenario stops or kills the server"


def a_damage(header: Header) -> str:
    """Of a server whose disk was damaged while it was stopped."""
    return "" if plans(header, DAMAGE) else "nothing in this scenario damages the server's disk"
