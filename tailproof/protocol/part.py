"""Which part of a log somebody asks for, where a protocol can be asked for one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Filters of a log, as many of them as are not empty: an event is in the part if it meets each."""

    name: str = ""
    """The protocol's own word for the kind of event."""
    source: str = ""
    text: str = ""
    """Messages alone, and of these the ones that hold this, in whatever case."""
    since: str = ""
    """What was stamped then or later, as the server writes its times."""
    before: str = ""
    """What was stamped earlier than that."""
    id: str = ""
    """The one event that has it; nobody counts how many there are."""

    @property
    def said(self) -> Mapping[str, str]:
        """The filters that are there, by their names."""
        every = (
            ("name", self.name),
            ("source", self.source),
            ("text", self.text),
            ("since", self.since),
            ("before", self.before),
            ("id", self.id),
        )
        return {word: value for word, value in every if value}


ALL = Part()
