"""Parts of the log and what their filters say, row by row."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from guarantee_histories import HOLDS, INCONCLUSIVE, NOT_APPLICABLE, VIOLATED, Built, Row, calm, event, log_of_run

from tailproof.guarantees.catalogue import judge
from tailproof.guarantees.events_filtered import MOST_EVENTS
from tailproof.history.records import Phase
from tailproof.history.server_records import Event, Reading

LOG = log_of_run(3)
STAMPS = {one.id: one.ts for one in LOG}
ACTIONS = {"name": "ActionEvent"}
ACTED = [one for one in LOG if one.role == "action"]
SAID = {"text": "GO"}
LATE_ACTIONS = {**ACTIONS, "since": STAMPS["a2"]}
MIDDLE = {"since": STAMPS["a1"], "before": STAMPS["o3"]}


def parted(part: dict[str, str], *ids: str, tools: int = 3, **said: object) -> Built:
    """`calm`, and a part of its log was read with these events."""
    built = calm(tools).fact(filters="name source text since before id")
    log = {one.id: one for one in log_of_run(tools)}
    given = [log.get(identity) or late(identity) for identity in ids]
    return built.read(
        6.7,
        "part:4",
        given,
        part=part,
        **{"page_size": 2, "code": 200, "count": -1 if "id" in part else len(given), **said},
    )


def late(identity: str) -> Event:
    """An event that came into the log when that had been read."""
    return event(identity, "action", 9.0)


def ended(built: Callable[[], Built], **said: object) -> Callable[[], Built]:
    """Other words at the end of the part."""
    return lambda: built().alter(Reading, {"reading": "part:4", "stage": "end"}, **said)


def actions(*ids: str, **said: object) -> Callable[[], Built]:
    return lambda: parted(ACTIONS, *ids, **said)


def by_id(*ids: str, code: int = 200) -> Callable[[], Built]:
    """Somebody asked for one event by its id, and was given these, or nothing but a code; the actions are read behind it."""
    whole = {} if code == 200 else {"complete": False, "error": f"page 1: {code}"}

    def built() -> Built:
        return parted({"id": "o1"}, *ids, code=code, **whole).read(6.85, "part:5", ACTED, part=ACTIONS)

    return built


def not_found_at_last() -> Built:
    """Somebody asked for an event by its id when the parts had been read, and there was none: the conversation may be gone by then."""
    built = parted({"id": "o1"}, code=404, complete=False, error="page 1: 404")
    return built.read(6.65, "part:3", ACTED, part=ACTIONS)


def in_circles() -> Built:
    """One part was read to its end, and the cursor of another came a second time."""
    said = {"page_size": 1, "code": 200, "complete": False, "error": "page 2: the cursor came a second time"}
    return actions("a1", "a2", "a3")().read(6.75, "part:5", LOG[:1], part={"source": "user"}, **said)


ROWS = [
    Row("events.filtered", "by-name", HOLDS, actions("a1", "a2", "a3")),
    Row("events.filtered", "by-id", HOLDS, by_id("o1")),
    Row("events.filtered", "another-than-that-with-the-id", VIOLATED, by_id("o2"), "lacks-its-own"),
    Row("events.filtered", "not-found-by-id", VIOLATED, by_id(code=404), "refused"),
    Row("events.filtered", "not-found-by-id-at-last", INCONCLUSIVE, not_found_at_last),
    Row("events.filtered", "another-part-in-circles", INCONCLUSIVE, in_circles),
    Row("events.filtered", "newest-first", HOLDS, actions("a3", "a2", "a1", order="descending")),
    Row("events.filtered", "grows-at-the-end", HOLDS, actions("a1", "a2", "a3", "a99")),
    Row(
        "events.filtered",
        "counts-what-came-later",
        HOLDS,
        lambda: actions("a1", "a2", "a3", count=4)().put(6.9, _on_disk()),
    ),
    Row("events.filtered", "by-text-in-any-case", HOLDS, lambda: parted(SAID, "m1")),
    Row(
        "events.filtered",
        "says-more-than-is-kept-of-it",
        HOLDS,
        lambda: parted({"text": "unheard"}, "m1"),
    ),
    Row("events.filtered", "between-two-times", HOLDS, lambda: parted(MIDDLE, "a1", "o1", "a2", "o2", "a3")),
    Row(
        "events.filtered",
        "by-name-since-a-time",
        HOLDS,
        lambda: parted(LATE_ACTIONS, "a3", "a2", order="descending", count=2),
    ),
    Row(
        "events.filtered",
        "counts-by-one-of-two-filters",
        VIOLATED,
        lambda: parted(LATE_ACTIONS, "a2", "a3", count=3),
        "count-differs",
    ),
    Row(
        "events.filtered",
        "skips-newest-first",
        VIOLATED,
        lambda: actions("a1", "a2", "a3")().read(
            6.75, "part:5", [LOG[3], LOG[1]], part=ACTIONS, order="descending", page_size=2, code=200
        ),
        "lacks-its-own",
    ),
    Row("events.filtered", "leaves-one-out", VIOLATED, actions("a1", "a3"), "lacks-its-own"),
    Row(
        "events.filtered",
        "leaves-out-its-bound",
        VIOLATED,
        lambda: parted(MIDDLE, "o1", "a2", "o2", "a3"),
        "lacks-its-own",
    ),
    Row(
        "events.filtered",
        "takes-the-other-bound-in",
        VIOLATED,
        lambda: parted(MIDDLE, "a1", "o1", "a2", "o2", "a3", "o3"),
        "holds-others",
    ),
    Row("events.filtered", "minds-the-case", VIOLATED, lambda: parted(SAID), "lacks-its-own"),
    Row("events.filtered", "looks-into-actions-too", VIOLATED, lambda: parted(SAID, "m1", "a1"), "holds-others"),
    Row("events.filtered", "filters-nothing", VIOLATED, actions(*STAMPS), "holds-others"),
    Row("events.filtered", "others-that-came-later", VIOLATED, lambda: parted(SAID, "m1", "a99"), "holds-others"),
    Row("events.filtered", "gives-one-twice", VIOLATED, actions("a1", "a2", "a2", "a3"), "doubled"),
    Row("events.filtered", "turns-two", VIOLATED, actions("a2", "a1", "a3"), "other-order"),
    Row(
        "events.filtered",
        "newest-first-is-not-reversed",
        VIOLATED,
        actions("a1", "a2", "a3", order="descending"),
        "other-order",
    ),
    Row("events.filtered", "grows-in-the-middle", VIOLATED, actions("a1", "a99", "a2", "a3"), "other-order"),
    Row("events.filtered", "counts-the-whole-log", VIOLATED, actions("a1", "a2", "a3", count=10), "count-differs"),
    Row("events.filtered", "counts-less", VIOLATED, actions("a1", "a2", "a3", count=2), "count-differs"),
    Row(
        "events.filtered",
        "counts-what-came-while-it-ran",
        HOLDS,
        lambda: actions("a1", "a2", "a3", count=10)().show(5.99, "running"),
    ),
    Row(
        "events.filtered",
        "refuses-the-filter",
        VIOLATED,
        ended(actions(), complete=False, code=422, error="page 1: 422"),
        "refused",
    ),
    Row(
        "events.filtered", "no-time-left", INCONCLUSIVE, ended(actions("a1"), complete=False, error="no time was left")
    ),
    Row("events.filtered", "busy", INCONCLUSIVE, ended(actions(), complete=False, code=503, error="page 1: 503")),
    Row("events.filtered", "a-stamp-that-is-no-time", INCONCLUSIVE, lambda: parted({"since": "yesterday"})),
    Row("events.filtered", "nobody-asked", INCONCLUSIVE, lambda: calm().fact(filters="name")),
    Row("events.filtered", "no-filters", NOT_APPLICABLE, calm),
    Row("events.filtered", "too-long", NOT_APPLICABLE, lambda: calm(MOST_EVENTS).fact(filters="name")),
    Row(
        "events.filtered",
        "deleted",
        NOT_APPLICABLE,
        lambda: actions("a1")().ask(5.0, "delete").until(5.5).put(5.6, Phase(name="ended")),
    ),
]


def _on_disk() -> Event:
    one = late("a99")
    one.reading = "disk:9"
    return one


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_guarantee(row: Row) -> None:
    verdict = judge(row.make().build(), [row.guarantee])[row.guarantee]
    assert (verdict.outcome, verdict.signature) == (row.outcome, row.signature), verdict.says
