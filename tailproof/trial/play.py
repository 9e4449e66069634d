"""Which trial an order asks for: one of a server, or one of an executor."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tailproof.acts.catalogue import announced
from tailproof.faults.fault import NODE
from tailproof.scenario.schema import Scenario
from tailproof.targets.resolve import kind_of
from tailproof.trial.order import Order
from tailproof.trial.recorded import RecordedTrial
from tailproof.trial.server_pool import ServerPool
from tailproof.trial.trial import Trial


def plays_alone(scenario: Scenario) -> bool:
    """What is done in it reaches the pods of other trials. Raises ValueError: a fault or an act that does not exist."""
    return any(announced(plan).scope == NODE for plan in scenario.landings)


def trial_of(
    order: Order, *, cancel: threading.Event, tell: Callable[[str, str], None], pool: ServerPool | None = None
) -> RecordedTrial:
    """`pool` has servers that earlier trials left in good order."""
    if kind_of(order.target)[0].executes:
        # The client of the cluster takes longer to load than the rest of a command.
        from tailproof.trial.execution_trial import ExecutionTrial

        return ExecutionTrial(order, cancel=cancel, tell=tell)
    return Trial(order, cancel=cancel, tell=tell, pool=pool)
