"""What of a header is read by those who judge has the shape that they count on, whoever wrote it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from tailproof.history.header import Header
from tailproof.incoming.json import converted


class _Call(msgspec.Struct):
    journal: bool = True


class _Turn(msgspec.Struct):
    tools: list[_Call] | None = None
    finish: str | None = None


class _Fault(msgspec.Struct, rename={"options": "with"}):
    id: str
    fault: str
    at: str = ""
    options: dict[str, Any] | None = None


class _Act(msgspec.Struct, rename={"options": "with"}):
    id: str
    act: str
    at: str = ""
    options: dict[str, Any] | None = None


class _Server(msgspec.Struct):
    dormant: bool = False


class _Child(msgspec.Struct):
    kind: str = "conversation"
    script: list[Any] | None = None


class _Plan(msgspec.Struct):
    """What is read of a plan. One of another version may say more."""

    summary: str = ""
    family: str = ""
    tier: str = ""
    faults: list[_Fault] | None = None
    acts: list[_Act] | None = None
    script: list[_Turn] | None = None
    server: _Server | None = None
    seeded: dict[str, Any] | None = None
    children: dict[str, _Child] | None = None
    secrets: list[str] | None = None


class _Facts(msgspec.Struct):
    page_size: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    fatal_closes: Annotated[str, Meta(pattern=r"^[0-9]{0,4}( [0-9]{1,4})*$")] = ""


def check(header: Header) -> None:
    """Raises ValueError: the plan or a fact is none that could be judged, and where."""
    for name, shape in (("plan", _Plan), ("facts", _Facts)):
        try:
            converted(getattr(header, name), shape)
        except msgspec.ValidationError as error:
            raise ValueError(f"{name}: {error}") from error
