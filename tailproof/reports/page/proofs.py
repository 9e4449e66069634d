"""The proof of a fault as counters: what each was before and after, and who kept it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tailproof.outgoing.visible import clip
from tailproof.reports.result import FaultResult
from tailproof.reports.words import figure, told_as

_CHARS = 60
_LINE = 200
_PAIRS = ((" before", " after", "", ""), ("_in", "_out", "in ", "out "))
"""How the names of two counters end that are one before and after, or on either side, and how the two are told apart."""


@dataclass(frozen=True, slots=True)
class Counter:
    """One counter. `before` is empty for one that was read once."""

    name: str
    before: str
    after: str
    owner: str


def counters(fault: FaultResult) -> list[Counter]:
    """The proof of a fault or an act, in short words and numbers."""
    return list(_counters(fault.name, fault.proof))


def in_short(fault: FaultResult) -> str:
    """The same in a line: `down.frames in 40 → out 37, dropped 3`."""
    told = (
        f"{one.name} {one.before} → {one.after}" if one.before else told_as(one.name, one.after)
        for one in counters(fault)
    )
    return clip(", ".join(told), _LINE)


def _counters(fault: str, proof: dict[str, Any]) -> Iterator[Counter]:
    done = set[str]()
    for name, last in proof.items():
        if name in done:
            continue
        for begin, end, before, after in _PAIRS:
            stem = name.removesuffix(begin)
            if stem != name and stem + end in proof:
                done.add(stem + end)
                then, now = (before + _short(last), after + _short(proof[stem + end]))
                yield Counter(clip(stem, _CHARS), then, now, _owner(fault, stem))
                break
        else:
            yield Counter(clip(name, _CHARS), "", _short(last), _owner(fault, name))


def _short(said: object) -> str:
    if isinstance(said, list | tuple):
        return str(len(said))
    return clip(figure(said), _CHARS)


def _owner(fault: str, counter: str) -> str:
    """Who kept it. Never the fault itself."""
    lowered = counter.lower()
    for beginning, owner in _OF_COUNTER.items():
        if lowered.startswith(beginning):
            return owner
    return next((owner for beginning, owner in _OF_FAULT.items() if fault.startswith(beginning)), "the trial")


_OF_COUNTER = {
    "exit code": "the engine",
    "oomkilled": "the engine",
    "oom events": "the engine",
    "killed by us": "the engine",
    "oom kills": "the kernel",
    "bytes that wait": "the kernel",
    "at the server": "the kernel",
    "its event reached the observer": "the observer",
    "requests of the client": "the wire",
    "status": "the server",
    "page": "the server",
    "run": "the server",
}
_OF_FAULT = {
    "wire.": "the wire",
    "network.": "Toxiproxy",
    "memory.": "the kernel",
    "process.": "the kernel",
    "disk.": "the filesystem",
    "hooks.": "the webhook receiver",
    "clock.": "the server",
    "user.": "the server",
}
