"""Loads a YAML file into a pydantic model; whatever is wrong with it is said as `file:line: message`."""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

M = TypeVar("M", bound=BaseModel)
_QUOTED = re.compile("'([^']*)'")
Place = Sequence[int | str]
"""Keys and indices from the root of the document: `("faults", 0, "name")`."""


class BadFile(Exception):
    """A file that cannot be used. `str()` gives one `file:line: message` per problem; line 0 means the whole file."""

    def __init__(self, path: Path, line: int, message: str, *, also: Sequence[tuple[int, str]] = ()) -> None:
        self.path = path
        self.line = line
        self.message = message
        self.also = tuple(also)
        super().__init__("\n".join(_located(path, *problem) for problem in ((line, message), *self.also)))


class Document:
    """A YAML file that was read: plain values in `data`, and the line of each of them."""

    def __init__(self, path: Path, data: Any, root: Node | None) -> None:
        self.path = path
        self.data = data
        self._root = root

    @classmethod
    def read(cls, path: Path) -> Document:
        """Raises BadFile: unreadable, not UTF-8, not YAML, empty, or more than one document."""
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise BadFile(path, 0, f"cannot be read: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise BadFile(path, error.object.count(b"\n", 0, error.start) + 1, "is not UTF-8 text") from error
        try:
            data = YAML(typ="safe", pure=True).load(text)
            root = YAML(typ="safe", pure=True).compose(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            said = ", ".join(part for part in (error.context, error.problem) if part)
            raise BadFile(path, mark.line + 1 if mark else 0, f"is not YAML: {said}") from error
        except (YAMLError, ValueError) as error:
            raise BadFile(path, 0, f"is not YAML: {error}") from error
        if data is None:
            raise BadFile(path, 0, "is empty")
        return cls(path, data, root)

    def line(self, *place: int | str) -> int:
        """The line, from 1, of the key or item at `place`; of its nearest existing parent where it does not exist."""
        return _line(self._root, place)

    def parse(self, model: type[M]) -> M:
        """The document as `model`. Raises BadFile with the line of every problem, and a did-you-mean for unknown keys."""
        try:
            return model.model_validate(self.data)
        except ValidationError as error:
            (line, message), *also = sorted(self._problems(error, model))
            raise BadFile(self.path, line, message, also=also) from error

    def _problems(self, error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[int, str]]:
        # A union reports every alternative that did not fit: what concerns one place becomes one message.
        said: dict[tuple[int | str, ...], list[str]] = {}
        for problem in error.errors(include_url=False):
            place = problem["loc"]
            if problem["type"] == "union_tag_invalid":
                place = (*place, problem["ctx"]["discriminator"].strip("'"))
            shown = tuple(_existing(self._root, place))
            if problem["type"] == "missing":
                shown = (*shown, place[-1])
            messages = said.setdefault(shown, [])
            message = _say(problem, model)
            if message not in messages:
                messages.append(message)
        for shown, messages in said.items():
            where = _dotted(shown)
            yield self.line(*shown), (f"{where}: " if where else "") + ", or ".join(messages)


def load(path: Path, model: type[M]) -> M:
    """Read `path` as `model`. Raises BadFile."""
    return Document.read(path).parse(model)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or nothing when no known word is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _say(problem: ErrorDetails, model: type[BaseModel]) -> str:
    given = problem["input"]
    match problem["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            key = str(problem["loc"][-1])
            known = sorted(set(_keys(model, problem["loc"][:-1])))
            return f"unknown key{did_you_mean(key, known)}; known are {', '.join(known)}"
        case "literal_error" | "enum" | "union_tag_invalid":
            context = problem.get("ctx", {})
            expected = str(context.get("expected_tags") or context.get("expected", ""))
            word = str(context.get("tag", given))
            return f"{word!r} is not one of {expected}{did_you_mean(word, _QUOTED.findall(expected))}"
        case "value_error" | "assertion_error":
            return str(problem.get("ctx", {}).get("error", problem["msg"]))
        case "string_type" if isinstance(given, int | float):
            return f"should be text, not the number {given}: put it in quotes"
        case _:
            said = problem["msg"].removeprefix("Input ")
            return said if isinstance(given, dict | list) or given is None else f"{said}, not {given!r}"


def _keys(annotation: Any, place: Place) -> Iterator[str]:
    """Names of the fields of the models that `place` leads to. Tags of unions stand in a place, but not in the file."""
    origin = get_origin(annotation)
    arguments = get_args(annotation)
    if origin is Annotated:
        yield from _keys(arguments[0], place)
    elif origin in (Union, types.UnionType):
        tagged = [member for member in arguments if place and place[0] in tuple(_tags(member))]
        for member in tagged or arguments:
            yield from _keys(member, place[1:] if tagged else place)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from _keys_of_model(annotation, place)
    elif arguments and place:
        yield from _keys(arguments[-1] if arguments[-1] is not ... else arguments[0], place[1:])


def _keys_of_model(model: type[BaseModel], place: Place) -> Iterator[str]:
    names = {info.alias or name: info for name, info in model.model_fields.items()}
    if not place:
        yield from names
    elif place[0] in names:
        yield from _keys(names[str(place[0])].annotation, place[1:])
    else:
        yield from _keys_of_model(model, place[1:])


def _tags(member: Any) -> Iterator[str]:
    while get_origin(member) is Annotated:
        member = get_args(member)[0]
    if isinstance(member, type) and issubclass(member, BaseModel):
        yield member.__name__
        for info in member.model_fields.values():
            if get_origin(info.annotation) is Literal:
                yield from (str(word) for word in get_args(info.annotation))


def _child(node: Node | None, part: int | str) -> tuple[Node, Node] | None:
    """The node that carries the line of `part`, and the one below it."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if str(key.value) == str(part):
                return key, value
    elif isinstance(node, SequenceNode) and isinstance(part, int) and 0 <= part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _existing(node: Node | None, place: Place) -> Iterator[int | str]:
    for part in place:
        if found := _child(node, part):
            node = found[1]
            yield part


def _line(node: Node | None, place: Place) -> int:
    line = node.start_mark.line + 1 if node is not None else 0
    for part in place:
        if found := _child(node, part):
            line, node = found[0].start_mark.line + 1, found[1]
    return line


def _dotted(place: Place) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


def _located(path: Path, line: int, message: str) -> str:
    return f"{path}:{line}: {message}" if line else f"{path}: {message}"
