"""What histories of older schemas say in other words."""

from __future__ import annotations

from typing import Any

from tailproof.history.header import Header
from tailproof.history.records import Act, Fault

ACTS_SINCE = 5
"""The first schema in which what users do is no fault."""
_STAGES = {"injected": "done", "healed": "ended"}


def translate_plan(header: Header) -> None:
    """Say the plan of an older history in today's words. What is no plan at all is left as it is."""
    plan = header.plan
    if "grown" in plan:  # up to schema 3
        plan["seeded"] = plan.pop("grown")
    faults = plan.get("faults")
    if not isinstance(faults, list):
        return
    for fault in faults:
        options = fault.get("with") if isinstance(fault, dict) else None
        if isinstance(options, dict) and options.get("restart") == "new-container":  # until a plain process could, too
            options["restart"] = "new-host"
    if header.schema >= ACTS_SINCE:
        return
    acts = [one for one in faults if isinstance(one, dict) and str(one.get("fault", "")).startswith("user.")]
    if acts:
        plan["faults"] = [one for one in faults if one not in acts]
        plan["acts"] = [_act_plan(one) for one in acts]


def _act_plan(fault: dict[str, Any]) -> dict[str, Any]:
    said = {key: value for key, value in fault.items() if key != "hold_until"}
    return {"act": said.pop("fault"), **said}


def acts_among(faults: list[Fault]) -> list[Act]:
    """Take what users did out of `faults`, as acts."""
    theirs = [fault for fault in faults if fault.name.startswith("user.")]
    faults[:] = [fault for fault in faults if fault not in theirs]
    return [
        Act(
            fault.fault,
            fault.name,
            _STAGES.get(fault.stage, fault.stage),  # type: ignore[arg-type]
            says=fault.says,
            proof=fault.proof,
            t_ns=fault.t_ns,
            wall=fault.wall,
            witness=fault.witness,
            seq=fault.seq,
        )
        for fault in theirs
    ]
