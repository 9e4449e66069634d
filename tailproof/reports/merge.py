"""One result from those of the shards of a check. Nothing is silent: what is missing makes the gate unknown, what does not belong
together is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from msgspec.structs import replace

from tailproof.incoming import BadInput
from tailproof.outgoing.visible import clip
from tailproof.reports.assemble import environment_from
from tailproof.reports.baseline import Baseline
from tailproof.reports.gate import decide
from tailproof.reports.result import FailOn, PairResult, Result
from tailproof.reports.times import times_of

_SAID = 200


class Apart(BadInput):
    """These are not the results of one check; one sentence says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A result, and how it is called: the path by which a person asked for it."""

    name: str
    result: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """What a gate is decided by anew. None is what the results were decided by themselves."""

    fail_on: FailOn | None = None
    allow_inconclusive: int | None = None
    baseline: Baseline | None = None


def merged(parts: Sequence[Part], standard: Standard | None = None) -> Result:
    """The check whose shards these are, or the one result that was given, decided anew. `duration_s` of several is their sum.

    A shard that is missing is an error of the result, so its gate is not open.

    Raises:
        Apart: a shard is there twice, or these are no shards of one check.
    """
    standard = standard or Standard()
    several = len(parts) > 1
    if several:
        _check_shards(parts)
        _check_same(parts, standard)
        _check_scenarios(parts)
    parts = sorted(parts, key=lambda part: part.result.shard.number if part.result.shard else 0)
    results = [part.result for part in parts]
    first = results[0]
    trials = [trial for result in results for trial in result.trials]
    # An entry for many scenarios may occur in one shard and not in the next.
    occurs = {verdict.known.entry for trial in trials for verdict in trial.verdicts if verdict.known is not None}
    stale = [entry for result in results for entry in result.gate.stale if entry.entry not in occurs]
    expired = [entry for result in results for entry in result.gate.expired]
    if standard.baseline is not None:
        trials = [standard.baseline.marked(trial) for trial in trials]
        stale, expired = list(standard.baseline.stale(trials)), list(standard.baseline.expired(trials))
    # Each shard of an exploration says the same of what is not drawn.
    not_run = list(dict.fromkeys(missing for result in results for missing in result.not_run))
    errors = [f"{_of(part)}{error}" for part in parts for error in part.result.errors] + _missing(results)
    cut_off = "; ".join(f"{_of(part)}{part.result.cut_off}" for part in parts if part.result.cut_off)
    pairs = _pairs(results)
    allowed = standard.allow_inconclusive
    return replace(
        first,
        started=min(result.started for result in results),
        duration_s=round(sum(result.duration_s for result in results), 3),
        target=", ".join(dict.fromkeys(pair.target for pair in pairs)),
        client=", ".join(dict.fromkeys(pair.client for pair in pairs)),
        pairs=tuple(pairs),
        environment=environment_from(result.environment for result in results),
        trials=tuple(trials),
        not_run=tuple(not_run),
        errors=tuple(errors),
        shard=None,
        cut_off=cut_off,
        times=times_of(trials) if trials else None,
        necessity=tuple(one for result in results for one in result.necessity),
        unreachable=tuple(one for result in results for one in result.unreachable),
        gate=decide(
            trials,
            not_run=not_run,
            stale=stale,
            expired=expired,
            errors=errors,
            fail_on=standard.fail_on or first.gate.fail_on,
            allow_inconclusive=first.gate.allow_inconclusive if allowed is None else allowed,
            cut_off=cut_off,
        ),
    )


def _check_shards(parts: Sequence[Part]) -> None:
    names: dict[int, str] = {}
    for part in parts:
        shard = part.result.shard
        if shard is None:
            raise Apart(f"{_said(part)} is a whole check and no shard: only the shards of one check belong together")
        if shard.number in names:
            raise Apart(f"shard {shard.number} of {shard.of} is there twice: {names[shard.number]} and {_said(part)}")
        names[shard.number] = _said(part)


def _check_same(parts: Sequence[Part], standard: Standard) -> None:
    facts: dict[str, Callable[[Result], object]] = {
        "number of shards": lambda result: result.shard.of if result.shard else 0,
        "number of scenarios": lambda result: result.shard.in_all if result.shard else 0,
        "scenarios, by a digest of their names": lambda result: result.shard.whole if result.shard else "",
        "repetitions": lambda result: result.shard.repetitions if result.shard else 0,
        "seed": lambda result: result.seed,
        "version of tailproof": lambda result: result.tailproof,
        "targets": lambda result: sorted({pair.target for pair in result.pairs}),
        "clients": _clients,
    }
    if standard.fail_on is None:
        facts["--fail-on"] = lambda result: result.gate.fail_on
    if standard.allow_inconclusive is None:
        facts["--allow-inconclusive"] = lambda result: result.gate.allow_inconclusive
    if standard.baseline is None:
        facts["baseline, by a digest of its entries"] = lambda result: result.shard.baseline if result.shard else ""
    first = parts[0]
    for noun, fact in facts.items():
        for other in parts[1:]:
            one, another = fact(first.result), fact(other.result)
            if one != another:
                hint = "; give every shard the same --seed" if noun == "seed" else ""
                raise Apart(
                    f"{_said(first)} and {_said(other)} are no shards of one check, their {noun}: "
                    f"{_shown(one)} and {_shown(another)}{hint}"
                )


def _clients(result: Result) -> list[str]:
    """Where several pairs met, a shard has the plain client only if a scenario of it judges the server alone."""
    named = {pair.client for pair in result.pairs}
    return sorted(named - {"plain"} or named)


def _check_scenarios(parts: Sequence[Part]) -> None:
    by: dict[str, Part] = {}
    for part in parts:
        for scenario in {trial.scenario for trial in part.result.trials}:
            if (other := by.setdefault(scenario, part)) is not part:
                raise Apart(
                    f"{_said(other)} and {_said(part)} are no shards of one check: both played {clip(scenario, _SAID)}"
                )


def _missing(results: Sequence[Result]) -> list[str]:
    shards = [result.shard for result in results if result.shard is not None]
    if not shards:
        return []
    of = shards[0].of
    missing = sorted(set(range(1, of + 1)) - {shard.number for shard in shards})
    said = [f"shard {number} of {of} is missing" for number in missing]
    names = Counter(name for shard in shards for name in shard.names)
    said += [
        f"{clip(name, _SAID)} is in {times} shards: they dealt it differently"
        for name, times in names.items()
        if times > 1
    ]
    if not missing and names and whole_of(names) != shards[0].whole:
        said.append(
            "the shards have not all scenarios between them: machines that can play others deal them differently"
        )
    played = sum(shard.scenarios for shard in shards)
    if not missing and played != shards[0].in_all:
        said.append(f"the shards have {played} of {shards[0].in_all} scenarios: they were dealt from different checks")
    return said


def whole_of(names: Iterable[str]) -> str:
    """By which shards know that they are of one check: a digest of the names of all its scenarios."""
    return sha256("\n".join(sorted(names)).encode()).hexdigest()[:16]


def known_by(baseline: Baseline) -> str:
    """By which shards know that they were judged by the same baseline: a digest of what its entries excuse that day, wherever it lies."""
    counts = (entry for _, entry in baseline.entries if not entry.expired(baseline.day))
    return whole_of(entry.model_dump_json(exclude={"reason", "link"}) for entry in counts)


def _pairs(results: Iterable[Result]) -> list[PairResult]:
    """Each once; with what could not be built, if that was so for one of the shards."""
    pairs: dict[tuple[str, str], PairResult] = {}
    for result in results:
        for pair in result.pairs:
            known = pairs.setdefault((pair.target, pair.client), pair)
            if pair.error and not known.error:
                pairs[pair.target, pair.client] = pair
    return sorted(pairs.values(), key=lambda pair: pair.client == "plain")


def _of(part: Part) -> str:
    shard = part.result.shard
    return f"shard {shard.number} of {shard.of}: " if shard else ""


def _said(part: Part) -> str:
    return clip(part.name, _SAID)


def _shown(value: object) -> str:
    return clip(", ".join(map(str, value)) if isinstance(value, list) else str(value), _SAID)
