"""The OpenHands agent-server, releases 1.6 to 1.58."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from tailproof.adapters.openhands import disk, events, requests, seeding
from tailproof.adapters.openhands.api import FILTERS, OpenHandsApi
from tailproof.adapters.openhands.creation import CHILD_TOOL, MODEL, MODEL_KEY, TASK_TOOL, TOOL_PATIENCE_S
from tailproof.adapters.openhands.name import PROTOCOL
from tailproof.adapters.openhands.releases import TRANSITIONS, Release, release
from tailproof.adapters.openhands.sources import SOURCES
from tailproof.adapters.openhands.webhooks import OpenHandsWebhooks
from tailproof.history.record import Neutral
from tailproof.history.server_records import WholeEvent
from tailproof.incoming.limits import REQUEST_S
from tailproof.protocol.adapter import (
    Adapter,
    Asked,
    EventWord,
    Launch,
    Places,
    Promises,
    RequestWord,
    SeededHistory,
    StatusReads,
)
from tailproof.protocol.conversation import ChildKind
from tailproof.protocol.stored import Stored
from tailproof.resources import REFERENCE
from tailproof.waiting import Budget

STATUS_WORDS = (
    "idle",
    "running",
    "paused",
    "waiting_for_confirmation",
    "finished",
    "error",
    "stuck",
    "deleting",
)
DEFERRED = "OH_DEFERRED_INIT"
QUIET = {"OPENHANDS_SUPPRESS_BANNER": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
"""Keeps the SDK and its LiteLLM from printing, and from fetching a table of prices when they are imported."""
_YES = frozenset({"1", "true", "yes", "on"})


class OpenHands(Adapter):
    """The adapter. A value without state."""

    name = PROTOCOL
    model = MODEL
    model_key = MODEL_KEY
    status_reads = StatusReads(
        names=frozenset({"execution_status", "agent_status", "conversation_status", "run_status"}),
        of_conversations=re.compile(r"/conversations(?![A-Za-z0-9_-])"),
        elsewhere=re.compile(r"/(init|ready|health|alive|server_info|events|bash|git|file|vscode|sockets)\b"),
        other_words=frozenset({"dormant", "initializing", "ready", "ok", "alive", "healthy"}),
    )
    tool_patience_s = TOOL_PATIENCE_S
    webhooks = OpenHandsWebhooks()
    client_environment: Mapping[str, str] = QUIET

    def own_client(self, target: str, release: str) -> str:
        """The SDK of the same release; the reference client for the reference server; the plain one for an unknown release."""
        if target.partition(":")[0] == REFERENCE:
            return REFERENCE
        return f"sdk:{release}" if release else "plain"

    def promises(self, version: str) -> Promises:
        """What the release promises. Sources: pull request 1554 (`crash_policy`), the end of a run in the server's event
        service (`ends_with_snapshot`), the limit of the event search (`page_size`), `OH_LEASE_TTL_SECONDS` (`lease_s`),
        `FATAL_WS_CLOSE_CODES` of the SDK (`fatal_closes`), whose back-off goes up to 30 s (`stream.resumed`)."""
        known = release(version)
        return Promises(
            parameters={"status.crash": known.lease_s + 15.0},
            facts={
                "crash_policy": "error",
                "ends_with_snapshot": True,
                "deferred_init": known.deferred_init,
                "confirmations": True,
                "seeded_histories": True,
                "stored_files": True,
                "page_size": 100,
                "filters": " ".join((*FILTERS, "id")),
                "can": " ".join(
                    ["confirm", "list", "speak", "take-secrets", *(word for word, has in _rarer(known).items() if has)]
                ),
                "replays": " ".join(
                    ["all", *(["time"] if known.resend_mode else []), *(["cursor"] if known.session_socket else [])]
                ),
                "lazy_load": known.lazy_load,
                "lease_s": known.lease_s,
                "stores_before_publishing": known.stores_before_publishing,
                "stream_replay": "snapshot",
                "transitions": TRANSITIONS,
                "fatal_closes": "4001 4004",
                "reads_wait_for_steps": known.reads_wait_for_steps,
                "first_step_alone": known.first_step_alone,
            },
            sources=SOURCES,
            vocabulary=STATUS_WORDS,
        )

    def child_tool(self, task: str, kind: ChildKind) -> tuple[str, Mapping[str, Any]]:
        """In the directory of its parent: a worktree needs a repository there."""
        if kind == "task":
            return TASK_TOOL, {"prompt": task, "subagent_type": "general-purpose"}
        return CHILD_TOOL, {"task": task, "isolation": "shared"}

    def risk(self, risk: Literal["low", "high"]) -> Mapping[str, Any]:
        """An argument that every tool has where a security analyzer is set that believes the model."""
        return {"security_risk": risk.upper()}

    def api(
        self,
        base_url: str,
        *,
        key: str,
        version: str,
        budget: Budget | None = None,
        timeout: float = REQUEST_S,
        secret: str = "",
    ) -> OpenHandsApi:
        """The verbs over one base URL; `secret` initialises a dormant server."""
        return OpenHandsApi(base_url, key=key, secret=secret, version=version, budget=budget, timeout=timeout)

    def launch(
        self, *, version: str, port: int, host: str, key: str, secret: str, places: Places, extra: Mapping[str, str]
    ) -> Launch:
        """Arguments and environment of a server. With deferred initialisation asked for in `extra`, the session key stays
        out of the environment: `init` delivers it."""
        environment = {
            "OH_SECRET_KEY": secret,
            "OH_CONVERSATIONS_PATH": places.conversations,
            "OH_WORKSPACE_PATH": places.workspace,
            "OH_BASH_EVENTS_DIR": f"{places.root}/bash_events",
            "OH_PERSISTENCE_DIR": f"{places.root}/persistence",
            "OH_ENABLE_VSCODE": "false",
            "OH_ENABLE_VNC": "false",
            "OH_PRELOAD_TOOLS": "false",
            "OH_TELEMETRY_EXPORTER": "none",
            "DO_NOT_TRACK": "1",
            **QUIET,
            "LOG_JSON": "true",
            "PYTHONUNBUFFERED": "1",
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
        }
        if key and extra.get(DEFERRED, "").lower() not in _YES:
            environment["OH_SESSION_API_KEYS_0"] = key
        environment.update(extra)
        arguments = ("-m", "openhands.agent_server", "--host", host, "--port", str(port))
        return Launch(arguments=arguments, environment=environment)

    def dormant_environment(self) -> Mapping[str, str]:
        """Deferred initialisation (pull request 2523, from 1.29.0)."""
        return {DEFERRED: "true"}

    def asked(self, method: str, target: str) -> Asked:
        """Verb, conversation and status words of a request."""
        return requests.asked(method, target)

    def route(self, request: RequestWord) -> tuple[str, str]:
        """Method and path of these requests."""
        return requests.route(request)

    def event(self, event: EventWord) -> Mapping[str, Any]:
        """How these events are known in a stream."""
        return events.SHOWN[event]

    def decode(self, raw: bytes | bytearray) -> WholeEvent:
        """One event from a frame, an item of a page or a file. Raises Unsound."""
        return events.decode(raw)

    def neutral(self, raw_status: str) -> Neutral:
        """`unknown` for a word that no release is known to use."""
        return events.NEUTRAL.get(raw_status, "unknown")

    def disk(self, conversations: Path) -> Iterator[tuple[str, str, Iterator[WholeEvent], Sequence[str]]]:
        """Per conversation: id, raw status, events in log order, unreadable files."""
        return disk.read_disk(conversations)

    def stored(self, conversations: Path, conversation: str) -> Stored:
        """The state and a file for each event."""
        return disk.stored(conversations, conversation)

    def seed(self, conversations: Path, conversation: str, history: SeededHistory) -> None:
        """Actions with their observations, and the condensations that make the model forget them. Raises SeedingError."""
        seeding.seed(conversations, conversation, history)


ADAPTERS: Mapping[str, Adapter] = {PROTOCOL: OpenHands()}


def _rarer(known: Release) -> Mapping[str, bool]:
    """What some releases can do, by the words of acts and scenarios."""
    starts = {"start-conversation": known.conversations_of_agents, "start-task": known.tasks}
    takes = {"take-mcp": known.mcp, "take-condenser": True, "take-guards": known.guards, "take-risks": known.risks}
    return {"interrupt": known.interrupts, "fork": known.forks, **starts, **takes}
