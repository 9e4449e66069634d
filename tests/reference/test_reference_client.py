"""The reference client and its broken variants, driven by the same code that drives a released SDK."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import KEY, ROOT, Stage

from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.clients import program
from tailproof.clients.client import Returned
from tailproof.history.reader import History
from tailproof.model.script import Turn
from tailproof.protocol.conversation import ConversationPlan
from tailproof.waiting import DeadlineMissed
from tailproof.wire.handle import Wire
from tailproof.wire.rules import rule_from

TWELVE: tuple[dict[str, Any], ...] = (
    *({"tools": [{"token": f"t{number}"}]} for number in range(12)),
    {"finish": "All done."},
)
HOLE = {"id": "hole", "do": "drop", "match": {"from": 14, "to": 18}}
LAG = {"id": "lag", "do": "delay", "seconds": 2}


class Played:
    """A server, a wire with one rule, a client in its own process."""

    def __init__(self, stage: Stage, broken: str) -> None:
        self.stage = stage
        self.journal = stage.place / "history/wire.jsonl"
        self.client = program.ProgramClient(
            "reference",
            OpenHands(),
            stage.recorder,
            command=[
                sys.executable,
                ROOT / "fixtures/reference_client.py",
                *(("--broken", broken) if broken else ()),
            ],
            scratch=stage.place,
            environment={},
        )

    def play(
        self, *turns: dict[str, Any], rule: dict[str, Any] | None = None, runs: int = 1, within: float = 15.0
    ) -> SimpleNamespace:
        """Run the turns `runs` times and see what the client made of it."""
        stage, client = self.stage, self.client
        returned: Returned | None = None
        with Wire.start(f"127.0.0.1:{stage.port}", self.journal) as wire:
            if rule is not None:
                wire.add(rule_from(rule))
            client.start()
            client.connect(wire.url, key=KEY, version="1.58.0", budget=stage.budget)
            script = [Turn.model_validate(turn) for turn in turns] * runs
            played = stage.model.serve("main", script, journal=str(stage.journal))
            plan = ConversationPlan(
                conversation="8c3a5df6-1c4b-4f0e-9f0a-0d8b3a6f2f11",
                model_url=played.url,
                workspace=str(stage.place / "workspace"),
            )
            conversation = client.create(plan, stage.budget)
            for _ in range(runs):
                client.send("go", stage.budget)
                client.run()
                try:
                    returned = client.wait_returned(stage.budget.part(within))
                except DeadlineMissed:
                    returned = None
            log = [event["id"] for event in stage.log(conversation)]
            client.close()
        stage.recorder.sync()
        history = History.load(stage.recorder.directory)
        reading = f"held:{runs - 1}"
        asked = [x.path for x in history.exchanges if "/events/search" in x.path]
        return SimpleNamespace(
            returned=returned,
            held=[event.id for event in history.events if event.reading == reading and event.witness == "client"],
            log=log,
            pages=len(asked),
        )


@pytest.fixture
def good(served: Stage) -> Played:
    return Played(served, "")


@pytest.fixture
def bad(served: Stage, request: pytest.FixtureRequest) -> Played:
    return Played(served, request.param)


def test_the_good_client_holds_the_log_and_reads_no_page_for_it(good: Played) -> None:
    saw = good.play(*TWELVE, runs=2)
    assert saw.held == saw.log
    assert (saw.returned.status, saw.returned.raised) == ("finished", False)
    assert saw.pages == 0


@pytest.mark.parametrize("rule", [LAG, HOLE], ids=["lag", "hole"])
def test_the_good_client_repairs_what_the_stream_missed(good: Played, rule: dict[str, Any]) -> None:
    saw = good.play(*TWELVE, rule=rule)
    assert saw.held == saw.log
    assert saw.pages == 1


def test_the_good_client_comes_back_after_a_reset(good: Played) -> None:
    saw = good.play(*TWELVE, rule={"id": "cut", "do": "cut", "match": {"from": 10}, "times": 1})
    assert saw.held == saw.log


def test_the_good_client_raises_when_the_run_was_an_error(good: Played) -> None:
    saw = good.play({"status": 401})
    assert (saw.returned.status, saw.returned.error_type) == ("error", "RunFailed")


@pytest.mark.parametrize("bad", ["never-repairs"], indirect=True)
def test_never_repairs_loses_the_tail_under_lag(bad: Played) -> None:
    saw = bad.play(*TWELVE, rule=LAG)
    assert not set(saw.log[-10:]) <= set(saw.held)


@pytest.mark.parametrize("bad", ["repairs-the-tail"], indirect=True)
def test_repairs_the_tail_misses_a_hole_in_the_middle(bad: Played) -> None:
    saw = bad.play(*TWELVE, rule=HOLE)
    assert set(saw.log[:10] + saw.log[-10:]) <= set(saw.held)
    assert not set(saw.log) <= set(saw.held)


@pytest.mark.parametrize("bad", ["returns-late"], indirect=True)
def test_returns_late_is_still_away_after_the_end(bad: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "CLOSE_S", 5.0)
    assert bad.play({"finish": "Done."}, within=5.0).returned is None


@pytest.mark.parametrize("bad", ["swallows-errors"], indirect=True)
def test_swallows_errors_returns_as_if_all_were_well(bad: Played) -> None:
    saw = bad.play({"status": 401})
    assert (saw.returned.status, saw.returned.raised) == ("error", False)


@pytest.mark.parametrize("bad", ["reads-everything"], indirect=True)
def test_reads_everything_asks_for_pages_that_it_has(bad: Played) -> None:
    saw = bad.play(*TWELVE, runs=2)
    assert saw.held == saw.log
    assert saw.pages > len(saw.log) // 2
