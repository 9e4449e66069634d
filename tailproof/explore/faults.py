"""The faults that are drawn, each kind with its parameters in buckets, from the smallest on; and why a kind is left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tailproof.history.plan import is_of_the_path
from tailproof.wire.toxiproxy import TOXICS

HELD = ("model-called", "tool-running", "final-reply")
DURING = ("created", "model-called", "action-stored", "tool-running", "observation-stored", "final-reply")
OF_A_TURN = ("model-called", "action-stored", "tool-running", "observation-stored")
"""Those of them that each turn of a script with tools has, in their order."""
POINTS = (*DURING, "terminal", "returned")
"""The points at which something is drawn to land."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A kind of fault or act, with its parameters in one bucket."""

    kind: str
    bucket: str = ""
    """What tells it from the others of its kind; empty where there is one only."""
    options: Mapping[str, Any] = field(default_factory=dict)
    ends: Literal["by-itself", "returned", "later"] = "by-itself"
    """When a fault is healed: it needs no healing or is healed at the end; when the client's run has returned; or `lasts` seconds later."""
    lasts: float = 0.0
    at: tuple[str, ...] = POINTS
    """The names of the points at which it may land."""
    reconnects: bool = False
    """It ends the client's stream. Where the loop can be held, it stands still until the client is back."""
    plain: bool = False
    """Only the plain client is promised anything while it is on."""
    repaired: bool = False
    """Only a client that repairs what it missed asks for what it is about; the plain one never does."""
    late: bool = False
    """Its effect shows at the end of the run: nothing that shares its trial may heal it before."""
    ends_run: bool = False
    """Nothing behind it in the script may be reached."""
    server: Mapping[str, Any] = field(default_factory=dict)
    """How the server must be started for it."""
    returns: float = 0.0
    """So many seconds the client's run may take to return, where that is more than usual."""
    companion: Mapping[str, Any] = field(default_factory=dict)
    """Another fault beside it, which makes the client ask for what this one is about."""

    @property
    def name(self) -> str:
        """`wire.delay/2s`, or the kind alone."""
        return f"{self.kind}/{self.bucket}" if self.bucket else self.kind

    @property
    def of_the_path(self) -> bool:
        """It leaves the server alone."""
        return is_of_the_path(self.kind)


def _each(kind: str, buckets: Mapping[str, Mapping[str, Any]], **common: Any) -> Iterable[Choice]:
    return (Choice(kind=kind, bucket=bucket, options=options, **common) for bucket, options in buckets.items())


_RUNNING: Mapping[str, Any] = {"ends": "returned", "at": (*DURING, "terminal"), "returns": 45.0}
"""Of a fault that is on for the rest of the run."""
_TERMINAL: Mapping[str, Any] = {"event": "terminal-status"}
_HOOKS: Mapping[str, Any] = {"hooks": {"batch": 4, "flush_s": 1, "retries": 1, "retry_s": 1}}
_DOWN: Mapping[str, Any] = {"plain": True, "at": POINTS}


def _of_streams() -> Iterable[Choice]:
    yield from _each(
        "wire.delay", {"half-second": {"seconds": 0.5}, "2s": {"seconds": 2}, "8s": {"seconds": 8}}, **_RUNNING
    )
    yield from _each("wire.burst", {"half-second": {"seconds": 0.5}, "3s": {"seconds": 3}}, **_RUNNING)
    yield from _each("wire.drop", {"one": {"times": 1}, "five": {"times": 5}}, **_RUNNING)
    yield from _each(
        "wire.drop-last",
        {word: {"count": count, "until": _TERMINAL} for word, count in (("one", 1), ("three", 3), ("twelve", 12))},
        **{**_RUNNING, "at": DURING, "late": True},
    )
    yield from _each(
        "wire.duplicate", {"once": {"count": 1, "times": 1}, "all": {"count": 1}, "thrice": {"count": 3}}, **_RUNNING
    )
    yield from _each(
        "wire.reorder", {"two": {"count": 2, "seconds": 1}, "five": {"count": 5, "seconds": 1}}, **_RUNNING
    )
    yield from _each(
        "wire.cut",
        {
            "reset": {"how": "rst", "when": "at-once"},
            "closed-1011": {"how": "close", "code": 1011, "when": "at-once"},
            "closed-4001": {"how": "close", "code": 4001, "when": "at-once"},
        },
        **{**_RUNNING, "reconnects": True},
    )
    yield from _each("wire.cut", {"instead-of-a-frame": {"how": "rst", "times": 1}}, **_RUNNING)
    yield Choice(kind="wire.silence", bucket="3s", ends="later", lasts=3, at=(*DURING, "terminal"), returns=45.0)
    yield Choice(kind="wire.silence", bucket="for-good", **_RUNNING)
    yield Choice(kind="wire.hold", bucket="2s", ends="later", lasts=2, at=(*DURING, "terminal"), returns=45.0)
    yield Choice(kind="wire.down", bucket="half-second", ends="later", lasts=0.5, at=DURING, returns=45.0)
    yield Choice(kind="wire.down", bucket="5s", ends="later", lasts=5, at=DURING, returns=45.0)


_PAGES: Mapping[str, Any] = {
    **_RUNNING,
    "repaired": True,
    "late": True,
    "at": DURING,
    "companion": {"fault": "wire.drop-last", "until": "returned", "with": {"count": 3, "until": _TERMINAL}},
}
"""Of a fault of the pages that a client fetches when it has missed the end of the stream."""
_SUBSCRIPTIONS: Mapping[str, Any] = {
    **_RUNNING,
    "repaired": True,
    "at": HELD,
    "companion": {"fault": "wire.cut", "until": "returned", "with": {"how": "rst", "when": "at-once"}},
}
"""Of a fault of the next subscription: the one there is ends."""


def _of_requests() -> Iterable[Choice]:
    """Requests that a client repeats or follows up by itself. Others (create, send) would fail the way they are meant to."""
    pages = {
        "wire.delay-request": {"page-1s": {"seconds": 1}},
        "wire.delay-response": {"page-3s": {"seconds": 3}},
        "wire.status": {"page-503": {"code": 503, "times": 1}, "page-429": {"code": 429, "times": 1}},
        "wire.reset-before": {"page": {"times": 1}},
        "wire.reset-after": {"page": {"times": 1}},
        "wire.truncate": {"page-1000": {"bytes": 1000, "times": 1}},
    }
    statuses = {
        "wire.delay-response": {"status-5s": {"seconds": 5}},
        "wire.status": {"status-500": {"code": 500, "times": 1}},
        "wire.reset-before": {"status": {"times": 1}},
        "wire.reset-after": {"status": {"times": 1}},
        "wire.truncate": {"status-20": {"bytes": 20, "times": 1}},
    }
    subscriptions = {
        "wire.delay-request": {"subscribe-3s": {"seconds": 3}},
        "wire.status": {"subscribe-503": {"code": 503, "times": 1}},
        "wire.black-hole": {"subscribe": {"times": 1}},
    }
    runs = {"wire.delay-response": {"run-3s": {"seconds": 3}}, "wire.reset-after": {"run": {"times": 1}}}
    for request, common, kinds in (
        ("page", _PAGES, pages),
        ("status", _RUNNING, statuses),
        ("subscribe", _SUBSCRIPTIONS, subscriptions),
        ("run", {**_RUNNING, "at": ("created",)}, runs),
    ):
        for kind, buckets in kinds.items():
            matched = {bucket: {**options, "match": {"request": request}} for bucket, options in buckets.items()}
            yield from _each(kind, matched, **common)


_ATTRIBUTES: Mapping[str, Mapping[str, Mapping[str, int]]] = {
    "latency": {"100ms": {"latency": 100, "jitter": 50}, "1s": {"latency": 1000, "jitter": 200}},
    "bandwidth": {"100kB": {"rate": 100}, "10kB": {"rate": 10}},
    "slicer": {"512B": {"average_size": 512, "size_variation": 128, "delay": 100}},
    "reset_peer": {"1s": {"timeout": 1000}},
    "timeout": {"1s": {"timeout": 1000}},
    "limit_data": {"20kB": {"bytes": 20_000}},
}
_BREAKING = ("reset_peer", "timeout", "limit_data")
"""Toxics through which no answer comes, or no long one: while they are on no client can learn all of how its run has ended. They would
break the user's message, too."""


def _of_bytes() -> Iterable[Choice]:
    for toxic in TOXICS:
        for bucket, attributes in _ATTRIBUTES[toxic].items():
            options = {"direction": "downstream", "attributes": attributes}
            breaks = toxic in _BREAKING
            when = {**_RUNNING, "at": DURING[1:], "ends": "later", "lasts": 5} if breaks else {**_RUNNING, "at": DURING}
            yield Choice(kind=f"network.{toxic}", bucket=bucket, options=options, **when)


def _of_servers() -> Iterable[Choice]:
    yield from _each(
        "process.kill",
        {
            "in-place": {},
            "tools-end": {"survivors": "end"},
            "abort": {"signal": "ABRT"},
            "again-ready": {"again": "ready"},
            "again-starting": {"again": "starting"},
        },
        **_DOWN,
    )
    yield Choice(kind="process.kill", bucket="new-host", options={"restart": "new-host"}, **_DOWN)
    yield Choice(kind="process.restart", bucket="in-place", **_DOWN)
    yield Choice(kind="process.restart", bucket="new-host", options={"restart": "new-host"}, **_DOWN)
    yield Choice(kind="process.downgrade", **_DOWN)
    yield Choice(kind="disk.full-at-start", **_DOWN)
    yield Choice(kind="process.pause", bucket="2s", ends="later", lasts=2, at=DURING, plain=True)
    yield Choice(kind="process.pause", bucket="8s", ends="later", lasts=8, at=DURING, plain=True)
    yield Choice(kind="process.twin", ends="returned", at=HELD, plain=True)
    # Neither the user's message nor the last reply can be stored then, and both may fail for it.
    refused = ("action-stored", "tool-running", "observation-stored", "terminal")
    for kind in ("disk.full", "disk.read-only"):
        yield Choice(kind=kind, bucket="2s", ends="later", lasts=2, at=refused, plain=True)
        yield Choice(kind=kind, bucket="8s", ends="later", lasts=8, at=refused, plain=True)
    yield from _each(
        "disk.slow", {"300ms": {"seconds": 0.3}, "2s": {"seconds": 2.0}}, ends="returned", at=DURING, plain=True
    )
    yield from _each(
        "disk.damage",
        {
            "event-missing": {"does": "missing", "to": "observation"},
            "event-torn": {"does": "torn", "to": "last-event"},
            "event-empty": {"does": "empty", "to": "action"},
            "foreign-file": {"does": "foreign-file", "to": "action"},
        },
        plain=True,
        at=("returned",),
    )
    yield from _each(
        "clock.step", {"forward": {"hours": 3}, "back": {"hours": -3}}, ends="returned", at=DURING, plain=True
    )
    memory: Mapping[str, Any] = {"plain": True, "at": ("tool-running",), "server": {"memory": "1g"}}
    yield Choice(kind="memory.child", **memory)
    yield Choice(kind="memory.pressure", **memory)
    yield Choice(kind="memory.server", options={"children": 12, "megabytes": 90, "restart": "in-place"}, **memory)


def _of_hooks() -> Iterable[Choice]:
    hooks: Mapping[str, Any] = {"server": _HOOKS, "at": DURING, "ends": "returned"}
    early = {**hooks, "at": ("created", "model-called")}
    for kind in ("hooks.refuse", "hooks.down"):
        yield Choice(kind=kind, bucket="once", options={"requests": 1}, **hooks)
        yield Choice(kind=kind, bucket="thrice", options={"requests": 3}, **early)
    yield Choice(kind="hooks.slow", options={"seconds": 2}, **hooks)
    yield Choice(kind="hooks.hang", **hooks)


FAULTS: tuple[Choice, ...] = (*_of_streams(), *_of_requests(), *_of_bytes(), *_of_servers(), *_of_hooks())
LEFT_OUT: Mapping[str, str] = {
    "process.fork-bomb": "for some seconds nobody in the container can do anything, and most other faults and acts would have no proof"
}
"""Kind -> why nothing of it is drawn."""
