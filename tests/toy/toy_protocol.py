"""The adapter of the toy server, as a package of somebody else would bring it."""

from __future__ import annotations

import fnmatch
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from tailproof.history.record import Neutral, Role
from tailproof.history.server_records import WholeEvent
from tailproof.incoming import json
from tailproof.incoming.limits import REQUEST_S
from tailproof.incoming.sse import EventStream
from tailproof.protocol.adapter import (
    Adapter,
    Answer,
    Api,
    Asked,
    EventWord,
    Launch,
    NotAnEvent,
    Page,
    Places,
    Promises,
    RequestWord,
    StatusReads,
)
from tailproof.protocol.conversation import ConversationPlan
from tailproof.protocol.http_api import HttpApi
from tailproof.protocol.naming import Naming
from tailproof.provision.installations import Installation
from tailproof.targets.kind import TargetKind, TargetSpec
from tailproof.targets.process import ProcessTarget
from tailproof.targets.target import Target
from tailproof.waiting import Budget

SERVER = Path(__file__).with_name("toy_server.py")
EDITION = "0.3.0"
MOODS: Mapping[str, Neutral] = {
    "": "none",
    "asleep": "idle",
    "thinking": "active",
    "hushed": "interrupted",
    "happy": "done",
    "sick": "failed",
}
ROLES: Mapping[str, Role] = {
    "said": "message",
    "did": "action",
    "got": "observation",
    "broke": "error",
    "felt": "status",
    "greeted": "snapshot",
}
ROUTES: Mapping[RequestWord, tuple[str, str]] = {
    "create": ("POST", "/talks"),
    "send": ("POST", "/talks/*/words"),
    "run": ("POST", "/talks/*/go"),
    "pause": ("POST", "/talks/*/hush"),
    "delete": ("DELETE", "/talks/*[0-9a-f]"),
    "status": ("GET", "/talks/*[0-9a-f]"),
    "page": ("GET", "/talks/*/log"),
    "load": ("GET", "/talks/*/[ls]*"),
    "subscribe": ("GET", "/talks/*/feed"),
}


def decode(raw: bytes | bytearray) -> WholeEvent:
    """One entry."""
    entry = json.decode(raw)
    entry = entry.get("happened", entry) if isinstance(entry, dict) else entry
    if not isinstance(entry, dict) or entry.get("type") not in ROLES:
        raise NotAnEvent("what came is no entry")
    return WholeEvent(
        id=str(entry["id"]),
        name=str(entry["type"]),
        role=ROLES[entry["type"]],
        durable=entry["type"] != "greeted",
        call=str(entry.get("call", "")),
        status=str(entry.get("mood", "")),
        source=str(entry.get("who", "")),
        text=str(entry.get("text", "")),
        body=entry,
        size=len(raw),
    )


class ToyApi(HttpApi, Api):
    """The verbs over one base URL."""

    def __init__(self, url: str, key: str, budget: Budget | None, timeout: float) -> None:
        self._headers = {"Toy-Key": key} if key else {}
        super().__init__(url, self._headers, secrets={"key": key}, timeout=timeout, budget=budget)

    def ready(self, budget: Budget | None = None) -> Answer:
        return self.ask("ready", "GET", "/up", budget=budget)

    def version(self) -> tuple[Answer, str]:
        answer, body = self._get("probe", "/about")
        return answer, str(body.get("edition", ""))

    def vocabulary(self) -> tuple[Answer, tuple[str, ...], str]:
        answer, body = self._get("probe", "/about")
        return answer, tuple(body.get("moods", ())), "/about moods"

    def conversations(self) -> tuple[Answer, tuple[str, ...]]:
        answer, body = self._get("probe", "/talks")
        return answer, tuple(reversed(body.get("talks", ())))

    def create(self, plan: ConversationPlan) -> Answer:
        body = {"talk": plan.conversation, "brain": plan.model_url, "room": plan.workspace}
        return self.ask("create", "POST", "/talks", body)

    def send(self, conversation: str, text: str, *, run: bool) -> Answer:
        return self.ask("send", "POST", f"/talks/{conversation}/words", {"text": text, "go": run})

    def run(self, conversation: str) -> Answer:
        return self.ask("run", "POST", f"/talks/{conversation}/go")

    def pause(self, conversation: str) -> Answer:
        return self.ask("pause", "POST", f"/talks/{conversation}/hush")

    def delete(self, conversation: str) -> Answer:
        return self.ask("delete", "DELETE", f"/talks/{conversation}")

    def status(self, conversation: str, budget: Budget | None = None) -> tuple[Answer, str]:
        answer, body = self._get("status", f"/talks/{conversation}", budget)
        return answer, str(body.get("mood", ""))

    def page(
        self,
        conversation: str,
        *,
        cursor: str = "",
        size: int = 100,
        ascending: bool = True,
        budget: Budget | None = None,
    ) -> Page:
        asked = urlencode({"after": cursor or "0", "many": size, **({} if ascending else {"newest": 1})})
        answer, body = self._get("load", f"/talks/{conversation}/log?{asked}", budget)
        events = [decode(msgspec.json.encode(entry)) for entry in body.get("entries", ())]
        return Page(answer=answer, events=events, cursor=str(body.get("more") or ""))

    def count(self, conversation: str, budget: Budget | None = None) -> tuple[Answer, int]:
        answer, body = self._get("load", f"/talks/{conversation}/size", budget)
        return answer, int(body.get("size", -1))

    def stream(self, conversation: str) -> EventStream:
        return EventStream(self.base_url, f"/talks/{conversation}/feed", self._headers)

    def _get(self, verb: str, path: str, budget: Budget | None = None) -> tuple[Answer, dict[str, Any]]:
        return self.read(verb, path, lambda raw: json.decode(raw, dict[str, Any]), {}, budget)


class Toy(Adapter):
    """The adapter."""

    name = "toy"
    model = "toy"
    model_key = "none"
    naming = Naming("happened.id", "happened.type")
    status_reads = StatusReads(
        names=frozenset({"mood"}),
        of_conversations=re.compile("/talks"),
        elsewhere=re.compile("/up"),
        other_words=frozenset(),
    )

    def promises(self, version: str) -> Promises:
        return Promises(
            parameters={},
            facts={"crash_policy": "error", "deferred_init": False, "page_size": 50, "fatal_closes": ""},
            sources={"loop.terminates": "the toy's own words"},
            vocabulary=tuple(MOODS),
        )

    def api(
        self,
        base_url: str,
        *,
        key: str,
        version: str,
        budget: Budget | None = None,
        timeout: float = REQUEST_S,
        secret: str = "",
    ) -> ToyApi:
        return ToyApi(base_url, key, budget, timeout)

    def launch(
        self, *, version: str, port: int, host: str, key: str, secret: str, places: Places, extra: Mapping[str, str]
    ) -> Launch:
        arguments = (str(SERVER), "--port", str(port), "--store", places.conversations)
        return Launch(arguments=arguments, environment={"TOY_KEY": key, **extra})

    def asked(self, method: str, target: str) -> Asked:
        path = target.partition("?")[0]
        for verb in ("create", "send", "run", "pause", "delete", "load", "status"):
            wanted, route = ROUTES[verb]
            if method == wanted and fnmatch.fnmatchcase(path, route) and path.count("/") == route.count("/"):
                return Asked(verb=verb, conversation=path.split("/")[2] if verb != "create" else "")
        return Asked()

    def route(self, request: RequestWord) -> tuple[str, str]:
        return ROUTES[request]

    def event(self, event: EventWord) -> Mapping[str, Any]:
        return {"terminal-status": {"name": "felt", "field": {"happened.mood": ["happy", "sick"]}}}[event]

    def decode(self, raw: bytes | bytearray) -> WholeEvent:
        return decode(raw)

    def neutral(self, raw_status: str) -> Neutral:
        return MOODS.get(raw_status, "unknown")

    def disk(self, conversations: Path) -> Iterator[tuple[str, str, Iterator[WholeEvent], Sequence[str]]]:
        for file in sorted(conversations.glob("*.jsonl")):
            seen = [decode(line) for line in file.read_bytes().splitlines()[1:]]
            moods = [one.status for one in seen if one.role == "status"]
            yield file.stem, moods[-1] if moods else "asleep", iter(seen), ()


def _make(asked: TargetSpec) -> Target:
    here = Installation(interpreter=Path(sys.executable), version=EDITION)
    program = (str(SERVER), *(("--forgets",) if asked.what == "forgets" else ()))
    return ProcessTarget(
        asked.spec, adapter=asked.adapter, provide=lambda budget: here, version=EDITION, program=program
    )


ADAPTERS: Mapping[str, Adapter] = {"toy": Toy()}
TARGETS: Mapping[str, TargetKind] = {
    "toy": TargetKind(form="toy[:forgets]", protocol="toy", make=_make, bare=True),
}
