"""What the packages of this installation bring: adapters, kinds of targets and clients, acts, faults, guarantees.

A package brings names through an entry point of the group `tailproof.<part>` that loads to a mapping: name -> what stands for it.
What tailproof brings itself comes the same way, and stands first.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from tailproof.incoming import BadInput

Part = Literal["adapters", "targets", "clients", "acts", "faults", "guarantees"]
OURS = "tailproof"


class BadExtension(BadInput):
    """What a package brings cannot be used; the message names the package."""


@cache
def table(part: Part) -> Mapping[str, Any]:
    """Name -> what stands for it. Raises BadExtension: a package that cannot be loaded, two that bring the same name."""
    return {name: _brought(part, package)[name] for name, package in origins(part).items()}


@cache
def origins(part: Part) -> Mapping[str, str]:
    """Name -> the package that brings it. Raises as `table`."""
    found: dict[str, str] = {}
    for package in _packages(part):
        for name in _brought(part, package):
            if other := found.get(name):
                raise BadExtension(f"{other} and {package} both bring {name!r} ({part}): remove one of them")
            found[name] = package
    return found


def brought_by(part: Part, name: str) -> str:
    """` (from PACKAGE)` behind what another package brings; empty behind what is ours."""
    package = origins(part)[name]
    return "" if package == OURS else f" (from {package})"


def _packages(part: Part) -> Mapping[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=f"tailproof.{part}"):
        found.setdefault(point.dist.name if point.dist else "", []).append(point)
    return dict(sorted(found.items(), key=lambda one: (one[0] != OURS, one[0])))


@cache
def _brought(part: Part, package: str) -> Mapping[str, Any]:
    brought: dict[str, Any] = {}
    for point in _packages(part)[package]:
        try:
            brought.update(point.load())
        except Exception as error:
            raise BadExtension(
                f"{package} cannot bring its {part} ({point.value}): {type(error).__name__}: {error}"
            ) from error
    return brought
