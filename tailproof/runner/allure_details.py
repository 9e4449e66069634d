"""What Allure is told of a verdict beyond its status. Without `--alluredir` nobody listens."""

from __future__ import annotations

from typing import Any

import allure
import msgspec
import pytest

from tailproof.guarantees.verdict import Level, Outcome
from tailproof.outgoing.masking import Masker, secrets_of_environment
from tailproof.outgoing.visible import visible, visible_json
from tailproof.reports.result import TrialResult, VerdictResult
from tailproof.reports.words import proof, span, window

_DYNAMIC: Any = allure.dynamic
"""Its functions have no types."""
SEVERITY = {
    Level.MUST: allure.severity_level.CRITICAL,
    Level.SHOULD: allure.severity_level.NORMAL,
    Level.MAY: allure.severity_level.MINOR,
}


def name_case(trial: str) -> None:
    """The trial tells one verdict on a guarantee from another: without it all of them would have one history."""
    _DYNAMIC.parameter("trial", trial)


def describe(item: pytest.Item, verdict: VerdictResult, trial: TrialResult) -> None:
    """Labels, description, links, the trial as steps, and for what does not hold the verdict as a file. Called in the setup of its test."""
    if not item.config.getoption("allure_report_dir", None):
        return  # to mask all that costs more than to judge it
    _DYNAMIC.severity(SEVERITY[verdict.level])
    _DYNAMIC.feature(verdict.guarantee.partition(".")[0])
    _DYNAMIC.story(verdict.guarantee)
    _DYNAMIC.tag(str(verdict.level), trial.tier, trial.family)
    said = [f"{verdict.promise} ({verdict.source})" if verdict.source else verdict.promise, trial.summary, verdict.says]
    # Allure takes the description of a test from its marks when the setup has ended.
    item.add_marker(pytest.mark.allure_description("\n\n".join(_plain(line) for line in said if line)))
    if verdict.known is not None:
        _DYNAMIC.issue(verdict.known.link, name=_plain(verdict.known.reason))
    for phase in trial.phases:
        with allure.step(_plain(f"{phase.name}, {span(phase.seconds)}")):
            for fault in trial.faults:
                if fault.injected_at_s is not None and 0 <= fault.injected_at_s - phase.at_s < phase.seconds:
                    with allure.step(_plain(f"{fault.name} {window(fault)}, {proof(fault)}")):
                        pass
    if verdict.outcome in (Outcome.VIOLATED, Outcome.INCONCLUSIVE):
        raw = visible_json(msgspec.json.format(msgspec.json.encode(verdict), indent=2))
        allure.attach(_masker().raw(raw), name="verdict.json", attachment_type=allure.attachment_type.JSON)


def _plain(text: str) -> str:
    return _masker().text(visible(text))


def _masker() -> Masker:
    return Masker(secrets_of_environment())
