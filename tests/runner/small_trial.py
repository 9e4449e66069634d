"""One trial on the reference server, as small as can be."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tailproof.history.reader import History
from tailproof.scenario.schema import Scenario
from tailproof.trial.order import Order
from tailproof.trial.trial import Trial

GATED: dict[str, Any] = {"tools": [{"token": "one", "gate": True}]}
FINISH: dict[str, Any] = {"finish": "done"}
KILL: dict[str, Any] = {"id": "it", "fault": "process.kill", "at": "tool-running:1"}


def order(out: Path, *, target: str = "reference", client: str = "plain", **plan: Any) -> Order:
    """An order for a scenario of one tool and a last word, unless `plan` says otherwise."""
    scenario = Scenario.model_validate(
        {
            "name": "small",
            "family": "calm",
            "summary": "What is asked for.",
            "script": [{"tools": [{"token": "one"}]}, FINISH],
            "seconds": 60,
            **plan,
        }
    )
    dumped = scenario.model_dump(mode="json", by_alias=True)
    return Order(scenario=dumped, target=target, client=client, seed=1, out=str(out))


def trial(asked: Order, *, tell: Callable[[str, str], None] = lambda phase, detail: None) -> Trial:
    """The trial of an order, not begun."""
    return Trial(asked, cancel=threading.Event(), tell=tell)


def play(out: Path, **asked: Any) -> History:
    """The history of one trial."""
    wanted = order(out, **asked)
    trial(wanted).run()
    return History.load(wanted.directory)
