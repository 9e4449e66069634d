"""Which parts of a log are asked for at the end of a trial."""

from __future__ import annotations

import pytest

from tailproof.guarantees.events_filtered import MOST_EVENTS
from tailproof.history.server_records import Event
from tailproof.protocol.part import Part
from tailproof.trial.parts import page_size, parts_of

EVERY = ("name", "source", "text", "since", "before", "id")


def log(events: int = 8) -> list[Event]:
    roles = ("message", "action", "observation", "action")
    return [
        Event(
            id=f"e{place}",
            name=(role := roles[place % len(roles)]),
            role=role,  # type: ignore[arg-type]
            source="user" if role == "message" else "agent",
            text="go on" if role == "message" else "",
            ts=f"2026-01-01T12:00:{place:02d}",
        )
        for place in range(events)
    ]


def test_each_filter_is_asked_for_and_its_bounds_are_events() -> None:
    assert list(parts_of(log(), EVERY)) == [
        Part(name="action"),
        Part(source="agent"),
        Part(text="ON"),
        Part(since="2026-01-01T12:00:05"),
        Part(before="2026-01-01T12:00:02"),
        Part(source="agent", since="2026-01-01T12:00:02", before="2026-01-01T12:00:05"),
        Part(name="action", since="2026-01-01T12:00:05"),
        Part(id="e0"),
        Part(id="e7"),
    ]


@pytest.mark.parametrize(
    ("said", "sought"),
    [
        (["please go on"], "GO"),
        (["go"], "O"),
        (["x"], "X"),
        (["well - yes"], ""),
        (["", "well - yes", "do it now"], "IT"),
    ],
)
def test_a_text_is_sought_that_no_message_begins_with(said: list[str], sought: str) -> None:
    messages = [Event(id=f"e{place}", name="message", role="message", text=text) for place, text in enumerate(said)]
    others = [Event(id="a", name="action", role="action", text="not in this")]
    assert [part.text for part in parts_of([*messages, *others], ("text",))] == ([sought] if sought else [])


def test_two_filters_at_once_give_less_than_each_of_them() -> None:
    events = log(20)
    one = next(part for part in parts_of(events, EVERY) if part.name and part.since)
    named = [event for event in events if event.name == one.name]
    since = [event for event in events if event.ts >= one.since]
    assert 0 < len([event for event in since if event in named]) < min(len(named), len(since))


def test_what_the_protocol_lacks_is_not_asked_for() -> None:
    assert list(parts_of(log(), ("since",))) == [Part(since="2026-01-01T12:00:05")]
    assert list(parts_of(log(), ())) == []


def test_a_filter_that_all_events_meet_shows_nothing() -> None:
    alike = [event for event in log(40) if event.role == "action"]
    assert {word for part in parts_of(alike, EVERY) for word in part.said} == {"since", "before", "id"}


def test_without_times_nothing_is_asked_by_time() -> None:
    untimed = log()
    untimed[3].ts = "later"
    assert list(parts_of(untimed, EVERY)) == [
        Part(name="action"),
        Part(source="agent"),
        Part(text="ON"),
        Part(id="e0"),
        Part(id="e7"),
    ]


def test_a_long_log_is_not_read_in_parts() -> None:
    assert list(parts_of(log(60) * (1 + MOST_EVENTS // 60), EVERY)) == []
    assert list(parts_of([], EVERY)) == []


def test_a_part_has_several_pages() -> None:
    assert [page_size(log(events)) for events in (1, 4, 5, 40)] == [1, 1, 2, 10]
