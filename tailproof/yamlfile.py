"""Loads a YAML file into a pydantic model; whatever is wrong with it is said as `file:line: message`."""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tailproof.incoming import yaml
from tailproof.incoming.files import BadFile
from tailproof.incoming.limits import PROBLEMS, SAID_CHARS
from tailproof.incoming.yaml import Place
from tailproof.outgoing.visible import clip

__all__ = ["BadFile", "Document", "Place", "did_you_mean", "load"]

M = TypeVar("M", bound=BaseModel)
_QUOTED = re.compile("'([^']*)'")


class Document(yaml.Document):
    """A YAML file that was read, and what it says as a model."""

    def parse(self, model: type[M]) -> M:
        """The document as `model`. Raises BadFile with the line of every problem, and a did-you-mean for unknown keys."""
        try:
            return model.model_validate(self.data)
        except ValidationError as error:
            problems = self._problems(error)
            (line, message), *also = sorted(self._said(shown, said, model) for shown, said in problems[:PROBLEMS])
            raise BadFile(self.path, line, message, also=also, more=len(problems) - len(also) - 1) from error

    def _problems(self, error: ValidationError) -> list[tuple[Place, list[ErrorDetails]]]:
        """What is wrong at which place, in the order of the file. A union reports every alternative that did not fit: what
        concerns one place belongs together."""
        at: dict[Place, list[ErrorDetails]] = {}
        for problem in error.errors(include_url=False):
            place = problem["loc"]
            if problem["type"] == "union_tag_invalid":
                place = (*place, problem["ctx"]["discriminator"].strip("'"))
            shown = tuple(self.existing(place))
            if problem["type"] == "missing":
                shown = (*shown, place[-1])
            at.setdefault(shown, []).append(problem)
        return sorted(at.items(), key=lambda one: self.line(*one[0]))

    def _said(self, shown: Place, problems: list[ErrorDetails], model: type[BaseModel]) -> tuple[int, str]:
        messages = dict.fromkeys(_say(problem, model) for problem in problems)
        where = _dotted(shown)
        return self.line(*shown), (f"{where}: " if where else "") + ", or ".join(messages)


def load(path: Path, model: type[M]) -> M:
    """Read `path` as `model`. Raises BadFile."""
    return Document.read(path).parse(model)


def explained(error: ValidationError, model: type[BaseModel]) -> str:
    """The first of the problems as a sentence with its place, and how many there are besides."""
    first, *others = error.errors(include_url=False)
    return f"{_dotted(first['loc'])}: {_say(first, model)}" + (f" (and {len(others):,} more)" if others else "")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or nothing when no known word is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6) if len(word) <= SAID_CHARS else []
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
            return f"{clip(repr(word), SAID_CHARS)} is not one of {expected}{did_you_mean(word, _QUOTED.findall(expected))}"
        case "value_error" | "assertion_error":
            return str(problem.get("ctx", {}).get("error", problem["msg"]))
        case "string_type" if isinstance(given, int | float):
            return f"should be text, not the number {given}: put it in quotes"
        case _:
            said = problem["msg"].removeprefix("Input ")
            return (
                said
                if isinstance(given, dict | list) or given is None
                else f"{said}, not {clip(repr(given), SAID_CHARS)}"
            )


def _keys(annotation: Any, place: Place) -> Iterator[str]:
    """Names of the fields of the models that `place` leads to. Tags of unions are in a place, but not in the file."""
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


def _dotted(place: Place) -> str:
    names = (f"[{part}]" if isinstance(part, int) else f".{clip(part, SAID_CHARS)}" for part in place)
    return "".join(names).removeprefix(".")
