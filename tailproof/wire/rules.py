"""What a rule of the wire may say, and one sentence with its place for what it may not.

A rule is flat: `{id, on, direction, match, times, do, <what do needs>}`. It knows frames, routes and JSON fields, no protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from tailproof.incoming.files import BadFile
from tailproof.incoming.json import converted

StreamDo = Literal["hold", "delay", "burst", "drop", "drop-last", "duplicate", "reorder", "cut", "silence"]
HttpDo = Literal[
    "delay-request", "delay-response", "status", "reset-before", "reset-after", "truncate", "black-hole", "hold"
]
WireDo = Literal["down"]
Seconds = Annotated[float, Meta(ge=0, le=86400)]
Count = Annotated[int, Meta(ge=1, le=100_000)]
Index = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Identity = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$", max_length=120)]

NEEDS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "hold": (frozenset(), frozenset()),
    "delay": (frozenset({"seconds"}), frozenset()),
    "burst": (frozenset({"seconds"}), frozenset()),
    "drop": (frozenset(), frozenset()),
    "drop-last": (frozenset({"until"}), frozenset({"count"})),
    "duplicate": (frozenset(), frozenset({"count"})),
    "reorder": (frozenset({"count"}), frozenset({"seconds"})),
    "cut": (frozenset(), frozenset({"how", "when", "code", "reason"})),
    "silence": (frozenset(), frozenset({"control"})),
    "delay-request": (frozenset({"seconds"}), frozenset()),
    "delay-response": (frozenset({"seconds"}), frozenset()),
    "status": (frozenset({"code"}), frozenset({"body"})),
    "reset-before": (frozenset(), frozenset()),
    "reset-after": (frozenset(), frozenset()),
    "truncate": (frozenset({"bytes"}), frozenset()),
    "black-hole": (frozenset(), frozenset()),
    "down": (frozenset(), frozenset()),
}
"""What each `do` must have, and what it may have besides."""

_STREAM_ONLY = frozenset({"name", "field", "from", "to"})
_OF_FRAMES = _STREAM_ONLY | {"nth"}
_ON: Mapping[Literal["stream", "wire"], tuple[str, ...]] = {"stream": get_args(StreamDo), "wire": get_args(WireDo)}
_MEANINGLESS: Mapping[str, frozenset[str]] = {"http": _STREAM_ONLY, "stream": frozenset({"method"})}
_EXTRAS = frozenset().union(*(must | may for must, may in NEEDS.values()))


class RuleError(ValueError):
    """A rule that cannot be carried out; the message names the rule and the field."""


class Match(
    msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, rename={"first": "from", "last": "to"}
):
    """Which frames or requests a rule means; all that is given must hold."""

    name: str | list[str] | None = None
    """The kind of the event, or several."""
    field: dict[str, Any] = {}
    """Dotted path in the JSON payload -> the value, or a list of values of which one must be there."""
    first: Index | None = None
    """`from`: the first data frame (whole message) within the connection and direction, counted from 0."""
    last: Index | None = None
    """`to`: the last one, included."""
    nth: Count | None = None
    """Only the n-th frame or request that meets everything else, counted from 1 over all connections."""
    route: str | None = None
    """A glob on the path of the request or upgrade, without the query."""
    method: str | None = None
    connection: Count | None = None
    """For streams: the n-th stream on this route; for HTTP: the n-th connection of the wire; counted from 1."""


class Rule(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """One thing the wire does to what matches. Rules are tried in the order of their addition; the first that matches acts."""

    id: Identity
    do: StreamDo | HttpDo | WireDo
    on: Literal["stream", "http", "wire"] | None = None
    """Follows from `do`; `hold` means streams unless it says `http`. `wire` is all of it: everything is cut and new connections
    are refused."""
    direction: Literal["up", "down"] = "down"
    """Streams: `up` from client to server, `down` from server to client."""
    match: Match = Match()
    times: Index = 0
    """The most firings; 0 for no limit. `drop-last` fires once unless it says how often."""
    seconds: Seconds | None = None
    """How late, how often, or, for `reorder`, how long a frame waits for the rest of its group."""
    count: Count | None = None
    until: Match | None = None
    """`drop-last`: the frame at which the window is dropped."""
    how: Literal["rst", "fin", "close"] = "rst"
    when: Literal["before", "after", "at-once"] = "before"
    """`cut`: instead of the frame (`before`), once it has been passed on (`after`), or the streams that are open when the rule
    is added, without a frame."""
    code: Annotated[int, Meta(ge=100, le=4999)] | None = None
    reason: Annotated[str, Meta(max_length=100)] = ""
    body: str = ""
    bytes: Index | None = None
    control: bool = False
    """`silence`: swallow pings and pongs, too."""

    @classmethod
    def from_options(cls, identity: str, does: str, options: Mapping[str, Any]) -> Rule:
        """A rule from the options of a fault. Raises RuleError."""
        return rule_from({**options, "id": identity, "do": does})


def rule_from(said: Mapping[str, Any]) -> Rule:
    """A checked rule from plain data. Raises RuleError."""
    name = f"rule {said['id']}" if isinstance(said.get("id"), str) else "the rule"
    try:
        rule = converted(dict(said), Rule)
    except msgspec.ValidationError as error:
        raise RuleError(f"{name}: {error}") from error
    on: Literal["stream", "http", "wire"] = next((on for on, does in _ON.items() if rule.do in does), "http")
    if rule.on is None:
        rule = msgspec.structs.replace(rule, on=on)
    elif rule.on != on and rule.do != "hold":
        raise RuleError(f"{name}: `{rule.do}` works on: {on}, not on: {rule.on}")
    _check_extras(name, rule, said)
    if rule.do == "drop-last" and "times" not in said:
        # The window would go on keeping back what follows the frame that it was for: the last word of a run.
        rule = msgspec.structs.replace(rule, times=1)
    given = set(msgspec.to_builtins(rule.match))
    wrong = given & _MEANINGLESS.get(rule.on or on, given)
    if wrong:
        raise RuleError(f"{name}: match.{sorted(wrong)[0]} means nothing on: {rule.on}")
    if rule.on != "stream" and "direction" in said:
        raise RuleError(f"{name}: direction means nothing on: {rule.on}")
    if rule.when == "at-once" and given & _OF_FRAMES:
        raise RuleError(
            f"{name}: match.{sorted(given & _OF_FRAMES)[0]} means frames, and `when: at-once` waits for none"
        )
    if rule.do == "burst" and not rule.seconds:
        raise RuleError(f"{name}: `burst` needs more than 0 seconds")
    if rule.do == "cut" and rule.code is not None and not (rule.how == "close" and rule.code >= 1000):
        raise RuleError(f"{name}: code goes with how: close and is 1000 to 4999")
    if rule.do == "status" and rule.code is not None and not 200 <= rule.code <= 599:
        raise RuleError(f"{name}: code is an HTTP status from 200 to 599, got {rule.code}")
    return rule


def _check_extras(name: str, rule: Rule, said: Mapping[str, Any]) -> None:
    must, may = NEEDS[rule.do]
    missing = must - said.keys()
    if missing:
        raise RuleError(f"{name}: `{rule.do}` needs {', '.join(sorted(missing))}")
    extra = (_EXTRAS & said.keys()) - must - may
    if extra:
        raise RuleError(f"{name}: `{rule.do}` knows no {', '.join(sorted(extra))}")


def load_rules(path: Path) -> list[Rule]:
    """Rules from a YAML or JSON file: a list of rules. Raises BadFile."""
    from tailproof.incoming.yaml import Document  # the wire of a trial reads no file

    document = Document.read(path)
    if not isinstance(document.data, list):
        raise BadFile(path, 1, "a rules file is a list of rules")
    rules: list[Rule] = []
    for place, item in enumerate(document.data):
        line = document.line(place)
        if not isinstance(item, dict):
            raise BadFile(path, line, "a rule is a mapping with id and do")
        try:
            rule = rule_from(item)
        except RuleError as error:
            raise BadFile(path, line, str(error)) from error
        if any(rule.id == other.id for other in rules):
            raise BadFile(path, line, f"there are two rules {rule.id}")
        rules.append(rule)
    return rules
