"""`tailproof show HISTORY wire:81`: a record as it stands in its file, and those around it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from checks import tailproof

from tailproof.history.archive import archive
from tailproof.history.header import Header
from tailproof.history.lines import HistoryError
from tailproof.history.recorder import Recorder
from tailproof.history.records import Note, Phase
from tailproof.history.server_records import WholeEvent
from tailproof.runner.show import BadAddress, show

HOSTILE = "\x1b[31m\u202e"


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """A trial's own record of one phase, and an observer of ten notes and an event."""
    header = Header(trial="t1", scenario="calm", seed=1, target="pypi:1.58.0", client="plain")
    with Recorder(tmp_path / "history", header) as recorder:
        recorder.witness("trial").write(Phase(name="driving"))
        observer = recorder.witness("observer")
        for number in range(10):
            observer.write(Note(text=f"note {number} {HOSTILE}"))
        observer.write(WholeEvent(id="e1", name="MessageEvent", reading="page:0", body={"say": f"hello {HOSTILE}"}))
    return tmp_path / "history"


def shown(text: str) -> tuple[str, object, list[str]]:
    """The first line, the record, and the lines of those around it."""
    head, _, rest = text.partition("\n")
    record, _, around = rest.partition("\n\n")
    return head, json.loads(record), around.splitlines()


def test_the_record_stands_as_it_is_in_the_file(history: Path) -> None:
    head, record, _ = shown(show(history, "observer:10"))
    assert head.startswith("observer:10  event at ")
    assert record == json.loads((history / "observer.jsonl").read_text().splitlines()[10])
    assert isinstance(record, dict)
    assert record["body"] == {"say": f"hello {HOSTILE}"}


@pytest.mark.parametrize(
    ("address", "around"),
    [("observer:5", range(2, 9)), ("observer:0", range(4)), ("observer:11", range(8, 12)), ("trial:0", range(2))],
)
def test_three_records_before_and_behind_it_are_told_in_short(history: Path, address: str, around: range) -> None:
    _, _, lines = shown(show(history, address))
    witness = address.partition(":")[0]
    assert [line.split()[0 if line[0] == " " else 1] for line in lines] == [f"{witness}:{n}" for n in around]
    assert [line.startswith(f"> {address} ") for line in lines].count(True) == 1
    assert all(line.isprintable() for line in lines)


WRONG = {
    "another witness": ("nobody:1", "'nobody:1' is no record of "),
    "no witness": ("81", "'81' is no record of "),
    "no number": ("wire:x", "'wire:x' is no record of "),
    "a path": ("../trial:0", "'../trial:0' is no record of "),
    "behind the end": ("observer:12", "holds no record observer:12: "),
}


@pytest.mark.parametrize(("address", "says"), WRONG.values(), ids=WRONG)
def test_a_wrong_address_says_which_there_are(history: Path, address: str, says: str) -> None:
    with pytest.raises(BadAddress) as caught:
        show(history, address)
    assert says in str(caught.value)
    assert str(caught.value).endswith("there are observer:0 to observer:11, trial:0 to trial:1")


def test_an_archived_history_is_shown_as_well(history: Path) -> None:
    before = show(history, "observer:10")
    archive(history)
    assert show(history, "observer:10") == before


def test_a_record_behind_a_damaged_line_is_found_by_its_number(history: Path) -> None:
    place = history / "observer.jsonl"
    lines = place.read_text().splitlines()
    place.write_text("\n".join(["{", *lines[1:]]) + "\n")
    assert shown(show(history, "observer:7"))[1] == json.loads(lines[7])
    with pytest.raises(BadAddress):
        show(history, "observer:0")


def nothing(place: Path) -> None:
    place.rename(place.with_name("gone"))
    place.mkdir()


def torn(place: Path) -> None:
    (place / "header.json").write_text("{")


@pytest.mark.parametrize("harm", [nothing, torn])
def test_what_is_no_history_is_said(history: Path, harm: Callable[[Path], None]) -> None:
    harm(history)
    with pytest.raises(HistoryError):
        show(history, "observer:1")


def test_the_command_shows_nothing_that_acts(history: Path) -> None:
    done = tailproof("show", str(history), "observer:3")
    assert done.code == 0
    assert all(line.isprintable() for line in done.stdout.splitlines())
    assert "note 3" in done.stdout


def test_the_command_refuses_a_wrong_address_with_one_sentence(history: Path) -> None:
    done = tailproof("show", str(history), "wire:81")
    assert (done.code, done.stdout) == (64, "")
    assert "there are observer:0 to observer:11, trial:0 to trial:1" in done.stderr
    assert "Traceback" not in done.stderr
