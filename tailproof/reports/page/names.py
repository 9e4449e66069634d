"""What each trial is called in the page, its key in addresses: `#t=stream-lag`, and how its history is typed in a command."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tailproof.outgoing.visible import clip
from tailproof.reports.result import TrialResult

_CHARS = 120
_ODD = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Named:
    """A trial with its key, which is unique in the page and needs no escape in an address, what people call it, and its history as
    they type it. `trial.history` is relative to the result."""

    key: str
    called: str
    trial: TrialResult
    history: str


def named(trials: Sequence[TrialResult], folder: str = "") -> list[Named]:
    """Each trial with its names, in the same order. A trial that was repeated is called after its history. `folder` is where the result
    lies, when its page lies elsewhere."""
    often = Counter(trial.called for trial in trials)
    taken: Counter[str] = Counter()
    found = []
    for trial in trials:
        place = trial.history.rstrip("/").rpartition("/")[2]
        key = _ODD.sub("-", place or trial.called)[:_CHARS] or "trial"
        taken[key] += 1
        key = key if taken[key] == 1 else f"{key}~{taken[key]}"
        called = clip(place if often[trial.called] > 1 and place else trial.called, _CHARS)
        history = posixpath.join(folder, trial.history)
        found.append(Named(key, called, trial, history))
    return found
