"""Every kind of act by its name in a scenario, and what a scenario plans: acts and faults alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tailproof.extensions import table
from tailproof.faults.catalogue import fault_for, made
from tailproof.faults.fault import Fault, Make
from tailproof.scenario.schema import ActPlan, FaultPlan

CATALOGUE: Mapping[str, Make] = table("acts")


def act_for(identity: str, kind: str, options: dict[str, Any]) -> Fault:
    """An act as a scenario asks for it. Raises ValueError: unknown kind, unknown or bad options."""
    return made(CATALOGUE, "act", identity, kind, options)


def planned(plan: ActPlan | FaultPlan) -> Fault:
    """What a scenario plans: an act has the five verbs of a fault. Raises ValueError as `act_for` and `fault_for` do."""
    make = act_for if isinstance(plan, ActPlan) else fault_for
    return make(plan.id, plan.kind, plan.options)
