"""What the event ledger of the page says each witness has of each event."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "guarantees"))

from guarantee_histories import Built, calm, crashed, event

from tailproof.history.records import Frame, Post, Run
from tailproof.history.server_records import Event
from tailproof.reports.page.ledger import Mark, columns_of, ledger

EVERYBODY = {"disk", "rest", "observer", "callbacks", "client"}


def odd(built: Built) -> dict[tuple[str, str], Mark]:
    """(column, id) -> its mark, of all that is neither seen nor outside of what a witness was to see."""
    history = built.build()
    columns = columns_of(history)
    return {
        (column, row.id): cell.mark
        for row in ledger(history)
        for column, cell in zip(columns, row.cells, strict=True)
        if cell.mark not in ("seen", "unseen")
    }


def restated(built: Built) -> Built:
    return built.alter(Event, {"reading": "page:1", "id": "a2"}, digest="another")


SITUATIONS: dict[str, tuple[Callable[[], Built], dict[tuple[str, str], Mark]]] = {
    "nothing is odd": (calm, {}),
    "a crash": (crashed, {}),
    "the last of the callbacks": (lambda: calm().forget("callback:0", "b1"), {("callbacks", "b1"): "lost"}),
    "one in the middle of the stream": (lambda: calm().forget("stream:0", "a2"), {("observer", "a2"): "lost"}),
    "one of the client's list": (lambda: calm().forget("held:0", "a2"), {("client", "a2"): "lost"}),
    "one of the disk": (lambda: calm().forget("disk:9", "o3"), {("disk", "o3"): "lost"}),
    "one of the final log": (lambda: calm().forget("page:0", "o3"), {("rest", "o3"): "lost"}),
    "twice in the callbacks": (lambda: calm().twice("callback:0", "a2"), {("callbacks", "a2"): "twice"}),
    "twice in the log": (lambda: calm().twice("page:0", "a2"), {("rest", "a2"): "twice"}),
    "out of order in the stream": (lambda: calm().swap("stream:0", "a2", "o2"), {("observer", "a2"): "unordered"}),
    "changed between two readings": (lambda: restated(calm()), {("rest", "a2"): "changed"}),
    "late in the callbacks": (
        lambda: calm().move(Event, {"reading": "callback:0", "id": "b1"}, 4.5),
        {("callbacks", "b1"): "late"},
    ),
}


@pytest.mark.parametrize(("make", "marks"), SITUATIONS.values(), ids=SITUATIONS)
def test_the_marks_of_a_situation(make: Callable[[], Built], marks: dict[tuple[str, str], Mark]) -> None:
    assert odd(make()) == marks


def test_a_row_for_each_event_of_the_log_in_its_order() -> None:
    built = calm()
    ids = built.ids("page:0")
    rows = ledger(built.build())
    assert [row.id for row in rows] == ids
    assert [row.place for row in rows] == list(range(1, len(ids) + 1))
    assert "s1" not in ids, "a snapshot is kept nowhere"


def test_an_event_that_is_told_late_keeps_the_time_that_the_log_gives_it() -> None:
    """The order of the log is that of its own stamps; when a reader had an event live is another matter."""
    built = calm()
    stamps = [f"2026-01-01T00:00:{number:02}" for number in range(len(built.ids("page:0")))]
    for identity, stamp in zip(built.ids("page:0"), stamps, strict=True):
        built.alter(Event, {"reading": "page:0", "id": identity}, ts=stamp)
    for reading in ("stream:0", "callback:0"):
        built.move(Event, {"reading": reading, "id": "a2"}, 4.5)
    built.move(Frame, {"id": "a2", "direction": "down"}, 4.5)
    rows = ledger(built.build())
    assert [row.stamp for row in rows] == stamps
    seen = [row.at_ns for row in rows if row.at_ns is not None]
    assert seen != sorted(seen)


def test_the_columns_are_those_of_the_witnesses() -> None:
    assert set(columns_of(calm().build())) == EVERYBODY
    assert set(columns_of(crashed().build())) == {"disk", "rest", "observer"}


def test_nothing_is_lost_to_a_client_that_had_returned_before() -> None:
    built = calm().move(Run, {"stage": "returned"}, 2.5)
    for identity in ("a3", "o3", "f1", "b1"):
        built.forget("callback:0", identity).forget("held:0", identity)
    assert odd(built) == {}


def test_what_only_the_disk_has_stands_behind_the_log() -> None:
    built = calm()
    built.read(8.25, "disk:9", [event("z9", "action")])
    last = ledger(built.build())[-1]
    assert (last.id, last.place) == ("z9", 0)
    assert not last.plain


def test_a_cell_names_the_record_and_the_time_behind_the_first_sight() -> None:
    history = calm().build()
    seen = {f"{one.witness}:{one.seq}": one for one in history.events}
    columns = columns_of(history)
    for row in ledger(history):
        cells = dict(zip(columns, row.cells, strict=True))
        assert {seen[cell.address].id for cell in row.cells} == {row.id}
        assert cells["disk"].after_ns is None
        assert cells["callbacks"].after_ns is not None
        assert cells["callbacks"].after_ns > 0
        assert row.at_ns is not None
        assert seen[cells["callbacks"].address].t_ns == row.at_ns + cells["callbacks"].after_ns


def test_causes_are_replies_of_the_model_and_calls_of_tools() -> None:
    causes = {row.id: row.cause for row in ledger(calm().build())}
    assert causes["a2"] == "model reply 2"
    assert causes["o2"] == "tool call 2"
    assert causes["m1"] == "message"
    assert causes["b1"] == ""


def test_what_a_receiver_took_is_a_column() -> None:
    built = calm()
    taken = [identity for identity in built.ids("page:0") if identity != "a2"]
    for number, identity in enumerate([*taken, "a1"]):
        built.put(3.5 + number / 100, Post(witness="hooks", conversation="c1", batch=[identity], code=200))
    built.put(3.9, Post(witness="hooks", conversation="c1", batch=["a2"], code=500))
    history = built.build()
    column = columns_of(history).index("hooks")
    marks = {row.id: row.cells[column].mark for row in ledger(history)}
    assert (marks["a1"], marks["a2"]) == ("twice", "unseen"), "it refused one, and nobody says that it must come again"
