"""The loop goes on: a run that was begun asks the model, and one whose model says that it is done is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from tailproof.guarantees.events_log import per_conversation
from tailproof.guarantees.verdict import (
    Guarantee,
    Level,
    Pointer,
    Verdict,
    all_of,
    at,
    excused,
    holds,
    inconclusive,
    violated,
)
from tailproof.guarantees.witnesses import ENGINE, MODEL, STATUS, STREAM, TOOL, WIRE, asked_turns
from tailproof.history.header import Header
from tailproof.history.parameters import parameter
from tailproof.history.plan import HOLDING, is_of_the_path, turns
from tailproof.history.reader import History
from tailproof.history.record import CLIENT, TERMINAL, Record
from tailproof.history.records import Life, ModelCall
from tailproof.history.server_records import Request, Status
from tailproof.history.timeline import (
    SECOND,
    BegunRun,
    accepted,
    clean_statuses,
    runs_of,
    seconds,
    settled_at,
    statuses_of,
)
from tailproof.history.views import belongs

MANY_STEPS = 3


def progress(history: History, conversation: str) -> Verdict:
    """A run that was begun makes its next call of the model, or ends, within T.

    Judged for each accepted run, from its beginning, and from each step of it: a call of the model, the begin or end of a tool, the
    release of a loop that the trial itself held. The scripted time is added to T once. Time in which the trial held the loop, or a
    tool of the script ran, does not count. A status that was there before the run is no end of it. Excused is a run without anything
    new to tell the model, one that was stopped or deleted by a user, and one whose server went down.
    """
    return all_of((_one_run(history, run) for run in runs_of(history, conversation)), nothing="no run was accepted")


def _one_run(history: History, run: BegunRun) -> Verdict:
    down = _went_down(history, run)
    if down is not None and any(life.t_ns > down.t_ns for life in history.lives if life.stage == "started"):
        return excused("the server went down during the run: see status.crash", evidence=[at(down, down.stage)])
    limit_s = parameter(history.header, "loop.progress") + parameter(history.header, "scripted")
    end = _end(history, run)
    steps = _steps(history, run)
    asked = [step for step in steps if isinstance(step, ModelCall) and step.stage == "asked"]
    if not asked and end is None:
        excuse = _why_unasked(history, run)
        if excuse is not None:
            return excuse
    until_ns = end.t_ns if end else (down.t_ns if down else run.until_ns)
    moments: list[Record] = [run.record, *(step for step in steps if step.t_ns < until_ns), *([end] if end else [])]
    # A fault of the path may keep the server from knowing of the run, until it has answered.
    answered = isinstance(run.record, Request)
    times = [run.record.t_ns if answered else run.began_ns, *(moment.t_ns for moment in moments[1:])]
    if end is None:
        times.append(until_ns)
    for number, (since_ns, then_ns) in enumerate(pairwise(times)):
        waited_ns = then_ns - since_ns
        known = answered or number > 0
        if waited_ns > limit_s * SECOND and not _is_ours(history, since_ns, then_ns, known=known):
            return _stands_still(history, run, moments[: number + 1], waited_ns, limit_s)
    if end is None:
        return inconclusive(
            f"the run was watched for {seconds(run.until_ns - run.began_ns)} s and had not ended", limit_s=limit_s
        )
    slowest = max((then - since for since, then in pairwise(times)), default=0)
    return holds(
        f"the run asked the model {len(asked)} times and ended with {end.raw}",
        compared={"runs": 1, "steps": len(moments)},
        limit_s=limit_s,
        took_s=seconds(slowest),
    )


def _went_down(history: History, run: BegunRun) -> Life | None:
    """The end of a life of the server during the run."""
    within = (life for life in history.lives if run.began_ns < life.t_ns < run.until_ns)
    return next((life for life in within if life.stage in ("died", "stopped")), None)


def _end(history: History, run: BegunRun) -> Status | None:
    """How the run came to rest; `idle` is a rest once the model was asked."""
    settled = settled_at(history, run.conversation, run.began_ns, run.until_ns)
    if settled is not None:
        return settled
    asked = [call.t_ns for call in asked_turns(history.model_calls) if run.began_ns < call.t_ns < run.until_ns]
    seen = [
        status for status in clean_statuses(history, run.conversation) if run.began_ns < status.t_ns <= run.until_ns
    ]
    if asked and seen and seen[-1].neutral == "idle":
        return next((status for status in seen if status.neutral == "idle" and status.t_ns > asked[0]), None)
    return None


def _steps(history: History, run: BegunRun) -> list[Record]:
    """What happened in a run, in the order of the clock."""
    found: list[Record] = [
        call for call in history.model_calls if call.turn >= 0 and belongs(history, run.conversation, call.conversation)
    ]
    found += history.effects
    found += [held for held in history.rendezvous if held.stage == "released"]
    found += [fault for fault in history.faults if fault.stage == "healed"]
    found += [life for life in history.lives if life.stage in ("ready", "resumed")]
    return sorted(
        (step for step in found if run.began_ns < step.t_ns < run.until_ns), key=lambda step: (step.t_ns, step.seq)
    )


def _is_ours(history: History, since_ns: int, until_ns: int, *, known: bool) -> bool:
    """The trial held the loop, a fault was on, or a tool of the script ran, at the end of this span. A fault of the path is no obstacle for
    a run that the server is `known` to have."""
    held = [one for one in history.rendezvous if one.point.partition(":")[0] in HOLDING and one.t_ns < until_ns]
    if held and held[-1].stage == "reached":
        return True
    on = [
        one.fault
        for one in history.faults
        if one.stage == "injected" and one.t_ns < until_ns and not (known and is_of_the_path(one.name))
    ]
    if set(on) - {one.fault for one in history.faults if one.stage == "healed" and one.t_ns <= since_ns}:
        return True
    born_ns = max((one.t_ns for one in history.lives if one.stage == "started" and one.t_ns <= since_ns), default=0)
    mine = [one for one in history.effects if born_ns <= one.t_ns <= since_ns]
    begun = [one for one in mine if one.stage == "begin"]
    ended = [one for one in mine if one.stage == "end" and any(one.token == other.token for other in begun)]
    return len(begun) > len(ended)


def _stands_still(
    history: History,
    run: BegunRun,
    before: Sequence[Record],
    waited_ns: int,
    limit_s: float,
) -> Verdict:
    seen = [status for status in clean_statuses(history, run.conversation) if status.t_ns > before[-1].t_ns]
    shown = seen[0] if seen else None
    word = shown.raw if shown else "nothing"
    return violated(
        f"for {seconds(waited_ns)} s after {_what(before[-1])} the run neither asked the model nor ended; the status was {word}",
        signature="stands-still" if any(isinstance(step, ModelCall) for step in before) else "never-asked",
        expected=["a call of the model, or the end of the run"],
        seen=[word],
        evidence=[*(at(step, _what(step)) for step in before[-MANY_STEPS:]), *([at(shown, word)] if shown else [])],
        timed=True,
        limit_s=limit_s,
        took_s=seconds(waited_ns),
    )


def _what(step: Record) -> str:
    if isinstance(step, ModelCall):
        return f"the model's turn {step.turn + 1} was {step.stage}"
    return "the run was accepted" if isinstance(step, Request) else "its last step"


def _why_unasked(history: History, run: BegunRun) -> Verdict | None:
    """Why nobody can ask for a call of the model in this run."""
    began = at(run.record, "the run was accepted")
    for request in history.requests:
        if (
            request.verb in ("delete", "pause", "interrupt")
            and accepted(request)
            and belongs(history, run.conversation, request.conversation)
            and run.began_ns < request.t_ns < run.until_ns
        ):
            return excused(f"a user asked for {request.verb}", evidence=[began, at(request, request.verb)])
    before = [status for status in statuses_of(history, run.conversation) if status.t_ns < run.began_ns]
    told = [call.t_ns for call in asked_turns(history.model_calls) if call.t_ns < run.began_ns]
    news = [
        request
        for request in history.requests
        if request.verb in ("send", "create")
        and accepted(request)
        and (request.began_ns or request.t_ns) > max(told, default=0)
        and request.t_ns <= run.until_ns
        and belongs(history, run.conversation, request.conversation)
    ]
    if not news and before and before[-1].neutral in TERMINAL:
        rest = before[-1]
        return excused("nothing was said since the last run", evidence=[began, at(rest, f"{rest.raw} via {rest.via}")])
    return None


def finishes(history: History, conversation: str) -> Verdict:
    """A run whose model says that it is done ends as done, on its last allowed step, too.

    Judged for each run by the last answer that the model gave in it. A run that a user stopped, or whose server went down, is not judged.
    """
    return all_of((_one_finish(history, run) for run in runs_of(history, conversation)), nothing="no run was accepted")


def _one_finish(history: History, run: BegunRun) -> Verdict:
    script = list(turns(history.header))
    calls = [
        call
        for call in history.model_calls
        if call.turn >= 0
        and run.began_ns < call.t_ns < run.until_ns
        and belongs(history, run.conversation, call.conversation)
    ]
    answers = [call for call in calls if call.stage in ("answered", "broken")]
    end = _end(history, run)
    evidence: list[Pointer] = [at(end, f"{end.raw} via {end.via}")] if end else []
    last = answers[-1] if answers else None
    if last is None or last.stage == "broken" or not _is_done(script, last.turn):
        if end is None:
            unseen = inconclusive("the model did not say that it is done, and the run was not seen to end")
            return unseen if calls else _why_unasked(history, run) or unseen
        return excused("the model did not say that it is done", evidence=evidence)
    said = at(last, f"the model said in turn {last.turn + 1} that it is done")
    if end is None:
        return inconclusive("the model said that it is done, and the run was not seen to end")
    if end.neutral in ("interrupted", "waiting"):
        return excused("the run was stopped, or waits for somebody", evidence=[said, *evidence])
    # A server may have acted on an answer before the model has written down that it was sent.
    asked_ns = max((call.t_ns for call in calls if call.stage == "asked" and call.t_ns <= last.t_ns), default=last.t_ns)
    if end.t_ns < asked_ns:
        return inconclusive("the run was seen to rest before the model said that it is done")
    down = _went_down(history, run)
    if down is not None and down.t_ns < end.t_ns:
        return excused(
            "the server went down before the run had ended", evidence=[said, at(down, down.stage), *evidence]
        )
    if end.neutral in ("failed", "stuck"):
        return violated(
            f"the model said that it is done, and the run ended with {end.raw}",
            signature=f"done-and-{end.neutral}",
            expected=["done"],
            seen=[end.raw],
            evidence=[said, *evidence],
            steps=len(answers),
        )
    return holds(f"the run ended with {end.raw}", compared={"runs": 1, "answers": len(answers)})


def _is_done(script: Sequence[Mapping[str, Any]], turn: int) -> bool:
    """The turn says something last; an empty text says nothing. What comes behind the script is a text."""
    plan: Mapping[str, Any] = script[turn] if turn < len(script) else {"say": "over"}
    return plan.get("finish") is not None or bool(plan.get("say"))


def _says_so(header: Header) -> str:
    return "" if any(_is_done([turn], 0) for turn in turns(header)) else "the script never says that it is done"


GUARANTEES = (
    Guarantee(
        id="loop.progress",
        level=Level.MUST,
        promise="A run that was begun makes its next call of the model, or ends, within T.",
        hurts="users whose run stands still",
        judge=per_conversation(progress),
        rests_on=frozenset({STATUS, STREAM, ENGINE, MODEL, TOOL, CLIENT, WIRE}),
        rests_on_time=True,
    ),
    Guarantee(
        id="loop.finishes",
        level=Level.MUST,
        promise="A run whose model says that it is done ends as done, on its last allowed step, too.",
        hurts="users: finished work is shown as unfinished",
        judge=per_conversation(finishes),
        applies=_says_so,
        rests_on=frozenset({STATUS, STREAM, MODEL, CLIENT, WIRE}),
    ),
)
