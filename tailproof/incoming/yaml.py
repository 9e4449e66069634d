"""YAML of others: one plain document, measured while it is read, and the line of each of its values.

Plain means the core schema of YAML 1.2 and nothing that a parser would do for a file: text, numbers, true, false, null, lists and
mappings with text for keys. Aliases are taken, and count as what they stand for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml
from yaml.error import MarkedYAMLError
from yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from yaml.reader import ReaderError

from tailproof.incoming.files import BadFile, read_text
from tailproof.incoming.limits import INPUT_BYTES, INPUT_CHARS, INPUT_DEPTH, INPUT_VALUES, SAID_CHARS
from tailproof.outgoing.visible import clip

Place = Sequence[int | str]
"""Keys and indices from the root of the document: `("faults", 0, "name")`."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a value stands (`line`, from 1), and what is below it: by key the line of the key and the value, or the items."""

    line: int
    below: Mapping[str, tuple[int, Placed]] | Sequence[Placed] = ()


class Document:
    """A YAML file that was read: plain values in `data`, and the line of each of them."""

    def __init__(self, path: Path, data: Any, root: Placed) -> None:
        self.path = path
        self.data = data
        self._root = root

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises BadFile: unreadable, not UTF-8, not plain YAML, more of it than is taken, empty, or more than one document."""
        return cls.of(path, read_text(path, INPUT_BYTES))

    @classmethod
    def of(cls, path: Path, text: str) -> Self:
        """What `text` says; mistakes are told as those of `path`. Raises BadFile."""
        data, root = _Reading(path, text).document()
        if data is None:
            raise BadFile(path, 0, "is empty")
        return cls(path, data, root)

    def saying(self, data: Any) -> Self:
        """What a part of the file stands for: `data`, with the lines of the file."""
        return type(self)(self.path, data, self._root)

    def line(self, *place: int | str) -> int:
        """The line, from 1, of the key or item at `place`; of its nearest existing parent where it does not exist."""
        line, node = self._root.line, self._root
        for part in place:
            if found := _child(node, part):
                line, node = found
        return line

    def existing(self, place: Place) -> Iterator[int | str]:
        """The parts of `place` that are in the file."""
        node = self._root
        for part in place:
            if found := _child(node, part):
                node = found[1]
                yield part


def _child(node: Placed, part: int | str) -> tuple[int, Placed] | None:
    """What stands at `part`, with the line that a person would look at."""
    if isinstance(node.below, Mapping):
        return node.below.get(str(part))
    if isinstance(part, int) and 0 <= part < len(node.below):
        return node.below[part].line, node.below[part]
    return None


# -- reading -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Value:
    """A value, where it stands, and of how many values it is made."""

    data: Any
    placed: Placed
    values: int


_CORE: Mapping[str, re.Pattern[str]] = {
    "null": re.compile(r"~|null|Null|NULL|"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"),
    "float": re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
}
"""The core schema (YAML 1.2.2, 10.3.2): how a word without quotes is written that is no text. The first that fits."""
_STANDARD = "tag:yaml.org,2002:"
_MERGE = "<<"
_BREAKS = re.compile("[\x85\u2028\u2029]")
"""To libyaml these end a line, as they did in YAML 1.1; to everybody else they do not."""
_DIRECTIVE = re.compile(r"^%", re.MULTILINE)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml, where this PyYAML was built with it, as all that the package index has were: it reads many times as fast."""
_INT_BITS = 64
_NUMBER_CHARS = 40


class _Reading:
    """One pass over the events of the parser; each limit is met before what exceeds it is built."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text
        self._events: Iterator[Event] = yaml.parse(text, Loader=_LOADER)
        self._reached = 1
        self._anchors: dict[str, _Value] = {}
        self._values = 0

    def document(self) -> tuple[Any, Placed]:
        """The one document, None when there is none. Raises BadFile."""
        if directive := _DIRECTIVE.search(self._text):
            raise self._bad(
                self._text.count("\n", 0, directive.start()) + 1, "is a directive, and files have none here"
            )
        if found := _BREAKS.search(self._text):
            raise self._acts(found[0])
        for number, line in enumerate(self._text.splitlines(), 1):
            if len(line) > INPUT_CHARS:
                raise self._bad(number, f"the line is longer than {INPUT_CHARS:,} characters")
        read: _Value | None = None
        while (event := self._next()) is not None:
            if isinstance(event, DocumentStartEvent):
                if read is not None:
                    raise self._bad(_line(event), "a second document begins, and a file has one")
                read = self._value(self._some(), 0)
            elif isinstance(event, DocumentEndEvent):
                self._anchors.clear()
        return (read.data, read.placed) if read else (None, Placed(0))

    def _value(self, event: Event, depth: int) -> _Value:
        line = _line(event)
        if depth > INPUT_DEPTH:
            raise self._bad(line, f"is nested deeper than {INPUT_DEPTH}")
        if isinstance(event, AliasEvent):
            if (meant := self._anchors.get(event.anchor)) is None:
                raise self._bad(line, f"the alias *{event.anchor} names nothing that ended before it")
            self._count(meant.values, line)
            return meant
        self._count(1, line)
        assert isinstance(event, ScalarEvent | CollectionStartEvent), "these are all that have a value"
        if isinstance(event, ScalarEvent):
            value = _Value(self._scalar(event, line), Placed(line), 1)
        elif isinstance(event, SequenceStartEvent):
            value = self._list(event, depth)
        else:
            value = self._mapping(event, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def _list(self, event: CollectionStartEvent, depth: int) -> _Value:
        self._check_tag(event, "seq")
        items = []
        while not isinstance(item := self._some(), SequenceEndEvent):
            items.append(self._value(item, depth + 1))
        placed = Placed(_line(event), [item.placed for item in items])
        return _Value([item.data for item in items], placed, 1 + sum(item.values for item in items))

    def _mapping(self, event: CollectionStartEvent, depth: int) -> _Value:
        self._check_tag(event, "map")
        merged: list[_Value] = []
        data: dict[str, Any] = {}
        below: dict[str, tuple[int, Placed]] = {}
        values = 1
        while not isinstance(said := self._some(), MappingEndEvent):
            line = _line(said)
            if not isinstance(said, ScalarEvent):
                raise self._bad(line, "a list, a mapping or an alias stands where a key should be")
            key = self._scalar(said, line)
            value = self._value(self._some(), depth + 1)
            values += value.values
            if key == _MERGE and said.implicit[0]:
                merged.append(value)
                continue
            if not isinstance(key, str):
                raise self._bad(line, f"the key {said.value or 'null'} is no text: put it in quotes")
            if key in data:
                raise self._bad(line, f"the key {key!r} stands there already, at line {below[key][0]}")
            data[key], below[key] = value.data, (line, value.placed)
        for value in merged:
            for mapping, placed in self._mappings(value):
                data, below = {**mapping, **data}, {**placed, **below}
        return _Value(data, Placed(_line(event), below), values)

    def _mappings(self, value: _Value) -> Iterator[tuple[dict[str, Any], Mapping[str, tuple[int, Placed]]]]:
        """What `<<` takes over: a mapping, or a list of them of which the first goes before the others."""
        if isinstance(value.data, list) and isinstance(value.placed.below, Sequence):
            several = list(zip(value.data, value.placed.below, strict=True))
        else:
            several = [(value.data, value.placed)]
        for data, placed in several:
            if not isinstance(data, dict) or not isinstance(placed.below, Mapping):
                raise self._bad(value.placed.line, "`<<` takes a mapping or a list of mappings")
            yield data, placed.below

    def _scalar(self, event: ScalarEvent, line: int) -> Any:
        text: str = event.value
        kind = self._kind(event, line, text)
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind == "int":
            return self._int(text, line)
        if kind == "float":
            return self._float(text, line)
        if len(text) > INPUT_CHARS:
            raise self._bad(line, f"the text is longer than {INPUT_CHARS:,} characters")
        if "\0" in text:
            raise self._bad(line, "the text holds a NUL character, which no program takes")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise self._bad(line, f"the text holds half a character ({text[error.start]!a})") from error
        return text

    def _kind(self, event: ScalarEvent, line: int, text: str) -> str:
        if event.tag is None:
            plain = event.implicit[0]
            return next((kind for kind, form in _CORE.items() if plain and form.fullmatch(text)), "str")
        kind = str(event.tag).removeprefix(_STANDARD)
        if kind in ("str", "!"):
            return "str"
        if kind not in _CORE:
            raise self._bad(line, f"the tag {_written(kind)} means nothing here")
        if not _CORE[kind].fullmatch(text):
            raise self._bad(line, f"{clip(text, SAID_CHARS)} is no {kind}")
        return kind

    def _int(self, text: str, line: int) -> int:
        if len(text) <= _NUMBER_CHARS:
            number = int(text, 0) if text[:2] in ("0o", "0x") else int(text)
            if number.bit_length() < _INT_BITS:
                return number
        raise self._bad(line, f"the number {clip(text, SAID_CHARS)} is beyond {_INT_BITS} bits")

    def _float(self, text: str, line: int) -> float:
        number = float(text.replace(".inf", "inf").replace(".nan", "nan")) if len(text) <= _NUMBER_CHARS else math.inf
        if not math.isfinite(number):
            raise self._bad(line, f"{clip(text, SAID_CHARS)} is no number that can be used")
        return number

    def _check_tag(self, event: CollectionStartEvent, own: str) -> None:
        if event.tag is not None and event.tag not in (_STANDARD + own, "!"):
            raise self._bad(
                _line(event), f"the tag {_written(str(event.tag).removeprefix(_STANDARD))} means nothing here"
            )

    def _count(self, values: int, line: int) -> None:
        self._values += values
        if self._values > INPUT_VALUES:
            raise self._bad(
                line, f"here the file has more than {INPUT_VALUES:,} values, what an alias stands for counted again"
            )

    def _some(self) -> Event:
        event = self._next()
        assert event is not None, "the parser ends what it began"
        return event

    def _next(self) -> Event | None:
        """Whatever the parser stumbles over is a mistake in the file, and stands where it says, or where it has come to."""
        try:
            event = next(self._events, None)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            said = ", ".join(part for part in (error.context, error.problem) if part)
            # The end of a file without an end of its last line is told as a line of its own.
            line = min(mark.line, self._text.count("\n")) + 1 if mark else self._reached
            raise self._bad(line, f"is not YAML: {said}") from error
        except ReaderError as error:
            raise self._acts(chr(error.character)) from error
        except UnicodeEncodeError as error:
            raise self._acts(self._text[error.start]) from error
        except Exception as error:
            raise self._bad(self._reached, f"is not YAML: {type(error).__name__} {error}") from error
        if event is not None:
            self._reached = _line(event)
        return event

    def _acts(self, character: str) -> BadFile:
        line = self._text.count("\n", 0, self._text.find(character)) + 1
        return self._bad(line, f"holds the character U+{ord(character):04X}, which acts and is no text")

    def _bad(self, line: int, message: str) -> BadFile:
        return BadFile(self._path, line, message)


def _line(event: Event) -> int:
    return int(event.start_mark.line) + 1


def _written(tag: str) -> str:
    """As a person writes it."""
    return clip(tag if tag.startswith("!") else f"!!{tag}", SAID_CHARS)
