"""Verbs that are HTTP requests: what the `Api` of most protocols is built on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from tailproof.incoming import json
from tailproof.incoming.http import Http, Reply
from tailproof.incoming.limits import Unsound
from tailproof.outgoing.masking import Masker
from tailproof.protocol.adapter import Answer
from tailproof.protocol.recording import TEXT_CHARS
from tailproof.waiting import Budget

Found = TypeVar("Found")


class HttpApi:
    """One base URL, direct or through the wire. `headers` go with every request; `secrets` (name to value) are masked in what is kept
    of an answer. No request outlasts `budget`, nor takes longer than `timeout` seconds. Safe to use from several threads."""

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        *,
        secrets: Mapping[str, str],
        timeout: float,
        budget: Budget | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._masker = Masker(secrets)
        self._timeout = timeout
        self._budget = budget or Budget(math.inf)
        self._http = Http(self.base_url, headers)

    def close(self) -> None:
        """End what is under way, in any thread."""
        self._http.close()

    def ask(
        self,
        verb: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        budget: Budget | None = None,
    ) -> Answer:
        """Nobody looks into the body of the answer, which is to be JSON where it says so. `body` is sent as JSON."""
        answer, reply = self._exchange(verb, method, path, body=body, headers=headers, budget=budget)
        if answer.ok and verb != "ready" and reply.body and reply.kind == "application/json":
            try:
                json.decode(reply.body, msgspec.Raw, outline=True)
            except Unsound as unsound:
                return replace(answer, error=str(unsound), flaw=unsound.flaw)
        return answer

    def read(
        self,
        verb: str,
        path: str,
        take: Callable[[bytes | bytearray], Found],
        nothing: Found,
        budget: Budget | None = None,
    ) -> tuple[Answer, Found]:
        """GET, and take from the body of a good answer what is looked for; what is wrong with it (`take` raises Unsound) is said in the
        answer, which then comes with `nothing`."""
        answer, reply = self._exchange(verb, "GET", path, budget=budget)
        if not answer.ok:
            return answer, nothing
        try:
            return answer, take(reply.body)
        except Unsound as unsound:
            return replace(answer, error=str(unsound), flaw=unsound.flaw), nothing

    def _exchange(
        self,
        verb: str,
        method: str,
        path: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        budget: Budget | None = None,
    ) -> tuple[Answer, Reply]:
        began = time.monotonic_ns()
        target = f"{self._http.path}{path}"
        reply = self._http.ask(
            method,
            target,
            budget=budget or self._budget,
            body=None if body is None else msgspec.json.encode(body),
            headers=headers,
            seconds=self._timeout,
        )
        return Answer(
            verb=verb,
            method=method,
            path=target,
            code=reply.code,
            began_ns=began,
            ended_ns=time.monotonic_ns(),
            error=reply.error,
            flaw=reply.flaw,
            cut=reply.cut,
            unanswered=reply.unanswered,
            date=reply.date,
            text="" if 200 <= reply.code < 300 else self._masker.start(reply.body, TEXT_CHARS),
        ), reply
