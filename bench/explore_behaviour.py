"""How a server behaved in a trial, seen from outside: a set of features, of which a new one tells that a trial went another way."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from tailproof.history.reader import History
from tailproof.history.server_records import Status


def features(history: History) -> frozenset[str]:
    """Short names of what was seen: statuses that followed each other with the fault they followed; how often (in powers of two) it
    retried, was subscribed to and was read, and how long it took to come back; which three events came in a row."""
    said = {*_statuses(history), *_counts(history), *_events(history)}
    return frozenset(hashlib.sha256(one.encode()).hexdigest()[:6] for one in said)


def bucket(number: float) -> int:
    """0 for nothing, else one more than the whole part of the logarithm to the base of two."""
    return max(0, int(number)).bit_length()


def _statuses(history: History) -> Iterator[str]:
    landed = [(fault.t_ns, fault) for fault in history.faults if fault.stage == "injected"]
    points = {str(plan.get("id")): str(plan.get("at", "")) for plan in history.header.plan.get("faults") or ()}
    seen: dict[str, list[Status]] = {}
    for status in history.statuses:
        seen.setdefault(status.via, []).append(status)
    for via, statuses in seen.items():
        for before, after in pairwise(statuses):
            if before.neutral == after.neutral:
                continue
            last = next((fault for t_ns, fault in reversed(landed) if t_ns <= after.t_ns), None)
            where = f"{last.name}@{points.get(last.fault, '').partition(':')[0]}" if last else "before any fault"
            yield f"{via}: {before.neutral} > {after.neutral} after {where}"


def _counts(history: History) -> Iterator[str]:
    asked = Counter(call.turn for call in history.model_calls if call.stage == "asked")
    yield f"asked again {bucket(sum(asked.values()) - len(asked))}"
    yield f"subscriptions {bucket(sum(stream.stage == 'opened' for stream in history.streams))}"
    for code, times in Counter(exchange.code for exchange in history.exchanges).items():
        yield f"answered {code} {bucket(times)}"
    yield f"pages {bucket(sum(max(0, reading.pages) for reading in history.readings if reading.reader == 'client'))}"
    died: dict[int, int] = {}
    for life in history.lives:
        if life.stage in ("died", "stopped"):
            died[life.epoch] = life.t_ns
        elif life.stage == "ready" and life.epoch - 1 in died:
            yield f"back after {bucket((life.t_ns - died[life.epoch - 1]) / 1e9)}"


def _events(history: History) -> Iterator[str]:
    names = [
        event.name for event in history.events if event.reading.startswith("stream") and event.witness == "observer"
    ]
    for first, second, third in zip(names, names[1:], names[2:], strict=False):
        yield f"{first} > {second} > {third}"
