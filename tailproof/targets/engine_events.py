"""What the engine says of the containers of one trial, while it happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests
from docker.errors import DockerException

from tailproof.ownership.marks import TRIAL_LABEL
from tailproof.provision.engine import connect, engine_does

WATCHED = ("start", "die", "oom", "kill", "stop", "pause", "unpause", "destroy")


@dataclass(slots=True)
class EngineEvent:
    """One event of the engine."""

    name: str
    container: str
    t_ns: int
    """The engine's time of day, turned into the common clock."""
    attributes: dict[str, str] = field(default_factory=dict)


class EngineEvents:
    """Listens until `close`; `on_event` is called on the listening thread for each event, in the engine's order."""

    def __init__(self, trial: str, on_event: Callable[[EngineEvent], None]) -> None:
        self._on_event = on_event
        self._engine = connect()
        self.lost = ""
        """Why the stream ended although nobody closed it: the engine is gone. Empty as long as it is there."""
        self._closing = False
        with engine_does("listening to its events"):
            self._stream: Any = self._engine.events(
                decode=True,
                since=int(time.time()) - 1,
                filters={"type": "container", "label": f"{TRIAL_LABEL}={trial}", "event": list(WATCHED)},
            )
        self._thread = threading.Thread(target=self._listen, name="engine-events", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening. Idempotent."""
        if self._closing:
            return
        self._closing = True
        self._stream.close()
        self._thread.join(5)
        self._engine.close()

    def _listen(self) -> None:
        reason = "its stream of events ended"
        try:
            for event in self._stream:
                self._on_event(_decoded(event))
        except (DockerException, requests.RequestException, OSError, AttributeError, ValueError) as error:
            # Closing tears the connection from under the reader, too, and the SDK raises one of these.
            reason = str(error)
        if not self._closing:
            self.lost = reason


def _decoded(event: dict[str, Any]) -> EngineEvent:
    age_ns = time.time_ns() - int(event["timeNano"])
    return EngineEvent(
        name=event["Action"],
        container=event["Actor"]["ID"],
        t_ns=time.monotonic_ns() - max(0, age_ns),
        attributes=dict(event["Actor"]["Attributes"]),
    )
