"""The list of a server's conversations, in every way in which it can be asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tailproof.guarantees.events_filtered import TRANSIENT, moment
from tailproof.guarantees.verdict import Guarantee, Level, Pointer, Verdict, at, holds, inconclusive, violated
from tailproof.guarantees.witnesses import ENGINE, STATUS, STREAM
from tailproof.history.header import Header
from tailproof.history.plan import plans
from tailproof.history.reader import History
from tailproof.history.server_records import Listing
from tailproof.history.timeline import deletions
from tailproof.history.views import same

LIST = "user.list"


@dataclass(frozen=True, slots=True)
class Visit:
    """What somebody was shown, reading by reading. The first and the last show the whole list."""

    readings: Sequence[Listing]
    first: dict[str, str]
    last: dict[str, str]
    """Conversation -> the status with which it was shown."""


def lists(history: History) -> Verdict:
    """The list of conversations holds each one once, by the time of its creation, whatever the page size; with a status, exactly those
    that have it; the server's count is that of the list; and whoever asks for several by their ids gets these, in this order.

    Judged on the visits of a user who reads the whole list first and last and saw the same conversations in both. A conversation whose
    status was not the same in both may be among those of a status or not. The conversation of the trial is in the list if the server
    answered for it in this life, before, and nobody had deleted it; so is each that another user has created and not deleted.
    """
    visits = [one for one in _visits(history) if one.readings]
    judged = 0
    for visit in visits:
        for reading in visit.readings:
            verdict = _refused(reading) or (_against(history, visit, reading) if reading.complete else None)
            if verdict is not None:
                return verdict
            judged += reading.complete
    if not judged:
        return inconclusive("nobody saw the same conversations in the list at the beginning and at the end of a visit")
    return holds(
        f"{judged} readings of the list of conversations show what they were asked for",
        compared={
            "readings": judged,
            "conversations": max(len(visit.first) for visit in visits),
            "statuses": len({reading.status for visit in visits for reading in visit.readings if reading.status}),
        },
    )


def _visits(history: History) -> Iterator[Visit]:
    found: dict[tuple[str, int], list[Listing]] = {}
    for one in history.listings:
        found.setdefault((one.reading, one.epoch), []).append(one)
    for readings in found.values():
        whole = [one for one in readings if one.complete and not one.status and not one.asked]
        refused = [one for one in readings if _refused(one)]
        if len(whole) < 2 or set(whole[0].conversations) != set(whole[-1].conversations):
            yield Visit(refused, {}, {})
        else:
            yield Visit(
                readings, *(dict(zip(one.conversations, one.statuses, strict=True)) for one in (whole[0], whole[-1]))
            )


def _refused(one: Listing) -> Verdict | None:
    if one.complete or one.code < 400 or one.code in TRANSIENT:
        return None
    return violated(
        f"the server does not list {_said(one)}: {one.code}",
        signature="refused",
        expected=["200"],
        seen=[f"{one.code} {one.error}".strip()],
        evidence=[at(one, f"answered {one.code}")],
    )


def _said(one: Listing) -> str:
    if one.asked:
        return f"{len(one.asked)} conversations by their ids"
    order = "oldest first" if one.order == "ascending" else "newest first"
    which = f"the conversations with status {one.status!r}" if one.status else "its conversations"
    return f"{which}, {order}, {one.page_size} to a page"


def _against(history: History, visit: Visit, one: Listing) -> Verdict | None:
    """None when the reading is what was asked for."""
    if one.asked:
        return _of_those(visit, one)
    lacking = [name for name in _owed(visit, one) if name not in one.conversations]
    others = [name for name in one.conversations if not _may_be(visit, one, name)]
    doubled = [name for name, times in Counter(one.conversations).items() if times > 1]
    if not one.status:
        given = set(map(same, one.conversations))
        known = dict.fromkeys((*one.owed, *_own(history, one)))
        lacking += [name for name in known if same(name) not in given and name not in lacking]
    for wrong, what, signature in (
        (lacking, f"lacks {len(lacking)} that are", "lacks-its-own"),
        (others, f"holds {len(others)} that are not", "holds-others"),
        (doubled, f"holds {len(doubled)} twice", "doubled"),
        (_backward(one), "has another order than that of their creation", "other-order"),
    ):
        if wrong:
            return _wrong(one, f"the list of {_said(one)} {what}", signature, wrong)
    steady = visit.first == visit.last
    if steady and 0 <= one.count != len(one.conversations):
        said = f"the server counts {one.count} for {_said(one)}; its pages hold {len(one.conversations)}"
        return _wrong(one, said, "count-differs", [str(one.count)])
    return None


def _of_those(visit: Visit, one: Listing) -> Verdict | None:
    wanted = [name if name in visit.first else "" for name in one.asked]
    if one.conversations == wanted:
        return None
    lacking = [name for name, given in zip(wanted, one.conversations, strict=False) if name and not given]
    return violated(
        f"whoever asks for {_said(one)} gets others, or in another order",
        signature="lacks-its-own" if lacking else "other-order",
        expected=wanted,
        seen=one.conversations,
        evidence=[_pointer(one)],
    )


def _owed(visit: Visit, one: Listing) -> list[str]:
    if not one.status:
        return list(visit.first)
    return [name for name, status in visit.first.items() if status == visit.last[name] == one.status]


def _may_be(visit: Visit, one: Listing, name: str) -> bool:
    if name not in visit.first or not one.status:
        return name in visit.first
    return visit.first[name] != visit.last[name] or visit.first[name] == one.status


def _own(history: History, one: Listing) -> list[str]:
    """The conversation of the trial, where it has to be in the list."""
    shown = [
        status.conversation
        for status in history.statuses
        if status.via == "rest" and status.epoch == one.epoch and status.t_ns < one.began_ns
    ]
    return [name for name in dict.fromkeys(shown) if name and not deletions(history, same(name))]


def _backward(one: Listing) -> list[str]:
    stamps = [moment(stamp) for stamp in one.created]
    known = [stamp for stamp in stamps if stamp is not None]
    if len(known) < len(stamps) or len({stamp.tzinfo is None for stamp in known}) > 1:
        return []
    given = list(zip(known, one.conversations, strict=True))
    forth = given if one.order == "ascending" else given[::-1]
    return [name for (before, _), (now, name) in pairwise(forth) if now < before]


def _wrong(one: Listing, says: str, signature: str, wrong: Sequence[str]) -> Verdict:
    return violated(
        says,
        signature=signature,
        expected=[] if signature != "count-differs" else [str(len(one.conversations))],
        seen=list(wrong),
        evidence=[_pointer(one)],
        listed=len(one.conversations),
        pages=one.pages,
    )


def _pointer(one: Listing) -> Pointer:
    return at(one, f"{_said(one)}: {len(one.conversations)}")


def _somebody_lists(header: Header) -> str:
    return "" if plans(header, LIST) else "nobody reads the list of conversations in this scenario"


GUARANTEES = (
    Guarantee(
        id="server.lists",
        level=Level.MUST,
        promise="The list of conversations holds each once, in order, in pages of any size; with a status, those that have it.",
        hurts="operators who look for what runs, and users who look for their conversation",
        judge=lists,
        applies=_somebody_lists,
        rests_on=frozenset({STREAM, STATUS, ENGINE}),
    ),
)
