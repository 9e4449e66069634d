"""The protocol of the reference executor: what it promises, how it is started, its words."""

from __future__ import annotations

import os
from collections.abc import Mapping

from tailproof.adapters.executor.api import Api, decoded
from tailproof.adapters.executor.name import PROTOCOL
from tailproof.adapters.executor.sources import SOURCES
from tailproof.history.record import Neutral
from tailproof.history.server_records import WholeEvent
from tailproof.incoming.limits import REQUEST_S
from tailproof.protocol.adapter import Launch, Places, Promises
from tailproof.protocol.executor import Ability, ExecutorAdapter
from tailproof.waiting import Budget

STORE = "TAILPROOF_EXECUTOR_STORE"
"""Names a PostgreSQL database (`postgresql://...`) for the executor's store; without it, it is a file of SQLite."""
_WORDS: Mapping[str, Neutral] = {
    "": "none",
    "queued": "queued",
    "running": "active",
    "retry_wait": "queued",
    "completed": "done",
    "failed_permanent": "failed",
    "cancelled": "interrupted",
    "idle": "idle",
    "starting": "queued",
    "stopped": "failed",
    "released": "interrupted",
}


class Executor(ExecutorAdapter):
    """See `ExecutorAdapter`."""

    name = PROTOCOL
    abilities: frozenset[Ability] = frozenset(
        {"execution-status", "session-status", "resume", "keys", "cancel", "release", "twin"}
    )

    def promises(self, version: str) -> Promises:
        ends = " ".join(f"{raw}:{neutral}" for raw, neutral in _WORDS.items() if raw in _ENDS)
        return Promises(
            parameters={},
            facts={"executor": True, "ends": ends},
            sources=SOURCES,
            vocabulary=tuple(filter(None, _WORDS)),
        )

    def executor(self, base_url: str, *, budget: Budget | None = None) -> Api:
        return Api(base_url, {}, secrets={}, timeout=REQUEST_S, budget=budget)

    def launch(
        self, *, version: str, port: int, host: str, key: str, secret: str, places: Places, extra: Mapping[str, str]
    ) -> Launch:
        store = os.environ.get(STORE, "") or f"{places.conversations}/executor.sqlite"
        return Launch(
            arguments=("-m", "executor", "--host", host, "--port", str(port)),
            environment={"EXECUTOR_STORE": store, **extra},
        )

    def surroundings(self, *, cluster_url: str, namespace: str) -> Mapping[str, str]:
        return {"EXECUTOR_CLUSTER": cluster_url, "EXECUTOR_NAMESPACE": namespace}

    def decode(self, raw: bytes | bytearray) -> WholeEvent:
        return decoded(raw)

    def neutral(self, raw_status: str) -> Neutral:
        return _WORDS.get(raw_status, "unknown")


_ENDS = frozenset({"completed", "failed_permanent", "cancelled"})

ADAPTERS: Mapping[str, ExecutorAdapter] = {PROTOCOL: Executor()}
