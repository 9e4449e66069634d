"""The verbs of a running executor over REST and server-sent events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from tailproof.history.record import Role
from tailproof.history.server_records import WholeEvent
from tailproof.incoming import json
from tailproof.incoming.json import NotJson
from tailproof.incoming.limits import Unsound
from tailproof.incoming.sse import EventStream
from tailproof.incoming.stream import MessageStream
from tailproof.protocol.adapter import Answer, NotAnEvent
from tailproof.protocol.executor import ExecutorApi, Said
from tailproof.protocol.http_api import HttpApi
from tailproof.protocol.recording import TEXT_CHARS
from tailproof.waiting import Budget

MOST_EVENTS = 1000
"""Of a page."""
_ROLES: Mapping[str, Role] = {"state": "status", "output": "message"}


class _Created(msgspec.Struct):
    id: str


class _Ready(msgspec.Struct):
    version: str = ""


class _Session(msgspec.Struct):
    status: str


class _Execution(msgspec.Struct):
    state: str
    cause: str = ""
    deadline_s: int = 0


class _Page(msgspec.Struct):
    events: list[msgspec.Raw]


class _Event(msgspec.Struct):
    id: int
    kind: str
    session: str = ""
    execution: str = ""
    data: dict[str, Any] = {}


class Api(HttpApi, ExecutorApi):
    """See `ExecutorApi`."""

    def ready(self, budget: Budget | None = None) -> Answer:
        return self.ask("ready", "GET", "/ready", budget=budget)

    def version(self) -> tuple[Answer, str]:
        answer, found = self.read("ready", "/ready", lambda raw: _taken(raw, _Ready), _Ready())
        return answer, found.version

    def create_session(self, sandbox: Mapping[str, Any]) -> tuple[Answer, str]:
        return self._made("create", "/sessions", sandbox)

    def send_turn(self, session: str, script: Sequence[str], *, key: str) -> tuple[Answer, str]:
        return self._made("send", f"/sessions/{session}/executions", {"script": list(script)}, {"Idempotency-Key": key})

    def session(self, session: str) -> tuple[Answer, Said]:
        answer, found = self.read(
            "status", f"/sessions/{session}", lambda raw: _taken(raw, _Session), _Session(status="")
        )
        return answer, Said(raw=found.status)

    def execution(self, execution: str) -> tuple[Answer, Said]:
        answer, found = self.read(
            "status", f"/executions/{execution}", lambda raw: _taken(raw, _Execution), _Execution(state="")
        )
        return answer, Said(raw=found.state, cause=found.cause, deadline_s=found.deadline_s)

    def events(self, session: str, *, after: str = "") -> tuple[Answer, Sequence[WholeEvent]]:
        path = f"/sessions/{session}/events?after={after or 0}"
        return self.read("load", path, lambda raw: [decoded(one) for one in _taken(raw, _Page).events], [])

    def stream(self, *, session: str = "", execution: str = "", after: str = "") -> MessageStream:
        of = f"/executions/{execution}" if execution else f"/sessions/{session}"
        return EventStream(self.base_url, f"{of}/stream?after={after or 0}", {})

    def cancel(self, execution: str) -> Answer:
        return self.ask("interrupt", "POST", f"/executions/{execution}/cancel")

    def release(self, session: str) -> Answer:
        return self.ask("delete", "DELETE", f"/sessions/{session}")

    def _made(self, verb: str, path: str, body: Any, headers: Mapping[str, str] | None = None) -> tuple[Answer, str]:
        answer, reply = self._exchange(verb, "POST", path, body=body, headers=headers)
        if not answer.ok:
            return answer, ""
        try:
            return answer, _taken(reply.body, _Created).id
        except Unsound as unsound:
            return replace(answer, error=str(unsound), flaw=unsound.flaw), ""


def decoded(raw: bytes | bytearray | msgspec.Raw) -> WholeEvent:
    """One event. Raises NotAnEvent, Unsound."""
    try:
        told = json.decode(bytes(raw), _Event)
        body: Any = json.decode(bytes(raw), Any)
    except NotJson as error:
        raise NotAnEvent(str(error)) from error
    data = told.data
    return WholeEvent(
        id=str(told.id),
        name=told.kind,
        conversation=told.session,
        run=told.execution,
        role=_ROLES.get(told.kind, "bookkeeping"),
        status=str(data.get("state", "")) if told.kind == "state" else "",
        text=str(data.get("cause" if told.kind == "state" else "text", ""))[:TEXT_CHARS],
        size=len(bytes(raw)),
        body=body,
    )


def _taken(raw: bytes | bytearray, shape: Any) -> Any:
    return json.decode(bytes(raw), shape)
