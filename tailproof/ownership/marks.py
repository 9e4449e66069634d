"""The marks of what we start: two environment variables, which all descendants of a process inherit, and two labels of whatever an
engine holds. A third variable tells the parts of a trial apart."""

from __future__ import annotations

from tailproof.ownership.owners import Owner, owner_id

TRIAL = "TAILPROOF_TRIAL"
OWNER = "TAILPROOF_OWNER"
PART = "TAILPROOF_PART"
TRIAL_LABEL = "tailproof.trial"
OWNER_LABEL = "tailproof.owner"
SUPERVISOR = "supervisor"
"""The part of a process that takes down what it started by itself, when whoever started it is gone."""


def variables(owner: Owner, part: str) -> dict[str, str]:
    """Environment variables for a process of a trial. `part` tells the server from the other processes of the trial."""
    return {TRIAL: owner.trial, OWNER: owner.owner, PART: part}


def own_variables(part: str) -> dict[str, str]:
    """For a process that belongs to this one, and to no trial."""
    return variables(Owner(trial="", owner=owner_id()), part)


def labels(owner: Owner) -> dict[str, str]:
    """Labels for a container, network or volume of a trial."""
    return {TRIAL_LABEL: owner.trial, OWNER_LABEL: owner.owner}
