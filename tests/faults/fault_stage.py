"""A real trial on the honest server, short enough to be played for each fault."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from tailproof.history.reader import History
from tailproof.history.records import Act, Fault
from tailproof.scenario.schema import Scenario
from tailproof.trial.order import Order
from tailproof.trial.trial import Trial

TWO_RUNS: list[dict[str, Any]] = [
    {"tools": [{"token": "one"}]},
    {"tools": [{"token": "two"}]},
    {"finish": "first"},
    {"tools": [{"token": "three"}]},
    {"finish": "second"},
]
GATED: list[dict[str, Any]] = [
    {"tools": [{"token": "one", "gate": True}]},
    {"tools": [{"token": "two"}]},
    {"finish": "."},
]


def play(
    tmp_path: Path,
    *landings: dict[str, Any],
    script: list[dict[str, Any]],
    client: str = "plain",
    messages: tuple[str, ...] = ("go",),
    parameters: dict[str, float] | None = None,
    confirmation: str = "never",
) -> History:
    """The history of one trial."""
    scenario = Scenario.model_validate(
        {
            "name": "faults-on-stage",
            "family": "calm",
            "summary": "What is asked for.",
            "messages": list(messages),
            "script": script,
            "confirmation": confirmation,
            "acts": [{"id": "it", **landing} for landing in landings if "act" in landing],
            "faults": [{"id": "it", **landing} for landing in landings if "fault" in landing],
            "parameters": {"loop.returns": 3.0, **(parameters or {})},
            "seconds": 60,
        }
    )
    order = Order(
        scenario=scenario.model_dump(mode="json", by_alias=True),
        target="reference",
        client=client,
        seed=1,
        out=str(tmp_path),
    )
    Trial(order, cancel=threading.Event(), tell=lambda phase, detail: None).run()
    return History.load(order.directory)


def stages(history: History, fault: str = "it") -> dict[str, Fault]:
    """The steps in the life of one fault, in their order."""
    return {record.stage: record for record in history.faults if record.fault == fault}


def steps(history: History, act: str = "it") -> dict[str, Act]:
    """The steps in the life of one act, in their order."""
    return {record.stage: record for record in history.acts if record.act == act}
