"""The whole harness against every variant: its own guarantee convicts it, and no other that it does not break by logic.

The reference server and the reference client are convicted of nothing in the same situations.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fixtures.broken.clients import CLIENTS
from fixtures.broken.servers import SERVERS
from tailproof.guarantees.catalogue import CATALOGUE, judge
from tailproof.guarantees.verdict import Level, Outcome, Verdict
from tailproof.history.reader import History
from tailproof.runner.check import catalogue
from tailproof.trial.order import Order
from tailproof.trial.trial import Trial

SHORTER = {
    "status.crash": 6.0,
    "loop.progress": 6.0,
    "loop.terminates": 8.0,
    "stream.resumed": 6.0,
    "hooks.delivered": 2.0,
}
"""Seconds. The defects of these guarantees last for ever: there is no need to wait for the time of a real server."""
TROUBLE = frozenset({Outcome.VIOLATED, Outcome.INCONCLUSIVE})
STEPS = [{"tools": [{"token": f"t{number}"}]} for number in range(10)]
LARGE_MESSAGE: dict[str, Any] = {
    "name": "large-message",
    "family": "messages",
    "summary": "The user says 80 kB at once.",
    "messages": ["go on " * 14_000],
    "script": [*STEPS[:1], {"finish": "All done."}],
}
RESTART_TWICE: dict[str, Any] = {
    "name": "restart-twice",
    "family": "restart",
    "summary": "The server is restarted behind each of two runs.",
    "client": "plain",
    "messages": ["go", "go on", "once more"],
    "script": [turn for step in STEPS[:3] for turn in (step, {"finish": "This part is done."})],
    "faults": [
        {"id": f"restart-{run}", "fault": "process.restart", "at": f"returned:{run}", "with": {"restart": "in-place"}}
        for run in (1, 2)
    ],
    "seconds": 240,
}
SITUATIONS = {one["name"]: one for one in (LARGE_MESSAGE, RESTART_TWICE)}
OWN: dict[str, dict[str, Any]] = {
    "repairs-the-tail": {
        "name": "stream-hole",
        "family": "stream",
        "summary": "A few events in the middle of the run are dropped on their way to the client.",
        "script": [*STEPS, {"finish": "All done."}],
        "faults": [
            {
                "id": "hole",
                "fault": "wire.drop",
                "at": "created",
                "until": "returned",
                "with": {"match": {"from": 14, "to": 18}},
            }
        ],
    },
    "swallows-errors": {
        "name": "model-refuses",
        "family": "calm",
        "summary": "The model refuses the key: the run ends in an error.",
        "script": [{"status": 401}],
    },
    "reads-everything": {
        "name": "long-run",
        "family": "calm",
        "summary": "A run that is long enough to tell a repair from reading everything.",
        "script": [{"tools": [{"token": f"t{number}"} for number in range(10)], "repeat": 32}, {"finish": "All done."}],
        "parameters": {"loop.terminates": 120.0},
    },
    "repairs-at-the-end-only": {
        "name": "stream-gap",
        "family": "stream",
        "summary": "The stream is reset and cannot be opened for two seconds, while the loop goes on before and after.",
        "script": [*STEPS[:2], {"tools": [{"token": "step"}], "delay_s": 0.4, "repeat": 12}, {"finish": "All done."}],
        "faults": [
            {
                "id": "refused",
                "fault": "wire.status",
                "at": "model-called:3",
                "lasts": 2,
                "with": {"code": 503, "match": {"route": "/sockets/*"}},
            },
            {
                "id": "cut",
                "fault": "wire.cut",
                "at": "model-called:3",
                "until": "returned",
                "with": {"how": "rst", "times": 1},
            },
        ],
    },
}
"""Situations that the catalogue has no scenario for."""


def scenario(name: str, variant: str) -> dict[str, Any]:
    """A scenario of the catalogue, one that only variants need, or the variant's own."""
    if variant in OWN:
        return OWN[variant]
    if name in SITUATIONS:
        return SITUATIONS[name]
    plan = catalogue((name,))[0].model_dump(mode="json", by_alias=True)
    return {**plan, "parameters": {**plan["parameters"], **SHORTER}}


def play(plan: dict[str, Any], place: Path, *, target: str = "reference", client: str = "plain") -> History:
    """One trial through the whole harness."""
    order = Order(scenario=plan, target=target, client=client, seed=1, out=str(place))
    Trial(order, cancel=threading.Event(), tell=lambda phase, detail: None).run()
    return History.load(order.directory)


def convictions(history: History) -> Mapping[str, Verdict]:
    """What is violated."""
    return {name: found for name, found in judge(history, list(CATALOGUE)).items() if found.outcome is Outcome.VIOLATED}


def musts(found: Mapping[str, Verdict]) -> set[str]:
    return {name for name in found if CATALOGUE[name].level is Level.MUST}


@pytest.mark.parametrize("variant", SERVERS, ids=lambda v: f"{v.convicted_by}[{v.name}]")
def test_a_broken_server_is_convicted_by_its_guarantee_alone(variant: Any, tmp_path: Path) -> None:
    plan = scenario(variant.scenario, variant.name)
    found = convictions(play(plan, tmp_path, target=f"reference:{variant.name}"))
    assert variant.convicted_by in found
    assert musts(found) <= {variant.convicted_by, *variant.also_breaks}, found


@pytest.mark.parametrize("name", sorted({v.scenario for v in SERVERS}))
def test_the_reference_server_is_convicted_of_nothing(name: str, tmp_path: Path) -> None:
    found = judge(play(scenario(name, ""), tmp_path), list(CATALOGUE))
    assert {one: verdict for one, verdict in found.items() if verdict.outcome in TROUBLE} == {}


@pytest.mark.parametrize("variant", CLIENTS, ids=lambda v: f"{v.convicted_by}[{v.name}]")
def test_a_broken_client_is_convicted_by_its_guarantee_alone(variant: Any, tmp_path: Path) -> None:
    plan = scenario(variant.scenario, variant.name)
    found = convictions(play(plan, tmp_path, client=f"reference:{variant.name}"))
    assert variant.convicted_by in found
    assert musts(found) <= {variant.convicted_by, *variant.also_breaks}, found


@pytest.mark.parametrize("variant", CLIENTS, ids=lambda v: v.name)
def test_the_reference_client_is_convicted_of_nothing(variant: Any, tmp_path: Path) -> None:
    found = judge(play(scenario(variant.scenario, variant.name), tmp_path, client="reference"), list(CATALOGUE))
    assert {one: verdict for one, verdict in found.items() if verdict.outcome in TROUBLE} == {}
    assert found[variant.convicted_by].outcome is Outcome(variant.honest)
