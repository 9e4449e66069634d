"""The recorder counts what each witness said, and what cannot be written is never passed over."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tailproof.history.header import Header
from tailproof.history.reader import History
from tailproof.history.recorder import INLINE_BYTES, Recorder
from tailproof.history.records import Note, Phase
from tailproof.history.server_records import WholeEvent
from tailproof.outgoing.masking import Masker


def recorder_in(directory: Path) -> Recorder:
    return Recorder(directory, Header(trial="t1", scenario="calm", seed=1, target="pypi:1.58.0", client="plain"))


def lines(directory: Path, witness: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (directory / f"{witness}.jsonl").read_text().splitlines()]


def test_every_witness_ends_with_the_number_of_its_records(tmp_path: Path) -> None:
    with recorder_in(tmp_path) as recorder:
        recorder.witness("trial").write(Phase(name="driving"))
        for number in range(3):
            recorder.witness("observer").write(Note(text=str(number)))
        recorder.witness("engine")
    history = History.load(tmp_path)
    assert {end.witness: end.records for end in history.ends} == {"observer": 3, "engine": 0, "trial": 1}
    for end in history.ends:
        last = lines(tmp_path, end.witness)[-1]
        assert (last["kind"], last["seq"]) == ("end", end.records)


def test_the_trial_ends_last_and_counts_the_others_their_ends_included(tmp_path: Path) -> None:
    with recorder_in(tmp_path) as recorder:
        recorder.witness("observer").write(Note(text="."))
        recorder.witness("engine")
        recorder.wrote("wire", 17)
    ends = {end.witness: end for end in History.load(tmp_path).ends}
    assert ends["trial"].of_others == {"observer": 2, "engine": 1, "wire": 17}
    assert all(ends["trial"].t_ns >= end.t_ns for end in ends.values())
    assert not any(end.of_others for name, end in ends.items() if name != "trial")


def test_a_witness_elsewhere_that_did_not_end_in_order_is_counted_by_nobody(tmp_path: Path) -> None:
    with recorder_in(tmp_path) as recorder:
        recorder.witness("observer")
    (trial,) = [end for end in History.load(tmp_path).ends if end.witness == "trial"]
    assert "wire" not in trial.of_others


def test_what_comes_after_the_end_is_dropped(tmp_path: Path) -> None:
    recorder = recorder_in(tmp_path)
    tool = recorder.witness("tool")
    recorder.close()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    tool.write(Note(text="late"))
    recorder.witness("trial").write(Note(text="late"))
    recorder.witness("never heard of").write(Note(text="late"))
    recorder.close()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_recorder_that_was_never_closed_leaves_no_end(tmp_path: Path) -> None:
    recorder = recorder_in(tmp_path)
    recorder.witness("trial").write(Phase(name="driving"))
    recorder.sync()
    assert History.load(tmp_path).ends == []
    recorder.close()


def test_the_header_is_written_last_with_what_became_known(tmp_path: Path) -> None:
    with recorder_in(tmp_path) as recorder:
        recorder.header.witnesses["engine"] = ["lives"]
    assert History.load(tmp_path).header.witnesses == {"engine": ["lives"]}


def test_a_full_disk_is_kept_and_the_witness_has_no_end(tmp_path: Path) -> None:
    (tmp_path / "observer.jsonl").symlink_to("/dev/full")
    with recorder_in(tmp_path) as recorder:
        recorder.witness("observer").write(Note(text="lost"))
        recorder.sync()
        assert recorder.failed == "the history cannot be written: observer: No space left on device"
        recorder.witness("trial").write(Note(text="kept"))
        recorder.witness("observer").write(Note(text="this one, too"))
    (tmp_path / "observer.jsonl").unlink()
    history = History.load(tmp_path)
    assert [end.witness for end in history.ends] == ["trial"]
    assert [note.text for note in history.notes] == ["kept"]


def test_a_disk_that_gets_full_between_two_flushes_is_seen_by_the_flusher(tmp_path: Path) -> None:
    (tmp_path / "observer.jsonl").symlink_to("/dev/full")
    with recorder_in(tmp_path) as recorder:
        recorder.witness("observer").write(Note(text="lost"))
        while not recorder.failed:
            recorder._closing.wait(0.01)
        assert recorder._flusher.is_alive(), "it still flushes what can be written"


def full(*args: object, **kwargs: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def large(recorder: Recorder) -> None:
    body = {"id": "e", "text": "x" * INLINE_BYTES}
    recorder.keep(WholeEvent(reading="page:0", id="e", name="Event", body=body, size=len(json.dumps(body))))


@pytest.mark.parametrize(
    ("write", "what"), [(large, "payloads"), (Recorder.write_header, "header")], ids=["a-large-body", "the-header"]
)
def test_what_stands_beside_the_lines_cannot_be_lost_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Recorder], None], what: str
) -> None:
    with recorder_in(tmp_path) as recorder:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", full)
            write(recorder)
        assert recorder.failed == f"the history cannot be written: {what}: No space left on device"


def test_where_an_event_shows_a_planted_secret_is_told_and_the_secret_is_not(tmp_path: Path) -> None:
    header = Header(trial="t1", scenario="calm", seed=1, target="pypi:1.58.0", client="plain")
    planted = {"model key": "0f1e2d3c4b5a69788796a5b4c3d2e1f0"}
    with Recorder(tmp_path, header, masker=Masker(planted), planted=planted) as recorder:
        for number, text in enumerate((planted["model key"], "nothing", planted["model key"] + "." * INLINE_BYTES)):
            event = WholeEvent(reading="stream:0", id=f"e{number}", name="Said", body={"text": text}, size=len(text))
            recorder.witness("observer").write(recorder.keep(event))
    history = History.load(tmp_path)
    assert {(one.stage, one.name, one.place, one.detail) for one in history.canaries} == {
        ("seen", "model key", "event", "stream:0 Said e0"),
        ("seen", "model key", "event", "stream:0 Said e2"),
    }
    assert not any(planted["model key"] in file.read_text() for file in tmp_path.rglob("*") if file.is_file())
