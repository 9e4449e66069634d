"""Released SDK clients hold a whole conversation with the reference server: its shapes are the real ones."""

from __future__ import annotations

import pytest
from conftest import CALM, KEY, Stage

from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.adapters.openhands.clients import SDK_PROGRAM
from tailproof.adapters.openhands.recipes import RELEASES
from tailproof.clients.program import ProgramClient
from tailproof.history.reader import History
from tailproof.model.script import Turn
from tailproof.protocol.conversation import ConversationPlan
from tailproof.provision.environments import environment
from tailproof.waiting import Budget

pytestmark = [pytest.mark.long, pytest.mark.release]

WITHOUT_REPAIR = "1.10.0"
"""Its `run()` returns with what the stream has brought by then: the beginning of the log."""


@pytest.mark.parametrize("version", ["1.58.0", "1.11.1", "1.10.0"])
def test_a_released_client_runs_a_conversation_and_holds_its_log(stage: Stage, version: str) -> None:
    stage.start(REFERENCE_VERSION=version)
    interpreter = environment(RELEASES, version, Budget(900)).interpreter
    client = ProgramClient(
        f"sdk:{version}",
        OpenHands(),
        stage.recorder,
        command=[interpreter, "-I", SDK_PROGRAM],
        scratch=stage.place,
        environment={},
    )
    budget = Budget(120)
    client.start()
    try:
        client.connect(stage.url, key=KEY, version=version, budget=budget)
        played = stage.model.serve("main", [Turn.model_validate(turn) for turn in CALM], journal=str(stage.journal))
        plan = ConversationPlan(
            conversation="8c3a5df6-1c4b-4f0e-9f0a-0d8b3a6f2f11",
            model_url=played.url,
            workspace=str(stage.place / "workspace"),
        )
        conversation = client.create(plan, budget)
        client.send("go", budget)
        client.run()
        returned = client.wait_returned(budget)
    finally:
        client.close()
    assert (returned.status, returned.error) == ("finished", "")
    log = [event["id"] for event in stage.log(conversation)]
    stage.recorder.sync()
    history = History.load(stage.recorder.directory)
    held = [event.id for event in history.events if event.reading == "held:0" and event.durable]
    heard = [event.id for event in history.events if event.reading == "callback:0" and event.durable]
    if version == WITHOUT_REPAIR:
        log = log[: len(held)]
    assert held == log
    assert set(log) <= set(heard)
    assert len(held) >= len(CALM)
