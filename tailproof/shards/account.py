"""What is known of the shards of a check while they run: from statuses of pods and lines of their logs to one stream of run events.

Pure: it starts nothing, waits for nothing and reads no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from tailproof.history.pod_records import PodSeen
from tailproof.incoming.json import decoder
from tailproof.outgoing.visible import clip
from tailproof.reports.run_events import RunEvent, ShardTold, TrialEnded, TrialEntered, TrialJudged
from tailproof.runner.estimate import left_s

CONTAINER = "check"
ATTEMPTS = 2
"""So often a shard is begun: one that was lost is run again once."""
_SAYS_CHARS = 400

State = Literal["waiting", "running", "over", "collected", "lost"]


class Over(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="shard over"):
    """The last line of a pod: its check has ended with `code`. Without a result nothing is to be collected, and `says` is why."""

    code: int
    result: bool
    says: str = ""


Line = decoder(RunEvent | Over)


@dataclass(slots=True)
class Part:
    """One shard."""

    number: int
    names: frozenset[str]
    """Its scenarios."""
    trials: frozenset[str]
    state: State = "waiting"
    pod: str = ""
    """That of its last attempt; empty as long as there was none."""
    attempts: int = 0
    ended: set[str] = field(default_factory=set)
    """The trials that have ended in that attempt."""
    why: str = ""
    """Why the last attempt was lost; empty as long as none was."""
    dead: bool = False
    """The pod of the last attempt has ended without a result."""


class Account:
    """Of all shards. Each method gives the run events that follow, in order; `t_s` is when it happened, since the check began."""

    def __init__(self, parts: Sequence[Part], costs: Mapping[str, float], *, parallel: int) -> None:
        """`costs` are the seconds of each trial, `parallel` how many run side by side in all shards."""
        self.parts = {part.number: part for part in parts}
        self._costs = costs
        self._parallel = parallel
        self._past: set[str] = set()
        self.ran = False
        """A shard was under way at least once."""

    @property
    def done(self) -> bool:
        """What every shard has found is here, or will never come."""
        return all(part.state in ("collected", "lost") for part in self.parts.values())

    @property
    def idle(self) -> bool:
        """No shard is under way."""
        return not any(part.state in ("running", "over") for part in self.parts.values())

    def seen(self, number: int, pod: PodSeen, *, t_s: float) -> list[RunEvent]:
        """The pod of a shard has another status."""
        part = self.parts[number]
        if part.state in ("collected", "lost") or pod.pod in self._past:
            return []
        told: list[RunEvent] = []
        if pod.pod != part.pod:
            if part.pod and not part.dead:
                told += self._dies(part, "its pod was ended", t_s)
            self._past.add(part.pod)
            part.pod, part.dead, part.state = pod.pod, False, "waiting"
            part.attempts += 1
        if part.dead:
            return told
        container = pod.containers.get(CONTAINER)
        if pod.phase in ("Failed", "Succeeded", "Gone") or (container and container.state == "terminated"):
            told += self._dies(part, part.why or _end_of(pod), t_s)
        elif container and container.state == "running" and part.state == "waiting":
            part.state, self.ran = "running", True
            told.append(self._told(part, "running", f"the pod {pod.pod}{self._again(part)}", t_s))
        return told

    def line(self, number: int, pod: str, line: str, *, t_s: float) -> list[RunEvent]:
        """A line that the pod of a shard has written. What is no event is passed over."""
        part = self.parts[number]
        if pod != part.pod or part.state not in ("waiting", "running") or not line.startswith("{"):
            return []
        try:
            event = Line.decode(line)
        except msgspec.DecodeError:
            return []
        match event:
            case Over():
                if event.result:
                    part.state = "over"
                else:
                    part.why = clip(event.says, _SAYS_CHARS) or f"its check ended with {event.code} and left no result"
            case TrialEntered() | TrialJudged():
                return [msgspec.structs.replace(event, t_s=t_s)]
            case TrialEnded():
                part.ended.add(event.trial)
                ended = frozenset(trial for one in self.parts.values() for trial in one.ended)
                left = left_s(self._costs, ended & self._costs.keys(), elapsed_s=t_s, parallel=self._parallel)
                return [msgspec.structs.replace(event, t_s=t_s, done=len(ended), left_s=round(left))]
            case _:
                pass
        return []

    def collected(self, number: int, *, t_s: float) -> list[RunEvent]:
        """What a shard has found is here."""
        part = self.parts[number]
        part.state = "collected"
        return [self._told(part, "collected", "", t_s)]

    def _dies(self, part: Part, why: str, t_s: float) -> list[RunEvent]:
        part.dead, part.why = True, why
        part.state = "lost" if part.attempts >= ATTEMPTS else "waiting"
        undone = len(part.ended)
        part.ended.clear()
        goes_on = "for the second time" if part.state == "lost" else "it is run again"
        told = self._told(part, "lost", f"{why}; {goes_on}", t_s)
        part.why = why if part.state == "lost" else ""
        return [msgspec.structs.replace(told, undone=undone)]

    def _told(self, part: Part, state: Literal["running", "lost", "collected"], says: str, t_s: float) -> ShardTold:
        return ShardTold(t_s=t_s, number=part.number, of=len(self.parts), state=state, says=says)

    @staticmethod
    def _again(part: Part) -> str:
        return ", once more" if part.attempts > 1 else ""


def _end_of(pod: PodSeen) -> str:
    """How a pod ended that had found nothing, in words."""
    container = pod.containers.get(CONTAINER)
    if pod.reason:
        return f"its pod was ended ({pod.reason})"
    if container is not None and container.state == "terminated":
        return f"its container ended with {container.exit_code} ({container.reason})"
    return "its pod was deleted"
