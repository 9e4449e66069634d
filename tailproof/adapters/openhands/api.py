"""The verbs of one running OpenHands agent-server, over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from tailproof.adapters.openhands import listing
from tailproof.adapters.openhands.access import INIT_HEADER, KEY_HEADER, OpenHandsAccess
from tailproof.adapters.openhands.creation import creation, secret
from tailproof.adapters.openhands.events import decode
from tailproof.adapters.openhands.releases import release
from tailproof.adapters.openhands.requests import CONVERSATIONS, INIT
from tailproof.adapters.openhands.session_socket import SessionSocket
from tailproof.history.server_records import WholeEvent
from tailproof.incoming import json
from tailproof.incoming.limits import Misshapen
from tailproof.incoming.websocket import WebSocket
from tailproof.incoming.words import number, word, words
from tailproof.protocol.adapter import Answer, Api, Page
from tailproof.protocol.conversation import ConversationPlan
from tailproof.protocol.frames import MeantWord
from tailproof.protocol.http_api import HttpApi
from tailproof.protocol.listing import Listed, ListPage
from tailproof.protocol.part import ALL, Part
from tailproof.protocol.since import Since
from tailproof.waiting import Budget

FILTERS: Mapping[str, str] = {
    "name": "kind",
    "source": "source",
    "text": "body",
    "since": "timestamp__gte",
    "before": "timestamp__lt",
}
"""What `events/search` and `events/count` call the filters of a part (the same words since 1.6.0)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How a subscription is opened. Holds the session key in whatever place the release wants it: never written down."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    frames: Sequence[str] = ()
    """Text frames to send first."""


class OpenHandsApi(HttpApi, Api):
    """One base URL, direct or through the wire. Safe to use from several threads."""

    def __init__(
        self, base_url: str, *, key: str, secret: str, version: str, timeout: float, budget: Budget | None = None
    ) -> None:
        secrets = {"session key": key, "server secret": secret}
        super().__init__(base_url, {KEY_HEADER: key} if key else {}, secrets=secrets, timeout=timeout, budget=budget)
        self._key = key
        self._secret = secret
        self._version = version
        self._release = release(version)

    def access(self) -> OpenHandsAccess:
        """With requests of its own, which carry the key that is asked for and no other."""
        return OpenHandsAccess(self.base_url, key=self._key, version=self._version)

    def ready(self, budget: Budget | None = None) -> Answer:
        """`/ready`, and `/health` for releases before 1.11.2, which have no `/ready`."""
        answer = self.ask("ready", "GET", "/ready", budget=budget)
        return self.ask("ready", "GET", "/health", budget=budget) if answer.code == 404 else answer

    def version(self) -> tuple[Answer, str]:
        """`version` of `/server_info`."""
        return self.read("probe", "/server_info", _version, "")

    def vocabulary(self) -> tuple[Answer, tuple[str, ...], str]:
        """The enum of the execution status in `/openapi.json`."""
        nothing: tuple[str, ...] = ()
        answer, found = self.read("probe", "/openapi.json", _vocabulary, nothing)
        return answer, found, "/openapi.json ConversationExecutionStatus" if found else ""

    def conversations(self) -> tuple[Answer, tuple[str, ...]]:
        """The newest hundred of the search, which loads none of them."""
        nothing: tuple[str, ...] = ()
        newest = f"{CONVERSATIONS}/search?limit=100&sort_order=CREATED_AT_DESC"
        return self.read("probe", newest, _conversations, nothing)

    def list_page(
        self,
        *,
        status: str = "",
        cursor: str = "",
        size: int = 100,
        ascending: bool = False,
        budget: Budget | None = None,
    ) -> ListPage:
        """The cursor is the id of the first conversation of the next page."""
        asked = {"limit": str(size), "sort_order": "CREATED_AT" if ascending else "CREATED_AT_DESC"}
        asked |= {"status": status} if status else {}
        asked |= {"page_id": cursor} if cursor else {}
        nothing: tuple[Sequence[Listed], str] = ((), "")
        target = f"{CONVERSATIONS}/search?{urlencode(asked)}"
        answer, (items, following) = self.read("probe", target, listing.page, nothing, budget)
        return ListPage(answer=answer, items=items, cursor=following)

    def list_count(self, *, status: str = "", budget: Budget | None = None) -> tuple[Answer, int]:
        """With the same filter as `list_page`."""
        target = f"{CONVERSATIONS}/count"
        asked = f"{target}?{urlencode({'status': status})}" if status else target
        return self.read("probe", asked, listing.count, -1, budget)

    def those(
        self, conversations: Sequence[str], budget: Budget | None = None
    ) -> tuple[Answer, Sequence[Listed | None]]:
        """At most 99."""
        nothing: Sequence[Listed | None] = ()
        asked = urlencode([("ids", one) for one in conversations])
        return self.read("probe", f"{CONVERSATIONS}?{asked}", listing.several, nothing, budget)

    def create(self, plan: ConversationPlan) -> Answer:
        """Only fields that 1.6.0 knows, and `autotitle`, which older releases drop."""
        return self.ask("create", "POST", CONVERSATIONS, creation(plan))

    def send(self, conversation: str, text: str, *, run: bool) -> Answer:
        """Post a user message."""
        body = {"role": "user", "content": [{"type": "text", "text": text}], "run": run}
        return self.ask("send", "POST", f"{_one(conversation)}/events", body)

    def run(self, conversation: str) -> Answer:
        """200 when accepted, 409 when it runs already."""
        return self.ask("run", "POST", f"{_one(conversation)}/run")

    def pause(self, conversation: str) -> Answer:
        """Takes effect between two steps."""
        return self.ask("pause", "POST", f"{_one(conversation)}/pause")

    def delete(self, conversation: str) -> Answer:
        """Closes the conversation and removes it from the disk."""
        return self.ask("delete", "DELETE", _one(conversation))

    def status(self, conversation: str, budget: Budget | None = None) -> tuple[Answer, str]:
        """Served from memory or `base_state.json`; does not load the conversation."""
        return self.read("status", _one(conversation), _status, "", budget)

    def page(
        self,
        conversation: str,
        *,
        cursor: str = "",
        size: int = 100,
        ascending: bool = True,
        budget: Budget | None = None,
    ) -> Page:
        """`size` is at most 100. The cursor is the id of the first event of the next page. Loads the conversation."""
        return self.page_of(conversation, ALL, cursor=cursor, size=size, ascending=ascending, budget=budget)

    def page_of(
        self,
        conversation: str,
        part: Part,
        *,
        cursor: str = "",
        size: int = 100,
        ascending: bool = True,
        budget: Budget | None = None,
    ) -> Page:
        """As `page`: the filters stand beside limit and order. One event has an address of its own."""
        if part.id:
            return self._event(conversation, part.id, budget)
        asked = {"limit": str(size), "sort_order": "TIMESTAMP" if ascending else "TIMESTAMP_DESC", **_filters(part)}
        if cursor:
            asked["page_id"] = cursor
        events: list[WholeEvent] = []

        def take(raw: bytes | bytearray) -> str:
            page = json.decode(raw, _Page, outline=True)
            events.extend(decode(bytes(item)) for item in page.items)
            return word(page.next_page_id or "", "the cursor")

        target = f"{_one(conversation)}/events/search?{urlencode(asked)}"
        answer, following = self.read("load", target, take, "", budget)
        return Page(answer=answer, events=events, cursor=following)

    def _event(self, conversation: str, identity: str, budget: Budget | None) -> Page:
        target = f"{_one(conversation)}/events/{quote(identity, safe='')}"
        nothing: Sequence[WholeEvent] = ()
        # No `load`: 404 says that there is no such event, or no such conversation.
        answer, events = self.read("probe", target, lambda raw: (decode(bytes(raw)),), nothing, budget)
        return Page(answer=answer, events=events)

    def count(self, conversation: str, budget: Budget | None = None) -> tuple[Answer, int]:
        """The server's own count of events; loads the conversation."""
        return self.count_of(conversation, ALL, budget)

    def count_of(self, conversation: str, part: Part, budget: Budget | None = None) -> tuple[Answer, int]:
        """With the same filters as `page_of`."""
        asked = urlencode(_filters(part))
        target = f"{_one(conversation)}/events/count"
        return self.read("load", f"{target}?{asked}" if asked else target, _count, -1, budget)

    def init(self, *, key: str) -> Answer:
        """Proves itself with the secret that the dormant server was started with."""
        headers = {INIT_HEADER: self._secret} if self._secret else {}
        return self.ask("init", "POST", INIT, {"session_api_keys": [key]}, headers=headers)

    def probes(self, conversation: str) -> Sequence[tuple[str, str]]:
        """One route of each router that works on conversations, events or commands."""
        one = _one(conversation)
        return (
            ("GET", f"{CONVERSATIONS}/search"),
            ("GET", f"{CONVERSATIONS}/count"),
            ("GET", one),
            ("GET", f"{one}/events/search"),
            ("GET", f"{one}/events/count"),
            ("POST", f"{one}/run"),
            ("GET", "/api/bash/bash_events/search"),
        )

    def probe(self, method: str, path: str) -> Answer:
        """Try one route for its code."""
        return self.ask("probe", method, path)

    def interrupt(self, conversation: str) -> Answer:
        """Cancels what the step is waiting for."""
        return self.ask("interrupt", "POST", f"{_one(conversation)}/interrupt")

    def confirm(self, conversation: str, *, yes: bool) -> Answer:
        """Carried out, or rejected with a reason that the model is told."""
        body = {"accept": yes, "reason": "" if yes else "rejected by a user"}
        return self.ask(
            "resume" if yes else "reject", "POST", f"{_one(conversation)}/events/respond_to_confirmation", body
        )

    def give_secret(self, conversation: str, name: str, value: str) -> Answer:
        """The environment of the commands that name it."""
        return self.ask("probe", "POST", f"{_one(conversation)}/secrets", {"secrets": {name: secret(value)}})

    def children(self, conversation: str, budget: Budget | None = None) -> tuple[Answer, tuple[str, ...]]:
        """`sub_conversation_ids` of the conversation."""
        nothing: tuple[str, ...] = ()
        return self.read("probe", _one(conversation), _children, nothing, budget)

    def fork(self, conversation: str, copy: str) -> Answer:
        """A deep copy of the log."""
        return self.ask("fork", "POST", f"{_one(conversation)}/fork", {"id": copy})

    def stream(self, conversation: str) -> WebSocket:
        """The socket of the conversation, opened as this release wants its key."""
        opening = self.stream_opening(conversation)
        return WebSocket(opening.url, opening.headers, first=opening.frames)

    def speaker(self, conversation: str) -> WebSocket:
        """The socket of the conversation takes messages, too."""
        return self.stream(conversation)

    def meant(self, word: MeantWord, text: str) -> bytes:
        """A `Message` and the frame of authentication. Each message asks for a run."""
        if word == "auth":
            return msgspec.json.encode({"type": "auth", "session_api_key": self._key})
        return msgspec.json.encode({"role": "user", "content": [{"type": "text", "text": text}]})

    def stream_since(self, conversation: str, since: Since) -> WebSocket:
        """The same socket, which knows times only, and the session socket for a cursor, which is a place of the log. Of what comes at the
        time itself, it repeats all."""
        if since.way == "cursor":
            opening = self.stream_opening(conversation, socket="session", query={"after_seq": str(since.place)})
            return SessionSocket(opening.url, opening.headers, first=opening.frames)
        if since.way == "time":
            query = {"resend_mode": "since", "after_timestamp": since.ts}
        else:
            query = {"resend_mode": "all"} if self._release.resend_mode else {"resend_all": "true"}
        opening = self.stream_opening(conversation, query=query)
        return WebSocket(opening.url, opening.headers, first=opening.frames)

    def stream_url(self, conversation: str, *, socket: str = "events") -> str:
        """The socket that the SDK and the GUI use, or another one."""
        return f"{self.base_url.replace('http', 'ws', 1)}/sockets/{socket}/{conversation}"

    def stream_headers(self) -> Mapping[str, str]:
        """The key, where the release takes it from a header."""
        return {KEY_HEADER: self._key} if self._key and self._release.stream_key == "header" else {}

    def stream_opening(
        self, conversation: str, *, socket: str = "events", query: Mapping[str, str] | None = None
    ) -> Opening:
        """As the release wants its key: in the query, in a header, or in the first frame."""
        asked = dict(query or {})
        frames: tuple[str, ...] = ()
        if self._key and self._release.stream_key == "query":
            asked["session_api_key"] = self._key
        if self._key and self._release.stream_key == "first-frame":
            frames = (msgspec.json.encode({"type": "auth", "session_api_key": self._key}).decode(),)
        url = self.stream_url(conversation, socket=socket)
        return Opening(url=f"{url}?{urlencode(asked)}" if asked else url, headers=self.stream_headers(), frames=frames)


def _filters(part: Part) -> dict[str, str]:
    return {FILTERS[word]: value for word, value in part.said.items() if word in FILTERS}


def _one(conversation: str) -> str:
    return f"{CONVERSATIONS}/{quote(conversation, safe='')}"


class _Page(msgspec.Struct):
    items: list[msgspec.Raw]
    next_page_id: str | None = None


def _object(raw: bytes | bytearray, what: str) -> dict[str, Any]:
    body = json.decode(raw)
    if not isinstance(body, dict):
        raise Misshapen(f"{what} is no object")
    return body


def _version(raw: bytes | bytearray) -> str:
    return word(_object(raw, "the information about the server").get("version") or "", "the version")


def _vocabulary(raw: bytes | bytearray) -> tuple[str, ...]:
    here = _object(raw, "the schema of the server")
    for name in ("components", "schemas", "ConversationExecutionStatus"):
        found = here.get(name, {})
        if not isinstance(found, dict):
            raise Misshapen(f"{name} in the schema of the server is no object")
        here = found
    published = here.get("enum", [])
    if not isinstance(published, list):
        raise Misshapen("the published status words are no list")
    return words(published, "a published status word")


def _conversations(raw: bytes | bytearray) -> tuple[str, ...]:
    items = _object(raw, "the list of conversations").get("items", [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Misshapen("the conversations are no list of objects")
    return words((item.get("id", "") for item in items), "the id of a conversation")


def _children(raw: bytes | bytearray) -> tuple[str, ...]:
    children = _object(raw, "the conversation").get("sub_conversation_ids") or []
    if not isinstance(children, list):
        raise Misshapen("the children of the conversation are no list")
    return words(children, "the id of a child")


def _status(raw: bytes | bytearray) -> str:
    said = json.decode(raw, _State, outline=True).execution_status
    return "" if said is None else word(said, "the status")


class _State(msgspec.Struct):
    execution_status: Any = None


def _count(raw: bytes | bytearray) -> int:
    return number(json.decode(raw), "the count of events")
