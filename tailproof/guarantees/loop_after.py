"""What the loop must not do twice, nor after its end, and what it owes after a crash."""

from __future__ import annotations

from itertools import pairwise

from tailproof.guarantees.about import a_death
from tailproof.guarantees.events_log import per_conversation, without_log
from tailproof.guarantees.executions import explained as told
from tailproof.guarantees.executions import loop as executions
from tailproof.guarantees.executions.view import either, of_servers, per_execution
from tailproof.guarantees.loop_jobs import jobs_of_the_deleted
from tailproof.guarantees.verdict import (
    Guarantee,
    Level,
    Outcome,
    Verdict,
    all_of,
    at,
    excused,
    holds,
    inconclusive,
    violated,
)
from tailproof.guarantees.witnesses import AGENT, DISK, EDGE, ENGINE, LOG, MODEL, POD, STATUS, STREAM, TOOL, WIRE
from tailproof.history.header import Header
from tailproof.history.plan import leaves_tokens
from tailproof.history.reader import History
from tailproof.history.record import CLIENT, CLOSERS
from tailproof.history.records import Effect
from tailproof.history.server_records import Event, Status
from tailproof.history.timeline import (
    SECOND,
    Death,
    accepted,
    changers,
    clean_statuses,
    deaths,
    deletions,
    ends,
    last_ns,
    passing,
    seconds,
    settled_at,
)
from tailproof.history.views import belongs, lists_of, log_of

WAKES = frozenset({"load", "run", "send"})
HALTS = frozenset({"pause", "interrupt", "reject"})
RUNS = frozenset({"run", "resume"})
QUIET = frozenset({"done", "failed", "stuck", "interrupted", "waiting"})
SLACK_NS = SECOND // 2
"""A token is read from the tools' journal a moment after it was written, and a request may be on its way."""


def once(history: History) -> Verdict:
    """No tool call runs twice, with or without a restart.

    Each scripted tool call appends its own token when it begins. After a death of the server the promise is only tested by
    running the conversation again.
    """
    begun: dict[str, list[Effect]] = {}
    for effect in history.effects:
        if effect.stage == "begin":
            begun.setdefault(effect.token, []).append(effect)
    waited = [status for status in history.statuses if status.neutral == "waiting"]
    if not begun and waited:
        return excused(
            "no tool ran: the agent waited for a confirmation that nobody gave",
            evidence=[at(status, f"{status.raw} via {status.via}") for status in waited],
        )
    twice = {token: effects for token, effects in begun.items() if len(effects) > 1}
    if twice:
        return violated(
            f"{len(twice)} of {len(begun)} tool calls ran more than once: {', '.join(twice)}",
            signature="ran-twice",
            expected=list(begun),
            seen=[effect.token for effects in begun.values() for effect in effects],
            evidence=[at(effect, f"{token} begins (pid {effect.pid})") for token in twice for effect in twice[token]],
            calls=len(begun),
            twice=len(twice),
        )
    for death in deaths(history):
        if death.restarted and not _run_again(history, death):
            return inconclusive(
                "the conversation was not run again after the server had died, so nothing could happen twice"
            )
    return holds(f"each of {len(begun)} tool calls ran once", compared={"tool calls": len(begun)})


def _run_again(history: History, death: Death) -> bool:
    pushed = any(
        request.verb in ("run", "send") and accepted(request) and request.t_ns > death.died.t_ns
        for request in history.requests
    )
    return pushed or any(call.turn >= 0 and call.t_ns > death.died.t_ns for call in history.model_calls)


def quiet(history: History, conversation: str) -> Verdict:
    """No model call and no tool effect after the end of a run, a pause or a deletion, or while it waits for the user.

    Watched from each moment at which a healthy reader saw the conversation at rest for good (or its deletion was accepted) until
    the next request that may set it going. Requests to the model outside the script (titles) do not count. A deletion closes the
    terminal: a job that a tool left there ends with it, within T (`job-outlives-deletion`); how long a process lives that was
    detached from its terminal is told and not judged, for nobody promises its end.
    """
    spans = quiet_spans(history, conversation)
    if not spans:
        return inconclusive("the conversation was never seen at rest")
    watched_ns = 0
    for began_ns, until_ns, status in spans:
        watched_ns += max(0, until_ns - began_ns)
        calls = [
            call
            for call in history.model_calls
            if call.stage == "asked"
            and call.turn >= 0
            and began_ns + SLACK_NS < call.t_ns < until_ns
            and belongs(history, conversation, call.conversation)
        ]
        effects = [
            effect
            for effect in history.effects
            if effect.stage == "begin" and began_ns + SLACK_NS < effect.t_ns < until_ns
        ]
        if calls or effects:
            # A status that the harness saw late is not the end of the run: how much it would have to be late is what a stall must
            # reach to excuse this.
            after_ns = max(one.t_ns for one in (*calls, *effects)) - began_ns
            return violated(
                f"{len(calls)} model calls and {len(effects)} tool effects after {status.raw if status else 'the deletion'}",
                signature="model-called-after-end" if calls else "tool-ran-after-end",
                seen=[*(f"model turn {call.turn}" for call in calls), *(effect.token for effect in effects)],
                evidence=[
                    *([at(status, f"{status.raw} via {status.via}")] if status else []),
                    *(at(call, f"model asked for turn {call.turn}") for call in calls),
                    *(at(effect, f"tool {effect.token} begins") for effect in effects),
                ],
                timed=True,
                calls=len(calls),
                effects=len(effects),
                limit_s=seconds(SLACK_NS),
                took_s=seconds(after_ns),
            )
    left = jobs_of_the_deleted(history, min((began_ns for began_ns, _, status in spans if status is None), default=0))
    if left.outcome is not Outcome.HOLDS:
        return left
    if watched_ns <= SLACK_NS:
        return inconclusive(f"the conversation was watched at rest for {seconds(watched_ns)} s only")
    return holds(
        f"no model call and no tool effect in {seconds(watched_ns)} s at rest",
        compared={
            "seconds": seconds(watched_ns),
            "model calls and tool effects": len(history.model_calls) + len(history.effects),
            **left.compared,
        },
        **left.measured,
    )


def quiet_spans(history: History, conversation: str) -> list[tuple[int, int, Status | None]]:
    """(from, until, status) of every time at rest; no status for a deleted conversation."""
    moving = [asked for asked, _ in changers(history, conversation)]
    edges = sorted({0, *moving, last_ns(history)})
    spans: list[tuple[int, int, Status | None]] = []
    for began_ns, until_ns in pairwise(edges):
        settled = settled_at(history, conversation, began_ns, until_ns)
        rest = _stopped_at(history, conversation, began_ns, until_ns) or settled
        if rest and rest.neutral in QUIET:
            spans.append((rest.t_ns, until_ns, rest))
        elif (
            spans
            and spans[-1][1] == began_ns
            and _left_at_rest(history, conversation, began_ns, until_ns, spans[-1][2])
        ):
            spans.append((began_ns, until_ns, spans[-1][2]))
    gone = deletions(history, conversation)
    return [*spans, *((one.t_ns, last_ns(history), None) for one in gone)]


def _left_at_rest(history: History, conversation: str, began_ns: int, until_ns: int, rest: Status | None) -> bool:
    """Who halts what rests already leaves it at rest, and no status has to say so again; who rejects what waits leaves it idle. Who asks
    for a run of what is done leaves it so, if no status and no call of the model says otherwise."""
    asked = {
        request.verb
        for request in history.requests
        if (request.began_ns or request.t_ns) == began_ns and belongs(history, conversation, request.conversation)
    }
    shown = {one.neutral for one in clean_statuses(history, conversation) if began_ns <= one.t_ns <= until_ns}
    if asked & HALTS:
        return shown <= (QUIET | {"idle"} if "reject" in asked else QUIET)
    called = any(call.turn >= 0 and began_ns < call.t_ns < until_ns for call in history.model_calls)
    return rest is not None and rest.neutral == "done" and bool(asked & RUNS) and shown <= {"done"} and not called


def _stopped_at(history: History, conversation: str, began_ns: int, until_ns: int) -> Status | None:
    """When a run was first shown as stopped in this span: nobody has set it going since, whatever it shows later."""
    before = ""
    for status in clean_statuses(history, conversation):
        if status.t_ns > until_ns:
            break
        if status.t_ns >= began_ns and status.neutral == "interrupted" != before:
            return status
        before = status.neutral
    return None


def explained(history: History, conversation: str) -> Verdict:
    """A crash leaves an error event for each unfinished action, and the next model call sees it.

    Unfinished are the actions on the disk of the dead server (or, where it was not read, those that were seen before the death)
    that nothing had closed. Each must have an error event with its call id in the final log (a server that promises to run
    again may have any end of it there), and the first scripted request to the model after the restart must carry a result for
    it. An action that waits for a confirmation, and waits for it again afterwards, was not begun.
    """
    return all_of(
        (_one_death(history, conversation, death) for death in deaths(history) if death.restarted),
        nothing="the server did not die and restart in this trial",
    )


def _of(some: int, every: int) -> str:
    """`the one action`, `2 of 3 actions`."""
    return "the one action" if some == every == 1 else f"{some} of {every} actions"


def _one_death(history: History, conversation: str, death: Death) -> Verdict:
    if death.ready is None:
        return excused(
            "the server was not ready again: see server.returns", evidence=[at(death.died, "the server died")]
        )
    log = log_of(history, conversation)
    if log is None:
        return without_log(history, conversation)
    waits = waits_again(history, conversation, death)
    if waits is not None:
        return excused(
            "the action waits for a confirmation again, and nobody had begun it",
            evidence=[at(death.died, "the server died"), at(waits, f"{waits.raw} via {waits.via}")],
        )
    actions, on_disk = _unfinished(history, conversation, death)
    ends: dict[str, list[Event]] = {call: [] for call in actions}
    for event in log.events:
        if event.role in CLOSERS and event.call in ends:
            ends[event.call].append(event)
    again = history.header.facts.get("crash_policy") == "run-again"
    good = CLOSERS if again or not on_disk else {"error"}
    actions = {call: action for call, action in actions.items() if action.id in log.position}
    if not actions:
        return _all_had_ended(history, death, on_disk)
    bare = [action for call, action in actions.items() if not any(end.role in good for end in ends[call])]
    if bare:
        read = log.read_as.end
        return violated(
            f"{_of(len(bare), len(actions))} that the crash interrupted {'has' if len(bare) == 1 else 'have'} no error event, though "
            "the server came back",
            signature="unexplained",
            expected=[f"an error event for {action.name} {action.call}" for action in bare],
            seen=[f"{end.name} {end.id}" for action in bare for end in ends[action.call]]
            or ["no end of it in the log"],
            evidence=[
                at(death.died, "the server died"),
                *(at(action, f"{action.name} {action.call} has no end here") for action in bare),
                at(death.ready, "the server is ready again"),
                *(
                    [at(read, f"the log as it was read at last: {len(log.events)} events, no error event for it")]
                    if read
                    else []
                ),
            ],
            unfinished=len(actions),
            unexplained=len(bare),
        )
    asked = next(
        (
            call
            for call in history.model_calls
            if call.stage == "asked"
            and call.turn >= 0
            and call.t_ns > death.ready.t_ns
            and belongs(history, conversation, call.conversation)
        ),
        None,
    )
    if asked is None:
        return inconclusive("the model was not asked again after the crash")
    unseen = [call for call in actions if call not in asked.results]
    if unseen:
        return violated(
            f"the next model call has no result for {len(unseen)} of {len(actions)} actions that the crash interrupted",
            signature="unseen-by-model",
            expected=unseen,
            seen=list(asked.results),
            evidence=[at(death.died, "the server died"), at(asked, f"asked for turn {asked.turn}")],
            unfinished=len(actions),
            unseen=len(unseen),
        )
    return holds(
        f"each of {len(actions)} unfinished actions has an error event, and the next model call saw it",
        compared={"unfinished actions": len(actions)},
    )


def waits_again(history: History, conversation: str, death: Death) -> Status | None:
    """Where the crash interrupted nothing: an action waited for a confirmation, the model was asked nothing and no tool began since, and
    the first that is seen of the next life is that it waits. A confirmation that was accepted just before is asked for once more."""
    if death.ready is None:
        return None
    statuses = clean_statuses(history, conversation)
    waited = next((one for one in reversed(statuses) if one.t_ns < death.died.t_ns and one.neutral == "waiting"), None)
    shown = next((one for one in statuses if one.t_ns > death.ready.t_ns), None)
    if waited is None or shown is None or shown.neutral != "waiting":
        return None
    went_on = (
        *(call.t_ns for call in history.model_calls if call.stage == "asked" and call.turn >= 0),
        *(effect.t_ns for effect in history.effects if effect.stage == "begin"),
    )
    return None if any(waited.t_ns < moment_ns < death.ready.t_ns for moment_ns in went_on) else shown


def _all_had_ended(history: History, death: Death, on_disk: bool) -> Verdict:
    """Nothing was unfinished, as far as the dead server wrote down; a tool that ran just then tells otherwise."""
    ended = {effect.token for effect in history.effects if effect.stage == "end" and effect.t_ns < death.died.t_ns}
    began_ns = next((life.t_ns for life in history.lives if life.stage == "started" and life.epoch == death.epoch), 0)
    running = [
        effect
        for effect in history.effects
        if effect.stage == "begin" and began_ns <= effect.t_ns < death.died.t_ns and effect.token not in ended
    ]
    if running or not on_disk:
        token = f"tool {running[0].token} ran when the server died, and no" if running else "no"
        return inconclusive(f"{token} unfinished action was found")
    return excused("no action was unfinished when the server died", evidence=[at(death.died, "the server died")])


def _unfinished(history: History, conversation: str, death: Death) -> tuple[dict[str, Event], bool]:
    """The open actions by call id, and whether the disk of the dead server says so. A life that is a part of a fault leaves what the one
    before it left; one that was ended before anybody asked for anything leaves that, too, and its own errors about it."""
    while passing(history, death.epoch):
        death = next(one for one in ends(history) if one.epoch == death.epoch - 1)
    seen = [event for one in lists_of(history, conversation) for event in one.events if event.t_ns <= death.died.t_ns]
    left = _left_on_disk(history, conversation, death)
    marks: set[str] = set()
    if left is None and (later := _not_asked(history, death)) is not None:
        left = _left_on_disk(history, conversation, later)
        marks = {event.id for event in left or () if event.role == "error"} - {event.id for event in seen}
    if left is not None:
        seen = left
    closed = {event.call for event in seen if event.role in CLOSERS and event.id not in marks}
    actions = {
        event.call: event for event in seen if event.role == "action" and event.call and event.call not in closed
    }
    return actions, left is not None


def _left_on_disk(history: History, conversation: str, death: Death) -> list[Event] | None:
    """None where nobody read the disk between this death and the next life."""
    until_ns = death.restarted.t_ns if death.restarted else last_ns(history)
    disks = [
        one
        for one in lists_of(history, conversation, "disk")
        if death.died.t_ns <= one.began_ns <= until_ns and one.end is not None
    ]
    return disks[-1].events if disks else None


def _not_asked(history: History, death: Death) -> Death | None:
    """The end of the life after this death, if we caused it before anybody asked that life for more than its status."""
    later = next((one for one in ends(history) if one.epoch == death.epoch + 1), None)
    if later is None or not later.died.by_us:
        return None
    asked = [one.t_ns for one in history.requests if one.verb in WAKES]
    asked += [call.t_ns for call in history.model_calls]
    return None if any(death.died.t_ns < t_ns < later.died.t_ns for t_ns in asked) else later


def _runs_tools(header: Header) -> str:
    return "" if leaves_tokens(header) else "no tool of the script writes into the tool journal"


GUARANTEES = (
    Guarantee(
        id="loop.once",
        level=Level.MUST,
        promise="No tool call runs twice, with or without a restart; no turn that an executor acknowledged is lost or delivered twice.",
        hurts="users whose commands have effects: they are done twice, or not at all",
        judge=either(once, executions.once),
        applies=of_servers(_runs_tools),
        rests_on=frozenset({TOOL, MODEL, ENGINE, STATUS, STREAM, DISK, CLIENT, WIRE}),
        of_executors=frozenset({LOG, STATUS, AGENT}),
    ),
    Guarantee(
        id="loop.quiet",
        level=Level.MUST,
        promise="No model call and no tool effect after the end of a run, a pause or a deletion, or while it waits for the user.",
        hurts="users who stopped a run that goes on working",
        judge=per_conversation(quiet),
        rests_on=frozenset({MODEL, TOOL, STATUS, STREAM, CLIENT, WIRE}),
        rests_on_time=True,
    ),
    Guarantee(
        id="loop.explained",
        level=Level.MUST,
        promise="A crash leaves an error event for each unfinished action, and the next model call sees it; a turn that failed in its "
        "sandbox names the container that ended, its exit code and its reason.",
        hurts="users after a crash, and the model: nobody tells them what was interrupted",
        judge=either(per_conversation(explained), per_execution(told.explained)),
        applies=of_servers(a_death),
        rests_on=frozenset({LOG, STREAM, DISK, MODEL, TOOL, ENGINE, CLIENT}),
        of_executors=frozenset({LOG, STATUS, POD, AGENT, EDGE}),
    ),
)
