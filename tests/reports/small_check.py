"""A small check, from histories in memory to a result: what the tests of the writers and of the gate start from."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tailproof.guarantees.verdict import (
    Guarantee,
    Level,
    Outcome,
    Pointer,
    Verdict,
    excused,
    holds,
    inconclusive,
)
from tailproof.history.header import Header
from tailproof.history.reader import History
from tailproof.history.records import AnyRecord, Fault, Life, Phase
from tailproof.reports.assemble import check_result, environment_of, trial_result
from tailproof.reports.baseline import Baseline, Entry
from tailproof.reports.result import FailOn, KnownResult, NotRunResult, PairResult, Result, TrialResult, VerdictResult

START_NS = 5_000_000_000
"""CLOCK_MONOTONIC when the trials of this module start: a result must not show it."""


def at(seconds: float) -> int:
    """The monotonic time of a moment of a trial."""
    return START_NS + round(seconds * 1e9)


def _promise(identity: str, promise: str, level: Level = Level.MUST) -> Guarantee:
    def judge(history: History) -> Verdict:
        raise AssertionError("a writer never judges")

    return Guarantee(id=identity, level=level, promise=promise, judge=judge, rests_on=frozenset({"client"}))


TAIL = _promise(
    "events.tail",
    "When the client's run returns, it holds the first 10 and the last 10 events of the log.",
)
CRASH = _promise(
    "status.crash",
    "A run that the server's death interrupted is no longer shown as running, and the conversation can be used again.",
)
ONCE = _promise("loop.once", "No tool call runs twice, with or without a restart.")
RECONCILE = _promise(
    "cost.reconcile",
    "After a run, requests and bytes grow with the missed events, not with the length of the history.",
    Level.SHOULD,
)


SOURCES = {
    "events.tail": "OpenHands PR 1865",
    "status.crash": "OpenHands PR 1554",
    "loop.once": "design.md, section 6",
    "cost.reconcile": "design.md, section 6",
}


def header(scenario: str, *, target: str = "docker:openhands:1.58.0", client: str = "sdk:1.58.0") -> Header:
    """The header of one trial."""
    summaries = {
        "calm": ("calm", "No fault: everything holds."),
        "stream-lag": ("stream", "The server's frames arrive 2 seconds late."),
        "oom-server": ("memory", "The kernel kills the server while a tool runs; it restarts on the same volume."),
    }
    family, summary = summaries[scenario]
    return Header(
        trial=f"t-{scenario}",
        scenario=scenario,
        sources=SOURCES,
        seed=7,
        target=target,
        client=client,
        versions={
            "harness": "0.1.0",
            "server": target.rpartition(":")[2],
            "image": "sha256:4f1c",
            "engine": "20.10.24",
        },
        machine={"cores": 2, "memory_mb": 8192, "system": "Linux 5.10"},
        plan={"family": family, "summary": summary, "tier": "quick"},
    )


def phases(*named: tuple[str, float]) -> list[AnyRecord]:
    """Phase records at the given moments."""
    return [Phase(t_ns=at(when), name=name) for name, when in named]


def lag() -> History:
    """2 seconds of lag on the stream, proven by the wire."""
    fault = {"fault": "lag", "name": "wire.delay", "says": "frames arrive late by 2 s"}
    return History(
        header("stream-lag"),
        [
            *phases(("preparing", 0), ("starting", 0.1), ("driving", 3.2), ("healing", 11.9), ("ended", 13.5)),
            Life(t_ns=at(0.4), stage="started", epoch=0, place="first", host="agent", pid=1),
            Life(t_ns=at(3.1), stage="ready", epoch=0),
            Fault(t_ns=at(3.3), stage="intent", **fault),
            Fault(t_ns=at(3.4), stage="injected", **fault),
            Fault(t_ns=at(11.8), stage="proven", proof={"rule.lag.done": 11, "frames.down": 13}, **fault),
            Fault(t_ns=at(11.9), stage="healed", **fault),
            Life(t_ns=at(13.2), stage="stopped", epoch=0, exit_code=143, by_us=True),
        ],
    )


def oom() -> History:
    """The kernel kills the server in a container, which restarts in place."""
    fault = {"fault": "oom", "name": "memory.server", "scope": "container"}
    return History(
        header("oom-server"),
        [
            *phases(("preparing", 0), ("driving", 3), ("recovering", 6.1), ("ended", 31)),
            Life(t_ns=at(0.4), stage="started", epoch=0, place="first", host="agent", pid=1),
            Life(t_ns=at(3), stage="ready", epoch=0),
            Fault(t_ns=at(4.9), stage="intent", says="the server runs out of memory", **fault),
            Fault(t_ns=at(5), stage="injected", **fault),
            Life(t_ns=at(5.6), stage="died", epoch=0, exit_code=137, oom_killed=True, survivors=["tmux", "sh -c x"]),
            Fault(
                t_ns=at(5.7),
                stage="proven",
                proof={"exit code": 137, "oom events of the engine": 1, "memory.oom_kill before": 0,
                       "memory.oom_kill after": 1, "killed by us": False},
                **fault,
            ),
            Life(t_ns=at(6), stage="started", epoch=1, place="in-place", host="agent", pid=1),
            Life(t_ns=at(9.85), stage="ready", epoch=1),
            Fault(t_ns=at(9.9), stage="healed", **fault),
        ],
    )  # fmt: skip


def calm() -> History:
    """No fault."""
    return History(header("calm"), phases(("preparing", 0), ("driving", 3), ("ended", 5.25)))


MISSING_TAIL = Verdict(
    outcome=Outcome.VIOLATED,
    says="6 of the last 10 events were missing when run() returned",
    signature="missing-tail",
    expected=tuple(f"event-{number:02}" for number in range(1, 12)),
    seen=tuple(f"event-{number:02}" for number in range(1, 6)),
    measured={"edge": 10, "missing": 6},
    evidence=(
        Pointer("client", 41, at(9.12), "run() returned with status running"),
        Pointer("disk", 10, at(13.4), "event-11 was persisted before the end of the run"),
    ),
)
STILL_RUNNING = Verdict(
    outcome=Outcome.VIOLATED,
    says="60 s after readiness the status is still running, and no model call was made",
    signature="running-after-restart",
    expected=("error",),
    seen=("running",),
    measured={"limit_s": 60.0, "took_s": 60.2},
    evidence=(Pointer("observer", 17, at(30.1), "GET answered running"),),
)
BASELINE = Baseline(
    (
        (
            "suites/baseline.yaml:4",
            Entry(
                target="docker:*",
                release=">=1.19.0",
                last_seen="1.58.0",
                guarantee="status.crash",
                scenario="oom-server",
                signature="running-after-restart",
                reason="the lease of the dead process is honoured for 45 s",
                link="https://example.org/issues/3184",
            ),
        ),
    )
)


def check(*, baseline: Baseline = BASELINE, fail_on: FailOn = "must", tail: Verdict = MISSING_TAIL) -> Result:
    """Three trials: one calm, one that convicts the client, one whose violation is known."""
    judged: Sequence[tuple[History, list[tuple[Guarantee, Verdict]]]] = (
        (
            calm(),
            [
                (TAIL, holds("all 11 events are held", compared={"events": 11})),
                (CRASH, excused("the server never died", evidence=())),
                (ONCE, holds("each of 3 tokens is in the journal once", compared={"tokens": 3})),
                (RECONCILE, holds("4 requests, 12 kB", compared={"requests": 4})),
            ],
        ),
        (
            lag(),
            [
                (TAIL, tail),
                (CRASH, excused("the server never died", evidence=())),
                (ONCE, holds("each of 3 tokens is in the journal once", compared={"tokens": 3})),
                (
                    RECONCILE,
                    Verdict(
                        outcome=Outcome.VIOLATED,
                        says="11 requests for 1 missing event",
                        signature="whole-history",
                        measured={"requests": 11, "missing": 1},
                    ),
                ),
            ],
        ),
        (
            oom(),
            [
                (CRASH, STILL_RUNNING),
                (ONCE, inconclusive("POST /run was never accepted after the restart")),
            ],
        ),
    )
    trials = [
        trial_result(
            history,
            verdicts,
            history_path=f"histories/{history.header.scenario}",
            baseline=baseline,
        )
        for history, verdicts in judged
    ]
    return check_result(
        trials,
        pairs=[PairResult(target="docker:openhands:1.58.0", client="sdk:1.58.0", release="1.58.0")],
        seed=7,
        started=1_795_000_000,
        duration_s=49.75,
        environment=environment_of(history.header for history, _ in judged),
        not_run=[
            NotRunResult(scenario="new-host", guarantee=None, reason="this target cannot start on a new host"),
            NotRunResult(
                scenario="calm", guarantee="status.gated", reason="the release has no deferred initialisation"
            ),
        ],
        baseline=baseline,
        fail_on=fail_on,
    )


def verdict(
    outcome: Outcome = Outcome.HOLDS,
    *,
    guarantee: str = "events.tail",
    level: Level = Level.MUST,
    says: str = "it is so",
    signature: str = "",
    **more: object,
) -> VerdictResult:
    """One verdict of a result."""
    return VerdictResult(
        guarantee=guarantee, level=level, promise="It is so.", source="a spec", outcome=outcome, says=says,
        signature=signature, **more,  # type: ignore[arg-type]
    )  # fmt: skip


def trial(*verdicts: VerdictResult, scenario: str = "calm", **more: object) -> TrialResult:
    """One trial of a result."""
    return TrialResult(
        trial=f"t-{scenario}", scenario=scenario, summary="", family="", tier="", client="sdk:1", target="pypi:1",
        seed=1, duration_s=1.5, verdicts=verdicts, **{"history": f"histories/{scenario}", **more},  # type: ignore[arg-type]
    )  # fmt: skip


def several(*, baseline: Baseline = BASELINE) -> Result:
    """Two clients with two targets: one client forgets the tail with both, a known violation of both, a trial that failed, a
    target that could not be built, and a scenario that one target cannot play."""
    old, new, gone = ("docker:openhands:1.57.0", "docker:openhands:1.58.0", "pypi:0.0.9")
    forgets = verdict(
        Outcome.VIOLATED, says="6 of the last 10 were missing", signature="missing-tail", repro="tailproof repro x"
    )
    listed = KnownResult(reason="the lease is honoured", link="https://example.org/issues/3184", entry="b.yaml:4")
    known = verdict(Outcome.VIOLATED, guarantee="status.crash", signature="s", known=listed)

    def played(
        scenario: str, client: str, target: str, *verdicts: VerdictResult, error: str | None = None
    ) -> TrialResult:
        word = f"{client.replace(':', '-')}_{target.replace(':', '-')}"
        one = trial(*verdicts, scenario=scenario, error=error, pair=word)
        return msgspec.structs.replace(one, client=client, target=target, history=f"trials/{one.called}")

    trials = [
        *(played("stream-lag", "sdk:1.57.0", target, forgets, verdict(guarantee="loop.once")) for target in (old, new)),
        played("calm", "sdk:1.58.0", old, verdict(), verdict(guarantee="loop.once")),
        played("stream-lag", "sdk:1.58.0", old, verdict(Outcome.INCONCLUSIVE, says="nobody subscribed")),
        played("calm", "sdk:1.58.0", new, error="port 8000 is in use"),
        *(played("oom-server", "plain", target, known, verdict(guarantee="loop.once")) for target in (old, new)),
    ]
    who = [(client, target) for target in (old, new, gone) for client in ("sdk:1.57.0", "sdk:1.58.0")]
    who += [("plain", old), ("plain", new)]
    return check_result(
        trials,
        pairs=[
            PairResult(
                target=target,
                client=client,
                name=f"{client.replace(':', '-')}_{target.replace(':', '-')}",
                error="there is no release 0.0.9" if target == gone else None,
            )
            for client, target in who
        ],
        seed=7,
        started=1_795_000_000,
        duration_s=49.75,
        environment=environment_of([]),
        not_run=[
            NotRunResult(scenario="init", guarantee=None, reason="1.57.0 is never dormant", target=old, client=client)
            for client in ("sdk:1.57.0", "sdk:1.58.0")
        ],
        baseline=baseline,
        errors=["no trial of sdk:1.57.0, sdk:1.58.0 with pypi:0.0.9: there is no release 0.0.9"],
    )
