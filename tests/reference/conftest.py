"""Drives the reference server for real: its own process, a scripted model over HTTP, tools in a journal, sockets."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.history.header import Header
from tailproof.history.reader import History
from tailproof.history.recorder import Recorder
from tailproof.history.records import ModelCall
from tailproof.model.conversation import PlayedScript
from tailproof.model.script import Turn
from tailproof.model.server import ScriptedModel
from tailproof.model.tool import ToolJournal
from tailproof.protocol.adapter import Api
from tailproof.protocol.conversation import ConversationPlan
from tailproof.waiting import Budget

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # `fixtures` is not installed under this name
KEY = "the-session-key"
SECRET = "the-server-secret"
CALM: tuple[dict[str, Any], ...] = (
    {"tools": [{"token": "one"}]},
    {"tools": [{"token": "two"}, {"token": "three"}]},
    {"tools": [{"token": "four"}]},
    {"finish": "All done."},
)
GATED: tuple[dict[str, Any], ...] = (
    {"tools": [{"token": "one"}]},
    {"tools": [{"token": "two", "gate": True}]},
    {"tools": [{"token": "three"}]},
    {"finish": "All done."},
)


class Listener:
    """A subscriber that keeps every frame, as JSON, in the order of arrival."""

    def __init__(self, url: str, *, opening: str = "", headers: dict[str, str] | None = None) -> None:
        self.frames: list[dict[str, Any]] = []
        self.close_code: int | None = None
        self._open = contextlib.ExitStack()
        self._socket = self._open.enter_context(connect(url, additional_headers=headers or {}, proxy=None))
        if opening:
            self._socket.send(opening)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            for frame in self._socket:
                self.frames.append(json.loads(frame))
        except ConnectionClosed as closed:
            self.close_code = closed.rcvd.code if closed.rcvd else 1006
        else:
            self.close_code = self._socket.close_code

    def send(self, text: str) -> None:
        """Send one frame up."""
        self._socket.send(text)

    def statuses(self) -> list[str]:
        """What the stream said about the status, in order."""
        return [frame["value"] for frame in self.frames if frame.get("key") == "execution_status"]

    def snapshots(self) -> list[str]:
        """The statuses of the snapshots, in order."""
        return [frame["value"]["execution_status"] for frame in self.frames if frame.get("key") == "full_state"]

    def log(self) -> list[dict[str, Any]]:
        """What the stream brought of the log."""
        return [frame for frame in self.frames if frame.get("key") != "full_state"]

    def close(self) -> None:
        self._open.close()
        self._thread.join()


class Stage:
    """One server, one model, one tool journal."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.budget = Budget(20)
        self.recorder = Recorder(place / "history", Header(trial="t", scenario="s", seed=0, target="-", client="-"))
        self.model = ScriptedModel(self.recorder.witness("model"))
        self.model.start()
        self.journal = place / "journal"
        self.journal.mkdir()
        self.tools = ToolJournal(self.journal, self.recorder.witness("tools"))
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.api = OpenHands().api(self.url, key=KEY, version="1.58.0", secret=SECRET)
        self.http = httpx.Client(base_url=self.url, headers={"X-Session-API-Key": KEY}, trust_env=False, timeout=20)
        self.process: subprocess.Popen[bytes] | None = None
        self.variables: dict[str, str] = {}
        self.listeners: list[Listener] = []

    def start(self, *, broken: str = "", **variables: str) -> None:
        """Start the server and wait until it is ready."""
        self.variables = {
            "OH_SESSION_API_KEYS_0": KEY,
            "OH_SECRET_KEY": SECRET,
            "OH_CONVERSATIONS_PATH": str(self.place / "conversations"),
            "OH_WORKSPACE_PATH": str(self.place / "workspace"),
            "TAILPROOF_BROKEN": broken,
            **variables,
        }
        self.restart()

    def restart(self) -> None:
        """Start it (again) as it was started first."""
        self.process = self._begun(self.port)
        self.budget.wait_for("the server to be ready", lambda: self.api.ready().ok, saw=self.log_tail)

    @contextlib.contextmanager
    def second(self) -> Iterator[Api]:
        """Another server on the same disk, which is ready, for as long as it is entered."""
        port = _free_port()
        api = OpenHands().api(f"http://127.0.0.1:{port}", key=KEY, version="1.58.0", secret=SECRET)
        process = self._begun(port)
        try:
            self.budget.wait_for("the second server to be ready", lambda: api.ready().ok, saw=self.log_tail)
            yield api
        finally:
            process.terminate()
            process.wait(20)

    def _begun(self, port: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(ROOT / "fixtures/reference_server.py"), "--port", str(port)]
        with (self.place / "server.log").open("ab") as log:
            return subprocess.Popen(
                command, env={**os.environ, **self.variables}, stdout=log, stderr=log, cwd=self.place
            )

    def log_tail(self) -> str:
        """The end of the server's own output."""
        return (self.place / "server.log").read_text()[-2000:]

    def end(self, how: signal.Signals = signal.SIGKILL) -> int:
        """End the server and return its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(20)

    def create(
        self, *turns: dict[str, Any], max_iterations: int = 50, confirm: bool = False
    ) -> tuple[str, PlayedScript]:
        """A conversation and its script."""
        conversation = str(uuid.uuid4())
        played = self.model.serve(conversation, [Turn.model_validate(t) for t in turns], journal=str(self.journal))
        plan = ConversationPlan(
            conversation=conversation,
            model_url=played.url,
            workspace=str(self.place / "workspace"),
            max_iterations=max_iterations,
            confirm=confirm,
        )
        assert self.api.create(plan).code == 201
        return conversation, played

    def listen(self, conversation: str, query: str = "") -> Listener:
        """Subscribe and wait for the first snapshot."""
        url = f"{self.api.stream_url(conversation)}{query}"
        listener = Listener(url, headers={"X-Session-API-Key": KEY})
        self.listeners.append(listener)
        self.budget.wait_for("the first snapshot", lambda: listener.snapshots())
        return listener

    def wait_status(self, conversation: str, *words: str) -> str:
        """Until the status is one of `words`."""
        seen = [""]

        def look() -> bool:
            seen[0] = self.api.status(conversation)[1]
            return seen[0] in words

        self.budget.wait_for(f"the status {words}", look, within=15, saw=lambda: f"{seen[0]}\n{self.log_tail()}")
        return seen[0]

    def run_to(self, conversation: str, *words: str) -> str:
        """Say `go` and wait for a status."""
        assert self.api.send(conversation, "go", run=True).ok
        return self.wait_status(conversation, *words)

    def log(self, conversation: str, *, size: int = 100, ascending: bool = True) -> list[dict[str, Any]]:
        """The whole log, page by page."""
        events: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self.api.page(conversation, cursor=cursor, size=size, ascending=ascending)
            assert page.answer.ok, page.answer
            events += [seen.body for seen in page.events]
            cursor = page.cursor
            if not cursor:
                return events

    def disk(self, conversation: str) -> tuple[str, list[dict[str, Any]]]:
        """Status and log on disk."""
        found = {c: (status, log) for c, status, log, _ in OpenHands().disk(self.place / "conversations")}
        status, log = found[conversation]
        return status, [seen.body for seen in log]

    def asked(self) -> list[ModelCall]:
        """What the model was asked, of all conversations."""
        self.recorder.sync()
        return [call for call in History.load(self.recorder.directory).model_calls if call.stage == "asked"]

    def close(self) -> None:
        for listener in self.listeners:
            listener.close()
        for gate in ("two",):
            self.tools.open_gate(gate)
        if self.process is not None:
            self.end()
        self.model.close()
        self.http.close()
        self.api.close()
        self.tools.close()
        self.recorder.close()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with contextlib.closing(Stage(tmp_path)) as stage:
        yield stage


@pytest.fixture
def served(stage: Stage) -> Stage:
    stage.start()
    return stage
