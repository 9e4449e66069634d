"""The result is data that a stranger can read: a published schema, examples that are what the writers give."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from small_check import check, several

from tailproof.reports import json
from tailproof.reports.__main__ import examples
from tailproof.reports.gate import decide
from tailproof.resources import folder

REPORTS = folder("reports")


def test_the_published_schema_is_that_of_the_model() -> None:
    assert (REPORTS / "result.schema.json").read_bytes() == json.schema(), "run: python -m tailproof.schemas"


def test_the_examples_are_what_the_writers_give() -> None:
    stale = [path.name for path, content in examples(REPORTS / "examples").items() if path.read_bytes() != content]
    assert not stale, "run: python -m tailproof.reports"


def test_the_gate_of_the_example_follows_from_its_verdicts() -> None:
    example = json.read(REPORTS / "examples" / "result.json")
    gate = example.gate
    assert gate == decide(
        example.trials,
        not_run=example.not_run,
        stale=gate.stale,
        errors=example.errors,
        fail_on=gate.fail_on,
        allow_inconclusive=gate.allow_inconclusive,
    )


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    json.write(check(), tmp_path / "result.json")
    assert json.read(tmp_path / "result.json") == check()
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_a_reader_ignores_fields_it_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(json.encode(check()).replace(b'"schema": 2,', b'"schema": 2, "weather": "fair",'))
    assert json.read(path) == check()


BAD = {
    "absent": (None, "cannot be read: No such file"),
    "not JSON": (b"GATE OPEN", "is not a result: JSON is malformed"),
    "another document": (b'{"name": "x"}', "is not a result: Object missing required field `schema`"),
    "older schema": (b'{"schema": 1}', "has schema 1; this tailproof reads 2"),
    "newer schema": (b'{"schema": 3}', "has schema 3; this tailproof reads 2: use a newer release"),
    "wrong type": (json.encode(check()).replace(b'"seed": 7', b'"seed": "7"'), r"Expected `int`, got `str` - at `\$"),
}


@pytest.mark.parametrize(("content", "says"), BAD.values(), ids=BAD.keys())
def test_a_bad_result_is_named(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "result.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(json.BadResult, match=says) as caught:
        json.read(path)
    assert str(caught.value).startswith(str(path))


def test_every_object_of_the_schema_says_what_it_is() -> None:
    schema = msgspec.json.decode(json.schema())
    assert [name for name, part in schema["$defs"].items() if not part.get("description")] == []


def test_a_result_of_one_pair_is_read_as_it_was_written_before_there_were_several() -> None:
    needed = {name: set(part.get("required", ())) for name, part in msgspec.json.decode(json.schema())["$defs"].items()}
    assert {"target", "client", "gate"} <= needed["Result"]
    assert "pairs" not in needed["Result"]
    assert {"target", "client"} <= needed["TrialResult"]
    assert "pair" not in needed["TrialResult"]
    assert needed["NotRunResult"] == {"scenario", "guarantee", "reason"}


def test_a_result_of_several_pairs_is_read_as_it_was_written(tmp_path: Path) -> None:
    json.write(several(), tmp_path / "result.json")
    assert json.read(tmp_path / "result.json") == several()
    assert several().target == "docker:openhands:1.57.0, docker:openhands:1.58.0, pypi:0.0.9"
