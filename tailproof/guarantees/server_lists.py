"""The list of a server's conversations, in every way in which it can be asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tailproof.guarantees.neighbours import found_again
from tailproof.guarantees.verdict import Guarantee, Level, Verdict, at, holds, inconclusive, violated
from tailproof.guarantees.witnesses import ENGINE, STATUS, STREAM
from tailproof.history.header import Header
from tailproof.history.plan import plans
from tailproof.history.reader import History
from tailproof.history.server_records import Listing, moment
from tailproof.history.timeline import NOT_THERE
from tailproof.history.traffic import left_alone, span_of
from tailproof.history.views import belongs, same
from tailproof.incoming.limits import LIST_PAGES

LIST = "user.list"
BUSY = frozenset({408, 429})
"""Refusals that say nothing of what was asked. What is answered with 5xx is judged elsewhere (`server.ready`)."""
READING = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Visit:
    """What somebody was shown, reading by reading, from a whole list to a whole list of the same conversations. Nothing was done to the
    server meanwhile."""

    readings: Sequence[Listing]
    first: dict[str, str]
    last: dict[str, str]
    """Conversation -> the status with which it was shown."""
    quiet: bool
    """Nobody asked for anything but reads: what came and went meanwhile, and what began to run, did so by itself."""

    @property
    def steady(self) -> bool:
        """Nor did a status change."""
        return self.quiet and self.first == self.last


def lists(history: History) -> Verdict:
    """The list of conversations holds each one once, by the time of its creation, in pages of no more than were asked for; with a status,
    exactly those that have it; the server's count is that of the list; and whoever asks for several by their ids gets these, in this
    order.

    A list without an end, a page with more conversations than were asked for, and a refusal say enough by themselves, unless a later page
    is not found: somebody may have deleted the conversation with which it begins. All else is judged on the visits of a user who reads
    the whole list first and last and saw the same conversations in both, while nothing was done to the server. What others created before
    and did not delete has to be in it, and what they deleted before must not be; so has the conversation of the trial, if the server
    answered for it in this life, and with the status that it showed before and behind; those of others are shown with the status with
    which they were left, if they are found with it. Where somebody asked for more than reads during
    the visit, conversations and statuses may have come and gone, and what is in the list beside those of its beginning, the order of its
    pages, and the list of a status accuse nobody. A conversation whose status was not the same at the beginning and at the end may be
    among those of a status or not.
    """
    for reading in history.listings:
        if not left_alone(history, *span_of(reading)):
            continue
        cursor_gone = not reading.complete and reading.pages and reading.code in NOT_THERE
        if wrong := (None if cursor_gone else _refused(reading)) or _endless(reading) or _too_large(reading):
            return wrong
    visits = list(_visits(history))
    readings = [(visit, reading) for visit in visits for reading in visit.readings]
    for visit, reading in readings:
        refused = _refused(reading) if visit.quiet else None
        if wrong := refused or (_against(history, visit, reading) if reading.complete else None):
            return wrong
    failed = [reading for _, reading in readings if not reading.complete]
    if failed:
        return inconclusive(f"{len(failed)} of {len(readings)} readings failed: {_said(failed[0])}: {failed[0].error}")
    if not readings:
        return inconclusive("nobody saw the same conversations in the list at the beginning and at the end of a visit")
    if not any(visit.quiet for visit in visits):
        return inconclusive(
            "somebody asked for more than reads during each visit: neither order nor statuses were judged"
        )
    return holds(
        f"{len(readings)} readings of the list of conversations show what they were asked for",
        compared={
            "readings": len(readings),
            "conversations": max(len(visit.first) for visit in visits),
            "statuses": len({reading.status for visit, reading in readings if reading.status and visit.quiet}),
        },
    )


def _visits(history: History) -> Iterator[Visit]:
    found: dict[tuple[str, int], list[Listing]] = {}
    for one in history.listings:
        if left_alone(history, *span_of(one)):
            found.setdefault((one.reading, one.epoch), []).append(one)
    for readings in found.values():
        ends = [at for at, one in enumerate(readings) if one.complete and not one.status and not one.asked]
        if not ends:
            yield Visit(readings, {}, {}, quiet=False)
            continue
        first, last = (
            dict(zip(one.conversations, one.statuses, strict=True)) for one in (readings[ends[0]], readings[ends[-1]])
        )
        within = readings[ends[0] : ends[-1] + 1]
        if len(ends) > 1 and first.keys() == last.keys():
            yield Visit(within, first, last, quiet=_quiet(history, within[0].began_ns, within[-1].t_ns))


def _quiet(history: History, began_ns: int, ended_ns: int) -> bool:
    return not any(
        request.method not in READING and request.t_ns >= began_ns and (request.began_ns or request.t_ns) <= ended_ns
        for request in history.requests
    )


def _refused(one: Listing) -> Verdict | None:
    code = one.code if not one.complete else one.count_code
    if not 400 <= code < 500 or code in BUSY:
        return None
    what = "list" if not one.complete else "count"
    return violated(
        f"the server does not {what} {_said(one)}: {code}",
        signature="refused",
        expected=["200"],
        seen=[f"{code} {one.error}".strip()],
        evidence=[at(one, f"answered {code}")],
    )


def _endless(one: Listing) -> Verdict | None:
    in_circles = 2 * len(set(one.conversations)) <= len(one.conversations)
    if not one.cut_off or not (in_circles or one.pages >= LIST_PAGES):
        return None
    return _wrong(one, f"the list of {_said(one)} has no end: {one.pages} pages, and a next one", "endless")


def _too_large(one: Listing) -> Verdict | None:
    if one.largest <= one.page_size:
        return None
    return _wrong(one, f"a page of {_said(one)} holds {one.largest}", "page-too-large")


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
    for wrong, what, signature in _wrongs(history, visit, one):
        if wrong:
            lacking = signature == "lacks-its-own"
            return _wrong(
                one,
                f"the list of {_said(one)} {what.format(len(wrong))}",
                signature,
                expected=wrong if lacking else [],
                seen=one.conversations if lacking else wrong,
            )
    if visit.steady and 0 <= one.count != len(one.conversations):
        said = f"the server counts {one.count} for {_said(one)}; its pages hold {len(one.conversations)}"
        return _wrong(one, said, "count-differs", expected=[str(len(one.conversations))], seen=[str(one.count)])
    return _other_status(history, one) if visit.quiet else None


def _wrongs(history: History, visit: Visit, one: Listing) -> Iterator[tuple[list[str], str, str]]:
    given = set(map(same, one.conversations))
    owed = _owed(visit, one) if visit.quiet or not one.status else []
    if not one.status:
        owed = list(dict.fromkeys((*owed, *one.owed, *_own(history, one))))
    yield [name for name in owed if same(name) not in given], "lacks {} that are", "lacks-its-own"
    gone = set(map(same, one.gone))
    others = [
        name for name in one.conversations if same(name) in gone or (visit.quiet and not _may_be(visit, one, name))
    ]
    yield others, "holds {} that are not", "holds-others"
    if visit.quiet and (visit.steady or not one.status):
        yield [name for name, times in Counter(one.conversations).items() if times > 1], "holds {} twice", "doubled"
        yield _backward(one), "has another order than that of their creation", "other-order"


def _of_those(visit: Visit, one: Listing) -> Verdict | None:
    wanted = [name if name in visit.first else "" for name in one.asked]
    if one.conversations == wanted:
        lies = [
            name
            for name, status in zip(one.conversations, one.statuses, strict=True)
            if name and visit.first[name] == visit.last[name] != status
        ]
        if lies and visit.quiet:
            return _wrong(
                one,
                f"{_said(one)}: {len(lies)} are shown with another status than the list shows before and behind",
                "status-differs",
                expected=[visit.first[name] for name in lies],
                seen=one.statuses,
            )
        return None
    lacking = [name for name, given in zip(wanted, one.conversations, strict=False) if name and not given]
    return _wrong(
        one,
        f"whoever asks for {_said(one)} gets others, or in another order",
        "lacks-its-own" if lacking else "other-order",
        expected=wanted,
        seen=one.conversations,
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
    """The conversation of the trial, where it has to be in the list: somebody may have deleted it whose answer did not come."""
    shown = [
        status.conversation
        for status in history.statuses
        if status.via == "rest" and status.epoch == one.epoch and status.t_ns < one.began_ns
    ]
    asked_to_go = [request for request in history.requests if request.verb == "delete"]
    return [
        name
        for name in dict.fromkeys(shown)
        if name and not any(belongs(history, same(name), request.conversation) for request in asked_to_go)
    ]


def _other_status(history: History, one: Listing) -> Verdict | None:
    """The conversation of the trial is shown with another status than GET showed before and behind, while nobody asked for more than
    reads between the two and no witness saw another one."""
    for name, listed in zip(one.conversations, one.statuses, strict=True):
        if wrong := _other_than_found(history, one, name, listed):
            return wrong
        seen = [status for status in history.statuses if same(status.conversation) == same(name)]
        shown = [status for status in seen if status.via == "rest" and status.epoch == one.epoch]
        before = next((status for status in reversed(shown) if status.t_ns < one.began_ns), None)
        behind = next((status for status in shown if status.t_ns > one.t_ns), None)
        if before is None or behind is None or not _quiet(history, before.t_ns, behind.t_ns):
            continue
        if any(status.raw != before.raw for status in seen if before.t_ns <= status.t_ns <= behind.t_ns):
            continue
        if before.raw != listed:
            return _wrong(
                one,
                f"the list of {_said(one)} shows a conversation as {listed}, and GET as {before.raw} before and behind",
                "status-differs",
                expected=[before.raw],
                seen=[listed],
            )
    return None


def _other_than_found(history: History, one: Listing, name: str, listed: str) -> Verdict | None:
    """The conversation of another user is shown with another status than it had when it was left and when they came back to it, next
    after the list."""
    again = [pair for pair in found_again(history) if same(pair[0].conversation) == same(name)]
    for left, found in again:
        of_this_visit = left.t_ns < one.began_ns and one.t_ns < found.began_ns and found.epoch == one.epoch
        if of_this_visit and left.raw == found.raw != listed and left.raw and _quiet(history, one.began_ns, found.t_ns):
            return _wrong(
                one,
                f"the list of {_said(one)} shows a conversation as {listed} that was left as {left.raw} and is found so",
                "status-differs",
                expected=[left.raw],
                seen=[listed],
            )
    return None


def _backward(one: Listing) -> list[str]:
    stamps = [moment(stamp) for stamp in one.created]
    known = [stamp for stamp in stamps if stamp is not None]
    if len(known) < len(stamps) or len({stamp.tzinfo is None for stamp in known}) > 1:
        return []
    given = list(zip(known, one.conversations, strict=True))
    forth = given if one.order == "ascending" else given[::-1]
    return [name for (before, _), (now, name) in pairwise(forth) if now < before]


def _wrong(
    one: Listing, says: str, signature: str, *, expected: Sequence[str] = (), seen: Sequence[str] = ()
) -> Verdict:
    return violated(
        says,
        signature=signature,
        expected=list(expected),
        seen=list(seen),
        evidence=[at(one, f"{_said(one)}: {len(one.conversations)}")],
        listed=len(one.conversations),
        pages=one.pages,
    )


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
