"""About how long a check takes: from what its scenarios cost, and from how fast it was until now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from tailproof.incoming import BadInput
from tailproof.reports import json
from tailproof.reports.run_events import CheckBegan
from tailproof.runner import out_dir
from tailproof.runner.check import Check
from tailproof.runner.shard import cost

_SURE_AFTER = 0.1
"""The part of all that has to be done before the speed of this machine counts for more than that of others."""


def costs_of(check: Check) -> dict[str, float]:
    """The rough seconds of each trial, by its name."""
    scenarios = {cell.scenario.name: cell.scenario for cell in check.cells}
    return {order.name: cost(scenarios[str(order.scenario["name"])], 1) for order in check.orders}


def began(check: Check, costs: Mapping[str, float], *, parallel: int, started: float) -> CheckBegan:
    """What is told when a check begins; `started` is the time of day, in seconds since 1970."""
    return CheckBegan(
        t_s=0.0,
        started=datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        target=", ".join(dict.fromkeys(pair.target for pair in check.pairs)),
        client=", ".join(dict.fromkeys(pair.client for pair in check.pairs)),
        trials=len(costs),
        parallel=parallel,
        expected_s=round(expected_s(costs, parallel)),
    )


def durations(out: Path) -> dict[str, float]:
    """The seconds of a trial of each scenario, on the average of those that the check before has played, whose result lies in `out`;
    nothing where there was none."""
    try:
        result = json.read(out / out_dir.RESULT)
    except BadInput:
        return {}
    seconds: dict[str, list[float]] = {}
    for trial in result.trials:
        if trial.error is None:
            seconds.setdefault(trial.scenario, []).append(trial.duration_s)
    return {name: sum(some) / len(some) for name, some in seconds.items()}


def expected_s(costs: Mapping[str, float], parallel: int) -> float:
    """Seconds for all trials, so many side by side; what has to be built first is not in it."""
    return sum(costs.values()) / max(1, min(parallel, len(costs)))


def left_s(costs: Mapping[str, float], ended: frozenset[str], *, elapsed_s: float, parallel: int) -> float:
    """Seconds until all trials have ended, of which these have. The more of them have, the more it follows the time they took."""
    if not costs:
        return 0.0
    whole = expected_s(costs, parallel)
    part = sum(costs[name] for name in ended) / sum(costs.values())
    trust = min(1.0, part / _SURE_AFTER)
    slower = trust * elapsed_s / (part * whole) + 1 - trust if part else 1.0
    return whole * (1 - part) * slower
