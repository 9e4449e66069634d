"""Files of others: what is no regular file, or more than anybody writes, is refused by every reader, without waiting and in a sentence."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.fuzz.odd_files import ODD
from tailproof.history.reader import read_header
from tailproof.incoming import BadInput
from tailproof.incoming.files import BadFile, is_directory, is_file, place_of, read_bytes
from tailproof.incoming.limits import PROBLEMS
from tailproof.model.script import ToolCall
from tailproof.reports import json
from tailproof.reports.baseline import Baseline
from tailproof.runner.outputs import BadOutput, check_directory, check_file
from tailproof.wire.rules import load_rules
from tailproof.yamlfile import load

READERS: dict[str, Callable[[Path], object]] = {
    "a scenario": lambda path: load(path, ToolCall),
    "a baseline": Baseline.load,
    "rules of the wire": load_rules,
    "a header": lambda path: read_header(path.parent),
    "a result": json.read,
}


@pytest.mark.parametrize("odd", ODD)
def test_every_reader_refuses_it_in_a_sentence(tmp_path: Path, odd: str) -> None:
    (tmp_path / "given").mkdir()
    path = tmp_path / "given/header.json"
    ODD[odd](path)
    for read in READERS.values():
        with pytest.raises(BadInput) as caught:
            read(path)
        says = str(caught.value)
        assert str(path) in says or str(path.parent) in says
        assert all(line.isprintable() and len(line) < 1_000 for line in says.split("\n"))
        assert says.count("\n") <= PROBLEMS


@pytest.mark.parametrize(
    ("odd", "says"),
    [
        ("a pipe that nobody writes to", "is a pipe, not a regular file"),
        ("/dev/zero", "is a device, not a regular file"),
        ("a directory", "cannot be read: Is a directory"),
        ("a link to itself", "cannot be read: Too many levels of symbolic links"),
        ("8 GB of zeros", "is longer than 1 kB"),
    ],
)
def test_it_is_said_what_it_is(tmp_path: Path, odd: str, says: str) -> None:
    ODD[odd](tmp_path / "itself")
    with pytest.raises(BadFile, match=says):
        read_bytes(tmp_path / "itself", 1 << 10)


def test_a_file_of_just_the_limit_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345678")
    assert read_bytes(tmp_path / "x", 8) == b"12345678"
    with pytest.raises(BadFile):
        read_bytes(tmp_path / "x", 7)


def test_nothing_is_held_of_a_file_that_is_too_long(tmp_path: Path) -> None:
    ODD["8 GB of zeros"](tmp_path / "itself")
    tracemalloc.start()
    try:
        with pytest.raises(BadFile, match="is longer than 1024 MB"):
            read_bytes(tmp_path / "itself", 1 << 30)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_one_mistake_a_thousand_times_is_said_ten_times(tmp_path: Path) -> None:
    path = tmp_path / "baseline.yaml"
    path.write_text("known:\n" + "- unknown: 1\n" * 300)
    with pytest.raises(BadFile) as caught:
        Baseline.load(path)
    lines = str(caught.value).split("\n")
    assert len(lines) == PROBLEMS + 1
    assert lines[0].startswith(f"{path}:2: known[0]")
    assert lines[-1].startswith("... and ")


@pytest.mark.parametrize("word", ["x" * 5_000, "/" + "x/" * 5_000, "~nobody-at-all/x", "a\0b", ""])
def test_a_word_that_is_no_path_names_nothing(word: str) -> None:
    assert not is_file(place_of(word))
    assert not is_directory(place_of(word)) or not word


# -- places for what is written -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["/dev/null/x", "/proc/x", "x" * 300, "a file/x", "x" * 5_000])
@pytest.mark.parametrize("check", [check_directory, check_file])
def test_a_place_that_cannot_be_written_is_refused(
    tmp_path: Path, place: str, check: Callable[[Path, str], None]
) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(BadOutput) as caught:
        check(tmp_path / place, "the directory of reports")
    assert str(caught.value).startswith("the directory of reports cannot be written, ")
    assert len(str(caught.value)) < 600
    assert [entry.name for entry in tmp_path.iterdir()] == ["a file"]


def test_a_pipe_that_nobody_reads_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    ODD["a pipe that nobody writes to"](tmp_path / "pipe")
    with pytest.raises(BadOutput):
        check_file(tmp_path / "pipe", "the JUnit file")


def test_a_place_that_can_be_written_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("kept")
    check_directory(tmp_path / "a/b/c", "x")
    check_file(tmp_path / "d/e", "x")
    check_file(tmp_path / "there", "x")
    check_directory(tmp_path, "x")
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("there", "kept")]
