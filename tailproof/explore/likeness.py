"""Whether a violation is one that is known already, seen in another situation."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace
from pydantic import BaseModel

from tailproof.acts.catalogue import CATALOGUE as ACTS
from tailproof.explore.smaller import kind_of, lands, without_sizes
from tailproof.faults.catalogue import CATALOGUE as FAULTS
from tailproof.guarantees.verdict import Outcome
from tailproof.reports.baseline import Baseline, Entry
from tailproof.reports.result import KnownResult, TrialResult, VerdictResult
from tailproof.runner.check import catalogue
from tailproof.scenario.schema import Scenario

_HOW = frozenset({"scope", "signal", "survivors", "code"})
"""Parameters that say how the same is done: a server that is killed in another way is no other situation."""
_SAID = frozenset(
    {"name", "family", "summary", "tier", "client", "messages", "script", "acts", "faults", "parameters", "guarantees"}
    | {"seconds", "max_iterations"}
)
"""What a scenario says that is no setting of the server, the agent or the client."""
_ROOM = frozenset({"model.retries", "server.memory"})
"""Settings that only make room for what a scenario is about."""
_ACTS_OF_VERBS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "send": ("user.message", {"run": False}),
    **{verb: (f"user.{verb}", {}) for verb in ("run", "pause", "interrupt", "confirm", "reject", "fork", "delete")},
}
"""Verb -> the act that asks for the same, with what it does not say."""
_OF_ANY_TURN = frozenset({"say", "finish", "tools", "thought", "delay_s", "hold", "repeat"})
_OF_ANY_CALL = frozenset({"token", "gate", "journal", "run"})
Landed = tuple[str, Mapping[str, Any]]
"""The kind of a fault or an act that landed, and its parameters."""


def landed_in(trial: TrialResult) -> tuple[str, ...]:
    """The ids of what landed."""
    return tuple(one.fault for one in trial.faults if one.injected_at_s is not None)


def kinds_of(plan: Mapping[str, Any]) -> frozenset[str]:
    """The kinds of faults and acts of a scenario."""
    return frozenset(map(kind_of, lands(plan)))


@dataclass(frozen=True, slots=True)
class Done:
    """What makes a scenario the situation that it is: what lands, with the parameters that are no sizes, and what is set."""

    landed: tuple[Landed, ...]
    set: frozenset[str]
    runs: frozenset[str]
    """The commands of its tools: what a scenario is about in which nothing lands."""

    @classmethod
    def by(cls, plan: Mapping[str, Any], landed: Collection[str] | None = None) -> Done:
        """By a scenario, as data; only by what has these ids, if they are given."""
        there = [one for one in lands(plan) if landed is None or one["id"] in landed]
        told = Scenario.model_validate(plan).model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return cls(
            tuple((kind_of(one), one.get("with") or {}) for one in there),
            frozenset((*_settings(told), *_of_script(told))),
            frozenset(_commands(told)),
        )

    def is_done_in(self, other: Done) -> bool:
        """All of it is done there, too: of what lands, whatever is said of it here that does not go without saying is so there. What
        lands nothing, sets nothing and runs no command of its own is done everywhere."""
        here = self.set if self.landed else self.set | self.runs
        return here <= other.set | other.runs and all(
            any(
                kind == theirs and _holds(_what(kind, said), _effective(theirs, options))
                for theirs, options in (*other.landed, *_also(other.landed))
            )
            for kind, said in self.landed
        )


def _also(landed: Iterable[Landed]) -> Iterator[Landed]:
    """The acts that requests of a verb come to as well: whoever asks for `send` posts a message."""
    for kind, options in landed:
        if kind == "user.request" and options.get("verb") in _ACTS_OF_VERBS:
            yield _ACTS_OF_VERBS[options["verb"]]


def _what(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    usual = _effective(kind, {})
    return {
        name: value
        for name, value in without_sizes(options).items()
        if name not in _HOW and not (name in usual and usual[name] == value)
    }


def _effective(kind: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """With what goes without saying."""
    make = FAULTS.get(kind) or ACTS.get(kind)
    try:
        whole = getattr(make("any", dict(options)), "options", None) if make else None
    except ValueError:
        return options
    return {**whole.model_dump(mode="json", by_alias=True), **options} if isinstance(whole, BaseModel) else options


def _holds(what: Mapping[str, Any], options: Mapping[str, Any]) -> bool:
    return all(
        _holds(value, options[name])
        if isinstance(value, Mapping) and isinstance(options.get(name), Mapping)
        else value == options.get(name)
        for name, value in what.items()
    )


def _settings(told: Mapping[str, Any]) -> Iterator[str]:
    """`server.hooks`, `confirmation`: their names."""
    for name, value in told.items():
        if name in _SAID:
            continue
        if isinstance(value, Mapping):
            yield from (setting for part in value if (setting := f"{name}.{part}") not in _ROOM)
        else:
            yield name


def _of_script(told: Mapping[str, Any]) -> Iterator[str]:
    """What the model and the tools do that is not in any script: `turn.status`, `call.stubborn`."""
    for turn in told.get("script") or ():
        yield from (f"turn.{name}" for name in turn if name not in _OF_ANY_TURN)
        for call in turn.get("tools") or ():
            yield from (f"call.{name}" for name in call if name not in _OF_ANY_CALL)


def _commands(told: Mapping[str, Any]) -> Iterator[str]:
    calls = (call for turn in told.get("script") or () for call in turn.get("tools") or ())
    return (f"call.run {call['run']}" for call in calls if "run" in call)


@dataclass(frozen=True, slots=True)
class Likeness:
    """The entries of a baseline, each with what is done in its scenario, or in each of its scenarios. What is drawn has another name
    than these, and shows the same bug if it breaks the same guarantee in the same way and all that one of them does is done in it,
    too."""

    entries: tuple[tuple[str, Entry, tuple[Done, ...]], ...]

    @classmethod
    def of(cls, baseline: Baseline) -> Likeness:
        """Raises BadFile: a scenario cannot be read."""
        names = sorted({entry.scenario for _, entry in baseline.entries})
        done = {
            scenario.name: Done.by(scenario.model_dump(mode="json", by_alias=True)) for scenario in catalogue(names)
        }
        mine = ((where, entry, fnmatch.filter(done, entry.scenario)) for where, entry in baseline.entries)
        return cls(
            tuple(
                (where, entry, tuple(done[name] for name in played))
                for where, entry, played in mine
                if not entry.expired(baseline.day)
            )
        )

    def known(self, trial: TrialResult, verdict: VerdictResult, plan: Mapping[str, Any]) -> KnownResult | None:
        """The entry that a violation is like; None for what is not violated, and for what nobody knows. What never landed in the trial
        is not done in it."""
        if verdict.outcome is not Outcome.VIOLATED:
            return None
        here = Done.by(plan, landed_in(trial))
        for where, entry, done in self.entries:
            if _means(entry, trial, verdict) and any(one.is_done_in(here) for one in done):
                return KnownResult(reason=entry.reason, link=entry.link, entry=where)
        return None


def _means(entry: Entry, trial: TrialResult, verdict: VerdictResult) -> bool:
    there = replace(trial, scenario=entry.scenario)
    return entry.occurs(there, verdict) and not entry.out_of_range(there)
