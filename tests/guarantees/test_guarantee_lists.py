"""The list of conversations, as a user read it in several ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from guarantee_histories import HOLDS, INCONCLUSIVE, NOT_APPLICABLE, VIOLATED, Built, Row, calm

from tailproof.guarantees.catalogue import judge
from tailproof.history.server_records import Listing, Neighbour

CREATED = {"c1": "2026-01-01T00:00:01", "c2": "2026-01-01T00:00:02", "c3": "2026-01-01T00:00:03"}
STATUSES = {"c1": "running", "c2": "finished", "c3": "finished"}


def listing(given: str, **fields: Any) -> Listing:
    """What one reading shows: the numbers of conversations, in their order. Newest first unless said otherwise."""
    names = [f"c{number}" if number != "0" else "" for number in given]
    statuses = fields.pop("statuses", STATUSES)
    return Listing(
        reading="list:look",
        conversations=names,
        statuses=[statuses.get(name, "") for name in names],
        created=[CREATED.get(name, "") for name in names],
        began_ns=round(fields.pop("at", 2.29) * 1e9),
        **{"code": 200, "page_size": 100, "count": len(names), "witness": "user", **fields},
    )


def looked(*readings: Listing, first: Listing | None = None, last: Listing | None = None) -> Built:
    """`calm`, and a user who reads the list at 2.3."""
    built = calm().act(2.25, "intent", "user.list").act(2.65, "proven", "user.list")
    built.header.witnesses["user"] = ["stream"]
    return built.put(2.3, first or listing("321"), *readings, last or listing("321"))


def neighbour(
    when: str, raw: str = "finished", events: Sequence[str] = "abc", at: float = 0.0, **fields: Any
) -> Neighbour:
    """What `c2` of another user shows."""
    neutral = "done" if raw == "finished" else "idle"
    began_ns = round((at - 0.001) * 1e9)
    return Neighbour(
        conversation="c2",
        when=when,  # type: ignore[arg-type]
        began_ns=began_ns,
        raw=raw,
        neutral=neutral,  # type: ignore[arg-type]
        events=list(events),
        **{"code": 200, "witness": "user", **fields},
    )


def found(shown: str = "finished", left: str = "finished", **fields: Any) -> Built:
    """Another user leaves `c2`, is shown it in the list as `shown`, and comes back to it."""
    seen = listing("321", statuses={**STATUSES, "c2": shown})
    built = looked(first=seen, last=listing("321", statuses={**STATUSES, "c2": shown}))
    built.put(1.5, neighbour("left", raw=left, at=1.5))
    return built.put(2.4, neighbour("found", at=2.4, **fields))


def heard(*events: str, **fields: Any) -> Built:
    """Another user leaves `c2`, whose log is a, b and c, and has heard these events in it."""
    built = calm().put(1.5, neighbour("left", at=1.5, **fields))
    built.header.witnesses["user"] = ["stream"]
    return built.put(5.0, Neighbour(conversation="c2", when="heard", events=list(events), witness="user"))


def done(given: str, **fields: Any) -> Listing:
    """Who asks for what has finished."""
    return listing(given, status="finished", **fields)


def failed(code: int, given: str = "", **fields: Any) -> Listing:
    """A reading that did not come to its end."""
    return listing(given, complete=False, code=code, error="not to its end", count=-1, **fields)


def busy(*readings: Listing) -> Built:
    """Somebody starts a run during the visit."""
    return looked(*readings).ask(2.3, "run", method="POST", witness="observer")


def paused() -> Built:
    """The list shows as running what GET shows as paused, before and behind."""
    return looked().show(2.285, "paused").show(2.305, "paused")


CHANGED = {**STATUSES, "c3": "idle"}
ROWS = [
    Row("server.lists", "as-asked", HOLDS, lambda: looked(listing("123", order="ascending", page_size=1), done("32"))),
    Row("server.lists", "those-of-others", HOLDS, lambda: looked(listing("321", owed=["c3"]), done("32", owed=["c1"]))),
    Row("server.lists", "nobody-has-the-status", HOLDS, lambda: looked(listing("", status="paused"))),
    Row(
        "server.lists",
        "by-id-with-another-status",
        VIOLATED,
        lambda: looked(listing("12", asked=["c1", "c2"], count=-1, statuses={**STATUSES, "c2": "idle"})),
        "status-differs",
    ),
    Row("server.lists", "several-by-id", HOLDS, lambda: looked(listing("120", asked=["c1", "c2", "c9"], count=-1))),
    Row("server.lists", "a-status-changes", HOLDS, lambda: looked(done("2"), last=listing("321", statuses=CHANGED))),
    Row("server.lists", "does-not-count", HOLDS, lambda: looked(listing("321", count=-1))),
    Row("server.lists", "no-times", HOLDS, lambda: looked(_timeless(listing("132", order="ascending")))),
    Row(
        "server.lists",
        "one-comes-and-goes",
        INCONCLUSIVE,
        lambda: looked(listing("4321")).ask(2.3, "create", method="POST"),
    ),
    Row("server.lists", "one-comes-before-the-count", INCONCLUSIVE, lambda: busy(listing("321", count=4))),
    Row("server.lists", "one-begins-to-run", INCONCLUSIVE, lambda: busy(done("33"))),
    Row("server.lists", "under-a-fault", HOLDS, lambda: _faulted(looked(), listing("1", at=4.0))),
    Row(
        "server.lists",
        "its-own-ran-between-two-looks",
        HOLDS,
        lambda: paused().ask(2.287, "run", took=0.001, method="POST"),
    ),
    Row(
        "server.lists",
        "its-own-is-seen-to-run",
        HOLDS,
        lambda: paused().show(2.287, "running", "stream"),
    ),
    Row("server.lists", "its-own-runs", HOLDS, lambda: looked().show(2.2, "running").show(2.4, "running")),
    Row("server.lists", "busy", INCONCLUSIVE, lambda: looked(failed(503))),
    Row("server.lists", "too-busy", INCONCLUSIVE, lambda: looked(failed(429))),
    Row("server.lists", "the-last-look-fails", INCONCLUSIVE, lambda: looked(done("3"), last=failed(503))),
    Row("server.lists", "one-is-not-there", VIOLATED, lambda: looked(listing("31", page_size=1)), "lacks-its-own"),
    Row(
        "server.lists",
        "its-own-is-not-there",
        VIOLATED,
        lambda: looked(first=listing("32"), last=listing("32")),
        "lacks-its-own",
    ),
    Row(
        "server.lists",
        "that-of-another-user-is-not-there",
        VIOLATED,
        lambda: looked(listing("321", owed=["c7"])),
        "lacks-its-own",
    ),
    Row("server.lists", "one-of-a-status-is-not-there", VIOLATED, lambda: looked(done("3")), "lacks-its-own"),
    Row("server.lists", "another-status", VIOLATED, lambda: looked(done("321")), "holds-others"),
    Row("server.lists", "from-nowhere", VIOLATED, lambda: looked(listing("4321")), "holds-others"),
    Row("server.lists", "one-twice", VIOLATED, lambda: looked(listing("3221", page_size=2)), "doubled"),
    Row("server.lists", "newest-first", VIOLATED, lambda: looked(listing("321", order="ascending")), "other-order"),
    Row("server.lists", "in-any-order", VIOLATED, lambda: looked(listing("231")), "other-order"),
    Row("server.lists", "counts-another-number", VIOLATED, lambda: looked(done("32", count=3)), "count-differs"),
    Row(
        "server.lists", "moved-up", VIOLATED, lambda: looked(listing("2", asked=["c9", "c2"], count=-1)), "other-order"
    ),
    Row(
        "server.lists",
        "not-found-by-id",
        VIOLATED,
        lambda: looked(listing("0", asked=["c2"], count=-1)),
        "lacks-its-own",
    ),
    Row(
        "server.lists", "what-is-deleted-is-there", VIOLATED, lambda: busy(listing("321", gone=["c2"])), "holds-others"
    ),
    Row(
        "server.lists",
        "all-on-one-page",
        VIOLATED,
        lambda: busy(listing("321", page_size=2, largest=3)),
        "page-too-large",
    ),
    Row(
        "server.lists",
        "all-on-one-page-and-others-each-time",
        VIOLATED,
        lambda: looked(done("3"), last=listing("21", page_size=1, largest=2)),
        "page-too-large",
    ),
    Row("server.lists", "no-end", VIOLATED, lambda: looked(failed(200, "321", pages=200, cut_off=True)), "endless"),
    Row(
        "server.lists", "in-circles", VIOLATED, lambda: looked(failed(200, "321321", pages=9, cut_off=True)), "endless"
    ),
    Row("server.lists", "too-many-to-read", INCONCLUSIVE, lambda: looked(failed(200, "3213", pages=20, cut_off=True))),
    Row("server.lists", "broken-behind-one-twice", INCONCLUSIVE, lambda: looked(failed(200, "3213", pages=2))),
    Row("server.lists", "refuses-the-next-page", VIOLATED, lambda: looked(failed(404, "3", pages=1)), "refused"),
    Row(
        "server.lists",
        "refuses-the-next-page-beside-others",
        VIOLATED,
        lambda: busy(failed(400, "3", pages=1)),
        "refused",
    ),
    Row(
        "server.lists",
        "refuses-every-second-page",
        VIOLATED,
        lambda: looked(first=failed(400, "3", pages=1), last=failed(400, "3", pages=1)),
        "refused",
    ),
    Row(
        "server.lists",
        "cursor-deleted-by-another",
        INCONCLUSIVE,
        lambda: looked(failed(404, "3", pages=1), last=listing("31")),
    ),
    Row(
        "server.lists",
        "cursor-deleted-and-created-again",
        INCONCLUSIVE,
        lambda: busy(failed(404, "3", pages=1)),
    ),
    Row("server.lists", "refuses-a-page", VIOLATED, lambda: looked(failed(422)), "refused"),
    Row(
        "server.lists",
        "refuses-to-count",
        VIOLATED,
        lambda: looked(listing("321", count=-1, count_code=404)),
        "refused",
    ),
    Row(
        "server.lists",
        "its-own-in-another-status",
        VIOLATED,
        paused,
        "status-differs",
    ),
    Row("server.lists", "that-of-another-user-is-found-as-listed", HOLDS, found),
    Row("server.lists", "that-of-another-user-is-listed-as-idle", VIOLATED, lambda: found("idle"), "status-differs"),
    Row("server.lists", "listed-as-it-is-found", HOLDS, lambda: found("idle", raw="idle")),
    Row("server.lists", "left-otherwise-than-found", HOLDS, lambda: found("idle", left="running")),
    Row(
        "server.lists",
        "somebody-asked-for-more-than-reads-before-it-was-found",
        HOLDS,
        lambda: found("idle").ask(2.38, "run", method="POST", witness="observer"),
    ),
    Row("status.final", "that-of-another-user-stays", HOLDS, found),
    Row(
        "status.final",
        "that-of-another-user-is-idle-again",
        VIOLATED,
        lambda: found("idle", raw="idle"),
        "done-became-idle-beside",
    ),
    Row("status.final", "that-of-another-user-had-not-ended", HOLDS, lambda: found(left="idle")),
    Row("status.final", "nothing-was-shown-of-it", HOLDS, lambda: found(raw="", code=500)),
    Row("events.complete", "those-of-another-user-are-found-again", HOLDS, lambda: found(events="abcd")),
    Row("events.complete", "one-of-another-user-is-gone", VIOLATED, lambda: found(events="ac"), "lost-beside"),
    Row("events.complete", "not-read-to-the-end", HOLDS, lambda: found(events="a", complete=False)),
    Row(
        "events.complete",
        "found-while-the-disk-was-full",
        HOLDS,
        lambda: _faulted(found(events="a"), listing("1", at=4.0)),
    ),
    Row("events.complete", "another-user-hears-their-own", HOLDS, lambda: heard("b", "c")),
    Row("events.complete", "another-user-hears-what-came-when-they-had-left", HOLDS, lambda: heard("b", "c", "d")),
    Row("events.complete", "another-user-hears-nothing", HOLDS, heard),
    Row("events.complete", "another-user-hears-what-is-of-this-one", VIOLATED, lambda: heard("a", "a1"), "told-beside"),
    Row("events.complete", "another-user-hears-only-that", VIOLATED, lambda: heard("m1", "f1"), "told-beside"),
    Row(
        "events.complete",
        "another-user-hears-where-nobody-read-the-log",
        HOLDS,
        lambda: heard("a", "a1", complete=False),
    ),
    Row(
        "events.complete",
        "another-user-hears-where-ids-are-those-of-all-conversations",
        HOLDS,
        lambda: heard("m1", "u1", "a1", events=["m1", "u1"]),
    ),
    Row("server.lists", "others-come-and-go", INCONCLUSIVE, lambda: looked(done("3"), last=listing("21"))),
    Row("server.lists", "nobody-looks", NOT_APPLICABLE, calm),
]


def _faulted(built: Built, reading: Listing) -> Built:
    """A reading while the server's disk is full."""
    for at, stage in ((3.5, "intent"), (3.6, "injected"), (3.7, "proven"), (4.5, "healed")):
        built.fault(at, stage, "disk.full")
    return built.put(4.1, reading)


def _timeless(one: Listing) -> Listing:
    one.created = ["" for _ in one.created]
    return one


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(row: Row) -> None:
    verdict = judge(row.make().build(), [row.guarantee])[row.guarantee]
    assert (verdict.outcome, verdict.signature) == (row.outcome, row.signature)
