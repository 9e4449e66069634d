"""What a person reads of a finding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tailproof.guarantees.catalogue import CATALOGUE
from tailproof.reports.words import count

if TYPE_CHECKING:
    from tailproof.explore.findings import Finding


def text(finding: Finding) -> str:
    """A page of Markdown."""
    return "\n".join([*_lines(finding), ""])


def _lines(finding: Finding) -> Iterator[str]:
    guarantee = CATALOGUE[finding.guarantee]
    yield f"# {finding.guarantee}: {finding.signature}"
    yield ""
    yield f"{guarantee.level}: {guarantee.promise}"
    yield ""
    yield f"- first seen: `{finding.seen_in}` ({finding.original.get('summary', '')})"
    yield f"- {confirmed(finding)}"
    yield f"- smallest scenario: `{finding.name}.yaml`, {size(finding)}, after {count(finding.trials, 'trial')}"
    for one in finding.needed:
        yield f"- without {one.without}: {f'{one.hits} of {one.trials}' if one.trials else 'no trial could tell'}"
    if finding.shown:
        yield f"- its history: `{finding.shown}`"
    yield ""
    yield "Play it: `tailproof check TARGET --scenario " + f"found/{finding.name}.yaml`"


def confirmed(finding: Finding) -> str:
    """`confirmed in 2 of 3 trials`."""
    if finding.confirmed is None:
        return "not confirmed yet"
    if not finding.confirmed.trials:
        return "not confirmed: no trial could tell"
    if not finding.confirmed.hits:
        return f"it did not come back in {count(finding.confirmed.trials, 'trial')}"
    return f"confirmed in {finding.confirmed.hits} of {count(finding.confirmed.trials, 'trial')}"


def size(finding: Finding) -> str:
    """`1 fault, 1 act, 3 turns`."""
    plan = finding.plan
    parts = (("faults", "fault"), ("acts", "act"), ("script", "turn"))
    return ", ".join(count(len(plan.get(key) or ()), noun) for key, noun in parts)
