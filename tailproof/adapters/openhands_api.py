"""The verbs of one running OpenHands agent-server, over HTTP."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import msgspec

from tailproof.adapters.adapter import Answer, ConversationPlan, Opening, Page, Seen
from tailproof.adapters.openhands_events import decode
from tailproof.adapters.openhands_releases import release
from tailproof.adapters.openhands_requests import CONVERSATIONS, INIT

KEY_HEADER = "X-Session-API-Key"
INIT_HEADER = "X-Init-API-Key"
MODEL = "openai/mock"
MODEL_KEY = "scripted"
"""What the scripted model is called, and the key that it does not look at."""
TOOL_PATIENCE_S = 900
"""After how many silent seconds the terminal tool gives up on a command; its default of 30 is shorter than a held gate."""


class OpenHandsApi:
    """One base URL, direct or through the wire. Safe to use from several threads.

    Every request has its own connection: a kept one dies with the server it led to, and the first request after a restart
    would fail for a reason that is the harness's own.
    """

    def __init__(self, base_url: str, *, key: str, secret: str, version: str, timeout: float) -> None:
        self.base_url = base_url.rstrip("/")
        self._key = key
        self._secret = secret
        self._release = release(version)
        self._client = httpx.Client(
            base_url=self.base_url,
            headers={KEY_HEADER: key} if key else {},
            timeout=timeout,
            limits=httpx.Limits(max_keepalive_connections=0),
            trust_env=False,
        )

    def ready(self) -> Answer:
        """`/ready`, and `/health` for releases before 1.11.2, which have no `/ready`."""
        answer = self._ask("ready", "GET", "/ready")
        return self._ask("ready", "GET", "/health") if answer.code == 404 else answer

    def version(self) -> str:
        """`version` of `/server_info`."""
        body = self._ask("probe", "GET", "/server_info").body
        return str(body.get("version", "")) if isinstance(body, dict) else ""

    def vocabulary(self) -> tuple[tuple[str, ...], str]:
        """The enum of the execution status in `/openapi.json`."""
        body = self._ask("probe", "GET", "/openapi.json").body
        schemas = body.get("components", {}).get("schemas", {}) if isinstance(body, dict) else {}
        words = schemas.get("ConversationExecutionStatus", {}).get("enum", ())
        return tuple(words), "/openapi.json ConversationExecutionStatus" if words else ""

    def conversations(self) -> tuple[Answer, tuple[str, ...]]:
        """The newest hundred of the search, which loads none of them."""
        answer = self._ask("probe", "GET", f"{CONVERSATIONS}/search?limit=100&sort_order=CREATED_AT_DESC")
        items = answer.body.get("items", ()) if answer.ok and isinstance(answer.body, dict) else ()
        return answer, tuple(str(item.get("id", "")) for item in items if isinstance(item, dict))

    def create(self, plan: ConversationPlan) -> Answer:
        """Only fields that 1.6.0 knows, and `autotitle`, which older releases drop."""
        return self._ask("create", "POST", CONVERSATIONS, creation(plan))

    def send(self, conversation: str, text: str, *, run: bool) -> Answer:
        """Post a user message."""
        body = {"role": "user", "content": [{"type": "text", "text": text}], "run": run}
        return self._ask("send", "POST", f"{CONVERSATIONS}/{conversation}/events", body)

    def run(self, conversation: str) -> Answer:
        """200 when accepted, 409 when it runs already."""
        return self._ask("run", "POST", f"{CONVERSATIONS}/{conversation}/run")

    def pause(self, conversation: str) -> Answer:
        """Takes effect between two steps."""
        return self._ask("pause", "POST", f"{CONVERSATIONS}/{conversation}/pause")

    def delete(self, conversation: str) -> Answer:
        """Closes the conversation and removes it from the disk."""
        return self._ask("delete", "DELETE", f"{CONVERSATIONS}/{conversation}")

    def status(self, conversation: str) -> tuple[Answer, str]:
        """Served from memory or `base_state.json`; does not load the conversation."""
        answer = self._ask("status", "GET", f"{CONVERSATIONS}/{conversation}")
        body = answer.body if answer.ok and isinstance(answer.body, dict) else {}
        return answer, str(body.get("execution_status") or "")

    def page(self, conversation: str, *, cursor: str = "", size: int = 100, ascending: bool = True) -> Page:
        """`size` is at most 100. The cursor is the id of the first event of the next page. Loads the conversation."""
        asked: dict[str, str] = {"limit": str(size), "sort_order": "TIMESTAMP" if ascending else "TIMESTAMP_DESC"}
        if cursor:
            asked["page_id"] = cursor
        answer, raw = self._exchange("load", "GET", f"{CONVERSATIONS}/{conversation}/events/search", params=asked)
        if not answer.ok:
            return Page(answer=answer)
        try:
            page = msgspec.json.decode(raw, type=_Page)
        except msgspec.MsgspecError as error:
            return Page(answer=_spoilt(answer, f"not a page of events: {error}"))
        events: list[Seen] = []
        for item in page.items:
            seen = decode(bytes(item))
            if seen is None:
                return Page(answer=_spoilt(answer, "an item of the page is not an event"), events=events)
            events.append(seen)
        return Page(answer=answer, events=events, cursor=page.next_page_id or "")

    def count(self, conversation: str) -> tuple[Answer, int]:
        """The server's own count of events; loads the conversation."""
        answer = self._ask("load", "GET", f"{CONVERSATIONS}/{conversation}/events/count")
        return answer, answer.body if answer.ok and isinstance(answer.body, int) else -1

    def init(self, *, key: str) -> Answer:
        """Proves itself with the secret that the dormant server was started with."""
        headers = {INIT_HEADER: self._secret} if self._secret else {}
        return self._ask("init", "POST", INIT, {"session_api_keys": [key]}, headers=headers)

    def probes(self, conversation: str) -> Sequence[tuple[str, str]]:
        """One route of each router that works on conversations, events or commands."""
        one = f"{CONVERSATIONS}/{conversation}"
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
        return self._ask("probe", method, path)

    def stream_url(self, conversation: str) -> str:
        """The socket that the SDK and the GUI use."""
        return f"{self.base_url.replace('http', 'ws', 1)}/sockets/events/{conversation}"

    def stream_headers(self) -> Mapping[str, str]:
        """The key, where the release takes it from a header."""
        return {KEY_HEADER: self._key} if self._key and self._release.stream_key == "header" else {}

    def stream_opening(self, conversation: str) -> Opening:
        """As the release wants its key: in the query, in a header, or in the first frame."""
        url = self.stream_url(conversation)
        frames: tuple[str, ...] = ()
        if self._key and self._release.stream_key == "query":
            url = f"{url}?{httpx.QueryParams({'session_api_key': self._key})}"
        if self._key and self._release.stream_key == "first-frame":
            frames = (msgspec.json.encode({"type": "auth", "session_api_key": self._key}).decode(),)
        return Opening(url=url, headers=self.stream_headers(), frames=frames)

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _ask(
        self, verb: str, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        answer, _ = self._exchange(verb, method, path, body=body, headers=headers)
        return answer

    def _exchange(
        self,
        verb: str,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[Answer, bytes]:
        began = time.monotonic_ns()
        code, error, raw = 0, "", b""
        try:
            answer = self._client.request(method, path, json=body, params=params, headers=headers)
            code, raw = answer.status_code, answer.content
            path = answer.request.url.raw_path.decode()
        except httpx.HTTPError as broken:
            error = _why(broken)
        ended = time.monotonic_ns()
        # A page is decoded by its reader, event by event.
        decoded = None if verb == "load" and params else _decoded(raw)
        return Answer(
            verb=verb,
            method=method,
            path=path,
            code=code,
            began_ns=began,
            ended_ns=ended,
            error=error,
            body=decoded,
            text="" if 200 <= code < 300 else raw[:200].decode("utf-8", "replace"),
        ), raw


def creation(plan: ConversationPlan) -> dict[str, Any]:
    """The body that creates a conversation on every release from 1.6.0 on."""
    return {
        "conversation_id": plan.conversation,
        "agent": {
            "kind": "Agent",
            "llm": {
                "usage_id": "scripted",
                "model": MODEL,
                "base_url": plan.model_url,
                "api_key": MODEL_KEY,
                "num_retries": plan.model_retries,
                "retry_min_wait": 1,
                "retry_max_wait": 2,
            },
            "tools": [{"name": "terminal", "params": {"no_change_timeout_seconds": TOOL_PATIENCE_S}}],
        },
        "workspace": {"kind": "LocalWorkspace", "working_dir": plan.workspace},
        "max_iterations": plan.max_iterations,
        "stuck_detection": True,
        "autotitle": False,
        **({"confirmation_policy": {"kind": "AlwaysConfirm"}} if plan.confirm else {}),
    }


class _Page(msgspec.Struct):
    items: list[msgspec.Raw]
    next_page_id: str | None = None


def _decoded(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except msgspec.MsgspecError:
        return None


def _spoilt(answer: Answer, error: str) -> Answer:
    return Answer(
        verb=answer.verb,
        method=answer.method,
        path=answer.path,
        code=answer.code,
        began_ns=answer.began_ns,
        ended_ns=answer.ended_ns,
        error=error,
    )


_REASONS: tuple[tuple[type[httpx.HTTPError], str], ...] = (
    (httpx.ConnectTimeout, "timeout while connecting"),
    (httpx.TimeoutException, "timeout"),
    (httpx.ConnectError, "refused"),
    (httpx.RemoteProtocolError, "closed without an answer"),
    (httpx.NetworkError, "reset"),
)


def _why(error: httpx.HTTPError) -> str:
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return f"{reason}: {error}" if str(error) else reason
    return f"{type(error).__name__}: {error}"
