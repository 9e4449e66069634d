"""Opens or closes the gate. Pure: from verdicts to one state, one exit code, one line and the reasons.

What closes it (exit 1): a MUST that is violated and not listed in the baseline; an entry of the baseline that is stale
or has expired.
What leaves it unknown (exit 2), unless something closes it: a MUST that is inconclusive; a fault without proof; a blind
witness; an error of the harness or the environment; no trial at all, unless other shards have them; no verdict that decides
anything. A check that was cut off is always unknown. Known violations, what does not apply and what was not run decide nothing.
Neither does what could not be decided because its trial broke off over a known violation: the entry that knows it is stale as soon
as it occurs no more, and until then the verdicts behind it are counted apart.

`fail_on` says whether a SHOULD is held to the standard of a MUST. A MAY never decides: it is a promise to nobody.

`allow_inconclusive` is how many verdicts that would decide may be inconclusive without leaving the gate unknown; of more than that
none is allowed. They are counted in the verdict line and told one by one. Only what a guarantee itself could not decide from a sound
record is allowed: a fault without proof, a blind witness, a trial that failed or broke off is never.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from tailproof.guarantees.catalogue import JUDGE_BREAK_OFFS
from tailproof.guarantees.verdict import TAKEN_BACK, Level, Outcome
from tailproof.reports.result import (
    Counts,
    ExpiredResult,
    FailOn,
    GateResult,
    GateState,
    NotRunResult,
    StaleResult,
    TrialResult,
    VerdictResult,
)

EXIT: dict[GateState, int] = {"open": 0, "closed": 1, "unknown": 2}
IS_VIOLATED = " is violated: "
"""Stands in a reason why the gate is closed when a trial is that; the others are of the baseline."""
EXIT_USAGE = 64
"""Wrong usage or bad input: nothing was judged."""

MOST_ALLOWED = 10_000
"""What `allow_inconclusive` can be at most."""

DECIDES: dict[FailOn, frozenset[Level]] = {
    "must": frozenset({Level.MUST}),
    "should": frozenset({Level.MUST, Level.SHOULD}),
}
"""The levels that decide, by `fail_on`."""


def decide(
    trials: Sequence[TrialResult],
    *,
    not_run: Sequence[NotRunResult] = (),
    stale: Sequence[StaleResult] = (),
    expired: Sequence[ExpiredResult] = (),
    errors: Sequence[str] = (),
    fail_on: FailOn = "must",
    allow_inconclusive: int = 0,
    cut_off: str = "",
    idle: bool = False,
) -> GateResult:
    """The gate over all trials of a check. `errors` are those that belong to no trial; `cut_off` is why the check did not come to its
    end (a signal, a full disk, a defect of the harness); `idle` is a shard whose trials are all in other shards."""
    deciding = DECIDES[fail_on]
    closing = [*_violations(trials, deciding), *_stale(stale), *_expired(expired)]
    allowed = list(_undecided(trials, deciding))
    if excess := len(allowed) > allow_inconclusive:
        allowed = []
    doubts = [cut_off, *errors] if cut_off else [*errors, *([] if idle else _doubts(trials, deciding, excess))]
    if excess and allow_inconclusive and not cut_off:
        doubts.append(f"more verdicts are inconclusive than the {allow_inconclusive} that are allowed")
    state: GateState = "unknown" if cut_off else "closed" if closing else "unknown" if doubts else "open"
    counts = replace(
        _count(trials, deciding),
        allowed=len(allowed),
        stale=len(stale),
        expired=len(expired),
        not_run=len(not_run),
        errors=len(errors) + sum(trial.error is not None for trial in trials),
    )
    return GateResult(
        state=state,
        exit_code=EXIT[state],
        says=verdict_line(state, counts) + (" · nothing to run in this shard" if idle else ""),
        closed_by=tuple(closing),
        doubts=tuple(doubts),
        allowed=tuple(allowed),
        fail_on=fail_on,
        allow_inconclusive=allow_inconclusive,
        counts=counts,
        stale=tuple(stale),
        expired=tuple(expired),
    )


def verdict_line(state: GateState, counts: Counts) -> str:
    """`GATE CLOSED  2 violated · 41 hold · 1 inconclusive · 3 not run`, then what else there is to count, and at last what it rests on:
    `faults 8 of 8 proven · witnesses 8 of 8 trusted`.

    `advisory` are violations of a level that does not decide.
    """
    always = (
        (counts.violated, "violated"),
        (counts.holds, "hold"),
        (counts.inconclusive, f"inconclusive{_of_them_allowed(counts)}"),
        (counts.not_run, "not run"),
    )
    sometimes = (
        (counts.known, "known"),
        (counts.behind, "undecided behind them"),
        (counts.advisory, "advisory"),
        (counts.stale, "stale"),
        (counts.expired, "expired"),
        (counts.errors, "failed"),
    )
    shown = [*always, *((number, word) for number, word in sometimes if number)]
    rests_on = [
        *([f"faults {counts.proven} of {counts.faults} proven"] if counts.faults else []),
        *([f"acts {counts.acts_proven} of {counts.acts} proven"] if counts.acts else []),
        *([f"witnesses {counts.sound} of {counts.witnesses} trusted"] if counts.witnesses else []),
    ]
    return f"GATE {state.upper()}  " + " · ".join([*(f"{number} {word}" for number, word in shown), *rests_on])


def _of_them_allowed(counts: Counts) -> str:
    if not counts.allowed:
        return ""
    return ", allowed" if counts.allowed == counts.inconclusive else f", {counts.allowed} of them allowed"


def cell(guarantee: str, scenario: str) -> str:
    """How a verdict is named everywhere: `events.tail[stream-lag]`, as its test is."""
    return f"{guarantee}[{scenario}]"


def _violations(trials: Iterable[TrialResult], deciding: frozenset[Level]) -> Iterator[str]:
    for trial in trials:
        for verdict in trial.verdicts:
            if verdict.violated and verdict.level in deciding:
                over = f" ({verdict.passed_over})" if verdict.passed_over else ""
                yield f"{cell(verdict.guarantee, trial.called)}{IS_VIOLATED}{verdict.says}{over}"


def _stale(stale: Iterable[StaleResult]) -> Iterator[str]:
    for entry in stale:
        where = cell(entry.guarantee, entry.scenario)
        yield f"{entry.entry} lists {where} {entry.signature} as known, but it no longer occurs: remove the entry"


def _expired(expired: Iterable[ExpiredResult]) -> Iterator[str]:
    for entry in expired:
        where = cell(entry.guarantee, entry.scenario)
        yield f"{entry.entry} listed {where} {entry.signature} as known until {entry.expires}: look at it again"


def _undecided(trials: Iterable[TrialResult], deciding: frozenset[Level]) -> Iterator[str]:
    """What could be allowed."""
    for trial in trials:
        for verdict in _open(trial, deciding):
            if not verdict.unsound:
                yield _inconclusive(trial, verdict)


def _doubts(trials: Sequence[TrialResult], deciding: frozenset[Level], undecided: bool) -> Iterator[str]:
    """`undecided`: what could be allowed is a doubt, too."""
    if not trials:
        yield "no trial was run"
        return
    for trial in trials:
        if trial.error is not None:
            yield f"the trial of {trial.called} failed: {trial.error}"
            continue
        for fault in trial.faults:
            if not fault.proven:
                yield f"the {'act' if fault.act else 'fault'} {fault.fault} ({fault.name}) of {trial.called} is not proven"
        yield from _shared_doubts(trial, [v for v in _open(trial, deciding) if undecided or v.unsound])
    if not any(_conclusive(verdict) for trial in trials for verdict in trial.verdicts):
        yield "no guarantee was decided: all verdicts are inconclusive or not applicable"


def _open(trial: TrialResult, deciding: frozenset[Level]) -> list[VerdictResult]:
    """The verdicts that would decide and are inconclusive; not those of a trial that failed, which speaks for itself."""
    if trial.error is not None or _known_to_break_off(trial):
        return []
    return [verdict for verdict in trial.verdicts if _is_open(verdict) and verdict.level in deciding]


def _inconclusive(trial: TrialResult, verdict: VerdictResult) -> str:
    return f"{cell(verdict.guarantee, trial.called)} is inconclusive: {verdict.says}"


def _known_to_break_off(trial: TrialResult) -> bool:
    """It broke off, and a guarantee that judges just that says over what: a violation that the baseline lists."""
    return bool(trial.broke_off) and any(
        verdict.known is not None and verdict.guarantee in JUDGE_BREAK_OFFS for verdict in trial.verdicts
    )


def _shared_doubts(trial: TrialResult, verdicts: Sequence[VerdictResult]) -> Iterator[str]:
    """A reason that takes back many verdicts (a blind witness, a fault without proof, a trial that broke off) is one doubt."""
    open_for: dict[str, list[VerdictResult]] = {}
    for verdict in verdicts:
        reason, taken_back, _ = verdict.says.partition(TAKEN_BACK)
        open_for.setdefault(reason if taken_back else cell(verdict.guarantee, trial.called), []).append(verdict)
    for witness in trial.witnesses:
        if witness.blind:
            blamed = len(open_for.pop(witness.blind, ()))
            yield f"the records of the {witness.name} in {trial.called} cannot be trusted: {witness.blind}{_resting(blamed, 'them')}"
    for reason, left in open_for.items():
        if len(left) == 1:
            yield _inconclusive(trial, left[0])
        else:
            yield f"{trial.called}: {reason}{_resting(len(left))}"


def _resting(verdicts: int, on: str = "it") -> str:
    return f"; {verdicts} verdict{'s rest' if verdicts > 1 else ' rests'} on {on}" if verdicts else ""


def _is_open(verdict: VerdictResult) -> bool:
    return verdict.outcome is Outcome.INCONCLUSIVE


def _conclusive(verdict: VerdictResult) -> bool:
    return verdict.outcome in (Outcome.HOLDS, Outcome.VIOLATED)


def _count(trials: Sequence[TrialResult], deciding: frozenset[Level]) -> Counts:
    verdicts = [verdict for trial in trials for verdict in trial.verdicts]
    violated = [verdict for verdict in verdicts if verdict.violated]
    closing = [verdict for verdict in violated if verdict.level in deciding]
    outcomes = [verdict.outcome for verdict in verdicts]
    behind = sum(_is_open(verdict) for trial in trials if _known_to_break_off(trial) for verdict in trial.verdicts)
    faults = [fault for trial in trials for fault in trial.faults if not fault.act]
    acts = [fault for trial in trials for fault in trial.faults if fault.act]
    witnesses = {witness.name for trial in trials for witness in trial.witnesses}
    blind = {witness.name for trial in trials for witness in trial.witnesses if witness.blind}
    return Counts(
        trials=len(trials),
        violated=len(closing),
        advisory=len(violated) - len(closing),
        holds=outcomes.count(Outcome.HOLDS),
        inconclusive=outcomes.count(Outcome.INCONCLUSIVE) - behind,
        not_applicable=outcomes.count(Outcome.NOT_APPLICABLE),
        known=sum(1 for verdict in verdicts if verdict.known is not None),
        behind=behind,
        faults=len(faults),
        proven=sum(fault.proven for fault in faults),
        acts=len(acts),
        acts_proven=sum(act.proven for act in acts),
        witnesses=len(witnesses),
        sound=len(witnesses - blind),
    )
