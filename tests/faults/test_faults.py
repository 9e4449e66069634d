"""Every kind of fault in a real trial on the honest server: written down before, proven while on, gone after healing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fault_stage import TWO_RUNS, play

from tailproof.faults.catalogue import CATALOGUE, fault_for
from tailproof.targets.resolve import resolve

END = {"event": "terminal-status"}
STATUS = {"request": "status"}
PLANS: dict[str, dict[str, Any]] = {
    "process.kill": {"at": "tool-running:2"},
    "process.restart": {"at": "returned:1"},
    "process.pause": {"at": "model-called:2", "until": "model-called:2"},
    "process.twin": {"at": "returned:1", "until": "model-called:4"},
    "disk.full": {"at": "terminal:1"},
    "disk.read-only": {"at": "terminal:1"},
    "disk.slow": {"at": "model-called:2", "with": {"seconds": 0.3}},
    "disk.full-at-start": {"at": "returned:1"},
    "process.downgrade": {"at": "returned:1"},
    "clock.step": {"at": "returned:1", "with": {"hours": 3}},
    "wire.hold": {"at": "created", "until": "terminal:1"},
    "wire.delay": {"at": "created", "with": {"seconds": 0.3}},
    "wire.burst": {"at": "created", "with": {"seconds": 0.3}},
    "wire.drop": {"at": "created", "with": {"match": {"nth": 2}}},
    "wire.drop-last": {"at": "created", "with": {"count": 2, "until": END}},
    "wire.duplicate": {"at": "created", "with": {"match": {"nth": 2}}},
    "wire.reorder": {"at": "created", "with": {"count": 2}},
    "wire.cut": {"at": "final-reply:1", "with": {"how": "rst", "times": 1}},
    "wire.down": {"at": "model-called:2", "until": "model-called:2"},
    "wire.silence": {"at": "created"},
    "wire.delay-request": {"at": "created", "with": {"seconds": 0.2, "match": STATUS}},
    "wire.delay-response": {"at": "created", "with": {"seconds": 0.2, "match": STATUS}},
    "wire.status": {"at": "created", "with": {"code": 503, "match": STATUS, "times": 2}},
    "wire.reset-before": {"at": "created", "with": {"match": STATUS, "times": 1}},
    "wire.reset-after": {"at": "created", "with": {"match": STATUS, "times": 1}},
    "wire.truncate": {"at": "created", "with": {"bytes": 20, "match": STATUS, "times": 1}},
    "network.latency": {"at": "created", "with": {"attributes": {"latency": 100}}},
    "network.bandwidth": {"at": "created", "with": {"attributes": {"rate": 64}}},
    "network.slicer": {"at": "created", "with": {"attributes": {"average_size": 64, "size_variation": 8, "delay": 10}}},
}
ELSEWHERE = {
    **{f"hooks.{does}": "tests/reference: needs a server with webhooks" for does in ("down", "slow", "hang", "refuse")},
    "disk.damage": "tests/reference: ends a life of the server",
    "process.fork-bomb": "tests/targets: needs a container",
    "memory.server": "tests/targets: needs a container",
    "wire.black-hole": "tests/wire: a client waits for its own timeout, 30 s",
    "memory.child": "tests/targets: needs a container",
    "memory.helper": "bench.sabotage, as a control: needs a container with terminals",
    "memory.pressure": "tests/sabotage: needs a container",
    "network.reset_peer": "tests/wire: cuts the subscription before a run can begin",
    "network.timeout": "tests/wire: the same",
    "network.limit_data": "tests/wire: the same",
}


def test_every_fault_is_tried_somewhere() -> None:
    assert PLANS.keys() | ELSEWHERE.keys() == CATALOGUE.keys()


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=[pytest.mark.toxiproxy] if kind.startswith("network.") else []) for kind in PLANS],
)
def test_a_fault_is_announced_proven_and_healed_and_the_next_run_is_untouched(tmp_path: Path, kind: str) -> None:
    plan = PLANS[kind]
    fault = fault_for("it", kind, plan.get("with", {}))
    if kind.startswith(("disk.", "clock.")) and (missing := fault.available(resolve("reference").capabilities)):
        pytest.skip(missing)
    script = [dict(turn) for turn in TWO_RUNS]
    if plan["at"] == "tool-running:2":
        script[1] = {"tools": [{"token": "two", "gate": True}]}
    history = play(tmp_path, {"fault": kind, "until": "returned:1", **plan}, script=script, messages=("go", "go on"))
    assert [fault.stage for fault in history.faults] == ["intent", "injected", "proven", "healed"], history.faults
    healed = history.faults[-1].t_ns
    after = [exchange for exchange in history.exchanges if exchange.began_ns > healed]
    assert {exchange.done for exchange in after} <= {"passed", "upgraded"}
    assert [effect.token for effect in history.effects if effect.stage == "begin"][-1] == "three"
    assert history.phases[-1].name == "ended"


@pytest.mark.parametrize("kind", CATALOGUE)
def test_options_that_do_not_exist_are_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="colour"):
        fault_for("it", kind, {"colour": "blue"})
