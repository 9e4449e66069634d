"""What a check would do: its trials, what it would not run and why, and about how long it takes. Starts and builds nothing."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tailproof.outgoing.visible import visible
from tailproof.reports.words import count, roughly
from tailproof.runner.check import Check, CheckOptions, costs
from tailproof.runner.ending import CANNOT_TELL
from tailproof.runner.estimate import costs_of, durations, expected_s
from tailproof.runner.pairs import meet
from tailproof.runner.shard import dealt

_NAMES = 34


def foretell(targets: Sequence[str], asked: Mapping[str, Any], *, width: int, echo: Callable[[str], object]) -> int:
    """Tell what `tailproof check` would do with the options that it was `asked` for. Returns 0, or 2 when nothing would be run. Raises
    BadInput."""
    options = CheckOptions.of(asked)
    check = Check.plan(options, lambda: meet(targets, asked["clients"], model_url=asked["model_url"], build=False))
    echo(plan_text(check, parallel=asked["workers"], width=width, shards=asked["shards"] or 0))
    return 0 if check.orders else CANNOT_TELL


def plan_text(check: Check, *, parallel: int, width: int, shards: int = 0) -> str:
    """The plan as text, each scenario with its rough time; the sum is for so many trials side by side, in each of so many shards."""
    return "\n".join(visible(line) for line in _lines(check, parallel=parallel, width=width, shards=shards))


def _lines(check: Check, *, parallel: int, width: int, shards: int) -> Iterator[str]:
    trials = Counter(str(order.scenario["name"]) for order in check.orders)
    all_costs = costs_of(check)
    judged = [cell for cell in check.cells if cell.order is not None]
    landings = [plan for order in check.orders for plan in (*order.scenario["faults"], *order.scenario["acts"])]
    faults = sum("fault" in plan for plan in landings)
    yield (
        f"{count(len(check.orders), 'trial')} of {count(len(trials), 'scenario')}: {count(len(judged), 'verdict')}, "
        f"{count(faults, 'fault')}, {count(len(landings) - faults, 'act')}"
    )
    if check.shard:
        yield f"shard {check.shard.number} of {check.shard.of}: {check.shard.scenarios} of {check.shard.in_all} scenarios"
    for pair in check.pairs:
        yield f"  {pair.client} with {pair.target}" + (f": {pair.error}" if pair.error else "")
    yield (
        f"about {roughly(expected_s(all_costs, parallel * (shards or 1)))} with {parallel * (shards or 1)} side by side; "
        "what is not built yet is built first"
    )
    if shards:
        took = costs(check.cells, durations(Path(check.options.out)))
        for number, names in enumerate(dealt(took, shards), 1):
            seconds = sum(took[name] for name in names) / parallel
            yield f"  shard {number} of {shards}: {count(len(names), 'scenario')}, about {roughly(seconds)}"
    if trials:
        yield ""
    for name, often in trials.items():
        seconds = sum(all_costs[order.name] for order in check.orders if order.scenario["name"] == name)
        yield f"  {name:<{_NAMES}} about {roughly(seconds)}" + (f" in {often} trials" if often > 1 else "")
    if rows := check.not_run:
        yield ""
        yield "NOT RUN"
    for row in rows:
        by = f" ({row.client})" if len({pair.client for pair in check.pairs}) > 1 else ""
        text = f"{row.scenario:<{_NAMES}} {row.reason}{by}"
        yield from textwrap.wrap(text, width, initial_indent="  ", subsequent_indent=" " * (_NAMES + 3))
