"""Records of who was let in, and of what became of the secrets that a server was given."""

from __future__ import annotations

from typing import Literal

from tailproof.history.record import Count, Moment, Record

Key = Literal[
    "right",
    "none",
    "wrong",
    "empty",
    "prefix",
    "longer",
    "long",
    "other-case",
    "odd-bytes",
    "other-scheme",
    "shown-before",
]
"""Which key was shown. `prefix` is the first half of the right one, `longer` the right one and more, `odd-bytes` holds bytes that no
key has, `other-scheme` puts the name of a scheme before the right one, and `shown-before` is none at all, over a connection on which
the request before showed the right one."""


class Knock(Record, tag="knock"):
    """The server was asked for a route or a stream that it has, with a key or without one, and what came of it. The key itself
    stands nowhere."""

    door: Literal["route", "stream"]
    method: str
    path: str
    """As the server publishes it, or another spelling of that; of a stream, and of what it does not publish, as the adapter has it."""
    key: Key
    place: str = ""
    """Where the key was shown (`header`, `query`, `cookie`, `bearer`, `first-message`), now or before; empty when none was."""
    code: Count = 0
    """The HTTP status, or the code with which a stream was closed; 101 for a stream that was let in; 0 when there was none."""
    size: Count = 0
    """Bytes of the answer, or of the first message."""
    digest: str = ""
    """Hash of the same: equal answers have equal ones."""
    error: str = ""
    cut: bool = False
    """The harness ended it for want of time: that says nothing of the server."""
    open: str = ""
    """Where it stands that anybody may ask for it; empty when a key is needed."""
    dormant: bool = False
    """The server was not initialised yet."""
    began_ns: Moment = 0


class Canary(Record, tag="canary"):
    """A secret that was given to the server so that it can be found where it must not be. The history never holds it."""

    stage: Literal["planted", "searched", "seen"]
    name: str = ""
    """Which one; empty for a place that was searched for all of them."""
    place: str = ""
    """How it was given, or where it was looked for or seen: `event`, `answer`, `download`, `hook`, `log`, `disk`."""
    detail: str = ""
    """Of `seen`: which event, request, file or line of the log."""
    around: str = ""
    """Of `seen`: what stands around it there, with a mark in its place."""
    amount: Count = 0
    """Of `searched`: how many bytes."""
