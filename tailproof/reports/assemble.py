"""From histories and verdicts to a `Result`. Nothing is judged here: what the history says is put into the result's words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import TypeVar

import msgspec

from tailproof import __version__
from tailproof.guarantees.verdict import Guarantee, Verdict
from tailproof.guarantees.witnesses import blind, files, sees
from tailproof.history.header import Header
from tailproof.history.plan import planned_acts, planned_faults
from tailproof.history.reader import History
from tailproof.history.record import Record
from tailproof.history.records import Act, Fault, Life
from tailproof.outgoing.visible import program_of
from tailproof.reports.baseline import Baseline
from tailproof.reports.gate import decide
from tailproof.reports.result import (
    Environment,
    EvidenceResult,
    FailOn,
    FaultResult,
    LifeResult,
    NotRunResult,
    PairResult,
    PhaseResult,
    Result,
    ShardResult,
    TrialResult,
    VerdictResult,
    WitnessResult,
)
from tailproof.reports.times import times_of
from tailproof.reports.words import repro_command

V = TypeVar("V")


def trial_result(
    history: History,
    verdicts: Iterable[tuple[Guarantee, Verdict]],
    *,
    history_path: str,
    baseline: Baseline | None = None,
    error: str | None = None,
    pair: str = "",
) -> TrialResult:
    """One trial as its history and its verdicts tell it.

    `history_path` is relative to the file of the result. Summary,
    family and tier come from the scenario in the header, `pair` from a check of several.
    """
    header = history.header
    clock = Clock(history)
    trial = TrialResult(
        trial=header.trial,
        scenario=header.scenario,
        summary=str(header.plan.get("summary", "")),
        family=str(header.plan.get("family", "")),
        tier=str(header.plan.get("tier", "")),
        client=header.client,
        target=header.target,
        pair=pair,
        seed=header.seed,
        duration_s=clock.duration_s,
        history=history_path,
        phases=_phases(history, clock),
        faults=_faults(history, clock),
        lives=_lives(history, clock),
        verdicts=tuple(_verdict(guarantee, verdict, header, clock, history_path) for guarantee, verdict in verdicts),
        error=error,
        witnesses=_witnesses(history),
        release=header.versions.get("server", ""),
        client_release=header.versions.get("client", ""),
        broke_off=_broke_off(history),
    )
    return (baseline or Baseline()).marked(trial)


def _broke_off(history: History) -> str:
    by_us = any(one.by == "harness" for one in history.break_offs)
    return "" if by_us else next((one.says for one in history.break_offs), "")


def check_result(
    trials: Sequence[TrialResult],
    *,
    pairs: Sequence[PairResult],
    seed: int,
    started: float,
    duration_s: float,
    environment: Environment,
    not_run: Sequence[NotRunResult] = (),
    baseline: Baseline | None = None,
    errors: Sequence[str] = (),
    fail_on: FailOn = "must",
    allow_inconclusive: int = 0,
    cut_off: str = "",
    shard: ShardResult | None = None,
) -> Result:
    """A whole check with its gate. `started` is in seconds since 1970; `errors` are those that belong to no trial,
    `cut_off` is why it did not come to its end."""
    known = baseline or Baseline()
    return Result(
        tailproof=__version__,
        started=datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        duration_s=round(duration_s, 3),
        target=", ".join(dict.fromkeys(pair.target for pair in pairs)),
        client=", ".join(dict.fromkeys(pair.client for pair in pairs)),
        pairs=tuple(pairs),
        seed=seed,
        environment=environment,
        trials=tuple(trials),
        not_run=tuple(not_run),
        errors=tuple(errors),
        cut_off=cut_off,
        shard=shard,
        times=times_of(trials) if trials else None,
        gate=decide(
            trials,
            not_run=not_run,
            stale=known.stale(trials),
            expired=known.expired(trials),
            errors=errors,
            fail_on=fail_on,
            allow_inconclusive=allow_inconclusive,
            cut_off=cut_off,
            idle=shard is not None and shard.idle,
        ),
    )


def environment_of(headers: Iterable[Header]) -> Environment:
    """Versions and machine of all trials of a check; what differs between trials is shown side by side."""
    return environment_from([Environment(versions=header.versions, machine=header.machine) for header in headers])


def environment_from(parts: Iterable[Environment]) -> Environment:
    """One for several; what differs between them is shown side by side."""
    versions: dict[str, list[str]] = {}
    machine: dict[str, list[str | int]] = {}
    for part in parts:
        _gather(versions, part.versions)
        _gather(machine, part.machine)
    return Environment(
        versions={name: ", ".join(found) for name, found in sorted(versions.items())},
        machine={
            name: found[0] if len(found) == 1 else ", ".join(map(str, found)) for name, found in sorted(machine.items())
        },
    )


class Clock:
    """Seconds since the first record of a trial, to the millisecond."""

    def __init__(self, history: History) -> None:
        shelves: Sequence[Sequence[Record]] = (
            history.phases,
            history.lives,
            history.faults,
            history.acts,
            history.requests,
            history.events,
            history.model_calls,
            history.frames,
        )
        stamps = [stamp for shelf in shelves if shelf for stamp in (shelf[0].t_ns, shelf[-1].t_ns)]
        self._first = min(stamps, default=0)
        self._last = max(stamps, default=0)

    def at(self, t_ns: int) -> float:
        """Negative for what a witness saw before the first record."""
        return round((t_ns - self._first) / 1e9, 3)

    def ms(self, t_ns: int) -> float:
        """The same in milliseconds, to a tenth."""
        return round((t_ns - self._first) / 1e6, 1)

    @property
    def duration_s(self) -> float:
        """From the first record to the last."""
        return self.at(self._last)


def _phases(history: History, clock: Clock) -> tuple[PhaseResult, ...]:
    starts = [clock.at(phase.t_ns) for phase in history.phases] + [clock.duration_s]
    return tuple(
        PhaseResult(name=phase.name, at_s=begin, seconds=round(end - begin, 3))
        for phase, (begin, end) in zip(history.phases, pairwise(starts), strict=True)
    )


def _faults(history: History, clock: Clock) -> tuple[FaultResult, ...]:
    """Those that were planned, acts behind faults, and whatever else was done; one that left no record never happened."""
    planned = {one.id: (one.name, False, one.at) for one in planned_faults(history.header)}
    planned |= {one.id: (one.name, True, one.at) for one in planned_acts(history.header)}
    by_id: dict[str, list[Fault | Act]] = {identity: [] for identity in planned}
    for fault in history.faults:
        by_id.setdefault(fault.fault, []).append(fault)
    for act in history.acts:
        by_id.setdefault(act.act, []).append(act)
    return tuple(
        _fault(identity, steps, clock, at=planned[identity][2] if identity in planned else "")
        if steps
        else _never_injected(identity, *planned[identity])
        for identity, steps in by_id.items()
    )


def _never_injected(identity: str, name: str, act: bool, at: str) -> FaultResult:
    says = "planned, but the trial never reached its point"
    return FaultResult(
        fault=identity,
        name=name,
        act=act,
        at=at,
        says=says,
        scope="",
        injected_at_s=None,
        healed_at_s=None,
        proven=False,
    )


def _witnesses(history: History) -> tuple[WitnessResult, ...]:
    why: dict[str, str] = {files(witness): "" for witness in sees(history)}
    for witness, reason in blind(history).items():
        why[files(witness)] = why.get(files(witness)) or reason
    return tuple(
        WitnessResult(name=name, records=tally.records if (tally := history.tallies.get(name)) else 0, blind=reason)
        for name, reason in sorted(why.items())
        if history.header.witnesses
    )


def _fault(identity: str, steps: Sequence[Fault | Act], clock: Clock, *, at: str) -> FaultResult:
    injected = [clock.at(step.t_ns) for step in steps if step.stage in ("injected", "done")]
    if injected and isinstance(steps[0], Act):  # what an act causes may be seen before the act is done
        injected = [clock.at(steps[0].t_ns)]
    healed = [clock.at(step.t_ns) for step in steps if step.stage in ("healed", "ended")]
    verified = [step for step in steps if step.stage in ("proven", "unproven")]
    return FaultResult(
        fault=identity,
        name=steps[0].name,
        act=isinstance(steps[0], Act),
        at=at,
        says=next((step.says for step in reversed(steps) if step.says), ""),
        scope=next((step.scope for step in reversed(steps) if isinstance(step, Fault) and step.scope), ""),
        injected_at_s=injected[0] if injected else None,
        healed_at_s=healed[-1] if healed else None,
        proven=bool(verified) and verified[-1].stage == "proven",
        proof=dict(verified[-1].proof) if verified else {},
    )


def _lives(history: History, clock: Clock) -> tuple[LifeResult, ...]:
    by_epoch: dict[int, list[Life]] = {}
    for life in history.lives:
        by_epoch.setdefault(life.epoch, []).append(life)
    lives = [_life(steps, clock) for _, steps in sorted(by_epoch.items())]
    return tuple(_with_downtime(life, lives[index + 1 : index + 2]) for index, life in enumerate(lives))


def _life(steps: Sequence[Life], clock: Clock) -> LifeResult:
    first = {step.stage: step for step in reversed(steps)}
    end = first.get("died") or first.get("stopped")
    return LifeResult(
        epoch=steps[0].epoch,
        place=next((step.place for step in steps if step.place), ""),
        host=next((step.host for step in steps if step.host), ""),
        pid=next((step.pid for step in steps if step.pid), 0),
        started_at_s=clock.at(first["started"].t_ns) if "started" in first else None,
        ready_at_s=clock.at(first["ready"].t_ns) if "ready" in first else None,
        ended_at_s=clock.at(end.t_ns) if end else None,
        end="" if end is None else "died" if end.stage == "died" else "stopped",
        exit_code=end.exit_code if end else None,
        oom_killed=any(step.oom_killed for step in steps),
        by_us=end.by_us if end else False,
        survivors=tuple(program_of(command) for step in steps for command in dict.fromkeys(step.survivors)),
    )


def _with_downtime(life: LifeResult, following: Sequence[LifeResult]) -> LifeResult:
    ready = following[0].ready_at_s if following else None
    if life.ended_at_s is None or ready is None:
        return life
    return msgspec.structs.replace(life, downtime_s=round(ready - life.ended_at_s, 3))


def _verdict(guarantee: Guarantee, verdict: Verdict, header: Header, clock: Clock, history_path: str) -> VerdictResult:
    return VerdictResult(
        guarantee=guarantee.id,
        level=guarantee.level,
        promise=guarantee.promise,
        hurts=guarantee.hurts,
        source=header.sources.get(guarantee.id, ""),
        outcome=verdict.outcome,
        says=verdict.says,
        signature=verdict.signature,
        unsound=verdict.unsound,
        expected=verdict.expected,
        seen=verdict.seen,
        measured=dict(verdict.measured),
        compared=dict(verdict.compared),
        rests_on=tuple(sorted(guarantee.rests_on)),
        evidence=tuple(
            EvidenceResult(witness=pointer.witness, seq=pointer.seq, at_s=clock.at(pointer.t_ns), says=pointer.says)
            for pointer in verdict.evidence
        ),
        repro=repro_command(history_path),
    )


def _gather(into: dict[str, list[V]], facts: Mapping[str, V]) -> None:
    for name, value in facts.items():
        found = into.setdefault(name, [])
        if value not in found:
            found.append(value)
