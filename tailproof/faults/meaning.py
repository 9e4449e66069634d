"""Which requests and events a fault means: a scenario says it in neutral words, and an adapter knows them by its own names.

`match: {request: run}` is every request that starts a run, `until: {event: terminal-status}` the event that shows how one ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, get_args

from tailproof.protocol.adapter import EventWord, RequestWord
from tailproof.yamlfile import did_you_mean

_MATCHES = ("match", "until")
_MEANS = (*_MATCHES, "while_held")
"""Where a fault names requests or events of the protocol."""
_WORDS: Mapping[str, tuple[str, ...]] = {"request": get_args(RequestWord), "event": get_args(EventWord)}
_STANDS_FOR = {"request": ("route", "method"), "event": ("name", "field")}


class Names(Protocol):
    """What an adapter calls things. Both raise KeyError for what its protocol does not have."""

    def route(self, request: RequestWord) -> tuple[str, str]:
        """Method and glob on the path of these requests."""

    def event(self, event: EventWord) -> Mapping[str, Any]:
        """`name` and `field` of a match that means these events."""


class _Anything:
    """Stands for an adapter while a scenario is loaded: nobody knows yet whom it will be played with."""

    def route(self, request: RequestWord) -> tuple[str, str]:
        return "GET", "*"

    def event(self, event: EventWord) -> Mapping[str, Any]:
        return {"name": "*"}


ANYTHING = _Anything()


def named(options: Mapping[str, Any], names: Names, *, of_frames: bool) -> dict[str, Any]:
    """`options` with the adapter's names for what its matches mean. A rule of frames has no method.

    Raises ValueError: a word that there is not, or one beside what it stands for; KeyError: the protocol has no such thing.
    """
    return {
        key: _named(key, value, names, of_frames) if key in _MATCHES and isinstance(value, Mapping) else value
        for key, value in options.items()
    }


def lacks(options: Mapping[str, Any], adapter: Names, name: str) -> str:
    """What of these options the protocol called `name` does not have, in a sentence; empty when it has everything."""
    for match in (options.get(key) for key in _MEANS):
        if isinstance(match, Mapping):
            try:
                _named("", match, adapter, True)
            except KeyError as missing:
                return f"the protocol {name} has no {missing.args[0]}"
    return ""


def _named(key: str, match: Mapping[str, Any], names: Names, of_frames: bool) -> dict[str, Any]:
    for word, known in _WORDS.items():
        if word not in match:
            continue
        if match[word] not in known:
            raise ValueError(f"{key}.{word} is one of {', '.join(known)}{did_you_mean(str(match[word]), known)}")
        if both := [other for other in _STANDS_FOR[word] if other in match]:
            raise ValueError(f"{key}.{both[0]} is what {word} stands for: say one of them")
    said = {name: value for name, value in match.items() if name not in _WORDS}
    if "request" in match:
        method, said["route"] = names.route(match["request"])
        if not of_frames:
            said["method"] = method
    if "event" in match:
        said.update(names.event(match["event"]))
    return said
