"""Every kind of act by its name in a scenario, and what a scenario plans: acts and faults alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tailproof.acts.session import KINDS as SANDBOX_ACTS
from tailproof.extensions import table
from tailproof.faults.catalogue import fault_for, made
from tailproof.faults.fault import Fault, Make, Planned
from tailproof.faults.sandbox import KINDS as SANDBOX_FAULTS
from tailproof.faults.sandbox_stage import SandboxFault
from tailproof.scenario.schema import ActPlan, FaultPlan

CATALOGUE: Mapping[str, Make] = table("acts")


def act_for(identity: str, kind: str, options: dict[str, Any]) -> Fault:
    """An act as a scenario asks for it. Raises ValueError: unknown kind, unknown or bad options."""
    return made(CATALOGUE, "act", identity, kind, options)


def planned(plan: ActPlan | FaultPlan) -> Fault:
    """What a scenario plans: an act has the five verbs of a fault. Raises ValueError as `act_for` and `fault_for` do."""
    make = act_for if isinstance(plan, ActPlan) else fault_for
    return make(plan.id, plan.kind, plan.options)


def announced(plan: ActPlan | FaultPlan) -> Planned:
    """The same for whoever does not carry it out, also for what is done to executors and their sandboxes. Raises ValueError."""
    of_executors = SANDBOX_ACTS if isinstance(plan, ActPlan) else SANDBOX_FAULTS
    return planned_for_an_executor(plan) if plan.kind in of_executors else planned(plan)


def planned_for_an_executor(plan: ActPlan | FaultPlan) -> SandboxFault:
    """What a scenario of an executor plans. Raises ValueError: unknown kind, unknown or bad options."""
    if isinstance(plan, ActPlan):
        return made(SANDBOX_ACTS, "act", plan.id, plan.kind, plan.options)
    return made(SANDBOX_FAULTS, "fault", plan.id, plan.kind, plan.options)
