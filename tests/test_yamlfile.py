"""A mistake in a YAML file is said with its file, its line and the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tailproof.yamlfile import BadFile, Document, load


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Delay(Strict):
    kind: Literal["delay"]
    seconds: float = Field(gt=0)


class Kill(Strict):
    kind: Literal["kill"]
    scope: Literal["server", "group"]

    @model_validator(mode="after")
    def _group_is_forbidden_here(self) -> Kill:
        if self.scope == "group":
            raise ValueError("a group cannot be killed here")
        return self


class Recipe(Strict):
    name: str
    target: str | list[str] = "any"
    faults: list[Annotated[Delay | Kill, Field(discriminator="kind")]] = []
    limits: dict[str, Delay] = {}


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_file_becomes_the_model(tmp_path: Path) -> None:
    path = written(tmp_path, "name: lag\nfaults:\n  - {kind: delay, seconds: 2}\n")
    assert load(path, Recipe) == Recipe(name="lag", faults=[Delay(kind="delay", seconds=2)])


ROWS = {
    "unknown key at the top": ("name: a\ntarqet: b\n", 2, "tarqet: unknown key (did you mean 'target'?); known are"),
    "unknown key that is like nothing": ("name: a\nzzzz: b\n", 2, "zzzz: unknown key; known are faults, limits"),
    "unknown key in a tagged union": (
        "name: a\nfaults:\n  - kind: delay\n    secconds: 2\n    seconds: 2\n",
        4,
        "faults[0].secconds: unknown key (did you mean 'seconds'?); known are kind, seconds",
    ),
    "unknown key below a mapping": (
        "name: a\nlimits:\n  x:\n    kind: delay\n    seconds: 1\n    kindd: 2\n",
        6,
        "limits.x.kindd: unknown key (did you mean 'kind'?); known are kind, seconds",
    ),
    "unknown tag": (
        "name: a\nfaults:\n  - seconds: 1\n    kind: delai\n",
        4,
        "faults[0].kind: 'delai' is not one of 'delay', 'kill' (did you mean 'delay'?)",
    ),
    "unknown word": (
        "name: a\nfaults:\n- kind: kill\n  scope: servr\n",
        4,
        "faults[0].scope: 'servr' is not one of 'server' or 'group' (did you mean 'server'?)",
    ),
    "missing key": ("target: b\nfaults: []\n", 1, "name: is missing"),
    "missing key of an item": ("name: a\nfaults:\n\n  - kind: delay\n", 4, "faults[0].seconds: is missing"),
    "bad number": (
        "name: a\nfaults:\n  - kind: delay\n    seconds: -1\n",
        4,
        "faults[0].seconds: should be greater than 0, not -1",
    ),
    "number for text": ("name: 1.58\n", 1, "name: should be text, not the number 1.58: put it in quotes"),
    "every alternative of a union in one message": (
        "name: a\ntarget: 5\n",
        2,
        "target: should be text, not the number 5: put it in quotes, or should be a valid list, not 5",
    ),
    "a rule of the model itself": (
        "name: a\nfaults:\n  - {kind: kill, scope: group}\n",
        3,
        "faults[0]: a group cannot be killed here",
    ),
    "not a mapping": ("- a\n- b\n", 1, "should be a valid dictionary or instance of Recipe"),
    "key twice": ("name: a\nname: b\n", 2, "the key 'name' stands there already, at line 1"),
    "unclosed list": ("name: [a\nfaults: b\n", 2, "is not YAML: while parsing a flow sequence"),
    "empty": ("# nothing\n", 0, "is empty"),
}


@pytest.mark.parametrize(("text", "line", "message"), ROWS.values(), ids=ROWS.keys())
def test_a_bad_file_names_the_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(BadFile) as caught:
        load(path, Recipe)
    assert caught.value.line == line
    assert str(caught.value).startswith(f"{path}:{line}: {message}" if line else f"{path}: {message}")


def test_all_problems_are_said_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "colour: red\nfaults:\n  - {kind: delay, seconds: x}\n")
    with pytest.raises(BadFile) as caught:
        load(path, Recipe)
    assert [line.split(": ", 1)[0] for line in str(caught.value).splitlines()] == [
        f"{path}:1",
        f"{path}:1",
        f"{path}:3",
    ]


@pytest.mark.parametrize("content", [None, b"name: \xff\xfe\n"], ids=["absent", "not UTF-8"])
def test_a_file_that_is_no_text_is_said(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "recipe.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadFile, match="cannot be read: No such file" if content is None else ":1: is not UTF-8 text"):
        load(path, Recipe)


def test_the_line_of_any_place_can_be_asked(tmp_path: Path) -> None:
    document = Document.read(written(tmp_path, "name: a\nfaults:\n  - kind: delay\n\n  - kind: kill\n"))
    assert document.line("faults", 1, "kind") == 5
    assert document.line("faults", 1, "nowhere") == 5
    assert document.line("faults") == 2
