"""What a check found, as data: every writer reads a `Result`, and nothing else.

The model is published as JSON Schema in `reports/result.schema.json`. Times named `_s` are seconds; those named `at_s` count
from the first record of their trial. A reader ignores fields that it does not know; a change that breaks readers raises
`SCHEMA_VERSION`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from tailproof.guarantees.verdict import Level, Outcome
from tailproof.history.directory import called

SCHEMA_VERSION = 2

GateState = Literal["open", "closed", "unknown"]
FailOn = Literal["must", "should"]
"""The lowest level whose violation closes the gate."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a result: never changed once it is written."""


class PhaseResult(Facts, frozen=True, kw_only=True):
    """One phase of a trial and how long it took."""

    name: str
    at_s: float
    seconds: float


class FaultResult(Facts, frozen=True, kw_only=True):
    """What was done to the target, when, and the counters that prove it. `injected_at_s` is null when it never landed,
    `healed_at_s` when there was nothing to heal."""

    fault: str
    name: str
    act: bool = False
    """It is no fault: a user or an operator did it."""
    at: str = ""
    """The point at which it was planned to land, `tool-running:1`; empty for one that stands in no plan."""
    says: str
    scope: str
    injected_at_s: float | None
    healed_at_s: float | None
    proven: bool
    proof: dict[str, Any] = {}


class LifeResult(Facts, frozen=True, kw_only=True):
    """One life (epoch) of the server. `end` is empty when it was never seen to end; `downtime_s` is the time from that end to the
    readiness of the next life; `survivors` are programs of it that outlived it."""

    epoch: int
    place: str = ""
    host: str = ""
    pid: int = 0
    started_at_s: float | None = None
    ready_at_s: float | None = None
    ended_at_s: float | None = None
    end: Literal["", "died", "stopped"] = ""
    exit_code: int | None = None
    oom_killed: bool = False
    by_us: bool = False
    survivors: tuple[str, ...] = ()
    downtime_s: float | None = None


class EvidenceResult(Facts, frozen=True, kw_only=True):
    """A record of the history that a verdict stands on: line `seq`, counted from 0, of `<witness>.jsonl`."""

    witness: str
    seq: int
    at_s: float
    says: str


class KnownResult(Facts, frozen=True, kw_only=True):
    """Why a violation does not close the gate: the entry of the baseline (`file:line`) that lists it. `extended_to` is the
    release of the trial where that is newer than `last_seen`, the newest release on which the entry was seen; else both are
    empty."""

    reason: str
    link: str
    entry: str
    last_seen: str = ""
    extended_to: str = ""

    @property
    def extension(self) -> str:
        """What follows the reason where nobody has listed the release yet; else empty."""
        return f"; last seen on {self.last_seen}, extended to {self.extended_to}" if self.extended_to else ""


class VerdictResult(Facts, frozen=True, kw_only=True):
    """One guarantee judged on one trial. `repro` is the command that runs the trial again, typed where the result lies."""

    guarantee: str
    level: Level
    promise: str
    hurts: str = ""
    source: str
    outcome: Outcome
    says: str
    signature: str = ""
    unsound: bool = False
    """Of an inconclusive one: it is so because the record of its trial has a gap, and is never allowed away."""
    expected: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    measured: dict[str, float | int | str] = {}
    compared: dict[str, float | int] = {}
    """Of what holds: how much it rests on, in named units."""
    rests_on: tuple[str, ...] = ()
    """The witnesses whose records decided."""
    evidence: tuple[EvidenceResult, ...] = ()
    known: KnownResult | None = None
    passed_over: str = ""
    """Why a violation that the baseline names is not known: its entry has expired, or is about other releases."""
    repro: str = ""

    @property
    def violated(self) -> bool:
        """Violated, and not listed as known."""
        return self.outcome is Outcome.VIOLATED and self.known is None


class WitnessResult(Facts, frozen=True, kw_only=True):
    """A witness of a trial, how many records it left, and why it cannot be trusted; `blind` is empty for one that can."""

    name: str
    records: int
    blind: str = ""


class TrialResult(Facts, frozen=True, kw_only=True):
    """One execution of one scenario. `history` is relative to the file of the result; `error` tells that the harness or the
    environment failed, so that missing verdicts mean nothing. `pair` is the name of target and client in a check of several
    pairs, else empty. `release` and `client_release` are those of server and client as they report them, empty where
    they are not known. `broke_off` tells over what of the server or the client it could not go on; empty when it could, and when the
    harness had a part in it."""

    trial: str
    scenario: str
    summary: str
    family: str
    tier: str
    client: str
    target: str
    seed: int
    duration_s: float
    history: str
    pair: str = ""
    phases: tuple[PhaseResult, ...] = ()
    faults: tuple[FaultResult, ...] = ()
    lives: tuple[LifeResult, ...] = ()
    verdicts: tuple[VerdictResult, ...] = ()
    error: str | None = None
    witnesses: tuple[WitnessResult, ...] = ()
    release: str = ""
    client_release: str = ""
    broke_off: str = ""

    @property
    def called(self) -> str:
        """`stream-lag`, in a check of several pairs with the pair behind it."""
        return called(self.scenario, self.pair)


class PairResult(Facts, frozen=True, kw_only=True):
    """A target and a client that met in this check. `name` is how trials say it, empty where there is one pair only;
    `release` is that of the target, empty where it cannot be told before a start; `error` tells what could not be built, so
    that there is no trial of the pair; `newest` is what that word came to and who says so, where it was asked for."""

    target: str
    client: str
    name: str = ""
    release: str = ""
    error: str | None = None
    newest: str = ""


class NotRunResult(Facts, frozen=True, kw_only=True):
    """What was not run, and why. Without a guarantee the whole scenario was not; `target` and `client` say by whom."""

    scenario: str
    guarantee: str | None
    reason: str
    target: str = ""
    client: str = ""


class StaleResult(Facts, frozen=True, kw_only=True):
    """An entry of the baseline (`file:line`) whose violation no longer occurs."""

    entry: str
    guarantee: str
    scenario: str
    signature: str


class NecessityResult(Facts, frozen=True, kw_only=True):
    """How often a violation came back in one variant of its scenario: with the fault as it was, without it, one point earlier or later.

    `scenario` is what its trial is called, `where` tells where the faults of the variant land. It came back in `hits` of `trials`;
    in `undecided` of them the guarantee was inconclusive or did not apply, or the trial failed. `why` says why there is no such variant;
    then nothing was run.
    """

    guarantee: str
    scenario: str
    signature: str
    variant: str
    where: str = ""
    hits: int = 0
    trials: int = 0
    undecided: int = 0
    why: str = ""


class UnreachableResult(Facts, frozen=True, kw_only=True):
    """A kind of fault that an exploration tried `times` times at a point without a proof: nothing can be said of what it does there. `why`
    is the reason of the last time."""

    fault: str
    at: str
    times: int
    why: str


class ExpiredResult(Facts, frozen=True, kw_only=True):
    """An entry of the baseline (`file:line`) whose last day (`expires`, ISO 8601) is over."""

    entry: str
    guarantee: str
    scenario: str
    signature: str
    expires: str


class Counts(Facts, frozen=True, kw_only=True):
    """How many. `violated` are the violations that close the gate, `advisory` those that do not because of their level. `behind` could
    not be decided because their trial broke off over a known violation; they are no part of `inconclusive`."""

    trials: int = 0
    violated: int = 0
    advisory: int = 0
    holds: int = 0
    inconclusive: int = 0
    allowed: int = 0
    """Those of the inconclusive that would leave the gate unknown and were allowed."""
    not_applicable: int = 0
    known: int = 0
    behind: int = 0
    stale: int = 0
    expired: int = 0
    not_run: int = 0
    errors: int = 0
    faults: int = 0
    """Planned, in all trials."""
    proven: int = 0
    acts: int = 0
    """Planned, in all trials."""
    acts_proven: int = 0
    witnesses: int = 0
    """Kinds of witnesses that the trials had."""
    sound: int = 0
    """Those of them that were blind in no trial."""


class GateResult(Facts, frozen=True, kw_only=True):
    """The one answer. `says` is the verdict line; `closed_by` and `doubts` tell, one sentence each, what closed it and
    what could not be told. `allowed` are the inconclusive verdicts that would leave it unknown, had not `allow_inconclusive` been at
    least as many."""

    state: GateState
    exit_code: int
    says: str
    closed_by: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    fail_on: FailOn = "must"
    allow_inconclusive: int = 0
    counts: Counts = Counts()
    stale: tuple[StaleResult, ...] = ()
    expired: tuple[ExpiredResult, ...] = ()


class Environment(Facts, frozen=True, kw_only=True):
    """Where it ran: versions of harness, server, client, engine and python, image digests, and the machine."""

    versions: dict[str, str] = {}
    machine: dict[str, str | int] = {}


class ShardResult(Facts, frozen=True, kw_only=True):
    """Which part of a check this is (`--shard`), with how many of its scenarios and with which; `whole` is a digest of the names of all,
    `baseline` of the entries of the baseline. `idle` is one that has no trial, while others have."""

    number: int
    of: int
    scenarios: int
    in_all: int
    idle: bool = False
    names: tuple[str, ...] = ()
    """Empty in a part of an exploration, whose cells nobody can leave out."""
    whole: str = ""
    baseline: str = ""
    repetitions: int = 1


class TimesResult(Facts, frozen=True, kw_only=True):
    """Where the time of all trials went, side by side or not, in seconds. A client loads while its server starts: its start is what
    is waited for then. `runs_s` is what the scenario plays, from the making of the conversation to the last run's end;
    `ours_s` is the rest."""

    server_start_s: float
    client_start_s: float
    runs_s: float
    server_stop_s: float
    ours_s: float


class Result(Facts, frozen=True, kw_only=True):
    """One check. `started` is ISO 8601 in UTC; `tailproof` is the version of the harness; `errors` are those that belong to
    no trial, and `cut_off` is why it did not come to its end (empty when it did).
    `pairs` are those that met; `target` and `client` list theirs, with a comma between several."""

    schema: int = SCHEMA_VERSION
    tailproof: str
    started: str
    duration_s: float
    target: str
    client: str
    seed: int
    pairs: tuple[PairResult, ...] = ()
    environment: Environment = Environment()
    trials: tuple[TrialResult, ...] = ()
    not_run: tuple[NotRunResult, ...] = ()
    errors: tuple[str, ...] = ()
    cut_off: str = ""
    shard: ShardResult | None = None
    times: TimesResult | None = None
    necessity: tuple[NecessityResult, ...] = ()
    """Filled by `tailproof repro RESULT --necessity`, and by `tailproof explore`."""
    unreachable: tuple[UnreachableResult, ...] = ()
    """Filled by `tailproof explore`. Trials that tried this and showed nothing are no trials of the result."""
    gate: GateResult

    def judged(self) -> Iterator[tuple[TrialResult, VerdictResult]]:
        """Every verdict with its trial, in the order in which they were run and judged."""
        for trial in self.trials:
            for verdict in trial.verdicts:
                yield trial, verdict

    def necessity_of(self, trial: TrialResult, verdict: VerdictResult) -> tuple[NecessityResult, ...]:
        """What is known of whether this violation needs its fault; empty where nobody has tried."""
        wanted = (verdict.guarantee, trial.called, verdict.signature)
        return tuple(one for one in self.necessity if (one.guarantee, one.scenario, one.signature) == wanted)

    def frequency(self, trial: TrialResult, guarantee: str, signature: str) -> tuple[int, int]:
        """In how many trials of the same scenario and pair that judged the guarantee it was violated in this way: k of n."""
        # Who tells of each trial of a large check asks this for each: a look at every verdict would cost the square of them.
        trials = [one for one in self.trials if one.scenario == trial.scenario and one.called == trial.called]
        same = [v for one in trials for v in one.verdicts if v.guarantee == guarantee]
        hits = [v for v in same if v.outcome is Outcome.VIOLATED and v.signature == signature]
        return len(hits), len(same)
