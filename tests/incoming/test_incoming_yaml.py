"""YAML of others: what is taken is what YAML 1.2 says, and what is not taken is said with its line, before it costs anything."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tailproof import resources
from tailproof.incoming.files import BadFile
from tailproof.incoming.limits import INPUT_CHARS, INPUT_DEPTH, INPUT_VALUES
from tailproof.incoming.yaml import Document

GOOD = {
    "plain words": ("a: x\nb: [y, 'z', \"w\"]\n", {"a": "x", "b": ["y", "z", "w"]}),
    "the core schema": (
        "[null, ~, '', true, False, 0, -7, +7, 0o17, 0x1f, 1.5, .5, 1e3, -1.0E-2]",
        [None, None, "", True, False, 0, -7, 7, 15, 31, 1.5, 0.5, 1000.0, -0.01],
    ),
    "words that YAML 1.1 took for something": ("[yes, no, on, 12:30:45, 2026-01-01, 1_000, 010]", None),
    "nothing as a value": ("a:\nb: 1\n", {"a": None, "b": 1}),
    "tags of the core schema": (
        "[!!str 1, !!int 7, !!float 1, !!bool true, !!null ~, ! 1]",
        ["1", 7, 1.0, True, None, "1"],
    ),
    "blocks": ("a: |\n  x\n  y\nb: >-\n  x\n  y\n", {"a": "x\ny\n", "b": "x y"}),
    "an alias": ("a: &a [1, 2]\nb: *a\n", {"a": [1, 2], "b": [1, 2]}),
    "a merge": ("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n", {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}}),
    "merges, of which the first counts": ("{<<: [{x: 1}, {x: 2, y: 2}], z: 3}", {"x": 1, "y": 2, "z": 3}),
    "a key in quotes that looks like a merge": ('{"<<": 1}', {"<<": 1}),
    "a document with its marks": ("---\na: 1\n...\n", {"a": 1}),
    "text of others": ('a: "\\u00fc\\U0001F600"\n', {"a": "ü😀"}),
}


def read(tmp_path: Path, text: str | bytes) -> Document:
    path = tmp_path / "given.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Document.read(path)


@pytest.fixture(params=["CSafeLoader", "SafeLoader"])
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each that a PyYAML may have."""
    monkeypatch.setattr("tailproof.incoming.yaml._LOADER", getattr(yaml, request.param))


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(("text", "said"), GOOD.values(), ids=GOOD)
def test_plain_yaml_is_taken(tmp_path: Path, text: str, said: object) -> None:
    expected = ["yes", "no", "on", "12:30:45", "2026-01-01", "1_000", 10] if said is None else said
    found = read(tmp_path, text).data
    assert found == expected
    assert repr(found).replace("1000.0", "") == repr(expected).replace("1000.0", "")  # True is not 1


BAD = {
    "a tag that is not of the core schema": ("a: 1\nb: !!python/object:os.system x\n", 2, "means nothing here"),
    "a tag of one's own": ("a: 1\nb: !local x\n", 2, "the tag !local means nothing here"),
    "a word that is not of its tag": ("a: 1\nb: !!bool x\n", 2, "x is no bool"),
    "a number that is none": ("a: 1\nb: .nan\n", 2, ".nan is no number that can be used"),
    "a number without an end": ("a: 1\nb: -.inf\n", 2, "-.inf is no number that can be used"),
    "a number that overflows": ("a: 1\nb: 1e999\n", 2, "1e999 is no number that can be used"),
    "more than 64 bits": ("a: 1\nb: 9223372036854775808\n", 2, "is beyond 64 bits"),
    "6,000 digits": ("a: 1\nb: " + "9" * 6_000 + "\n", 2, "is beyond 64 bits"),
    "a character that ends text": ('a: 1\nb: "x\\0y"\n', 2, "NUL"),
    "a line separator": ('a: 1\nb: "x\u2028y"\n', 2, "U+2028"),
    "a next line": ("a: 1\n# \x85\n", 2, "U+0085"),
    "a character that acts": ("a: 1\nb: \x1b[31m\n", 2, "which acts and is no text"),
    "a key twice": ("a: 1\nb: 2\na: 3\n", 3, "stands there already, at line 1"),
    "a key that is a number": ("a: 1\n7: 2\n", 2, "the key 7 is no text"),
    "a key that is a list": ("a: 1\n? [x]\n: 2\n", 2, "where a key should be"),
    "an alias of nothing": ("a: 1\nb: *nowhere\n", 2, "names nothing that ended before it"),
    "an alias of what it stands in": ("a: 1\nb: &b [*b]\n", 2, "names nothing that ended before it"),
    "a merge of what is no mapping": ("a: 1\nb: {<<: [1]}\n", 2, "takes a mapping or a list of mappings"),
    "a second document": ("a: 1\n---\nb: 2\n", 2, "a second document"),
    "a directive": ("%YAML 9.9\n---\na: 1\n", 1, "is a directive"),
    "a tab where blanks belong": ("a:\n\tb: 1\n", 2, "is not YAML"),
    "a list that is never closed": ("a: [1\nb: 2\n", 2, "is not YAML"),
    "a text that is never closed": ("a: 1\nb: 'x\n", 3, "is not YAML"),
    "a list that is never closed, at the end": ("a: 1\nb: [", 2, "is not YAML"),
    "too deep": ("a: 1\nb: " + "[" * 500 + "]" * 500, 2, f"nested deeper than {INPUT_DEPTH}"),
    "too deep by indentation": ("".join(" " * n + "a:\n" for n in range(100)), INPUT_DEPTH + 2, "nested deeper than"),
    "too many values": ("a: 1\nb: [" + "1," * (INPUT_VALUES + 1) + "1]", 2, "more than 5,000 values"),
    "too many values by aliases": (
        "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]",
        4,
        "what an alias stands for counted again",
    ),
    "a long text": ("a: 1\nb:\n" + f"  {'x' * 100}\n" * (INPUT_CHARS // 100 + 1), 3, "the text is longer than"),
    "a long line": ("a: 1\nb: " + "x" * (INPUT_CHARS + 1), 2, "the line is longer than"),
    "not UTF-8": (b"a: 1\nb: \xff\n", 2, "is not UTF-8 text"),
}


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(("text", "line", "says"), BAD.values(), ids=BAD)
def test_what_is_not_taken_is_said_with_its_line(tmp_path: Path, text: str | bytes, line: int, says: str) -> None:
    with pytest.raises(BadFile) as caught:
        read(tmp_path, text)
    assert says in str(caught.value)
    assert caught.value.line == line
    assert str(caught.value).startswith(f"{tmp_path}/given.yaml:{line}: ")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize(
    ("loader", "says"),
    [("CSafeLoader", "found invalid Unicode character escape code"), ("SafeLoader", "the text holds half a character")],
    indirect=["loader"],
)
@pytest.mark.usefixtures("loader")
def test_half_a_character_is_not_taken(tmp_path: Path, says: str) -> None:
    with pytest.raises(BadFile, match=says) as caught:
        read(tmp_path, 'a: 1\nb: "\\ud800"\n')
    assert caught.value.line == 2


SHIPPED = [*resources.folder("scenarios").rglob("*.yaml"), *resources.folder("suites").glob("*.yaml")]


@pytest.mark.parametrize("path", Random(1).sample(sorted(SHIPPED), 12), ids=lambda path: path.name)
def test_it_reads_what_a_parser_of_others_reads(path: Path) -> None:
    assert Document.read(path).data == YAML(typ="safe", pure=True).load(path)


TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co", "Zl", "Zp"), exclude_characters="\ufeff")
)
TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 62), 1 << 62)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(TEXT, below, max_size=4),
    max_leaves=20,
)


@settings(max_examples=40)
@given(TREES.filter(lambda tree: tree is not None))
def test_any_tree_that_was_written_as_json_comes_back(tmp_path_factory: pytest.TempPathFactory, tree: object) -> None:
    assert read(tmp_path_factory.getbasetemp(), json.dumps(tree, ensure_ascii=False, indent=1)).data == tree
