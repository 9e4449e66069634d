"""Scenarios for clients, played: each fault lands where its summary says, and the honest pair is convicted of nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tailproof.guarantees.catalogue import CATALOGUE, judge
from tailproof.guarantees.verdict import Outcome
from tailproof.history.parameters import PARAMETERS
from tailproof.history.reader import History
from tailproof.runner.check import catalogue
from tailproof.trial.order import Order
from tailproof.trial.trial import Trial


def effect(history: History, token: str) -> int:
    return next(record.t_ns for record in history.effects if record.token.partition(".")[0] == token)


def step(history: History, fault: str, stage: str) -> int:
    return next(record.t_ns for record in history.faults if (record.fault, record.stage) == (fault, stage))


def wire_closed(history: History) -> list[int]:
    return [record.t_ns for record in history.streams if record.path == "wire" and "cut by rule" in record.reason]


def cut_while_the_third_action_runs(history: History) -> bool:
    upgrades = [record.t_ns for record in history.exchanges if record.done == "upgraded"]
    return effect(history, "three") < wire_closed(history)[0] < upgrades[1] < effect(history, "later")


def cut_in_front_of_the_terminal_status(history: History) -> bool:
    (cut,) = [frame for frame in history.frames if frame.done == "cut"]
    terminal = {event.id for event in history.events if event.role == "status" and event.status == "finished"}
    return cut.id in terminal


def down_for_half_a_second(history: History) -> bool:
    span = (step(history, "outage", "injected"), step(history, "outage", "healed"))
    inside = [record for record in history.exchanges if span[0] < record.began_ns < span[1]]
    return span[1] - span[0] >= 0.5e9 and not inside and effect(history, "three") < span[0] < effect(history, "later")


def started_without_an_answer(history: History) -> bool:
    (lost,) = [record for record in history.exchanges if record.done == "reset-after"]
    return lost.path.endswith("/run") and lost.code == 200 and lost.t_ns < history.model_calls[-1].t_ns


def posted_before_the_answer(history: History) -> bool:
    """Where the client asks for a replay at all."""
    posted = next(record for record in history.requests if record.verb == "send" and record.witness == "observer")
    held = [record for record in history.exchanges if record.done == "held"]
    resubscribed = [record.t_ns for record in history.exchanges if record.done == "upgraded"][1]
    return resubscribed < posted.began_ns and all(record.began_ns < posted.t_ns < record.t_ns for record in held)


def waits(history: History) -> bool:
    return history.statuses[-1].neutral == "waiting" and not history.effects


def stuck(history: History) -> bool:
    return {status.neutral for status in history.statuses[-3:]} == {"stuck"}


def deleted_while_a_tool_ran(history: History) -> bool:
    deletion = next(record for record in history.requests if record.verb == "delete")
    return effect(history, "two") < deletion.began_ns and all(record.token != "three" for record in history.effects)


LANDS: dict[str, Callable[[History], bool]] = {
    "stream-cut-mid-run": cut_while_the_third_action_runs,
    "stream-cut-before-terminal": cut_in_front_of_the_terminal_status,
    "stream-outage-half-second": down_for_half_a_second,
    "stream-event-before-replay": posted_before_the_answer,
    "run-answer-lost": started_without_an_answer,
    "ends-waiting": waits,
    "ends-stuck": stuck,
    "deleted-under-it": deleted_while_a_tool_ran,
}


def play(name: str, place: Path) -> History:
    scenario = next(scenario for scenario in catalogue() if scenario.name == name)
    order = Order(
        scenario=scenario.model_dump(mode="json", by_alias=True),
        target="reference",
        client="reference",
        seed=1,
        out=str(place),
    )
    Trial(order, cancel=threading.Event(), tell=lambda phase, detail: None).run()
    return History.load(order.directory)


@pytest.mark.parametrize("name", LANDS)
def test_it_lands_where_its_summary_says_and_the_honest_pair_is_convicted_of_nothing(name: str, tmp_path: Path) -> None:
    history = play(name, tmp_path)
    assert LANDS[name](history)
    assert [record.fault for record in history.faults if record.stage == "unproven"] == []
    assert not history.missed, "nobody waited in vain"
    verdicts = judge(history, list(CATALOGUE))
    trouble = (Outcome.VIOLATED, Outcome.INCONCLUSIVE)
    assert {name: verdict.says for name, verdict in verdicts.items() if verdict.outcome in trouble} == {}


def test_what_a_fault_holds_the_loop_for_is_healed_before_the_loop_goes_on() -> None:
    """Else the time at the rendezvous would be taken from the run's own."""
    for scenario in catalogue():
        for plan in scenario.faults:
            assert not plan.hold_until or plan.lasts or plan.until == plan.at, f"{scenario.name}: {plan.id}"


def test_a_client_that_only_asks_has_time_for_two_late_answers() -> None:
    """The one under way when the run ended, a second's pause, and the next one."""
    for scenario in catalogue():
        for plan in scenario.faults:
            if plan.fault == "wire.delay-response" and plan.options["match"]["request"] in ("status", "load", "page"):
                limit_s = scenario.parameters.get("loop.returns", PARAMETERS["loop.returns"])
                assert limit_s > 2 * plan.options["seconds"] + 1, scenario.name
