"""Routes and sockets of an OpenHands agent-server, and where it takes its session key for them."""

from __future__ import annotations

import io
import re
import threading
import uuid
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from tailproof.adapters.openhands import requests
from tailproof.adapters.openhands.releases import release
from tailproof.adapters.openhands.requests import CONVERSATIONS, INIT, SOCKETS
from tailproof.incoming import json
from tailproof.incoming.http import Http, Reply
from tailproof.incoming.limits import BODY_BYTES, REQUEST_S, WORD_CHARS, Unsound
from tailproof.incoming.stream import BROKEN, Refused
from tailproof.incoming.websocket import WebSocket
from tailproof.protocol.access import Access, Door, Heard, KeyPlace, SpoiledWord
from tailproof.waiting import Budget, Cancelled, DeadlineMissed

KEY_HEADER = "X-Session-API-Key"
INIT_HEADER = "X-Init-API-Key"
COOKIE = "oh_workspace_session_key"
OPENAPI = "/openapi.json"

_DETAILS = "agent-server: the server details router has no key (server_details_router)"
OPEN: Mapping[tuple[str, str], str] = {
    ("GET", "/alive"): _DETAILS,
    ("GET", "/health"): _DETAILS,
    ("GET", "/ready"): _DETAILS,
    ("GET", "/server_info"): _DETAILS,
    ("GET", "/"): _DETAILS,
    ("GET", OPENAPI): "FastAPI: the schema is public",
    ("GET", INIT): "agent-server: the state of a deferred initialisation is public (init_router)",
}
"""What anybody may ask for, and where that stands. Everything else that is published needs a key."""

EVENTS, SESSION, BASH = "/events/{conversation_id}", "/session/{conversation_id}", "/bash-events"
STREAMS = tuple(f"{SOCKETS}{path}" for path in (EVENTS, SESSION, BASH))
"""Sockets stand in no schema."""
_OF_APPS = "it leads to an installed Canvas App, and asks for a cookie of that and not for the key (canvas_extensions_bridge_router)"
NOT_TRIED: Mapping[str, str] = {
    "/app-backends/{extension_name}": _OF_APPS,
    "/app-backends/{extension_name}/{path:path}": _OF_APPS,
}
"""Sockets that are no doors of the key, and why."""

_PLACES: Mapping[str, KeyPlace] = {"APIKeyHeader": "header", "APIKeyCookie": "cookie", "HTTPBearer": "bearer"}
"""The security schemes of the schema."""
_READS = frozenset(
    f"{CONVERSATIONS}{rest}"
    for rest in (
        "/search",
        "/count",
        "/{conversation_id}",
        "/{conversation_id}/events/search",
        "/{conversation_id}/events/count",
    )
)
_METHODS = ("get", "post", "put", "patch", "delete")
USED: Sequence[tuple[str, str]] = tuple(
    (method, path.replace("*", "{conversation_id}"))
    for method, path in (
        *requests.ROUTES.values(),
        *(("GET", path) for paths in requests.READS.values() for path in paths),
        ("GET", CONVERSATIONS),
        ("GET", f"{CONVERSATIONS}/search"),
        ("GET", f"{CONVERSATIONS}/count"),
        ("POST", f"{CONVERSATIONS}/*/secrets"),
        ("GET", "/api/bash/bash_events/search"),
    )
)
"""What this adapter asks for: a server has it, whether it publishes it or not. A release that does not answers with 404 or 405."""
_WRITES = frozenset({"POST", "PUT", "PATCH"})
_NAMED = re.compile(r"\{[^}]*\}")
ROUTES = 1_000
SILENT_S = 12.0
"""A socket that a key does not open may take ten seconds to say so (`_FIRST_MESSAGE_AUTH_TIMEOUT_SECONDS`)."""
ASK_S = 10.0
_NO_ARCHIVE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError)
"""What the library raises for what is no archive, or a damaged one."""
_ARCHIVED = 1_000
"""Files of an archive that are looked at."""


class OpenHandsAccess(Access):
    """Keys and secrets of one server. Its requests carry no key but the one that is asked for."""

    def __init__(self, base_url: str, *, key: str, version: str) -> None:
        self.key = key
        self._url = base_url
        self._release = release(version)
        self._http = Http(base_url, {})

    def doors(
        self, conversation: str, *, workspace: str, dormant: bool, budget: Budget
    ) -> tuple[Heard, Sequence[Door]]:
        """The operations of `/openapi.json`, what the adapter uses besides, and the sockets, which stand in no schema."""
        # The server makes its schema when it is first asked for it.
        reply = self._http.ask("GET", f"{self._http.path}{OPENAPI}", budget=budget, seconds=REQUEST_S)
        heard = _heard(reply)
        try:
            paths = _paths(reply.body) if reply.code == 200 else {}
        except Unsound as unsound:
            heard, paths = Heard(code=heard.code, error=str(unsound)), {}
        filled = {"workspace": workspace, "conversation": conversation}
        routes = [
            _route(method, path, told, filled) for path, told in paths.items() for method in _METHODS if method in told
        ]
        routes += [_route(method.lower(), path, {}, filled) for method, path in _unpublished(routes)]
        routes = [door for door in routes if door.path != INIT or door.method == "GET" or dormant]
        routes.sort(key=lambda door: (door.method == "DELETE", door.target == f"{CONVERSATIONS}/{conversation}"))
        return heard, [*self._sockets(conversation), *routes[:ROUTES]]

    def knock(self, door: Door, key: str | None, place: KeyPlace, budget: Budget) -> Heard:
        """One request, or one subscription."""
        target: str = door.target
        headers: dict[str, str] = {}
        if key is not None:
            target, headers = _shown(door, key, place)
        if door.kind == "route":
            return _heard(self._ask(door.method, target, headers, door.body, budget))
        # Without a key the frame that brings it is sent all the same: nobody has to wait until it is missed.
        auth: dict[str, str] = {"type": "auth"} if place == "first-message" or key is None else {}
        if auth and key is not None:
            auth["session_api_key"] = key
        first = (msgspec.json.encode(auth).decode(),) if auth else ()
        return self._listen(target, headers, first, budget)

    def knock_again(self, door: Door, place: KeyPlace, budget: Budget) -> Heard:
        """The key in a header or a cookie: the target is the same both times."""
        target, headers = _shown(door, self.key, place)
        path = f"{self._http.path}{target}"
        replies = self._http.ask_in_turn(door.method, path, heads=(headers, {}), budget=budget, seconds=ASK_S)
        if len(replies) < 2 or not 200 <= replies[0].code < 300:
            return Heard(error="the right key opened nothing", cut=replies[0].cut)
        return _heard(replies[1])

    def spoiled(self, conversation: str, what: SpoiledWord, secret: str, budget: Budget) -> Sequence[tuple[str, Heard]]:
        """Bodies that cannot be taken, with a key of the model or a secret of the conversation in them."""
        one = f"{CONVERSATIONS}/{quote(conversation, safe='')}"
        workspace = {"kind": "LocalWorkspace", "working_dir": 7}
        llm = {"model": "openai/mock", "api_key": secret, "num_retries": "many"}
        no_kind = {"TOKEN": {"kind": "Nothing", "value": secret}}
        no_text = {"TOKEN": {"kind": "StaticSecret", "value": secret, "description": 7}}
        bodies: Mapping[SpoiledWord, Sequence[tuple[str, Any]]] = {
            "model-key": (
                (CONVERSATIONS, {"agent": {"kind": "Agent", "llm": llm}, "workspace": workspace}),
                (CONVERSATIONS, {"agent": {"kind": "Agent", "llm": {"api_key": secret}}, "workspace": workspace}),
            ),
            "secret": tuple(
                (path, {"secrets": secrets, "workspace": workspace})
                for path in (CONVERSATIONS, f"{one}/secrets")
                for secrets in (no_kind, no_text)
            ),
        }
        return [
            (
                f"POST {path.replace(conversation, '*')}",
                _heard(self._ask("POST", path, {KEY_HEADER: self.key}, msgspec.json.encode(body), budget)),
            )
            for path, body in bodies[what]
        ]

    def downloads(self, conversation: str, budget: Budget) -> Sequence[tuple[str, Heard]]:
        """The conversation as it is shown, the list, and the archive of its trajectory, which is redacted."""
        one = quote(conversation, safe="")
        targets = (f"{CONVERSATIONS}/{one}", f"{CONVERSATIONS}/search", f"/api/file/download-trajectory/{one}")
        found: list[tuple[str, Heard]] = []
        for target in targets:
            reply = self._ask("GET", target, {KEY_HEADER: self.key}, None, budget)
            name = f"GET {target.replace(one, '*')}"
            found += [(f"{name} {file}".strip(), Heard(code=reply.code, body=body)) for file, body in _files(reply)]
        return found

    def _sockets(self, conversation: str) -> Iterator[Door]:
        places: tuple[KeyPlace, ...] = ("query",)
        if self._release.stream_key != "query":
            places = (*places, "header")
        if self._release.stream_key == "first-frame":
            places = (*places, "first-message")
        for path in STREAMS:
            if path.endswith(SESSION) and not self._release.session_socket:
                continue
            target = path.replace("{conversation_id}", conversation)
            reads = path.endswith(EVENTS)
            yield Door(kind="stream", method="GET", path=path, target=target, places=places, reads=reads, opens=True)

    def _ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None, budget: Budget) -> Reply:
        path = f"{self._http.path}{target}"
        return self._http.ask(method, path, budget=budget, body=body, headers=headers, seconds=ASK_S)

    def _listen(self, target: str, headers: Mapping[str, str], first: Sequence[str], budget: Budget) -> Heard:
        stream = WebSocket(f"{self._url.replace('http', 'ws', 1)}{target}", headers, first=first)
        silence = threading.Timer(min(SILENT_S, budget.left), stream.end)
        silence.start()
        try:
            stream.open(budget.part(SILENT_S))
            message = stream.receive()
        except Refused as refused:
            return Heard(code=refused.code)
        except (Unsound, OSError, DeadlineMissed, Cancelled) as error:
            return Heard(error=type(error).__name__, cut=isinstance(error, Cancelled))
        finally:
            silent = not silence.is_alive()
            silence.cancel()
            code, _ = stream.close(goodbye_s=0.2)
        if message is not None:
            return Heard(code=101, body=message)
        # It neither spoke nor ended: it was let in, and has nothing to say.
        return (
            Heard(code=101)
            if silent
            else Heard(code=code if code != BROKEN else 0, error="" if code != BROKEN else "ended")
        )


def _shown(door: Door, key: str, place: KeyPlace) -> tuple[str, dict[str, str]]:
    """Target and head of a request that shows a key there; a stream shows it in its first message itself."""
    match place:
        case "header":
            return door.target, {door.field or KEY_HEADER: key}
        case "bearer":
            return door.target, {"Authorization": f"Bearer {key}"}
        case "cookie":
            return door.target, {"Cookie": f"{COOKIE}={key}"}
        case "query":
            mark = "&" if "?" in door.target else "?"
            return f"{door.target}{mark}{urlencode({'session_api_key': key}, encoding='latin-1')}", {}
        case "first-message":
            return door.target, {}


def _heard(reply: Reply) -> Heard:
    return Heard(code=reply.code, body=reply.body, error=reply.error, cut=reply.cut)


def _paths(raw: bytes | bytearray) -> dict[str, dict[str, Any]]:
    found = json.decode(raw)
    paths = found.get("paths") if isinstance(found, dict) else None
    if not isinstance(paths, dict):
        return {}
    return {str(path): told for path, told in paths.items() if isinstance(told, dict) and len(path) <= WORD_CHARS}


def _unpublished(routes: Sequence[Door]) -> Iterator[tuple[str, str]]:
    """What the adapter uses and the schema does not show, whatever that calls the parts that are filled in."""
    published = {(door.method, _NAMED.sub("{}", door.path)) for door in routes}
    yield from (one for one in USED if (one[0], _NAMED.sub("{}", one[1])) not in published)


def _route(method: str, path: str, told: Mapping[str, Any], filled: Mapping[str, str]) -> Door:
    operation = told[method] if isinstance(told.get(method), dict) else {}
    schemes = [name for one in _listed(operation.get("security")) if isinstance(one, dict) for name in one]
    places: list[KeyPlace] = list(dict.fromkeys(_PLACES[name] for name in schemes if name in _PLACES))
    method = method.upper()
    return Door(
        kind="route",
        method=method,
        path=path,
        target=_filled(path, _listed(operation.get("parameters")), filled),
        places=places or ["header"],
        open=OPEN.get((method, path), ""),
        field=INIT_HEADER if path == INIT else "",
        body=_body(path) if method in _WRITES else None,
        reads=method == "GET" and path in _READS,
        opens=method == "GET" and "{" not in path and not _asks_for_more(operation),
    )


def _listed(told: Any) -> Sequence[Any]:
    return told if isinstance(told, list) else ()


def _filled(path: str, parameters: Sequence[Any], filled: Mapping[str, str]) -> str:
    """The path with the conversation and, where any other id or name is wanted, one that nothing has."""
    query = {}
    for one in parameters:
        if isinstance(one, dict) and one.get("in") == "query" and one.get("required"):
            query[str(one.get("name"))] = filled["workspace"]
    parts = []
    for part in path.split("/"):
        if part.startswith("{") and part.endswith("}"):
            name = part[1:-1].partition(":")[0]
            nothing = str(uuid.UUID(int=1)) if name.endswith("_id") else "nothing"
            part = filled["conversation"] if name.endswith("conversation_id") else nothing
        parts.append(part)
    return "/".join(parts) + (f"?{urlencode(query)}" if query else "")


def _asks_for_more(operation: Mapping[str, Any]) -> bool:
    """It wants to be told something: it may do with it what is no mere look."""
    return any(isinstance(one, dict) and one.get("required") for one in _listed(operation.get("parameters")))


def _body(path: str) -> bytes:
    """One that the route takes where that is simple: who checks no key shall not be saved by what was sent."""
    if path.endswith("/{conversation_id}/events"):
        return b'{"role": "user", "content": [{"type": "text", "text": "nobody"}], "run": false}'
    if path.endswith("/{conversation_id}/confirmation_policy"):
        return b'{"policy": {"kind": "NeverConfirm"}}'
    return b"{}"


def _files(reply: Reply) -> Iterator[tuple[str, bytes | bytearray]]:
    """The answer itself, or what is in it when it is an archive; no more than is taken of an answer."""
    yield "", reply.body
    left = BODY_BYTES
    try:
        archive = zipfile.ZipFile(io.BytesIO(reply.body))
        for entry in archive.infolist()[:_ARCHIVED]:
            left -= entry.file_size
            if left < 0:
                return
            yield entry.filename, archive.read(entry)
    except _NO_ARCHIVE:
        return
