"""Finds and reads scenario files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from tailproof.scenario.points import Point
from tailproof.scenario.schema import TIERS, ActPlan, FaultPlan, Scenario, Tier
from tailproof.scenario.sweep import KEY, expanded
from tailproof.scenario.variants import VARIANT
from tailproof.yamlfile import BadFile, Document

Check = Callable[[ActPlan | FaultPlan], object]
"""Raises ValueError for a kind of act or fault, or options, that do not exist."""
_SWEPT = re.compile(rb"^sweep:", re.MULTILINE)
_NAMING = re.compile(rb"^(?:name|sweep):.*\n(?:[ \t#].*\n|\n)*", re.MULTILINE)
"""The two keys of a file that say what its scenarios are called, with all that stands below them."""
_TIER = re.compile(rb"^tier:[ \t]*(\S+)", re.MULTILINE)


def load_scenarios(path: Path, check: Check) -> list[Scenario]:
    """The scenarios of a file: one, or all that its sweep stands for.

    Raises:
        BadFile: with file and line of every mistake; also when the file is not named like its scenario.
    """
    document = _document(path)
    scenarios = [_scenario(document.saying(data), check) for data in _expanded(document)]
    stem = path.stem
    for scenario in scenarios:
        if scenario.name != stem and not (len(scenarios) > 1 and scenario.name.startswith(f"{stem}-")):
            says = f"name is {scenario.name!r} but the file is called {path.name}"
            raise BadFile(path, document.line("name"), says)
    return scenarios


def scenario_files(folder: Path) -> dict[str, Path]:
    """Name -> file of every scenario below `folder`, by family and name. Raises BadFile for a name given twice."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.yaml")):
        for name in _names(path):
            if name in found:
                raise BadFile(path, 1, f"there is a scenario {name!r} already in {found[name]}")
            found[name] = path
    return found


def _names(path: Path) -> tuple[str, ...]:
    """What the scenarios of a file are called, without a look at what else they say."""
    try:
        at = path.stat()
    except OSError:
        return (path.stem,)  # whoever loads it says what is wrong
    return _called(path, at.st_mtime_ns, at.st_size)


@lru_cache(maxsize=1024)
def _called(path: Path, mtime_ns: int, size: int) -> tuple[str, ...]:
    try:
        raw = path.read_bytes()
    except OSError:
        return (path.stem,)
    if not _SWEPT.search(raw):
        return (path.stem,)
    try:
        # Of a long file its name and its sweep are read, and no more: most commands need nothing else of it.
        brief = Document.of(path, b"".join(_NAMING.findall(raw)).decode())
        return tuple(str(data["name"]) for data in expanded(brief.data))
    except (BadFile, ValueError, KeyError):
        return tuple(str(data["name"]) for data in _expanded(_document(path)))


def is_beyond(path: Path, tier: Tier) -> bool:
    """Whether all scenarios of a file are of a wider tier than this, as far as that can be told without reading it as YAML."""
    try:
        said = _TIER.findall(path.read_bytes())
    except OSError:
        return False
    words = [one.decode() for one in said]
    return bool(words) and all(word in TIERS and TIERS.index(word) > TIERS.index(tier) for word in words)


def _document(path: Path) -> Document:
    """The name of a scenario is asked for more than once. Raises BadFile."""
    try:
        at = path.stat()
    except OSError:
        return Document.read(path)
    return _unchanged(path, at.st_mtime_ns, at.st_size)


@lru_cache(maxsize=1024)
def _unchanged(path: Path, mtime_ns: int, size: int) -> Document:
    return Document.read(path)


def _expanded(document: Document) -> list[Any]:
    try:
        return list(expanded(document.data))
    except ValueError as error:
        raise BadFile(document.path, document.line(KEY), f"{KEY}: {error}") from error


def _scenario(document: Document, check: Check) -> Scenario:
    scenario, path = document.parse(Scenario), document.path
    if VARIANT in scenario.name:
        raise BadFile(
            path, document.line("name"), f"name is {scenario.name!r}: {VARIANT} is for variants of a scenario"
        )
    places = [
        *(("act", index) for index in range(len(scenario.acts))),
        *(("fault", index) for index in range(len(scenario.faults))),
    ]
    for (what, index), plan in zip(places, scenario.landings, strict=True):
        try:
            check(plan)
        except ValueError as error:
            raise BadFile(path, document.line(f"{what}s", index, what), f"{plan.called}: {error}") from error
    lands_at = {point for plan in scenario.landings for point in (plan.at, plan.until) if point}
    for index, turn in enumerate(scenario.script):
        if turn.gated and Point("tool-running", index + 1) not in lands_at:
            says = f"turn {index + 1} holds a tool with `gate: true`, and nothing lands at tool-running:{index + 1}"
            raise BadFile(path, document.line("script", index), f"{says}: nobody would let it go on")
    return scenario


def of_tier(scenarios: Iterable[Scenario], tier: Tier) -> list[Scenario]:
    """The scenarios of a tier and of the tiers before it."""
    tiers = TIERS[: TIERS.index(tier) + 1]
    return [scenario for scenario in scenarios if scenario.tier in tiers]
