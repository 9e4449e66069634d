"""Whether the witnesses of a trial can be trusted: each is asked for its own count, and each for what the others saw.

A witness is blind when its record is not whole, or when another one shows what it should have seen and did not. Nothing that rests on
a blind witness is decided (`catalogue.weigh`): a silence that nobody can vouch for is no proof. What a server or a client did wrong is
no blindness of whoever watched it, and is left to the guarantees.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from tailproof.history.plan import IN_A_COPY, KILLS, RESTARTS, client_tells, damages_state, is_seeded
from tailproof.history.reader import History, Tally, derived
from tailproof.history.record import CLIENT, Record
from tailproof.history.records import Effect, End, ModelCall
from tailproof.history.spoken import asked_to_delete, ended_over
from tailproof.history.timeline import SECOND, accepted, down_after
from tailproof.history.views import EventList, lists

TRIAL = "trial"
LOG, STREAM, STATUS = "observer.log", "observer.stream", "observer.status"
DISK, MODEL, TOOL, WIRE, ENGINE, HOOKS = "disk", "model", "tool", "wire", "engine", "hooks"
POD, AGENT, EDGE = "pod", "agent", "edge"
WITNESSES = (TRIAL, LOG, STREAM, STATUS, DISK, MODEL, TOOL, WIRE, CLIENT, ENGINE, HOOKS, POD, AGENT, EDGE)
"""What a guarantee may rest on. The observer is three witnesses in one file: it reads the log, listens, and asks for the status."""

COUNTED_SINCE = 2
"""The schema from which on witnesses count their records."""
CLOCKS_AGREE_NS = 2_000_000_000
"""Clocks that are less apart are the same."""
Blind = tuple[str, str]
"""A witness, and a sentence that says why it cannot be trusted."""
Known = Collection[str]
"""The witnesses that are known to be blind: what they lack accuses nobody."""

_OF_ONE_FILE: Mapping[str, tuple[str, ...]] = {"observer": (LOG, STREAM, STATUS), "user": (LOG, STREAM)}
DONE = re.compile(r"^done (\S+)$", re.MULTILINE)
"""What a tool says at its end, with its token."""
_UNWRITTEN = re.compile(r"/tokens: ([^\n]+)")
_GIVEN = re.compile(r"call-\d+-\d+")


def files(witness: str) -> str:
    """The file that a witness writes: `observer.log` is in that of the observer."""
    return witness.partition(".")[0]


def sees(history: History) -> frozenset[str]:
    """The witnesses that this trial has."""
    named = {TRIAL, *history.header.witnesses} if history.header.schema >= COUNTED_SINCE else set(map(files, WITNESSES))
    return frozenset(witness for witness in WITNESSES if files(witness) in named)


@derived
def blind(history: History) -> dict[str, str]:
    """Witness -> why it cannot be trusted; empty when all of them agree. A history of before they counted their records has none
    that could be told."""
    found: dict[str, str] = {}
    if history.header.schema >= COUNTED_SINCE:
        seeing = sees(history)
        for check in _CHECKS:
            for witness, why in check(history, found.keys()):
                if witness in seeing:
                    found.setdefault(witness, why)
    return found


def _whole(history: History, known: Known) -> Iterator[Blind]:
    """Each file is there to its end, without a gap, as long as its writer and the trial say."""
    ends = {end.witness: end for end in history.ends}
    told = ends[TRIAL].of_others if TRIAL in ends else {}
    for name in dict.fromkeys((TRIAL, *history.header.witnesses)):
        why = _not_whole(history, name, history.tallies.get(name), ends.get(name), told)
        if why:
            yield from ((witness, why) for witness in _of_file(history, name))


def _of_file(history: History, name: str) -> tuple[str, ...]:
    """The witnesses in a file. Other users read the log where an act says so; in most trials they only listen."""
    reads = name != "user" or any(one.witness == name for one in history.readings)
    return tuple(one for one in _OF_ONE_FILE.get(name, (name,)) if reads or one != LOG)


def _not_whole(history: History, name: str, tally: Tally | None, end: End | None, told: Mapping[str, int]) -> str:
    torn = [place for place in history.damaged if place.startswith(f"{name}.jsonl:")]
    if torn:
        return f"the record of the {name} cannot be read at {torn[0]}"
    if tally is None:
        return f"the {name} left no record"
    if tally.gap >= 0:
        return f"the record of the {name} lacks number {tally.gap}"
    if end is None or end.seq != tally.next - 1:
        return f"the record of the {name} ends early, after number {tally.next - 1}"
    if end.records != end.seq:
        return f"the {name} wrote {end.records} records before its end, but {end.seq} are in the history"
    if name in told and told[name] != tally.records:
        return f"the {name} wrote {told[name]} records, but {tally.records} are in the history"
    return ""


def _clocks(history: History, known: Known) -> Iterator[Blind]:
    """All witnesses share one clock: the time of day at which each wrote its records shows how far its own is off.

    A record is never written before its moment, and often later (a list that is reported at the end), so the earliest one counts.
    """
    trial = history.tallies.get(TRIAL)
    if trial is None or trial.least_ns is None or trial.most_ns is None:
        return
    ahead = [(name, tally.least_ns) for name, tally in history.tallies.items()]
    if not history.stalls:  # who was late to read wrote late
        ahead += _stamped_elsewhere(history)
    for name, ahead_ns in ahead:
        off_ns = _beyond(ahead_ns, trial.least_ns, trial.most_ns)
        if off_ns:
            why = f"the clock of the {name} is {off_ns / SECOND:.1f} s off that of the trial"
            yield from ((witness, why) for witness in _OF_ONE_FILE.get(name, (name,)))


def _stamped_elsewhere(history: History) -> Iterator[tuple[str, int | None]]:
    """In the files of these witnesses the harness writes, too, and its own clock would hide theirs: what they stamped themselves and
    told at once. A script is asked for its run afterwards, and a client that met a long history is busy telling it."""
    lives = [life for life in history.lives if life.stage != "ready"]
    yield ENGINE, _earliest(lives)
    yield TOOL, _earliest(history.effects)
    if "exit" not in client_tells(history.header) and not is_seeded(history.header):
        yield CLIENT, _earliest(run for run in history.runs if run.stage == "called")


def _earliest(records: Iterable[Record]) -> int | None:
    return min((round(one.wall * SECOND) - one.t_ns for one in records if one.wall), default=None)


def _beyond(ahead_ns: int | None, least_ns: int, most_ns: int) -> int:
    """How far a clock is outside of what the trial's own did, in either direction; 0 when the difference can be borne."""
    if ahead_ns is None or least_ns - CLOCKS_AGREE_NS <= ahead_ns <= most_ns + CLOCKS_AGREE_NS:
        return 0
    return least_ns - ahead_ns if ahead_ns < least_ns else ahead_ns - most_ns


def _tools(history: History, known: Known) -> Iterator[Blind]:
    """The model was told of a tool that ran: the tool's journal shows it begin and end."""
    begun, ended = (_tokens(history.effects, stage) for stage in ("begin", "end"))
    for call in history.model_calls:
        for result in call.results.values():
            unwritten = _UNWRITTEN.search(result)
            if unwritten:
                yield TOOL, f"a tool could not write into its journal: {unwritten[1]}"
            for token in DONE.findall(result):
                if token not in begun or token not in ended:
                    yield (
                        TOOL,
                        f"the model was told that tool {token} ran, and the journal of the tools does not show it",
                    )


def _tokens(effects: Iterable[Effect], stage: str) -> set[str]:
    return {effect.token for effect in effects if effect.stage == stage}


def _models(history: History, known: Known) -> Iterator[Blind]:
    """What the loop did it was told by the model: every call in a log, every tool that ran, every answer in words."""
    asked = [call for call in history.model_calls if call.stage == "asked"]
    ends = {call.request for call in history.model_calls if call.stage in ("answered", "broken")}
    for call in asked:
        if call.request not in ends:
            yield MODEL, f"the model's request {call.request} has no end"
    if history.effects and not asked:
        yield MODEL, f"tool {history.effects[0].token} ran, and the model was never asked"
    given = {identity for call in history.model_calls for identity in call.calls}
    for one in lists(history):
        for event in one.events:
            if event.role == "action" and event.call not in given and _GIVEN.fullmatch(event.call):
                yield MODEL, f"{one.witness} {one.reading} has tool call {event.call}, which the model never made"
                return


def _wires(history: History, known: Known) -> Iterator[Blind]:
    """What the client asked went over the wire."""
    mine = [request for request in history.requests if request.witness == CLIENT and request.code]
    ran = [run for run in history.runs if run.witness == CLIENT]
    if (mine or ran) and not history.exchanges:
        yield WIRE, "the client worked, and the wire saw no request of it"
        return
    plain = history.header.client == "plain"
    exchanges = {exchange.t_ns for exchange in history.exchanges}
    unseen = [request for request in mine if not plain and request.t_ns not in exchanges]
    if unseen:
        yield WIRE, f"the client's {unseen[0].method} {unseen[0].path} is not in the record of the wire"
    elif plain and len(mine) > len(history.exchanges):
        yield WIRE, f"the client had {len(mine)} answers, and the wire saw {len(history.exchanges)} exchanges"
    open_still = {one.reading for one in history.streams if one.path == "wire" and one.stage == "opened"}
    open_still -= {one.reading for one in history.streams if one.path == "wire" and one.stage == "closed"}
    if open_still:
        yield WIRE, f"the wire saw {min(open_still)} open and never close"
    if CLIENT in known or "exit" in client_tells(history.header) or is_seeded(history.header):
        return  # a client that drives itself says what it likes, and a seeded history holds what was said before
    posted = {request.text.strip() for request in history.requests if request.verb in ("send", "create")}
    # Into another conversation: that it is in this one accuses the server (`loop.answered`), and not the wire.
    posted.add(IN_A_COPY)
    for one in lists(history):
        for event in one.events:
            if event.role == "message" and event.source == "user" and not _among(event.text, posted):
                yield (
                    WIRE,
                    f"{one.witness} {one.reading} holds the message {event.text[:60]!r}, which nobody saw posted",
                )
                return


def _among(text: str, known: Iterable[str]) -> bool:
    return any(said and said in text for said in known)


def _clients(history: History, known: Known) -> Iterator[Blind]:
    """The lists that the client reported are as long as it said."""
    for one in lists(history):
        if one.witness != CLIENT or one.begin is None or one.source not in ("held", "callback"):
            continue
        if one.end is None:
            yield CLIENT, f"the client's report {one.reading} is incomplete: its end is missing"
        elif one.end.complete and one.end.count >= 0 and one.end.count != len(one.events):
            yield (
                CLIENT,
                (
                    f"the client reported {one.end.count} events in {one.reading}, but {len(one.events)} are in the history"
                ),
            )


def _engines(history: History, known: Known) -> Iterator[Blind]:
    """The engine reported every life in which the server answered, and every death that was proven."""
    started = {life.epoch for life in history.lives if life.stage == "started"}
    answered = {request.epoch for request in history.requests if request.code and request.witness != CLIENT}
    for epoch in sorted(answered - started):
        yield ENGINE, f"the server answered in its life {epoch}, which the engine never reported"
    for fault in history.faults:
        if fault.stage == "proven" and fault.name in KILLS:
            intent = [one.t_ns for one in history.faults if one.fault == fault.fault and one.stage == "intent"]
            if not any(life.stage == "died" and life.t_ns >= min(intent, default=0) for life in history.lives):
                yield ENGINE, f"the fault {fault.fault} is proven, but the engine reported no death of the server"


def _pods(history: History, known: Known) -> Iterator[Blind]:
    """API server and kernel tell the same deaths of a server: each with its exit code, and as an OOM kill only if both have it."""
    if "status" not in history.header.witnesses.get(POD, ()):
        return
    told = [one for pod in history.pods for one in pod.containers.values()]
    ended = {(one.reason, one.exit_code) for one in told if one.state == "terminated"}
    before = {one.before.rpartition(" ")[2] for one in told if one.before}
    for life in history.lives:
        code = life.exit_code
        if life.stage == "died" and code is not None and str(code) not in before | {str(one) for _, one in ended}:
            yield POD, f"the server died with {code} in its life {life.epoch}, which the API server never told"
    counted = any(one.name == "memory.oom_kill" and one.value for one in history.counters)
    if not counted and any(reason == "OOMKilled" for reason, _ in ended):
        yield ENGINE, "the API server told an OOM kill, which the kernel's counter does not hold"


def _disks(history: History, known: Known) -> Iterator[Blind]:
    """The disk was read whole, at the end and after each death, unless the conversation had been deleted. It shows a status, unless
    a fault damaged that."""
    read = [one for one in lists(history) if one.source == "disk"]
    for one in read:
        if not one.complete:
            yield DISK, f"the disk was not read whole: {one.why_incomplete}"
    told = {status.epoch for status in history.statuses if status.via == "disk"}
    for one in read:
        if one.end is not None and one.end.epoch not in told and not damages_state(history.header):
            yield DISK, f"{one.reading} shows no status"
    created = any(one.subscribed or one.source == "page" for one in lists(history))
    if created and not deleted(history) and not any(one.final for one in read):
        yield DISK, "the disk was not read at the end"


def deleted(history: History) -> bool:
    """Somebody deleted the conversation."""
    return any(request.verb == "delete" and accepted(request) for request in history.requests)


def _nothing_was_created(history: History) -> bool:
    """The client gave up before it had a conversation: there was none to subscribe to."""
    gave_up = any(one.by == "client" and one.doing in ("start", "create") for one in history.break_offs)
    return gave_up and not any(request.verb == "create" and accepted(request) for request in history.requests)


def _observers(history: History, known: Known) -> Iterator[Blind]:
    """The observer's readings have their ends; its subscriptions lasted as long as the server and the conversation did."""
    mine = [one for one in lists(history) if one.witness == "observer"]
    streams = [one for one in mine if one.source == "stream" and one.subscribed]
    yield from _ended_early(history, mine)
    for one in mine:
        if one.begin is not None and one.end is None:
            yield LOG, f"the observer's {one.reading} has no end"
        if one.source == "stream" and one.subscribed and one.closed is None:
            yield from ((witness, f"the observer's {one.reading} has no end") for witness in _OF_ONE_FILE["observer"])
    if not streams and not _nothing_was_created(history):
        yield STREAM, "the observer was never subscribed"
    over = min((phase.t_ns for phase in history.phases if phase.name == "stopping"), default=None)
    for one in streams:
        closed = one.closed.t_ns if one.closed else None
        down = down_after(history, one.began_ns)
        until = min((moment for moment in (over, down) if moment is not None), default=None)
        if (
            ENGINE not in known
            and not (one.subscribed and one.subscribed.path == "replay")
            and not (one.subscribed and one.subscribed.run)  # it ends with its run
            and closed is not None
            and until is not None
            and closed < until - _AT_ONCE_NS
            and not asked_to_delete(history, closed)
            and not _is_being_ended(history, closed)
            and (one.closed is None or ended_over(history, one.closed) is None)
        ):
            assert one.closed is not None
            yield (
                STREAM,
                (
                    f"the observer's {one.reading} was cut off ({one.closed.code} {one.closed.reason}) while the server lived"
                ),
            )


def _is_being_ended(history: History, moment_ns: int) -> bool:
    """A fault of which a server dies was under way. The kernel may take a server from its clients long before the engine tells."""
    began = {one.fault: one.t_ns for one in history.faults if one.stage == "intent" and one.name in RESTARTS}
    healed = {one.fault: one.t_ns for one in history.faults if one.stage == "healed"}
    return any(since <= moment_ns <= healed.get(fault, moment_ns) for fault, since in began.items())


def _ended_early(history: History, mine: Collection[EventList]) -> Iterator[Blind]:
    """The observer reads at the end what the server shows, if that lives and has something to show."""
    reading = min((phase.t_ns for phase in history.phases if phase.name == "reading"), default=None)
    last = history.tallies["observer"].last_ns if "observer" in history.tallies else 0
    if reading is None or not mine or deleted(history) or last >= reading:
        return
    ready = [life.t_ns for life in history.lives if life.stage == "ready" and life.t_ns < reading]
    down = down_after(history, max(ready)) if ready else 0
    if down is None or down > reading:
        why = "the observer's record ends before its last reading of the server"
        yield from ((witness, why) for witness in _OF_ONE_FILE["observer"])


_AT_ONCE_NS = 500_000_000
"""A stream may end so much before the death of its server is recorded: a server says goodbye before it goes."""

_CHECKS = (_whole, _clocks, _tools, _models, _wires, _clients, _engines, _pods, _disks, _observers)


def asked_turns(calls: Iterable[ModelCall]) -> list[ModelCall]:
    """The requests of the loop; side requests (titles) are none."""
    return [call for call in calls if call.stage == "asked" and call.turn >= 0]


@derived
def doubled_by_the_model(history: History) -> dict[str, int]:
    """Ids that the model itself gave to several calls of one reply, and to how many: nobody else doubled those."""
    told = (call.calls for call in history.model_calls if call.stage == "answered")
    return {one: calls.count(one) for calls in told for one in calls if calls.count(one) > 1}
