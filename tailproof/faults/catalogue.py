"""Every kind of fault by its name in a scenario."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from tailproof.extensions import table
from tailproof.faults.fault import Fault, Make, Planned
from tailproof.incoming.limits import SAID_CHARS
from tailproof.outgoing.visible import clip
from tailproof.yamlfile import did_you_mean

Kind = TypeVar("Kind", bound=Planned)

CATALOGUE: Mapping[str, Make] = table("faults")


def fault_for(identity: str, kind: str, options: dict[str, Any]) -> Fault:
    """A fault as a scenario asks for it. Raises ValueError: unknown kind, unknown or bad options."""
    return made(CATALOGUE, "fault", identity, kind, options)


def made(
    kinds: Mapping[str, Callable[[str, dict[str, Any]], Kind]],
    what: str,
    identity: str,
    kind: str,
    options: dict[str, Any],
) -> Kind:
    """One of `kinds`; `what` it is stands in what is raised. Raises ValueError: unknown kind, unknown or bad options."""
    make = kinds.get(kind)
    if make is None:
        raise ValueError(f"there is no {what} {clip(repr(kind), SAID_CHARS)}{did_you_mean(kind, kinds)}")
    try:
        return make(identity, options)
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
        raise ValueError(said) from error
