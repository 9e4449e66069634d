"""SARIF 2.1.0: each violation and each verdict that is open, for whoever gathers findings of many tools.

A rule is a guarantee, a location is a record of a history (`trials/NAME/WITNESS.jsonl`, its line), relative to the result. What is known
is suppressed with its reason. The fingerprint is the one thing that stays: guarantee, scenario, signature.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from tailproof.guarantees.verdict import Level, Outcome
from tailproof.outgoing.atomic import write_atomically
from tailproof.outgoing.masking import Masker, secrets_of_environment
from tailproof.outgoing.visible import visible_json
from tailproof.reports.gate import cell
from tailproof.reports.result import EvidenceResult, Result, TrialResult, VerdictResult
from tailproof.reports.words import moment

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
FINGERPRINT = "guaranteeScenarioSignature/v1"
_LEVEL = {Level.MUST: "error", Level.SHOULD: "warning", Level.MAY: "note"}
_HEADER = "header.json"


def encode(result: Result) -> bytes:
    """Indented UTF-8 with a newline at the end."""
    found = [(trial, verdict) for trial, verdict in result.judged() if _is_told(verdict)]
    rules = list(dict.fromkeys(verdict.guarantee for _, verdict in found))
    first = {verdict.guarantee: verdict for _, verdict in reversed(found)}
    run = {
        "tool": {
            "driver": {
                "name": "tailproof",
                "semanticVersion": result.tailproof,
                "rules": [_rule(first[name]) for name in rules],
            }
        },
        "invocations": [
            {
                "executionSuccessful": result.gate.state != "unknown",
                "exitCode": result.gate.exit_code,
                "startTimeUtc": result.started.replace("+00:00", "Z"),
                "toolExecutionNotifications": [
                    {"level": "warning", "message": {"text": doubt}} for doubt in result.gate.doubts
                ],
            }
        ],
        "automationDetails": {"id": f"tailproof/{result.target}/{result.client}/"},
        "results": [_result(trial, verdict, rules.index(verdict.guarantee)) for trial, verdict in found],
        "columnKind": "unicodeCodePoints",
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return visible_json(msgspec.json.format(msgspec.json.encode(log), indent=2) + b"\n")


def write(result: Result, path: Path) -> None:
    """Write so that nobody ever sees half of it, nor a secret that this process was given. Raises OSError."""
    write_atomically(path, Masker(secrets_of_environment()).raw(encode(result)))


def _is_told(verdict: VerdictResult) -> bool:
    return verdict.outcome in (Outcome.VIOLATED, Outcome.INCONCLUSIVE)


def _rule(verdict: VerdictResult) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "id": verdict.guarantee,
        "shortDescription": {"text": verdict.promise},
        "defaultConfiguration": {"level": _LEVEL[verdict.level]},
        "properties": {"tags": [str(verdict.level), verdict.guarantee.partition(".")[0]]},
    }
    if verdict.source:
        rule["fullDescription"] = {"text": f"{verdict.promise} ({verdict.source})"}
    return rule


def _result(trial: TrialResult, verdict: VerdictResult, rule: int) -> dict[str, Any]:
    fails = verdict.outcome is Outcome.VIOLATED
    told: dict[str, Any] = {
        "ruleId": verdict.guarantee,
        "ruleIndex": rule,
        "kind": "fail" if fails else "open",
        "level": _LEVEL[verdict.level] if fails else "none",
        "message": {"text": f"{cell(verdict.guarantee, trial.called)}: {verdict.says}\n{verdict.repro}".rstrip()},
        "locations": [_location(trial, one) for one in verdict.evidence] or [_location(trial, None)],
        "partialFingerprints": {FINGERPRINT: f"{verdict.guarantee}|{trial.called}|{verdict.signature}"},
        "properties": {"target": trial.target, "client": trial.client, "seed": trial.seed},
    }
    if verdict.known is not None:
        why = f"{verdict.known.reason} ({verdict.known.link})"
        told["suppressions"] = [{"kind": "external", "status": "accepted", "justification": why}]
    return told


def _location(trial: TrialResult, evidence: EvidenceResult | None) -> dict[str, Any]:
    file = f"{evidence.witness}.jsonl" if evidence else _HEADER
    physical: dict[str, Any] = {"artifactLocation": {"uri": f"{trial.history}/{file}"}}
    location: dict[str, Any] = {
        "physicalLocation": physical,
        "logicalLocations": [{"fullyQualifiedName": trial.called}],
    }
    physical["region"] = {"startLine": evidence.seq + 1 if evidence else 1}
    if evidence:
        location["message"] = {"text": f"{moment(evidence.at_s)}: {evidence.says}"}
    return location
