"""Whether REST, stream and disk tell the same status."""

from __future__ import annotations

from collections.abc import Sequence

from tailproof.guarantees.events_log import per_conversation
from tailproof.guarantees.status_greeted import greetings
from tailproof.guarantees.verdict import Guarantee, Level, Verdict, at, holds, inconclusive, violated
from tailproof.guarantees.witnesses import DISK, ENGINE, STATUS, STREAM, WIRE
from tailproof.history.parameters import parameter
from tailproof.history.reader import History
from tailproof.history.record import CLIENT, SETTLED
from tailproof.history.records import Life
from tailproof.history.server_records import Status, Stream
from tailproof.history.timeline import SECOND, clean_statuses, seconds, statuses_of
from tailproof.history.views import same


def agree(history: History, conversation: str) -> Verdict:
    """REST, stream and disk agree within T.

    The status last seen on a subscription past the wire is held against every read of the API that follows in the same life
    of the server. They disagree for as long as one read after the other shows something else than the same, unchanged status
    of the stream; the measured time runs from the first of these reads to the last, so that it is never too long. The disk is
    compared at the end with the last status of the API. Where that is at rest, an orderly stop leaves no excuse; after a death,
    and on a server that lives on, it must have rested for T before. Where it is not, a difference may be the stop's own doing and
    decides nothing.

    Whoever subscribes is told a status of that moment first, without any T (`greeted-STATUS-is-STATUS`; `status_greeted` says when that
    can be told).
    """
    limit_s = parameter(history.header, "status.agree")
    clean = clean_statuses(history, conversation)
    disk = [
        status for status in statuses_of(history, conversation) if status.via == "disk" and status.witness != CLIENT
    ]
    kinds = {status.via for status in (*clean, *disk)}
    if len(kinds) < 2:
        return inconclusive(f"a status was seen through {', '.join(kinds)} only" if kinds else "no status was seen")
    # Whoever else leaves takes nothing away of what the stream has said.
    told_by = {status.witness for status in clean if status.via == "stream"}
    closed = [
        one
        for one in history.streams
        if one.stage == "closed" and one.witness in told_by and same(one.conversation) in ("", conversation)
    ]
    worst, took_ns, compared = _longest_disagreement(sorted((*clean, *closed), key=lambda record: record.t_ns))
    if worst and took_ns > limit_s * SECOND:
        shown, first, last = worst
        return violated(
            f"the stream says {shown.raw} and REST says {last.raw}, for at least {seconds(took_ns)} s",
            signature=f"stream-{shown.neutral}-rest-{last.neutral}",
            expected=[shown.raw],
            seen=[last.raw],
            evidence=[
                at(shown, f"{shown.raw} on the stream"),
                at(first, f"{first.raw} by REST"),
                at(last, f"{last.raw} by REST, still"),
            ],
            timed=True,
            limit_s=limit_s,
            took_s=seconds(took_ns),
        )
    untrue, greeted = greetings(history, conversation)
    verdict = untrue or (_disk(history, clean, disk, limit_s) if disk and clean else None)
    if verdict:
        return verdict
    if worst and worst[2] is clean[-1]:
        return inconclusive(
            f"at the end the stream says {worst[0].raw} and REST {worst[2].raw}, "
            f"but the status was not watched for longer than {limit_s:g} s",
            limit_s=limit_s,
            took_s=seconds(took_ns),
        )
    return holds(
        f"{' and '.join(sorted(kinds))} agreed; the longest difference was {seconds(took_ns)} s",
        compared={
            "reads beside the stream": compared,
            "reads of the disk": int(bool(disk and clean)),
            "greetings": greeted,
        },
        limit_s=limit_s,
        took_s=seconds(took_ns),
    )


Disagreement = tuple[Status, Status, Status]
"""What the stream showed, the first and the last read that showed something else meanwhile."""


def _longest_disagreement(clean: Sequence[Status | Stream]) -> tuple[Disagreement | None, int, int]:
    shown: Status | None = None
    first: Status | None = None
    worst: Disagreement | None = None
    took_ns, compared = 0, 0
    for status in clean:
        if isinstance(status, Stream):
            shown = first = None
            continue
        if status.via == "stream":
            if shown is None or shown.neutral != status.neutral or shown.epoch != status.epoch:
                shown, first = status, None
            continue
        if shown is None or shown.epoch != status.epoch:
            continue
        compared += 1
        if status.neutral == shown.neutral:
            first = None
            continue
        first = first or status
        if worst is None or status.t_ns - first.t_ns >= took_ns:
            worst, took_ns = (shown, first, status), status.t_ns - first.t_ns
    return worst, took_ns, compared


def _disk(history: History, clean: Sequence[Status], disk: Sequence[Status], limit_s: float) -> Verdict | None:
    """None when the disk agrees at the end."""
    written, shown = disk[-1], clean[-1]
    if written.neutral == shown.neutral:
        return None
    ends = [
        life for life in history.lives if life.stage in ("stopped", "died") and shown.t_ns < life.t_ns < written.t_ns
    ]
    end = ends[0] if ends else None
    says = f"the disk says {written.raw}{' after the stop' if end else ''}; REST and stream said {shown.raw}"
    if shown.neutral not in SETTLED or (end is not None and end.epoch != shown.epoch):
        return inconclusive(f"{says}, which was not at rest", limit_s=limit_s)
    since = _rested_since(clean)
    rested_ns = (end or written).t_ns - since.t_ns
    if not (end is not None and _orderly(end)) and rested_ns <= limit_s * SECOND:
        return inconclusive(f"{says}, but for {seconds(rested_ns)} s only", limit_s=limit_s, took_s=seconds(rested_ns))
    return violated(
        says,
        signature=f"disk-{written.neutral}-rest-{shown.neutral}",
        expected=[shown.raw],
        seen=[written.raw],
        evidence=[
            at(since, f"{since.raw} via {since.via}"),
            *([at(end, end.stage)] if end else []),
            at(written, "on the disk"),
        ],
        limit_s=limit_s,
        rested_s=seconds(rested_ns),
    )


def _orderly(life: Life) -> bool:
    """The server was asked to end and did so by itself."""
    return life.stage == "stopped" and life.exit_code in (None, 0, 143, -15)


def _rested_since(clean: Sequence[Status]) -> Status:
    since = clean[-1]
    for status in reversed(clean):
        if status.neutral != since.neutral:
            break
        since = status
    return since


GUARANTEES = (
    Guarantee(
        id="status.agree",
        level=Level.MUST,
        promise="REST, stream and disk agree on the status within T.",
        hurts="whoever decides by the status: readers are told different things",
        judge=per_conversation(agree),
        rests_on=frozenset({STATUS, STREAM, DISK, ENGINE, CLIENT, WIRE}),
        rests_on_time=True,
    ),
)
