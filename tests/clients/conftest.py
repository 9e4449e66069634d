"""A stage: a real server in its own process, the scripted model, the tool journal and an observer."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.clients.client import Client
from tailproof.history.header import Header
from tailproof.history.reader import History
from tailproof.history.recorder import Recorder
from tailproof.model.conversation import PlayedScript
from tailproof.model.script import Turn
from tailproof.model.server import ScriptedModel
from tailproof.model.tool import ToolJournal
from tailproof.outgoing.masking import Masker
from tailproof.ownership.owners import Owner, owner_id
from tailproof.protocol.conversation import ConversationPlan
from tailproof.provision.installations import Installation
from tailproof.targets.process import ProcessTarget
from tailproof.targets.resolve import resolve
from tailproof.targets.target import Server, Target
from tailproof.trial.observer import Observer
from tailproof.trial.server_pool import ServerPool
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
    journal: str
    """Of this test, as its tools see it."""
    observer: Observer
    key: str
    secret: str
    version: str
    directory: Path
    owner: Owner

    def serve(self, *plans: Mapping[str, Any]) -> PlayedScript:
        script = [Turn.model_validate(plan) for plan in plans]
        return self.model.serve(f"main-{uuid4().hex[:6]}", script, journal=self.journal)

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
        return resolve(f"pypi:{name}")
    return ProcessTarget(
        "reference",
        adapter=adapter,
        provide=lambda budget: Installation(interpreter=Path(sys.executable), version=NEWEST),
        program=(str(ROOT / "fixtures" / "reference_server.py"),),
    )


@pytest.fixture(scope="session")
def pool() -> Iterator[ServerPool]:
    """Servers that one test leaves to the next."""
    with closing(ServerPool(1)) as servers:
        yield servers


@pytest.fixture
def play(tmp_path: Path, pool: ServerPool) -> Iterator[Callable[..., Play]]:
    """Starts a server by name: `reference`, or a release, which takes so long that tests share one where they may."""
    with ExitStack() as stack:

        def start(
            name: str = REFERENCE, *, environment: Mapping[str, str] | None = None, shared: bool | None = None
        ) -> Play:
            adapter = OpenHands()
            owner = Owner(trial=uuid4().hex[:12], owner=owner_id())
            may_share = name != REFERENCE and environment is None if shared is None else shared
            pooled = pool.take(name, owner, shared=may_share, key=lambda: secrets.token_hex(12))
            stack.callback(pool.give_back, pooled, fit=True)
            key, secret = pooled.keys["session key"], pooled.keys["server secret"]
            header = Header(trial=owner.trial, scenario="test", seed=0, target=name, client="none")
            recorder = stack.enter_context(
                Recorder(tmp_path / "history", header, masker=Masker({"key": key, "secret": secret}))
            )
            pooled.engine.point(recorder.witness("engine"))
            target = target_of(name, adapter)
            target.prepare(Budget(600))
            server = pooled.make(target, environment=environment or {}, memory_bytes=0)
            journal, journal_of_tools = pooled.journal(owner.trial)
            model = stack.enter_context(ScriptedModel(recorder.witness("model")))
            tools = ToolJournal(journal, recorder.witness("tool"))
            tools.start()
            stack.callback(tools.close)
            if pooled.trials == 1:
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
                journal=journal_of_tools,
                observer=observer,
                key=key,
                secret=secret,
                version=target.version,
                directory=pooled.directory,
                owner=owner,
            )

        yield start
