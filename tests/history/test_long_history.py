"""Trials on a conversation that was seeded: the server shows it, the client attaches, the run on top of it is judged as any other."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tailproof.guarantees.catalogue import CATALOGUE, judge
from tailproof.guarantees.verdict import Level, Outcome
from tailproof.history.reader import History
from tailproof.history.views import conversations, log_of
from tailproof.runner.check import catalogue
from tailproof.trial.order import Order
from tailproof.trial.trial import Trial

pytestmark = pytest.mark.long

EVENTS = 700
LONG = next(scenario for scenario in catalogue() if scenario.name == "long-history")


def play(out: Path, target: str, client: str) -> History:
    plan = LONG.model_dump(mode="json", by_alias=True)
    plan["seeded"] = {"events": EVENTS, "bytes": [500, 8000]}
    order = Order(scenario=plan, target=target, client=client, seed=7, out=str(out))
    Trial(order, cancel=threading.Event(), tell=lambda phase, detail: None).run()
    return History.load(order.directory)


def shows_what_was_seeded_and_runs_on(history: History) -> None:
    log = log_of(history, conversations(history)[0])
    assert log is not None
    seeded = [event for event in log.events if event.call.startswith("seeded-0")]
    assert [event.call for event in seeded[::2]] == [event.call for event in seeded[1::2]]
    assert [event.call for event in seeded[::2]] == [f"seeded-{pair:06d}" for pair in range(len(seeded) // 2)]
    assert len(seeded) > EVENTS * 0.8
    assert log.events[EVENTS - 1].name == "Condensation"
    assert [event.text for event in log.events[EVENTS:] if event.role == "message"] == ["go"]
    assert {effect.token for effect in history.effects} == {"one", "two", "three", "four"}
    turns = [call.turn for call in history.model_calls if call.stage == "asked"]
    assert turns == [0, 1, 2, 3]
    assert max(call.messages for call in history.model_calls) < 20


def outcomes(history: History) -> dict[str, Outcome]:
    return {name: verdict.outcome for name, verdict in judge(history, list(CATALOGUE)).items()}


def broken_promises(history: History) -> list[str]:
    return [
        name
        for name, outcome in outcomes(history).items()
        if outcome is Outcome.VIOLATED and CATALOGUE[name].level is Level.MUST
    ]


@pytest.mark.parametrize("client", ["plain", "reference"])
def test_a_client_attaches_to_a_seeded_history_and_its_run_keeps_every_promise(client: str, tmp_path: Path) -> None:
    history = play(tmp_path, "reference", client)
    shows_what_was_seeded_and_runs_on(history)
    assert broken_promises(history) == []
    assert [life.stage for life in history.lives].count("ready") == 2


def test_the_stop_before_the_client_came_excuses_it_from_nothing(tmp_path: Path) -> None:
    judged = outcomes(play(tmp_path, "reference", "reference"))
    for guarantee in ("events.callbacks", "events.tail", "status.client", "loop.returns", "cost.reconcile"):
        assert judged[guarantee] is Outcome.HOLDS, guarantee


@pytest.mark.release
def test_a_release_shows_the_history_that_was_seeded_on_its_disk_and_runs_on(tmp_path: Path) -> None:
    history = play(tmp_path, "pypi:1.58.0", "sdk:1.58.0")
    shows_what_was_seeded_and_runs_on(history)
    assert broken_promises(history) == []
    [reading] = [one for one in history.readings if one.reader == "disk" and one.stage == "end"]
    assert reading.complete
