"""A history comes back as it was written, also when its writer was killed in the middle of a line."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from fixtures.fuzz.odd_files import ODD
from tailproof.history.header import SCHEMA_VERSION, Header
from tailproof.history.lines import CHUNK_BYTES, HistoryError
from tailproof.history.reader import History
from tailproof.history.recorder import INLINE_BYTES, Recorder
from tailproof.history.records import Note, Phase
from tailproof.history.server_records import Event, Stream, WholeEvent
from tailproof.incoming.limits import RECORD_BYTES
from tailproof.outgoing.masking import Masker


def write(directory: Path, *, events: int = 5, size: int = 100) -> None:
    header = Header(trial="t1", scenario="calm", seed=1, target="pypi:1.58.0", client="plain")
    with Recorder(directory, header, masker=Masker({"key": "s3cr3t-key"})) as recorder:
        recorder.witness("trial").write(Phase(name="starting"))
        observer = recorder.witness("observer")
        observer.write(Stream(reading="stream:0", stage="subscribed", path="direct"))
        for index in range(events):
            body = {"id": f"e{index}", "kind": "event", "text": "ü" + "x" * size}
            event = WholeEvent(reading="stream:0", id=f"e{index}", name="Event", ts="2026-01-01", text=f"no. {index}")
            event.body, event.size = body, len(msgspec.json.encode(body))
            observer.write(recorder.keep(event))
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
    assert all(type(event) is Event for event in History.load(tmp_path).events)


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


@pytest.mark.parametrize("schema", [SCHEMA_VERSION + 1, 10**9, 0, -1, 1 << 60])
def test_a_schema_that_is_not_known_is_refused(tmp_path: Path, schema: int) -> None:
    write(tmp_path)
    _in_the_header(tmp_path, schema=schema)
    says = f"has schema {schema}; this tailproof reads 1 to {SCHEMA_VERSION}"
    with pytest.raises(HistoryError, match=says + (": use a newer release" if schema > SCHEMA_VERSION else "$")):
        History.load(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"started": 1e300},
        {"started": -1.0},
        {"seed": 1 << 70},
        {"seed": 1.5},
        {"target": "x" * 5_000},
        {"parameters": {"loop.terminates": -5}},
        {"plan": []},
        {"plan": {"faults": [{"id": "x"}]}},
        {"plan": {"script": "x"}},
        {"facts": {"page_size": 0}},
        {"facts": {"page_size": 1.5}},
        {"facts": {"fatal_closes": "x"}},
    ],
    ids=str,
)
def test_a_header_that_nobody_could_judge_by_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    write(tmp_path)
    _in_the_header(tmp_path, **wrong)
    with pytest.raises(HistoryError, match=r"header\.json is not the header of a history: "):
        History.load(tmp_path)


@pytest.mark.parametrize("deep", [500, 100_000])
def test_a_header_without_a_bottom_is_refused(tmp_path: Path, deep: int) -> None:
    (tmp_path / "header.json").write_text('{"plan":' + "[" * deep + "]" * deep + "}")
    with pytest.raises(HistoryError, match="nested deeper than"):
        History.load(tmp_path)


@pytest.mark.parametrize("odd", ["a pipe that nobody writes to", "/dev/zero", "a directory", "8 GB of zeros"])
def test_a_witness_that_left_no_file_is_no_witness(tmp_path: Path, odd: str) -> None:
    write(tmp_path)
    (tmp_path / "observer.jsonl").unlink()
    ODD[odd](tmp_path / "observer.jsonl")
    with pytest.raises(HistoryError, match=r"observer\.jsonl"):
        History.load(tmp_path)


def test_a_line_that_is_too_long_is_damaged_and_what_follows_is_read(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "observer.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = b'{"kind":"note","text":"' + b"x" * (2 * RECORD_BYTES) + b'"}\n'
    path.write_bytes(b"".join(lines))
    history = History.load(tmp_path)
    assert history.damaged == ("observer.jsonl:4",)
    assert [event.id for event in history.events] == ["e0", "e1", "e3", "e4"]


@pytest.mark.parametrize(
    "line",
    [
        b'{"kind":"note","text":"\xff"}',
        b'{"kind":"note","text":"x","t_ns":1e300}',
        b'{"kind":"note","text":"x","wall":1e300}',
        b'{"kind":"note","text":"x","seq":99999999999999999999}',
        b'{"kind":"note","text":"x","wall":NaN}',
        b'{"kind":"note","text":"x","\xc0\xaf":1}',
        b'{"kind":"note","text":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'{"kind":"nothing that is known"}',
    ],
)
def test_a_line_that_nobody_could_judge_is_damaged(tmp_path: Path, line: bytes) -> None:
    write(tmp_path)
    with (tmp_path / "observer.jsonl").open("ab") as file:
        file.write(line + b"\n")
    assert History.load(tmp_path).damaged == ("observer.jsonl:8",)


def test_a_file_of_other_lines_is_no_history(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "wire.jsonl").write_bytes(b"- x\n" * 200_000)
    with pytest.raises(HistoryError, match=r"more than 1,000 of its lines are no records, as wire\.jsonl:"):
        History.load(tmp_path)


def _in_the_header(directory: Path, **changed: object) -> None:
    header = json.loads((directory / "header.json").read_text())
    (directory / "header.json").write_text(json.dumps({**header, **changed}))


@pytest.mark.parametrize(
    "spelled", ['a+b/c="12', "a%2Bb%2Fc%3D%2212", "a%2Bb/c%3D%2212"], ids=["json", "query", "path"]
)
def test_a_secret_stays_out_however_it_is_spelled(tmp_path: Path, spelled: str) -> None:
    header = Header(trial="t1", scenario="calm", seed=1, target="url:x", client="plain")
    with Recorder(tmp_path, header, masker=Masker({"key": 'a+b/c="12'})) as recorder:
        recorder.witness("client").write(Note(text=f"no answer from ws://host/x?session_api_key={spelled}"))
    assert History.load(tmp_path).notes[0].text == "no answer from ws://host/x?session_api_key=<secret:key>"
