"""What a request to an OpenHands agent-server asks for, told from its request line alone."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

from tailproof.protocol.adapter import Asked, RequestWord

CONVERSATIONS = "/api/conversations"
INIT = "/api/init"
SOCKETS = "/sockets"

ROUTES: Mapping[str, tuple[str, str]] = {
    "create": ("POST", CONVERSATIONS),
    "send": ("POST", f"{CONVERSATIONS}/*/events"),
    "run": ("POST", f"{CONVERSATIONS}/*/run"),
    "resume": ("POST", f"{CONVERSATIONS}/*/events/respond_to_confirmation"),
    "pause": ("POST", f"{CONVERSATIONS}/*/pause"),
    "interrupt": ("POST", f"{CONVERSATIONS}/*/interrupt"),
    "delete": ("DELETE", f"{CONVERSATIONS}/*"),
    "fork": ("POST", f"{CONVERSATIONS}/*/fork"),
    "init": ("POST", INIT),
}
"""Verb -> method and path of the requests that change something; `*` stands for the id of a conversation."""

READS: Mapping[str, tuple[str, ...]] = {
    "status": (f"{CONVERSATIONS}/*",),
    "load": (f"{CONVERSATIONS}/*/events/search", f"{CONVERSATIONS}/*/events/count"),
}
"""Verb -> paths of what is read of one conversation with GET."""

_READ_ROUTES: Mapping[str, str] = {
    # An id ends in a hexadecimal digit, and so does none of the words that may stand there.
    "status": f"{CONVERSATIONS}/*[0-9a-f]",
    "load": f"{CONVERSATIONS}/*/events/*",
    "page": f"{CONVERSATIONS}/*/events/search",
    "subscribe": f"{SOCKETS}/*",
}

_FILTERED = (f"{CONVERSATIONS}/search", f"{CONVERSATIONS}/count")
"""Where `?status=WORD` asks for the conversations that have this status."""


def route(request: RequestWord) -> tuple[str, str]:
    """Method and glob on the path of these requests."""
    return ("GET", _READ_ROUTES[request]) if request in _READ_ROUTES else ROUTES[request]


def asked(method: str, target: str) -> Asked:
    """Verb, conversation and status words of one request; empty where it has none of ours."""
    path, _, query = target.partition("?")
    path = path.rstrip("/")
    words = tuple(parse_qs(query).get("status", ())) if path in _FILTERED else ()
    for verb, wanted, route in _ROUTES:
        if method == wanted and path not in _FILTERED:
            named = _named(path, route)
            if named is not None:
                return Asked(verb=verb, conversation=named, words=words)
    return Asked(words=words)


_ROUTES = (
    *((verb, method, route) for verb, (method, route) in ROUTES.items()),
    *((verb, "GET", route) for verb, routes in READS.items() for route in routes),
)


def _named(path: str, route: str) -> str | None:
    """What stands at the `*` of the route, empty when it has none; None when the path is another."""
    parts, pattern = path.split("/"), route.split("/")
    if len(parts) != len(pattern):
        return None
    pairs = list(zip(parts, pattern, strict=True))
    if any(part != word and word != "*" for part, word in pairs):
        return None
    return next((part for part, word in pairs if word == "*"), "")
