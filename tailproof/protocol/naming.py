"""Where the messages of a protocol say what they are called."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Naming:
    """Dotted paths into the JSON of a message, as `params.entry.id`. A number is taken for its digits."""

    identity: str
    name: str
