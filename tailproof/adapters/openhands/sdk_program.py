"""Drives a released OpenHands SDK from inside its own environment. Runs there alone: it imports nothing of the harness.

Commands come as JSON lines on stdin, reports go as JSON lines to what was stdout at the start; what the SDK prints goes to
stderr. The program ends when stdin closes. All times are CLOCK_MONOTONIC nanoseconds.

Commands: `create`, `send`, `run`, `close`. Reports: `ready`, `created`, `sent`, `called`, `returned`, `raised`, `held` (a list
begins, `count` events follow), `event`, `failed` (a command raised), `swallowed` (the SDK logged an exception and went on). What
callbacks got is reported as it comes (`callback:0`), and all of it is out when the program ends.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import queue
import sys
import threading
import time
import uuid
from importlib.metadata import version
from typing import Any

CHOOSES_ID_SINCE = (1, 7, 4)
"""Before, the SDK attached to an id that it was given, and never created it."""
SWALLOWED = {"ws_event_processing_error": "decode", "ws_reconnect_callback_error": "reconnect"}
"""What the SDK logs with an exception instead of raising it: an event of the stream is lost with it."""
MOST_SWALLOWED = 20
"""So many are reported; behind a release that writes other events, every event is one."""
HOOKS = {"before-tool": "pre_tool_use", "after-tool": "post_tool_use", "before-stop": "stop"}
"""What the SDK calls the moments of a guard."""
ERROR_CHARS = 4000
"""More than is kept: whoever keeps it knows what must not be cut in half."""


class Reports:
    """Writes reports in the order in which they were put, in a thread of its own: a callback of the SDK never waits for us."""

    def __init__(self, descriptor: int) -> None:
        self._out = os.fdopen(descriptor, "wb", buffering=1 << 16)
        self._queue: queue.SimpleQueue[tuple[dict[str, Any], Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_for_ever, name="reports", daemon=True)
        self._thread.start()

    def put(self, report: dict[str, Any], event: Any = None) -> None:
        """`event` is an event of the SDK; it is turned into JSON later."""
        self._queue.put((report, event))

    def close(self) -> None:
        """Everything that was put is out when this returns."""
        self._queue.put(None)
        self._thread.join()

    def _write_for_ever(self) -> None:
        while (item := self._queue.get()) is not None:
            report, event = item
            if event is not None:
                try:
                    report["event"] = json.loads(event.model_dump_json(exclude_none=True))
                except Exception as error:  # noqa: BLE001 - whatever the SDK's models raise is a finding, not our end
                    report = {
                        **report,
                        "is": "failed",
                        "did": "dump",
                        "type": type(error).__name__,
                        "error": str(error),
                    }
            self._out.write(json.dumps(report).encode() + b"\n")
            if self._queue.empty():
                self._out.flush()
        self._out.flush()


class Swallowed(logging.Handler):
    """Reports the exceptions that the SDK keeps to itself."""

    def __init__(self, reports: Reports) -> None:
        super().__init__(logging.ERROR)
        self._reports = reports
        self._left = MOST_SWALLOWED

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        did = SWALLOWED.get(str(record.msg))
        if did and error is not None and self._left > 0:
            self._left -= 1
            said = {"type": type(error).__name__, "error": str(error)[:ERROR_CHARS]}
            self._reports.put({"is": "swallowed", "did": did, "t_ns": time.monotonic_ns(), **said})


class Program:
    """One conversation of one SDK."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._sdk = importlib.import_module("openhands.sdk")
        self._remote = importlib.import_module("openhands.sdk.conversation.impl.remote_conversation")
        logging.getLogger(self._remote.__name__).addHandler(Swallowed(reports))
        # Importing registers the tool, so that its actions and observations can be read.
        importlib.import_module("openhands.tools.terminal")
        self._conversation: Any = None
        self._held = 0

    def create(self, command: dict[str, Any]) -> None:
        """Build the agent, create the conversation (or attach to it when it exists), and report its id."""
        pydantic = importlib.import_module("pydantic")
        workspace = importlib.import_module("openhands.sdk.workspace")
        llm = self._sdk.LLM(
            usage_id="scripted",
            model="openai/mock",
            base_url=command["model_url"],
            api_key=pydantic.SecretStr("scripted"),
            num_retries=command["model_retries"],
            retry_min_wait=1,
            retry_max_wait=2,
        )
        tool = self._sdk.Tool(name="terminal", params={"no_change_timeout_seconds": command["tool_patience_s"]})
        numbers = tuple(int(part) for part in version("openhands-sdk").split(".")[:3])
        given = command["exists"] or numbers >= CHOOSES_ID_SINCE
        self._conversation = self._remote.RemoteConversation(
            agent=self._sdk.Agent(llm=llm, tools=[tool], **self._fields(command["equipment"], llm)),
            workspace=workspace.RemoteWorkspace(
                host=command["host"], api_key=command["key"], working_dir=command["working_dir"]
            ),
            conversation_id=uuid.UUID(command["conversation"]) if given else None,
            callbacks=[self._callback],
            **self._hooks(command["equipment"]["guards"]),
            max_iteration_per_run=command["max_iterations"],
            visualizer=None,
        )
        if command["confirm"]:
            policies = importlib.import_module("openhands.sdk.security.confirmation_policy")
            self._conversation.set_confirmation_policy(policies.AlwaysConfirm())
        if command["equipment"]["confirms_risks"]:
            security = importlib.import_module("openhands.sdk.security.llm_analyzer")
            policies = importlib.import_module("openhands.sdk.security.confirmation_policy")
            self._conversation.set_security_analyzer(security.LLMSecurityAnalyzer())
            self._conversation.set_confirmation_policy(policies.ConfirmRisky())
        self._reports.put({"is": "created", "conversation": str(self._conversation.id), "t_ns": time.monotonic_ns()})

    def _fields(self, equipment: dict[str, Any], llm: Any) -> dict[str, Any]:
        """The fields of an agent that has this. Those of a release that knows no such thing stay as they are."""
        fields: dict[str, Any] = {}
        if mcp := equipment["mcp"]:
            fields["mcp_config"] = {mcp["name"]: {"command": mcp["command"][0], "args": mcp["command"][1:]}}
        if condenser := equipment["condenser"]:
            condensers = importlib.import_module("openhands.sdk.context.condenser")
            fields["condenser"] = condensers.LLMSummarizingCondenser(
                llm=llm.model_copy(update={"usage_id": "condenser"}), max_size=condenser["max_size"], keep_first=2
            )
        return fields

    def _hooks(self, guards: list[dict[str, Any]]) -> dict[str, Any]:
        if not guards:
            return {}
        found: dict[str, Any] = {}
        for guard in guards:
            hook = {"type": "command", "command": guard["command"], "timeout": guard["patience_s"]}
            found.setdefault(HOOKS[guard["when"]], []).append({"matcher": "*", "hooks": [hook]})
        return {"hook_config": importlib.import_module("openhands.sdk.hooks").HookConfig(**found)}

    def send(self, command: dict[str, Any]) -> None:
        """Post a user message."""
        self._conversation.send_message(command["text"])
        self._reports.put({"is": "sent", "t_ns": time.monotonic_ns()})

    def run(self, command: dict[str, Any]) -> None:
        """Start the blocking run in a thread."""
        threading.Thread(target=self._run, args=(command["number"],), name="run", daemon=True).start()

    def close(self, command: dict[str, Any]) -> None:
        """Report what is held at last. The end of the process closes the conversation: the SDK's own `close` waits five
        seconds for a thread that does not react to it."""
        if self._conversation is not None:
            self._report_held(time.monotonic_ns(), list(self._conversation.state.events[:]), final=True)

    def _run(self, number: int) -> None:
        self._reports.put({"is": "called", "number": number, "t_ns": time.monotonic_ns()})
        end: dict[str, Any] = {"is": "returned", "number": number}
        try:
            self._conversation.run()
        except Exception as error:  # noqa: BLE001 - what run() raises is what we are here to report
            end = {"is": "raised", "number": number, "type": type(error).__name__, "error": str(error)}
        now = time.monotonic_ns()
        held = list(self._conversation.state.events[:])
        try:
            end["status"] = self._conversation.state.execution_status.value
        except Exception as error:  # noqa: BLE001 - a status that cannot be had is part of the report
            end["status_error"] = f"{type(error).__name__}: {error}"
        end["reading"] = self._report_held(now, held, final=False)
        end["t_ns"] = now
        self._reports.put(end)

    def _report_held(self, t_ns: int, held: list[Any], *, final: bool) -> str:
        reading = f"held:{self._held}"
        self._held += 1
        self._reports.put({"is": "held", "reading": reading, "count": len(held), "final": final, "t_ns": t_ns})
        for event in held:
            self._reports.put({"is": "event", "reading": reading, "t_ns": t_ns}, event)
        return reading

    def _callback(self, event: Any) -> None:
        self._reports.put({"is": "event", "reading": "callback:0", "t_ns": time.monotonic_ns()}, event)


def main() -> None:
    """Follow commands until stdin closes."""
    reports = Reports(os.dup(1))
    os.dup2(2, 1)
    program = Program(reports)
    reports.put({"is": "ready", "version": version("openhands-sdk"), "t_ns": time.monotonic_ns()})
    for line in sys.stdin:
        command = json.loads(line)
        try:
            getattr(program, command["do"])(command)
        except Exception as error:  # noqa: BLE001 - the SDK refused a command: the harness says so
            said = {"type": type(error).__name__, "error": str(error), "t_ns": time.monotonic_ns()}
            reports.put({"is": "failed", "did": command["do"], **said})
        if command["do"] == "close":
            break
    reports.close()
    # Threads of the SDK may still wait for a server that is gone.
    os._exit(0)


if __name__ == "__main__":
    main()
