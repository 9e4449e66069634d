"""What a comparison of two results found, as data: every writer of it reads a `Comparison`, and nothing else.

The model is published as JSON Schema in `reports/compare.schema.json`, by the rules of `result.schema.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from tailproof.guarantees.verdict import Level
from tailproof.reports.gate import cell
from tailproof.reports.result import FailOn, FaultResult, LifeResult, VerdictResult

COMPARISON_VERSION = 1

Change = Literal["new", "flaky", "still", "undecided", "fixed"]
"""`flaky` was violated on both sides, on at least one not in every trial; or was before in some trials only, and too few were played
since to tell that it is gone. `undecided` was violated before, and no trial since has decided it."""
Phase = Literal["conformance", "faults", "recovery"]
"""Of a scenario: nothing is done to the server; something is; its server dies or restarts."""
Judgement = Literal["PASS", "PASS WITH ISSUES", "FAIL", "PARTIAL"]
Answer = Literal["yes", "partially", "no", "not shown"]

EXIT: Mapping[Judgement, int] = {"PASS": 0, "PASS WITH ISSUES": 0, "FAIL": 1, "PARTIAL": 2}


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a comparison: never changed once it is made."""


class Side(Facts, frozen=True, kw_only=True):
    """One side. `name` is how it was asked for, `folder` where its result lies (histories are relative to it)."""

    name: str
    target: str
    client: str
    seed: int
    trials: int
    duration_s: float
    folder: str = ""
    versions: dict[str, str] = {}


class Sighting(Facts, frozen=True, kw_only=True):
    """What one side shows of a guarantee in a scenario: violated in this way in `violated` of the `judged` trials that decided it, and kept
    in `held` of them.
    `verdict` stands for them (one that is violated so, else one that holds, else any; null when there is none), `history` is its
    trial's."""

    violated: int
    held: int
    judged: int
    verdict: VerdictResult | None = None
    history: str = ""


class Finding(Facts, frozen=True, kw_only=True):
    """A violation of one side or of both. `closes`: it is new, decides, and is not known."""

    change: Change
    guarantee: str
    level: Level
    scenario: str
    signature: str
    base: Sighting
    candidate: Sighting
    closes: bool = False

    @property
    def called(self) -> str:
        """`events.tail[stream-lag]`."""
        return cell(self.guarantee, self.scenario)


class Played(Facts, frozen=True, kw_only=True):
    """A scenario on one side: how its verdicts came out (by outcome), how many faults were planned and proven in all its trials, and the
    faults and lives of one of them."""

    trials: int
    failed: int
    outcomes: dict[str, int]
    command: str
    planned: int = 0
    proven: int = 0
    faults: tuple[FaultResult, ...] = ()
    lives: tuple[LifeResult, ...] = ()


class ScenarioComparison(Facts, frozen=True, kw_only=True):
    """A scenario that was played on both sides."""

    scenario: str
    summary: str
    phase: Phase
    base: Played
    candidate: Played


class Unverified(Facts, frozen=True, kw_only=True):
    """What could not be verified, why, and how to. `weighs`: a violation that the change brought might hide there."""

    what: str
    why: str
    how: str
    weighs: bool = False


class Comparison(Facts, frozen=True, kw_only=True):
    """Before and after. `says` is one sentence; `answer` is empty where no goal was stated, `proofs` are the findings it rests on."""

    schema: int = COMPARISON_VERSION
    tailproof: str
    verdict: Judgement
    exit_code: int
    says: str
    goal: str = ""
    answer: Answer | Literal[""] = ""
    proofs: tuple[Finding, ...] = ()
    checks: str = ""
    """What somebody else says of the change: the CI, its tests."""
    fail_on: FailOn = "must"
    base: Side
    candidate: Side
    scenarios: tuple[ScenarioComparison, ...] = ()
    findings: tuple[Finding, ...] = ()
    unverified: tuple[Unverified, ...] = ()

    @property
    def sides(self) -> str:
        """`before pypi:1.11.0 with sdk:1.11.0 · after pypi:1.11.1 with sdk:1.11.1`."""
        base, candidate = self.base, self.candidate
        return f"before {base.target} with {base.client} · after {candidate.target} with {candidate.client}"

    def of(self, *changes: Change) -> list[Finding]:
        """The findings of these changes."""
        return [finding for finding in self.findings if finding.change in changes]
