"""What is damaged on the disk takes nothing else with it."""

from __future__ import annotations

from tailproof.guarantees.about import a_damage
from tailproof.guarantees.events_log import per_conversation, without_log
from tailproof.guarantees.verdict import Guarantee, Level, Verdict, at, excused, holds, inconclusive, violated
from tailproof.guarantees.witnesses import DISK, LOG, STATUS, WIRE
from tailproof.history.plan import DAMAGE, damages_state
from tailproof.history.reader import History
from tailproof.history.record import CLIENT
from tailproof.history.records import Fault
from tailproof.history.server_records import Request
from tailproof.history.views import belongs, lists_of, log_of


def spared(history: History, conversation: str) -> Verdict:
    """After a file was damaged while the server was stopped, listing answers, with every event that the disk still holds.

    What the disk still holds is what was read from it between the damage and the next start. Only a conversation whose *state*
    is damaged may refuse, with an answer of 4xx that says why: that is one clear error.
    """
    damage = next((one for one in history.faults if one.name == DAMAGE and one.stage == "proven"), None)
    if damage is None:
        return inconclusive("no file was damaged")
    left = next((one for one in lists_of(history, conversation, "disk") if one.began_ns > damage.t_ns), None)
    if left is None or left.begin is None or left.begin.final:
        return inconclusive("the disk was not read between the damage and the next start")
    refused = _refused(history, conversation, damage)
    if refused is not None:
        if damages_state(history.header) and 400 <= refused.code < 500:
            return excused(
                f"the conversation without its state is refused with {refused.code}: one clear error",
                evidence=[at(damage, damage.says), at(refused, f"{refused.path} got {refused.code} {refused.text}")],
            )
        return violated(
            f"the log cannot be listed any more: {refused.code or refused.error}, and {len(left.ids)} events are whole on the disk",
            signature="listing-fails",
            expected=left.ids,
            seen=[f"{refused.code or refused.error} {refused.text}".strip()],
            evidence=[at(damage, damage.says), at(refused, f"{refused.path} got {refused.code or refused.error}")],
            whole=len(left.ids),
        )
    log = log_of(history, conversation)
    if log is None or log.read_as.source != "page":
        return without_log(history, conversation)
    missing = [event for event in left.events if event.durable and event.id not in log.position]
    if missing:
        return violated(
            f"{len(missing)} of {len(left.ids)} events that are whole on the disk are not listed",
            signature="takes-others",
            expected=[event.id for event in missing],
            evidence=[at(damage, damage.says), *(at(event, f"{event.name} {event.id} is whole") for event in missing)],
            missing=len(missing),
            whole=len(left.ids),
        )
    return holds(
        f"all {len(left.ids)} events that are whole on the disk are listed",
        compared={"events": len(left.ids)},
        in_log=len(log.events),
    )


def _refused(history: History, conversation: str, damage: Fault) -> Request | None:
    """The first listing after the server was started again that it answered with anything but a page."""
    return next(
        (
            request
            for request in history.requests
            if request.verb == "load"
            and request.t_ns > damage.t_ns
            and request.code >= 400
            and not (request.cut or request.rule)
            and belongs(history, conversation, request.conversation)
        ),
        None,
    )


GUARANTEES = (
    Guarantee(
        id="events.spared",
        level=Level.MUST,
        promise="After a file was damaged while the server was stopped, listing answers, with every event that is whole on the disk.",
        hurts="readers of a conversation of which one file is damaged",
        judge=per_conversation(spared),
        rests_on=frozenset({LOG, DISK, STATUS, CLIENT, WIRE}),
        applies=a_damage,
    ),
)
