"""What the cluster told of each pod, and when: so that somebody can be told it later."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]


class PodPast:
    """Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: dict[str, list[tuple[int, Json]]] = {}

    def add(self, pod: str, told: Json) -> None:
        """The cluster tells this now."""
        with self._lock:
            self._told.setdefault(pod, []).append((time.monotonic_ns(), told))

    def at(self, pod: str, moment_ns: int) -> Json | None:
        """What was known at that moment; the first word for one before that, None for a pod of which nothing was told."""
        with self._lock:
            told = self._told.get(pod, ())
            before = [one for when, one in told if when <= moment_ns]
            return before[-1] if before else told[0][1] if told else None
