"""A stage: a real server in its own process, the scripted model, the tool journal and an observer."""

from __future__ import annotations

import secrets
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tailproof.adapters.adapter import ConversationPlan
from tailproof.adapters.openhands import OpenHands
from tailproof.clients.client import Client
from tailproof.history.reader import History
from tailproof.history.recorder import Recorder
from tailproof.history.records import Header
from tailproof.model.conversation import PlayedScript
from tailproof.model.script import Turn
from tailproof.model.server import ScriptedModel
from tailproof.model.tool import ToolJournal
from tailproof.observer import Observer
from tailproof.owners import owner_id
from tailproof.scratch import scratch
from tailproof.targets.process import Installation, ProcessTarget
from tailproof.targets.resolve import resolve
from tailproof.targets.target import Owner, Plan, Server, Target
from tailproof.waiting import Budget

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = "reference"
NEWEST = "1.58.0"


@dataclass
class Play:
    """Everything of one small trial."""

    adapter: OpenHands
    recorder: Recorder
    server: Server
    model: ScriptedModel
    tools: ToolJournal
    observer: Observer
    key: str
    secret: str
    version: str
    directory: Path
    owner: Owner

    def serve(self, *plans: Mapping[str, Any]) -> PlayedScript:
        script = [Turn.model_validate(plan) for plan in plans]
        return self.model.serve(f"main-{uuid4().hex[:6]}", script, journal=self.server.journal)

    def plan(self, played: PlayedScript) -> ConversationPlan:
        return ConversationPlan(conversation=str(uuid4()), model_url=played.url, workspace=self.server.workspace)

    def create(self, client: Client, played: PlayedScript) -> str:
        """Connect the client directly (there is no wire here), create through it, subscribe past it."""
        client.start()
        client.connect(self.server.url, key=self.key, version=self.version, budget=Budget(90))
        played.name = client.create(self.plan(played), Budget(60))
        self.observer.subscribe(played.name, Budget(30))
        return played.name

    def history(self) -> History:
        self.recorder.close()
        return History.load(self.recorder.directory)


def target_of(name: str, adapter: OpenHands) -> Target:
    if name != REFERENCE:
        return resolve(f"pypi:{name}", adapter=adapter)
    return ProcessTarget(
        "reference",
        adapter=adapter,
        provide=lambda budget: Installation(interpreter=Path(sys.executable), version=NEWEST),
        program=(str(ROOT / "fixtures" / "reference_server.py"),),
    )


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Callable[..., Play]]:
    """Starts a server by name: `reference`, or a release."""
    with ExitStack() as stack:

        def start(name: str = REFERENCE, *, environment: Mapping[str, str] | None = None) -> Play:
            adapter = OpenHands()
            key, secret = secrets.token_hex(12), secrets.token_hex(12)
            header = Header(trial=uuid4().hex[:12], scenario="test", seed=0, target=name, client="none")
            recorder = stack.enter_context(
                Recorder(tmp_path / "history", header, secrets={"key": key, "secret": secret})
            )
            owner = Owner(trial=header.trial, owner=owner_id())
            directory = scratch(owner)
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
            journal = directory / "journal"
            journal.mkdir()
            target = target_of(name, adapter)
            target.prepare(Budget(600))
            server = target.server(
                Plan(
                    owner=owner,
                    directory=directory / "server",
                    journal=journal,
                    key=key,
                    secret=secret,
                    environment=environment or {},
                    engine=recorder.witness("engine"),
                )
            )
            stack.callback(server.remove)
            model = stack.enter_context(ScriptedModel(recorder.witness("model")))
            tools = ToolJournal(journal, recorder.witness("tool"))
            tools.start()
            stack.callback(tools.close)
            server.start(Budget(90))
            observer = Observer(adapter, recorder, url=server.url, key=key, version=target.version, secret=secret)
            stack.callback(observer.close)
            observer.ready(Budget(120))
            return Play(
                adapter=adapter,
                recorder=recorder,
                server=server,
                model=model,
                tools=tools,
                observer=observer,
                key=key,
                secret=secret,
                version=target.version,
                directory=directory,
                owner=owner,
            )

        yield start
