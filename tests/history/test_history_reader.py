"""A history comes back as it was written, also when its writer was killed in the middle of a line."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from tailproof.history.reader import CHUNK_BYTES, History, HistoryError
from tailproof.history.recorder import INLINE_BYTES, Recorder
from tailproof.history.records import SCHEMA_VERSION, Event, Header, Note, Phase, Sighting, Stream
from tailproof.outgoing.masking import Masker


def write(directory: Path, *, events: int = 5, size: int = 100) -> None:
    header = Header(trial="t1", scenario="calm", seed=1, target="pypi:1.58.0", client="plain")
    with Recorder(directory, header, masker=Masker({"key": "s3cr3t-key"})) as recorder:
        recorder.witness("trial").write(Phase(name="starting"))
        observer = recorder.witness("observer")
        observer.write(Stream(reading="stream:0", stage="subscribed", path="direct"))
        for index in range(events):
            body = {"id": f"e{index}", "kind": "event", "text": "ü" + "x" * size}
            event = Event(reading="stream:0", id=f"e{index}", name="Event", ts="2026-01-01", text=f"no. {index}")
            observer.write(recorder.keep(event, body, msgspec.json.encode(body)))
        recorder.witness("trial").write(Phase(name="ended"))


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    write(tmp_path)
    history = History.load(tmp_path)
    assert history.header.scenario == "calm"
    assert history.damaged == ()
    assert [phase.name for phase in history.phases] == ["starting", "ended"]
    assert [event.id for event in history.events] == [f"e{index}" for index in range(5)]
    assert [event.seq for event in history.events] == [1, 2, 3, 4, 5]
    assert {event.witness for event in history.events} == {"observer"}
    assert len({event.digest for event in history.events}) == 5


def test_bodies_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path)
    assert all(type(event) is Sighting for event in History.load(tmp_path).events)


@pytest.mark.parametrize(("cut", "torn"), [(1, 0), (2, 7), (40, 7), (150, 6)])
def test_a_line_cut_off_at_the_end_is_named_and_skipped(tmp_path: Path, cut: int, torn: int) -> None:
    """The last line, the end of the witness, or the last of its events with all of the end behind it."""
    write(tmp_path)
    path = tmp_path / "observer.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    history = History.load(tmp_path)
    assert history.damaged == ((f"observer.jsonl:{torn}",) if torn else ())
    assert [event.id for event in history.events] == [f"e{index}" for index in range(4 if torn == 6 else 5)]
    assert len(history.phases) == 2


@pytest.mark.parametrize("cut", range(1, 80, 7))
def test_the_last_line_of_any_file_may_be_missing_in_part(tmp_path: Path, cut: int) -> None:
    write(tmp_path)
    path = tmp_path / "trial.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    history = History.load(tmp_path)
    assert history.phases[0].name == "starting"
    assert len(history.events) == 5


@pytest.mark.parametrize("garbage", [b"{}", b"garbage", b'{"kind":"martian"}', b'{"kind":"phase","name":"\xff\xfe"}'])
def test_a_line_damaged_in_the_middle_is_named_by_its_number(tmp_path: Path, garbage: bytes) -> None:
    write(tmp_path)
    path = tmp_path / "observer.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], garbage + b"\n", *lines[3:]]))
    history = History.load(tmp_path)
    assert history.damaged == ("observer.jsonl:3",)
    assert [event.id for event in history.events] == ["e0", "e2", "e3", "e4"]


def test_damage_is_counted_across_chunks(tmp_path: Path) -> None:
    """Two damaged lines, far enough apart to be read at different times."""
    write(tmp_path, events=300, size=3000)
    path = tmp_path / "observer.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert sum(map(len, lines)) > 3 * CHUNK_BYTES
    lines[9] = lines[280] = b"}\n"
    path.write_bytes(b"".join(lines))
    history = History.load(tmp_path)
    assert history.damaged == ("observer.jsonl:10", "observer.jsonl:281")
    assert len(history.events) == 298


def test_a_line_longer_than_a_chunk_is_read(tmp_path: Path) -> None:
    write(tmp_path, events=2)
    with (tmp_path / "observer.jsonl").open("ab") as file:
        file.write(msgspec.json.encode(Note(text="y" * (3 * CHUNK_BYTES), witness="observer", seq=3)) + b"\n")
        file.write(msgspec.json.encode(Note(text="short", witness="observer", seq=4)) + b"\n")
    history = History.load(tmp_path)
    assert sorted(len(note.text) for note in history.notes) == [5, 3 * CHUNK_BYTES]
    assert history.damaged == ()


def test_large_bodies_are_in_the_store_once_and_not_in_the_lines(tmp_path: Path) -> None:
    write(tmp_path, events=2, size=2 * INLINE_BYTES)
    assert len(list((tmp_path / "payloads").glob("*.json"))) == 2
    assert (tmp_path / "observer.jsonl").stat().st_size < 2 * INLINE_BYTES
    assert all(event.size > 2 * INLINE_BYTES for event in History.load(tmp_path).events)


def test_records_of_one_witness_keep_their_order_when_their_clocks_are_equal() -> None:
    header = Header(trial="t", scenario="s", seed=0, target="", client="")
    notes = [Note(text=str(number), witness="w", seq=number, t_ns=7) for number in range(5)]
    assert [note.text for note in History(header, notes[::-1]).notes] == ["0", "1", "2", "3", "4"]


def test_no_header_is_no_history(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match=r"holds no history.*header\.json"):
        History.load(tmp_path)


def test_a_broken_header_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "header.json").write_text("{")
    with pytest.raises(HistoryError, match=r"header\.json is not the header of a history"):
        History.load(tmp_path)


def test_a_newer_schema_says_what_to_do(tmp_path: Path) -> None:
    write(tmp_path)
    header = json.loads((tmp_path / "header.json").read_text())
    header["schema"] = SCHEMA_VERSION + 1
    (tmp_path / "header.json").write_text(json.dumps(header))
    with pytest.raises(HistoryError, match="use a newer release"):
        History.load(tmp_path)


@pytest.mark.parametrize(
    "spelled", ['a+b/c="12', "a%2Bb%2Fc%3D%2212", "a%2Bb/c%3D%2212"], ids=["json", "query", "path"]
)
def test_a_secret_stays_out_however_it_is_spelled(tmp_path: Path, spelled: str) -> None:
    header = Header(trial="t1", scenario="calm", seed=1, target="url:x", client="plain")
    with Recorder(tmp_path, header, masker=Masker({"key": 'a+b/c="12'})) as recorder:
        recorder.witness("client").write(Note(text=f"no answer from ws://host/x?session_api_key={spelled}"))
    assert History.load(tmp_path).notes[0].text == "no answer from ws://host/x?session_api_key=<secret:key>"
