"""What is promised of executors, on histories in memory."""

from __future__ import annotations

from typing import Any

import pytest
from executor_histories import E, Executed, begun, ended, executed, killed, line, log_of, state
from guarantee_histories import HOLDS, INCONCLUSIVE, NOT_APPLICABLE, VIOLATED, Row, calm

from tailproof.guarantees.catalogue import CATALOGUE, judge
from tailproof.guarantees.verdict import Outcome
from tailproof.history.execution_records import AgentSaid, Turn
from tailproof.history.pod_records import PodSeen
from tailproof.history.server_records import Event, Reading, Request, Status, Stream


def late(took: float = 30.0) -> Executed:
    """The incident: the agent is dead at 3, and the executor goes on attaching until its deadline."""
    built = killed("the deadline of 40 s was over")
    built.move(Status, {"raw": "failed_permanent"}, 3.0 + took).without(Status, raw="stopped")
    for number in range(int(took)):
        built.attach(4.0 + number, 4.1 + number, down=0)
    for kind in (Stream, Reading, Request):
        built.placed = [
            (at + took if isinstance(record, kind) and at > 3.9 else at, record) for at, record in built.placed
        ]
    built.placed = [
        (at + took if at > 3.9 and isinstance(record, (Event, PodSeen)) and at < 8 else at, record)
        for at, record in built.placed
    ]
    for at, record in list(built.placed):
        if getattr(record, "name", "") in ("stopping", "ended"):
            built.placed.remove((at, record))
            built.put(8.0 + took, record)
    return built


def lived_on() -> Executed:
    """A sidecar dies alone, and the agent goes on to its end."""
    return executed().box(2.5, "tools", "terminated", exit_code=1, reason="Error")


def failed_for_a_sidecar(cause: str) -> Executed:
    built = begun(3).box(2.5, "tools", "terminated", exit_code=1, reason="Error").attach(1.8, 2.6)
    built.agent(3.0, "terminal", says="ok").says(2.7, "failed_permanent")
    return ended(built, log_of(3, "failed_permanent", cause))


def replaced(*, delivered: bool, waited: float = 9.0) -> Executed:
    """Another sandbox takes the place of the first one."""
    built = killed("silent for 8 s").box(4.0, "agent", "running", pod="box-2").agent(4.1, "began", "box-2", turn="")
    built.gone(20.0, "box-2")
    if delivered:
        built.agent(4.5, "got", "box-2")
    built.move(Status, {"raw": "failed_permanent"}, 4.1 + waited).put(21.0, *_ends(built))
    return built


def _ends(built: Executed) -> list[Any]:
    ends = [record for _, record in built.placed if getattr(record, "name", "") in ("stopping", "ended")]
    built.placed = [(at, record) for at, record in built.placed if record not in ends]
    return ends


def attached(many: int, pause: float = 0.2, down: int = 0) -> Executed:
    built = executed()
    for number in range(many):
        built.attach(1.8 + number * pause, 1.8 + number * pause, down=down)
    return built


def undelivered(raw: str, neutral: str) -> Executed:
    built = executed(0).without(AgentSaid, stage="got").without(AgentSaid, stage="terminal")
    built.alter(Status, {"raw": "completed"}, raw=raw, neutral=neutral)
    return built.alter(Event, {"status": "completed"}, status=raw, text="the executor was restarted")


def early_page(end: str = "") -> Executed:
    return executed().log(3.3, log_of(3, end), "page:9", final=False)


def lost(*, marked: bool) -> Executed:
    """The agent printed a fourth line, and the log does not have it."""
    built = begun(4).agent(3.0, "terminal", says="ok").says(3.2, "completed").attach(1.8, 3.1)
    gap = Event(id="6", name="gap", conversation="s1", run=E, role="bookkeeping", text="output was lost")
    return ended(built, [*log_of(3, ""), *([gap] if marked else []), state(7, "completed")])


def given_up() -> Executed:
    """The client cancels while the agent prints, and its last line is not in the log."""
    built = begun(3).says(2.6, "cancelled").attach(1.8, 2.6)
    return ended(built, log_of(2, "cancelled", "it was cancelled"))


ROWS = [
    # -- status.dead
    Row("status.dead", "oom-noticed", HOLDS, killed),
    Row("status.dead", "agent-lives", HOLDS, executed),
    Row("status.dead", "sidecar-dies-alone", HOLDS, lived_on),
    Row("status.dead", "sidecar-is-named", HOLDS, lambda: failed_for_a_sidecar("tools ended: Error, exit code 1")),
    Row("status.dead", "replaced", HOLDS, lambda: replaced(delivered=True, waited=14.0)),
    Row("status.dead", "the-incident", VIOLATED, late, "active-after-death"),
    Row(
        "status.dead",
        "shown-as-done",
        VIOLATED,
        lambda: killed().alter(Status, {"raw": "failed_permanent"}, raw="completed", neutral="done"),
        "done-after-death",
    ),
    Row(
        "status.dead",
        "session-runs-on",
        VIOLATED,
        lambda: (b := killed().without(Status, raw="stopped").says(20.0, "running", run="")).put(20.1, *_ends(b)),
        "session-running-after-death",
    ),
    Row(
        "status.dead",
        "sidecar-fails-the-turn",
        VIOLATED,
        lambda: failed_for_a_sidecar("the pod is not ready"),
        "live-turn-failed",
    ),
    Row("status.dead", "over-too-early", INCONCLUSIVE, lambda: killed().without(Status, raw="failed_permanent")),
    Row("status.dead", "cancelled", NOT_APPLICABLE, lambda: undelivered("cancelled", "interrupted")),
    Row("status.dead", "no-executor", NOT_APPLICABLE, calm),
    # -- loop.bounded
    Row("loop.bounded", "executor-calm", HOLDS, executed),
    Row("loop.bounded", "executor-nine-attachments", HOLDS, lambda: attached(9)),
    Row("loop.bounded", "executor-incident", VIOLATED, late, "attaches-without-bound"),
    Row("loop.bounded", "executor-progress-resets", VIOLATED, lambda: attached(20, down=50), "attaches-without-bound"),
    Row(
        "loop.bounded",
        "executor-taken-up-for-ever",
        VIOLATED,
        lambda: _with_log(executed(), [state(100 + n, "running") for n in range(12)]),
        "reclaims-without-bound",
    ),
    Row(
        "loop.bounded",
        "executor-no-back-off",
        VIOLATED,
        lambda: executed().attach(3.2, 3.2, 0).attach(5.2, 5.2, 0).attach(5.3, 5.3, 0),
        "back-off-shrinks",
    ),
    Row(
        "loop.bounded",
        "executor-many-sandboxes",
        VIOLATED,
        lambda: executed().box(3, "agent", "running", pod="box-2").box(3, "agent", "running", pod="box-3"),
        "sandboxes-without-bound",
    ),
    Row(
        "loop.bounded",
        "executor-leaves-a-sandbox",
        VIOLATED,
        lambda: executed().without(PodSeen, phase="Gone"),
        "left-behind",
    ),
    Row("loop.bounded", "executor-without-turn", INCONCLUSIVE, lambda: executed().without(Turn)),
    # -- loop.terminates
    Row("loop.terminates", "executor-calm", HOLDS, executed),
    Row("loop.terminates", "executor-incident", HOLDS, late),
    Row("loop.terminates", "executor-outlives", VIOLATED, lambda: late(50.0), "outlives-its-deadline"),
    Row(
        "loop.terminates", "executor-too-early", INCONCLUSIVE, lambda: killed().without(Status, raw="failed_permanent")
    ),
    # -- loop.once
    Row("loop.once", "executor-calm", HOLDS, executed),
    Row("loop.once", "executor-replaced-and-delivered", HOLDS, lambda: replaced(delivered=True)),
    Row("loop.once", "executor-replaced-and-failed", HOLDS, lambda: replaced(delivered=False, waited=3.0)),
    Row("loop.once", "executor-silent-sandbox", VIOLATED, lambda: replaced(delivered=False), "silent-sandbox"),
    Row("loop.once", "executor-delivers-twice", VIOLATED, lambda: executed().agent(2.5, "got"), "delivered-twice"),
    Row(
        "loop.once",
        "executor-never-delivers",
        VIOLATED,
        lambda: undelivered("completed", "done"),
        "acknowledged-and-lost",
    ),
    Row(
        "loop.once",
        "executor-fails-what-it-did-not-deliver",
        HOLDS,
        lambda: undelivered("failed_permanent", "failed"),
    ),
    Row(
        "loop.once",
        "executor-same-key",
        HOLDS,
        lambda: executed().turn(3.5).turn(3.6, payload="q", code=409, execution=""),
    ),
    Row(
        "loop.once",
        "executor-key-doubled",
        VIOLATED,
        lambda: executed().turn(3.5, execution="e2"),
        "key-names-another-execution",
    ),
    Row(
        "loop.once",
        "executor-key-reused",
        VIOLATED,
        lambda: executed().turn(3.5, payload="q"),
        "key-takes-another-payload",
    ),
    # -- loop.explained
    Row("loop.explained", "executor-calm", HOLDS, executed),
    Row("loop.explained", "executor-oom", HOLDS, killed),
    Row("loop.explained", "executor-no-cause", VIOLATED, lambda: killed(""), "cause-none"),
    Row("loop.explained", "executor-generic", VIOLATED, lambda: killed("the deadline was over"), "cause-generic"),
    Row("loop.explained", "executor-code-alone", VIOLATED, lambda: killed("agent: exit code 137"), "cause-exit-code"),
    Row("loop.explained", "executor-reason-alone", VIOLATED, lambda: killed("agent: OOMKilled"), "cause-generic"),
    Row(
        "loop.explained",
        "executor-another",
        VIOLATED,
        lambda: killed("tools ended: OOMKilled, 137"),
        "names-another-container",
    ),
    Row(
        "loop.explained",
        "executor-no-oom",
        VIOLATED,
        lambda: killed("agent ended: out of memory, exit code 137").dying_of("Error"),
        "untrue-reason",
    ),
    Row(
        "loop.explained",
        "executor-finished",
        VIOLATED,
        lambda: failed_for_a_sidecar("the agent was killed"),
        "explains-what-did-not-happen",
    ),
    Row(
        "loop.explained",
        "executor-was-not-told",
        HOLDS,
        lambda: killed("silent for 8 s").without(PodSeen, witness="edge"),
    ),
    Row("loop.explained", "executor-cancelled", NOT_APPLICABLE, lambda: undelivered("cancelled", "interrupted")),
    # -- events.resumable
    Row("events.resumable", "executor-calm", HOLDS, executed),
    Row("events.resumable", "executor-gap-is-marked", HOLDS, lambda: lost(marked=True)),
    Row("events.resumable", "executor-given-up-before-the-last-words", HOLDS, given_up),
    Row("events.resumable", "executor-output-lost", VIOLATED, lambda: lost(marked=False), "output-lost"),
    Row("events.resumable", "executor-cursor-skips", VIOLATED, lambda: executed().forget("stream:0", "4"), "gap"),
    Row("events.resumable", "executor-replay-too-short", VIOLATED, lambda: executed().forget("stream:10", "6"), "gap"),
    Row("events.resumable", "executor-tells-twice", VIOLATED, lambda: executed().twice("stream:0", "4"), "doubled"),
    Row(
        "events.resumable",
        "executor-has-more-than-the-log",
        VIOLATED,
        lambda: executed().stream(4.5, 4.6, [line(77, 9)], "stream:8", after="50", path="replay"),
        "not-of-the-log",
    ),
    Row(
        "events.resumable",
        "executor-another-order",
        VIOLATED,
        lambda: executed().swap("stream:0", "3", "4"),
        "another-order",
    ),
    Row("events.resumable", "executor-log-unread", INCONCLUSIVE, lambda: executed().without(Reading)),
    # -- events.terminal
    Row("events.terminal", "executor-calm", HOLDS, executed),
    Row("events.terminal", "executor-no-event", VIOLATED, lambda: _without_end(executed()), "no-terminal-event"),
    Row(
        "events.terminal",
        "executor-ends-twice",
        VIOLATED,
        lambda: _with_log(executed(), [state(99, "failed_permanent")]),
        "ended-twice",
    ),
    Row(
        "events.terminal",
        "executor-writes-on",
        VIOLATED,
        lambda: _with_log(executed(), [line(99, 9)]),
        "events-after-end",
    ),
    Row(
        "events.terminal",
        "executor-says-another",
        VIOLATED,
        lambda: executed().alter(Status, {"raw": "completed"}, raw="failed_permanent", neutral="failed"),
        "status-and-log-differ",
    ),
    Row(
        "events.terminal",
        "executor-stream-ends-early",
        VIOLATED,
        lambda: executed().forget("stream:0", "6"),
        "stream-ends-without-terminal",
    ),
    Row("events.terminal", "executor-status-first", VIOLATED, early_page, "status-before-event"),
    Row(
        "events.terminal",
        "executor-stream-dropped",
        HOLDS,
        lambda: executed().alter(Stream, {"stage": "closed"}, code=1006).forget("stream:0", "6"),
    ),
    Row(
        "events.terminal",
        "executor-event-alone",
        VIOLATED,
        lambda: executed().without(Status, raw="completed"),
        "event-without-status",
    ),
    Row(
        "events.terminal",
        "executor-under-way",
        NOT_APPLICABLE,
        lambda: _without_end(executed()).without(Status, raw="completed"),
    ),
]


def _without_end(built: Executed) -> Executed:
    return built.without(Event, status="completed")


def _with_log(built: Executed, more: list[Event]) -> Executed:
    """The log, and with it every replay, has more events at its end."""
    for index, one in enumerate(more):
        fields = {name: getattr(one, name) for name in one.__struct_fields__}
        built.put(4.15 + index / 1000, Event(**{**fields, "reading": "page:0", "witness": "observer"}))
    return built


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(row: Row) -> None:
    verdict = judge(row.make().build(), [row.guarantee])[row.guarantee]
    assert (verdict.outcome, verdict.signature) == (row.outcome, row.signature), verdict.says


@pytest.mark.parametrize("make", [executed, killed], ids=["executed", "killed"])
def test_a_right_executor_violates_nothing_and_leaves_nothing_open(make: Any) -> None:
    outcomes = {identity: verdict.outcome for identity, verdict in judge(make().build()).items()}
    assert {identity for identity, outcome in outcomes.items() if outcome is HOLDS} == {
        identity for identity, one in CATALOGUE.items() if one.of_executors
    }
    assert set(outcomes.values()) == {HOLDS, NOT_APPLICABLE}


def test_the_incident_is_convicted_by_three_and_by_no_other() -> None:
    found = {name for name, verdict in judge(late().build()).items() if verdict.outcome is Outcome.VIOLATED}
    assert found == {"status.dead", "loop.bounded", "loop.explained"}


@pytest.mark.parametrize("witness", ["pod", "agent", "edge", "observer"])
def test_a_blind_witness_takes_back_what_rests_on_it(witness: str) -> None:
    found = judge(killed().blind(witness).build())
    for identity, guarantee in CATALOGUE.items():
        rests = any(one.partition(".")[0] == witness for one in guarantee.of_executors)
        if guarantee.of_executors:
            assert (found[identity].outcome is INCONCLUSIVE) is rests, identity


def test_a_key_is_the_same_after_a_restart() -> None:
    built = executed().turn(3.5, epoch=1)
    assert judge(built.build(), ["loop.once"])["loop.once"].outcome is HOLDS
