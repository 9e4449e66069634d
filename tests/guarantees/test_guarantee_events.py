"""The event guarantees, row by row."""

from __future__ import annotations

from typing import Any

import pytest
from guarantee_histories import (
    HOLDS,
    INCONCLUSIVE,
    NOT_APPLICABLE,
    VIOLATED,
    Built,
    Row,
    calm,
    crashed,
    event,
    log_of_run,
)

from tailproof.guarantees.catalogue import judge
from tailproof.history.records import Frame, Life, ModelCall, Phase, Run
from tailproof.history.server_records import Event, Reading, Request, Stream


def second_run(built: Built) -> Built:
    """After the run of `calm` returned at 4, the user goes on; that run's events are not the first one's."""
    later = [event("m9", "message", 2.0, text="go on"), event("u9", "status", 2.1, status="running")]
    built.ask(5.0, "send", text="go on").ask(5.1, "run")
    for index, one in enumerate(later):
        built.put(
            5.2 + index / 100, Event(**{n: getattr(one, n) for n in one.__struct_fields__} | {"reading": "stream:0"})
        )
        for page, at in (("page:0", 6.09), ("disk:9", 8.29)):
            built.put(
                at + index / 1000, Event(**{n: getattr(one, n) for n in one.__struct_fields__} | {"reading": page})
            )
    return built


def late_on_disk(built: Built) -> Built:
    """Statistics that the server wrote when it was stopped."""
    return built.put(8.29, event("b99", "bookkeeping", 9.0, **{})).alter(Event, {"id": "b99"}, reading="disk:9")


def newcomer(at: float, *lacks: str) -> Built:
    """Another user subscribes while the last step takes until 5: everybody is sent its end then, and what follows."""
    built = calm()
    for reading in ("callback:0", "held:0"):
        built.forget(reading, *({"f1", "b1"} & set(built.ids(reading))))
    for index, identity in enumerate(("f1", "b1")):
        built.move(Event, {"reading": "stream:0", "id": identity}, 5.0 + index / 10)
    way = {"reading": "stream:newcomer", "conversation": "c1", "path": "direct", "witness": "user"}
    built.header.witnesses["user"] = ["stream"]
    built.put(at, Stream(stage="opened", **way), Stream(stage="subscribed", **way))
    for index, one in enumerate([one for one in log_of_run(3) if one.id in ("f1", "b1") and one.id not in lacks]):
        one.reading, one.witness = "stream:newcomer", "user"
        built.put(5.0 + index / 10, one)
    return built


LOG = calm().ids("page:0")


def outside(size: int, *ids: str, code: int = 200, built: Built | None = None) -> Built:
    """`calm`, and pages of so many events were asked for: they gave these, or nothing but a code."""
    history = built or calm()
    given = [event(identity, "other") for identity in ids]
    whole = code == 200
    name = f"page:{size + 10}"
    return history.read(6.7, name, given, page_size=size, code=code, count=len(LOG)).alter(
        Reading, {"reading": name, "stage": "end"}, complete=whole, error="" if whole else f"page 1: {code}"
    )


def read_meanwhile(
    at: float, *lacking: str, took: float = 0.1, look: str = "page:look-0", built: Built | None = None, **fields: Any
) -> Built:
    """Another user asks for the events during the run, and is shown all that there are at this moment, but for these."""
    built = built or calm()
    built.header.witnesses["user"] = ["log"]
    seen = {
        one.id: moment for moment, one in reversed(built.placed) if isinstance(one, Event) and one.reading == "stream:0"
    }
    shown = [one for one in log_of_run(3) if seen[one.id] < at and one.id not in lacking]
    for one in shown:
        one.witness = "user"
    built.read(at, look, shown, witness="user", count=-1, **fields)
    return built.move(Reading, {"reading": look, "stage": "end"}, at + took)


def two_at_once(again: float = 2.81) -> Built:
    """Of two users who ask one behind the other, the first one gets the newer log: it was served later."""
    first = read_meanwhile(2.8, took=0.2)
    return read_meanwhile(again, "o2", took=0.05, look="page:look-1", built=first)


def read_behind(code: int = 200, *shown: str, error: str = "") -> Built:
    """Another user asks when the log has been read."""
    built = read_meanwhile(6.9, *set(LOG) - set(shown), code=code)
    return built.alter(Reading, {"reading": "page:look-0", "stage": "end"}, complete=False, error=error)


def while_frozen(built: Built) -> Built:
    for at, stage in ((2.4, "intent"), (2.41, "injected"), (2.42, "proven"), (3.2, "healed")):
        built.fault(at, stage, "process.freeze")
    return built


def broken_off(code: int, error: str, keep: int) -> Built:
    """The reading with newest first holds so many events and no more."""
    built = calm()
    built.forget("page:3", *built.ids("page:3")[keep:])
    return built.alter(Reading, {"reading": "page:3", "stage": "end"}, complete=False, code=code, error=error, count=-1)


ROWS = [
    Row("events.paged", "read-meanwhile", HOLDS, lambda: read_meanwhile(3.6)),
    Row("events.paged", "read-meanwhile-stale", VIOLATED, lambda: read_meanwhile(3.6, "a2", "o1"), "stale-pages"),
    Row("events.paged", "read-meanwhile-without-the-newest", HOLDS, lambda: read_meanwhile(3.3, "o1")),
    Row(
        "events.paged",
        "read-behind-in-several-pages",
        HOLDS,
        lambda: read_behind(200, "m1", "u1", error="one page of several"),
    ),
    Row("events.paged", "read-behind-and-refused", HOLDS, lambda: read_behind(503, error="503")),
    Row(
        "events.paged", "read-meanwhile-and-something-was-done", HOLDS, lambda: while_frozen(read_meanwhile(3.6, "a2"))
    ),
    Row("events.stable", "two-read-at-once", HOLDS, two_at_once),
    Row("events.stable", "one-read-behind-the-other", VIOLATED, lambda: two_at_once(3.01), "disappeared-from-page"),
    Row("events.paged", "newest-first-is-refused", VIOLATED, lambda: broken_off(400, "400 cursor", 0), "refused"),
    Row(
        "events.paged", "newest-first-is-refused-behind-a-page", VIOLATED, lambda: broken_off(422, "422", 7), "refused"
    ),
    Row("events.paged", "newest-first-is-not-there", INCONCLUSIVE, lambda: broken_off(404, "404", 7)),
    Row("events.paged", "newest-first-in-circles", INCONCLUSIVE, lambda: broken_off(200, "the cursor came twice", 7)),
    Row("events.paged", "newest-first-unanswered", HOLDS, lambda: broken_off(0, "no answer", 7)),
    Row("events.complete", "calm", HOLDS, calm),
    Row("events.complete", "kill-tool-running", HOLDS, crashed),
    Row("events.complete", "written-while-stopping", HOLDS, lambda: late_on_disk(calm())),
    Row("events.complete", "never-written", VIOLATED, lambda: calm().forget("disk:9", "o2"), "not-persisted"),
    Row(
        "events.complete",
        "disk-not-read-whole",
        INCONCLUSIVE,
        lambda: calm().forget("disk:9", "o2").alter(Reading, {"reading": "disk:9", "stage": "end"}, complete=False),
    ),
    Row(
        "events.complete",
        "snapshot-is-not-durable",
        HOLDS,
        lambda: calm().put(3.0, event("s9", "snapshot", durable=False)).alter(Event, {"id": "s9"}, reading="stream:0"),
    ),
    Row(
        "events.complete",
        "log-from-disk-when-pages-fail",
        HOLDS,
        lambda: calm().alter(Reading, {"reading": "page:0", "stage": "end"}, complete=False, error="500"),
    ),
    Row(
        "events.complete",
        "published-then-lost",
        VIOLATED,
        lambda: calm().forget("page:0", "o2").forget("disk:9", "o2"),
        "lost-after-publishing",
    ),
    Row(
        "events.complete",
        "on-disk-not-in-pages",
        VIOLATED,
        lambda: calm().forget("page:0", "o2"),
        "lost-after-persisting",
    ),
    Row(
        "events.complete",
        "on-dead-disk-then-lost",
        VIOLATED,
        lambda: crashed().forget("page:0", "a2").forget("disk:1", "a2"),
        "lost-after-persisting",
    ),
    Row("events.complete", "message-lost", VIOLATED, lambda: calm().everywhere_forget("m1"), "lost-message"),
    Row(
        "events.complete",
        "told-to-the-model-and-in-no-log",
        VIOLATED,
        lambda: calm().everywhere_forget("o2"),
        "unlogged-call",
    ),
    Row(
        "events.complete",
        "called-and-in-no-log",
        VIOLATED,
        lambda: calm().everywhere_forget("a2").everywhere_forget("o2"),
        "unlogged-call",
    ),
    Row(
        "events.complete",
        "told-to-the-model-after-the-reading",
        HOLDS,
        lambda: calm().put(
            6.5, ModelCall(stage="asked", turn=9, request=9, conversation="c1", results={"call-9-0": "late"})
        ),
    ),
    Row("events.complete", "log-not-read", INCONCLUSIVE, lambda: calm().until(5.5)),
    Row(
        "events.complete",
        "log-cut-short",
        INCONCLUSIVE,
        lambda: calm().without(Reading, reading="page:0", stage="end").until(7.9),
    ),
    Row(
        "events.complete",
        "deleted",
        NOT_APPLICABLE,
        lambda: calm().ask(5.0, "delete").until(5.5).put(5.6, Phase(name="ended")),
    ),
    Row("events.delivered", "calm", HOLDS, calm),
    Row("events.delivered", "kill-tool-running", HOLDS, crashed),
    Row("events.delivered", "statistics-on-their-way", HOLDS, lambda: calm().forget("stream:0", "b1")),
    Row(
        "events.delivered",
        "subscribed-late",
        HOLDS,
        lambda: calm().forget("stream:0", "m1", "u1").move(Stream, {"stage": "subscribed"}, 2.28),
    ),
    Row("events.delivered", "server-died-before-the-rest", HOLDS, lambda: crashed().forget("stream:0", "a2")),
    Row("events.delivered", "who-comes-later-gets-the-next-event", HOLDS, lambda: newcomer(2.9)),
    Row("events.delivered", "who-comes-later-lacks-the-next-event", VIOLATED, lambda: newcomer(2.9, "f1"), "gap"),
    Row("events.delivered", "who-comes-while-it-is-on-its-way", HOLDS, lambda: newcomer(4.9, "f1")),
    Row("events.delivered", "gap", VIOLATED, lambda: calm().forget("stream:0", "o1"), "gap"),
    Row("events.delivered", "first-message-missing", VIOLATED, lambda: calm().forget("stream:0", "m1"), "gap"),
    Row(
        "events.delivered",
        "silent-at-the-end",
        VIOLATED,
        lambda: calm().forget("stream:0", "o3", "f1", "b1"),
        "tail-not-delivered",
    ),
    Row("events.delivered", "out-of-order", VIOLATED, lambda: calm().swap("stream:0", "a1", "o1"), "out-of-order"),
    Row(
        "events.delivered",
        "received-nothing-after-restart",
        VIOLATED,
        lambda: crashed().forget("stream:1", "u9", "a3", "o3", "f9"),
        "nothing-received",
    ),
    Row("events.delivered", "log-not-read", INCONCLUSIVE, lambda: calm().until(5.5)),
    Row(
        "events.delivered",
        "nobody-subscribed",
        INCONCLUSIVE,
        lambda: calm().without(Stream).without(Event, reading="stream:0"),
    ),
    Row("events.tail", "calm", HOLDS, calm),
    Row("events.tail", "long-log", HOLDS, lambda: calm(20)),
    Row("events.tail", "middle-missing", HOLDS, lambda: calm(20).forget("held:0", "a10")),
    Row("events.tail", "statistics-after-the-end", HOLDS, lambda: calm().forget("held:0", "b1")),
    Row("events.tail", "a-later-run-does-not-count", HOLDS, lambda: second_run(calm())),
    Row("events.tail", "stream-lag", VIOLATED, lambda: calm().forget("held:0", "a3", "o3", "f1"), "missing-tail"),
    Row("events.tail", "upgrade-lag", VIOLATED, lambda: calm(20).forget("held:0", "m1", "u1"), "missing-head"),
    Row(
        "events.tail",
        "second-run-lacks-its-tail",
        VIOLATED,
        lambda: second_run(calm()).forget("held:0", "f1"),
        "missing-tail",
    ),
    Row("events.tail", "log-not-read", INCONCLUSIVE, lambda: calm().until(5.5)),
    Row(
        "events.tail",
        "held-list-cut-short",
        INCONCLUSIVE,
        lambda: calm().without(Reading, reading="held:0", stage="end"),
    ),
    Row("events.tail", "plain-client", NOT_APPLICABLE, lambda: calm(client="plain")),
    Row("events.tail", "never-returned", INCONCLUSIVE, lambda: calm().without(Run, stage="returned")),
    Row("events.middle", "long-log", HOLDS, lambda: calm(20)),
    Row("events.middle", "tail-missing", HOLDS, lambda: calm(20).forget("held:0", "f1", "o20")),
    Row("events.middle", "hole", VIOLATED, lambda: calm(20).forget("held:0", "a10"), "missing-middle"),
    Row(
        "events.middle",
        "several-holes",
        VIOLATED,
        lambda: calm(30).forget("held:0", "a10", "o10", "a20"),
        "missing-middle",
    ),
    Row(
        "events.middle",
        "held-list-cut-short",
        INCONCLUSIVE,
        lambda: calm(20).without(Reading, reading="held:0", stage="end"),
    ),
    Row("events.middle", "short-log", NOT_APPLICABLE, calm),
    Row("events.middle", "client-holds-no-list", NOT_APPLICABLE, lambda: calm(20).fact(client_tells="exit")),
    Row(
        "events.unique",
        "nothing-was-sent",
        INCONCLUSIVE,
        lambda: calm().without(Event).alter(Reading, {"reader": "rest"}, count=0),
    ),
    Row("events.unique", "calm", HOLDS, calm),
    Row(
        "events.unique",
        "callback-heard-twice",
        HOLDS,
        lambda: (
            calm()
            .put(3.0, *[event("o1", "observation") for _ in "12"])
            .alter(Event, {"reading": ""}, reading="callback:0")
        ),
    ),
    Row("events.unique", "in-client", VIOLATED, lambda: calm().twice("held:0", "a2"), "twice-in-client"),
    Row("events.unique", "in-log", VIOLATED, lambda: calm().twice("page:0", "a2"), "twice-in-log"),
    Row("events.unique", "on-disk", VIOLATED, lambda: crashed().twice("disk:0", "a1"), "twice-in-disk"),
    Row("events.unique", "on-stream", VIOLATED, lambda: calm().twice("stream:0", "a2"), "twice-in-stream"),
    Row("events.unique", "nothing-read", INCONCLUSIVE, lambda: calm().without(Event)),
    Row("events.ordered", "calm", HOLDS, calm),
    Row(
        "events.ordered",
        "statistics-stamped-early",
        HOLDS,
        lambda: calm().alter(Event, {"id": "b1"}, ts="2026-01-01T11:00:00"),
    ),
    Row(
        "events.ordered",
        "fraction-left-out",
        HOLDS,
        lambda: (
            calm()
            .alter(Event, {"id": "a1"}, ts="2026-01-01T12:00:00.2")
            .alter(Event, {"id": "m1"}, ts="2026-01-01T12:00:00")
        ),
    ),
    Row(
        "events.ordered",
        "zones-that-compare-badly-as-text",
        HOLDS,
        lambda: (
            calm()
            .alter(Event, {"id": "m1"}, ts="2026-01-01T13:00:00+01:00")
            .alter(Event, {"id": "u1"}, ts="2026-01-01T12:00:01+00:00")
        ),
    ),
    Row(
        "events.ordered",
        "log-goes-back",
        VIOLATED,
        lambda: calm().alter(Event, {"id": "o2"}, ts="2026-01-01T11:59:59"),
        "time-goes-back",
    ),
    Row(
        "events.ordered", "client-swapped", VIOLATED, lambda: calm().swap("held:0", "a1", "o1"), "other-order-in-client"
    ),
    Row("events.ordered", "disk-swapped", VIOLATED, lambda: calm().swap("disk:9", "a1", "o1"), "other-order-in-disk"),
    Row("events.ordered", "log-not-read", INCONCLUSIVE, lambda: calm().until(5.5)),
    Row(
        "events.ordered",
        "one-event",
        INCONCLUSIVE,
        lambda: calm().everywhere_forget(*[i for i in calm().ids("page:0") if i != "m1"]),
    ),
    Row("events.stable", "calm", HOLDS, calm),
    Row("events.stable", "kill-tool-running", HOLDS, crashed),
    Row(
        "events.stable",
        "deleted",
        NOT_APPLICABLE,
        lambda: calm().ask(5.0, "delete").until(5.5).put(5.6, Phase(name="ended")),
    ),
    Row(
        "events.stable",
        "other-face-on-disk",
        HOLDS,
        lambda: calm().alter(Event, {"reading": "disk:9"}, digest="as-a-file"),
    ),
    Row(
        "events.stable",
        "other-face-on-stream",
        HOLDS,
        lambda: calm().alter(Event, {"reading": "stream:0"}, digest="as-a-frame"),
    ),
    Row(
        "events.stable",
        "changed-since-delivered",
        VIOLATED,
        lambda: calm().alter(Event, {"reading": "stream:0", "id": "o1"}, digest="x"),
        "changed-since-delivered",
    ),
    Row(
        "events.stable",
        "changed-in-pages",
        VIOLATED,
        lambda: calm().alter(Event, {"reading": "page:2", "id": "o1"}, digest="x"),
        "changed-in-page",
    ),
    Row(
        "events.stable",
        "changed-over-restart",
        VIOLATED,
        lambda: crashed().alter(Event, {"reading": "disk:1", "id": "o1"}, digest="x"),
        "changed-in-disk",
    ),
    Row("events.stable", "gone-from-disk", VIOLATED, lambda: crashed().forget("disk:1", "o1"), "disappeared-from-disk"),
    Row("events.stable", "read-once", INCONCLUSIVE, lambda: calm().until(6.15)),
    Row(
        "events.ordered",
        "a-time-stamp-that-is-no-time",
        INCONCLUSIVE,
        lambda: calm().alter(Event, {"id": "o2"}, ts="yesterday"),
    ),
    Row("events.paged", "calm", HOLDS, calm),
    Row(
        "events.paged",
        "grows-at-the-end",
        HOLDS,
        lambda: (
            calm()
            .put(6.28, event("b99", "bookkeeping", 9.0))
            .alter(Event, {"id": "b99"}, reading="page:1")
            .alter(Reading, {"reading": "page:1"}, count=11)
        ),
    ),
    Row("events.paged", "lost-between-pages", VIOLATED, lambda: calm().forget("page:1", "a2"), "lost-between-pages"),
    Row(
        "events.paged", "doubled-between-pages", VIOLATED, lambda: calm().twice("page:2", "a2"), "doubled-between-pages"
    ),
    Row(
        "events.paged",
        "descending-is-not-the-reverse",
        VIOLATED,
        lambda: calm().swap("page:3", "a2", "o2"),
        "other-order-in-pages",
    ),
    Row(
        "events.paged",
        "count-differs",
        VIOLATED,
        lambda: calm().alter(Reading, {"reading": "page:0"}, count=7),
        "count-differs",
    ),
    Row(
        "events.paged",
        "more-is-counted-than-was-read-while-it-ran",
        HOLDS,
        lambda: calm().show(5.99, "running").alter(Reading, {"reading": "page:0"}, count=99),
    ),
    Row(
        "events.paged",
        "less-is-counted-than-was-read-while-it-ran",
        VIOLATED,
        lambda: calm().show(5.99, "running").alter(Reading, {"reading": "page:0"}, count=2),
        "count-differs",
    ),
    Row(
        "events.paged",
        "more-pages-than-events",
        VIOLATED,
        lambda: calm().alter(Reading, {"reading": "page:0"}, complete=False, count=7),
        "pages-do-not-end",
    ),
    Row(
        "events.paged",
        "cut-short-before-all-was-read",
        INCONCLUSIVE,
        lambda: calm().alter(Reading, {"reader": "rest"}, complete=False),
    ),
    Row(
        "events.paged", "refused-outside-the-limits", HOLDS, lambda: outside(0, code=422, built=outside(101, code=422))
    ),
    Row("events.paged", "more-than-a-page-gives-the-log", HOLDS, lambda: outside(101, *LOG)),
    Row("events.paged", "nobody-answered-outside-the-limits", HOLDS, lambda: outside(101, code=0)),
    Row(
        "events.paged", "more-than-a-page-cuts-the-log", VIOLATED, lambda: outside(101, *LOG[:5]), "outside-the-limits"
    ),
    Row("events.paged", "pages-of-nothing-end", VIOLATED, lambda: outside(0), "outside-the-limits"),
    Row("events.paged", "pages-of-nothing-fail", VIOLATED, lambda: outside(0, code=500), "outside-the-limits"),
    Row("events.paged", "one-page-size", INCONCLUSIVE, lambda: calm().until(6.15)),
    Row(
        "events.paged",
        "one-page-holds-all",
        INCONCLUSIVE,
        lambda: calm().alter(Reading, {"reader": "rest"}, page_size=100),
    ),
    Row(
        "events.paged",
        "nothing-was-sent",
        INCONCLUSIVE,
        lambda: calm().everywhere_forget(*calm().ids("page:0")).alter(Reading, {"reader": "rest"}, count=0),
    ),
    Row(
        "events.paged",
        "counted-and-not-shown",
        INCONCLUSIVE,
        lambda: calm().everywhere_forget(*calm().ids("page:0")),
    ),
    Row(
        "events.paged",
        "deleted",
        NOT_APPLICABLE,
        lambda: calm().ask(5.0, "delete").until(5.5).put(5.6, Phase(name="ended")),
    ),
    Row("events.paired", "calm", HOLDS, calm),
    Row("events.paired", "kill-tool-running", HOLDS, crashed),
    Row("events.paired", "rejected", HOLDS, lambda: calm().alter(Event, {"id": "o2"}, role="rejection")),
    Row("events.paired", "unclosed", VIOLATED, lambda: calm().everywhere_forget("o2"), "unclosed"),
    Row(
        "events.paired",
        "read-before-the-run-was-seen-to-end",
        INCONCLUSIVE,
        lambda: calm().everywhere_forget("o2").show(5.99, "running").show(7.0, "finished"),
    ),
    Row(
        "events.paired",
        "the-next-run-began-when-the-log-was-read",
        VIOLATED,
        lambda: calm().everywhere_forget("o2").show(7.0, "running").show(7.1, "finished"),
        "unclosed",
    ),
    Row(
        "events.paired",
        "run-again-after-crash",
        VIOLATED,
        lambda: crashed().alter(Event, {"id": "o3"}, call="call-2-0"),
        "closed-twice",
    ),
    Row(
        "events.paired", "open-while-running", INCONCLUSIVE, lambda: calm().everywhere_forget("o3").show(6.9, "running")
    ),
    Row(
        "events.paired",
        "waits-for-the-user",
        NOT_APPLICABLE,
        lambda: calm().everywhere_forget("o3").show(6.9, "waiting"),
    ),
    Row("events.paired", "no-action-in-the-log", INCONCLUSIVE, lambda: calm(0)),
    Row("events.paired", "no-action-in-the-script", NOT_APPLICABLE, lambda: calm(0).plan(script=[{"say": "Hello."}])),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_events(row: Row) -> None:
    verdict = judge(row.make().build(), [row.guarantee])[row.guarantee]
    assert (verdict.outcome, verdict.signature) == (row.outcome, row.signature), verdict.says


def test_what_the_disk_alone_saw_late_is_counted() -> None:
    assert judge(late_on_disk(calm()).build(), ["events.complete"])["events.complete"].measured["later"] == 1


def test_the_events_between_final_status_and_snapshot_are_part_of_the_tail() -> None:
    """A trailing event that the subscriber got before the post-run snapshot must be held, one behind it need not."""

    def trailing(at: float) -> Built:
        built = calm().forget("held:0", "b1")
        for reading, when in (("stream:0", at), ("page:0", 6.09), ("disk:9", 8.29)):
            built.put(when, event("x1", "message", 1.5)).alter(Event, {"reading": ""}, reading=reading)
        return built

    ended = next(at for at, one in calm().placed if isinstance(one, Event) and one.id == "f1")
    assert judge(trailing(ended + 0.005).build())["events.tail"].outcome is VIOLATED
    assert judge(trailing(ended + 0.02).build())["events.tail"].outcome is HOLDS


def test_the_list_of_a_plain_client_counts_as_delivered_only_on_an_untouched_wire() -> None:
    def through_the_wire(built: Built) -> Built:
        built.put(1.3, Stream(reading="stream:7", stage="subscribed", path="wire", conversation="c1", witness="client"))
        return built.put(2.2, event("m1", "message"), event("o1", "observation")).alter(
            Event, {"reading": ""}, reading="stream:7", witness="client"
        )

    assert judge(through_the_wire(calm()).build())["events.delivered"].outcome is VIOLATED
    touched = through_the_wire(calm()).put(2.1, Frame(conn=1, direction="down", index=3, size=9, done="dropped"))
    assert judge(touched.build())["events.delivered"].outcome is HOLDS


def test_two_sends_of_one_text_need_two_messages() -> None:
    built = calm().ask(1.9, "send", text="go")
    assert judge(built.build())["events.complete"].signature == "lost-message"


def test_a_refused_or_unanswered_message_need_not_be_in_the_log() -> None:
    built = calm().ask(1.9, "send", 500, text="never mind").ask(1.95, "send", 0, text="hello?", error="reset")
    assert judge(built.build())["events.complete"].outcome is HOLDS


def test_a_conversation_is_one_with_and_without_hyphens() -> None:
    built = (
        calm()
        .alter(Event, {"reading": "held:0"}, conversation="c-1")
        .alter(Request, {"verb": "send"}, conversation="c-1")
    )
    assert {one.outcome for one in judge(built.build()).values()} == {
        one.outcome for one in judge(calm().build()).values()
    }


@pytest.mark.parametrize(("at", "compared"), [(2.9, 0), (3.25, 2), (3.65, 6)])
def test_what_was_read_meanwhile_is_counted(at: float, compared: int) -> None:
    assert judge(read_meanwhile(at).build())["events.paged"].compared["events of earlier readings"] == compared


@pytest.mark.parametrize("witness", ["user", "observer"])
def test_a_page_is_not_stale_for_what_its_own_witness_lost(witness: str) -> None:
    built = read_meanwhile(3.6, "o1")
    built.damaged = [f"{witness}.jsonl:3"]
    assert judge(built.build())["events.paged"].outcome is INCONCLUSIVE


def test_conversations_are_judged_apart() -> None:
    """Another conversation whose log was never read leaves the question open, and convicts nobody."""
    other = Event(**{n: getattr(event("z1", "message"), n) for n in Event.__struct_fields__} | {"conversation": "c2"})
    other.reading = "stream:5"
    verdict = judge(calm().put(3.0, other).build())["events.complete"]
    assert verdict.outcome is INCONCLUSIVE
    assert "not read" in verdict.says


def test_a_stream_that_the_server_survived_is_judged_to_the_end_of_its_life() -> None:
    built = calm().put(4.5, Life(stage="died", epoch=0)).forget("stream:0", "b1", "f1")
    assert judge(built.build())["events.delivered"].outcome is HOLDS
