"""Whether a violation is one that is known already, seen in another situation."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from tailproof.guarantees.verdict import Outcome
from tailproof.reports.baseline import Baseline, Entry
from tailproof.reports.result import KnownResult, TrialResult, VerdictResult
from tailproof.runner.check import catalogue


def kinds_of(plan: Mapping[str, Any]) -> frozenset[str]:
    """The kinds of faults and acts of a scenario."""
    landings = (*(plan.get("faults") or ()), *(plan.get("acts") or ()))
    return frozenset(str(one.get("fault") or one.get("act")) for one in landings)


@dataclass(frozen=True, slots=True)
class Likeness:
    """The entries of a baseline, each with the kinds of what lands in its scenario, or in each of its scenarios. What is drawn has
    another name than these, and shows the same bug if it breaks the same guarantee in the same way and all that one of them does is
    done in it, too."""

    entries: tuple[tuple[str, Entry, frozenset[frozenset[str]]], ...]

    @classmethod
    def of(cls, baseline: Baseline) -> Likeness:
        """Raises BadFile: a scenario cannot be read."""
        names = sorted({entry.scenario for _, entry in baseline.entries})
        kinds = {
            scenario.name: kinds_of(scenario.model_dump(mode="json", by_alias=True)) for scenario in catalogue(names)
        }
        mine = ((where, entry, fnmatch.filter(kinds, entry.scenario)) for where, entry in baseline.entries)
        return cls(
            tuple(
                (where, entry, frozenset(kinds[name] for name in played))
                for where, entry, played in mine
                if not entry.expired(baseline.day)
            )
        )

    def known(self, trial: TrialResult, verdict: VerdictResult, plan: Mapping[str, Any]) -> KnownResult | None:
        """The entry that a violation is like; None for what is not violated, and for what nobody knows."""
        if verdict.outcome is not Outcome.VIOLATED:
            return None
        done = kinds_of(plan)
        for where, entry, kinds in self.entries:
            if any(one <= done for one in kinds) and _means(entry, trial, verdict):
                return KnownResult(reason=entry.reason, link=entry.link, entry=where)
        return None


def _means(entry: Entry, trial: TrialResult, verdict: VerdictResult) -> bool:
    there = replace(trial, scenario=entry.scenario)
    return entry.occurs(there, verdict) and not entry.out_of_range(there)
