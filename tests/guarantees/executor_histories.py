"""Histories of an executor in memory: a turn that goes well, and one whose agent the kernel kills while its sidecar lives."""

from __future__ import annotations

from typing import Any, Self

from guarantee_histories import SECOND, Built

from tailproof.history.execution_records import AgentSaid, Turn
from tailproof.history.pod_records import ContainerSeen, PodSeen
from tailproof.history.records import Exchange, Life, Phase
from tailproof.history.server_records import Event, Reading, Status, Stream

S, E, K, P = "s1", "e1", "k1", "box-1"
WORDS = {
    "queued": "queued",
    "running": "active",
    "completed": "done",
    "failed_permanent": "failed",
    "cancelled": "interrupted",
}
OOM = "agent ended: OOMKilled, exit code 137"
SEEN_BY = {
    "trial": ["phases"],
    "observer": ["log", "stream", "status"],
    "engine": ["lives"],
    "pod": ["containers"],
    "agent": ["lines"],
    "edge": ["attachments"],
}


class Executed(Built):
    """A history of an executor under construction."""

    def __init__(self) -> None:
        super().__init__("plain")
        self.header.target = "executor:reference"
        self.header.facts = {
            "executor": True,
            "client_tells": "",
            "deadline_s": 40,
            "ends": "completed:done failed_permanent:failed cancelled:interrupted",
        }
        self.header.parameters = {}
        self.header.witnesses = {name: list(seen) for name, seen in SEEN_BY.items()}
        self.header.plan = {"faults": []}

    def turn(self, at: float, **fields: Any) -> Self:
        """The executor is asked for the turn."""
        fields = {"session": S, "key": K, "payload": "p", "execution": E, "code": 202, **fields}
        return self.put(at, Turn(witness="observer", **fields))

    def says(self, at: float, raw: str, run: str = E) -> Self:
        """GET says this of the execution, or (`run` empty) of the session."""
        neutral: Any = WORDS.get(raw, "idle" if raw == "stopped" else "unknown")
        return self.put(at, Status(conversation=S, via="rest", raw=raw, neutral=neutral, run=run))

    def box(self, at: float, name: str, state: Any, witness: str = "pod", pod: str = P, **fields: Any) -> Self:
        """What the cluster says of a container; the others are as they were."""
        said = [
            (when, one)
            for when, one in self.placed
            if isinstance(one, PodSeen) and (one.pod, one.witness) == (pod, witness)
        ]
        before = max((pair for pair in said if pair[0] <= at), key=lambda pair: pair[0], default=(0.0, None))[1]
        containers = {**(before.containers if before else {}), name: ContainerSeen(state=state, **fields)}
        return self.put(at, PodSeen(pod=pod, phase="Running", containers=containers, witness=witness))

    def dying_of(self, reason: str) -> Self:
        """The reason that the cluster gives for every end."""
        for _, one in self.placed:
            for container in one.containers.values() if isinstance(one, PodSeen) else ():
                container.reason = reason if container.state == "terminated" else ""
        return self

    def gone(self, at: float, pod: str = P) -> Self:
        """The cluster does not have the pod any more."""
        return self.put(at, PodSeen(pod=pod, phase="Gone", ending=True, witness="pod"))

    def agent(self, at: float, stage: Any, pod: str = P, turn: str = K, **fields: Any) -> Self:
        """What the agent tells of itself."""
        return self.put(at, AgentSaid(pod=pod, stage=stage, turn=turn, witness="agent", **fields))

    def attach(self, at: float, until: float, down: int = 100) -> Self:
        """The executor attaches to the agent."""
        path = f"/api/v1/namespaces/n/pods/{P}/attach"
        began = int(at * SECOND)
        return self.put(
            until, Exchange(conn=1, method="GET", path=path, code=101, began_ns=began, down_bytes=down, witness="edge")
        )

    def log(self, at: float, events: list[Event], reading: str = "page:0", *, final: bool = True) -> Self:
        """The log is read."""
        self.put(at, Reading(reading=reading, stage="begin", reader="rest", conversation=S, final=final))
        for index, one in enumerate(events):
            self.put(at + 0.001 * (index + 1), _again(one, reading))
        self.put(at + 0.1, Reading(reading=reading, stage="end", reader="rest", conversation=S, final=final))
        return self

    def stream(
        self, at: float, until: float, events: list[Event], reading: str, after: str = "", **fields: Any
    ) -> Self:
        """Somebody subscribes; `code` 1000 is an end that the executor made."""
        code = fields.pop("code", 1000)
        way: dict[str, Any] = {"reading": reading, "conversation": S, "path": "direct", "after": after, **fields}
        self.put(at, Stream(stage="opened", **way), Stream(stage="subscribed", **way))
        for index, one in enumerate(events):
            self.put(at + 0.001 * (index + 1), _again(one, reading))
        return self.put(until, Stream(stage="closed", code=code, **way))


def _again(one: Event, reading: str) -> Event:
    fields = {name: getattr(one, name) for name in one.__struct_fields__}
    return Event(**{**fields, "reading": reading, "witness": "observer"})


def state(number: int, raw: str, text: str = "", run: str = E) -> Event:
    """An event that carries a status of the execution."""
    return Event(id=str(number), name="state", conversation=S, run=run, role="status", status=raw, text=text)


def line(number: int, n: int) -> Event:
    """An event that carries a line of the agent."""
    return Event(id=str(number), name="output", conversation=S, run=E, role="message", text=f"line {K} {n} .....")


def log_of(lines: int, end: str = "completed", cause: str = "") -> list[Event]:
    """What one execution writes."""
    row = [state(1, "queued"), state(2, "running"), *(line(2 + n, n) for n in range(1, lines + 1))]
    return [*row, state(3 + lines, end, cause)] if end else row


def executed(lines: int = 3) -> Executed:
    """A turn that goes well: acknowledged at 1, delivered at 2, finished at 3; released at 5."""
    built = begun(lines)
    for raw, at in (("completed", 3.2),):
        built.says(at, raw)
    built.agent(3.0, "terminal", says="ok").attach(1.8, 3.1)
    return ended(built, log_of(lines))


def killed(cause: str = OOM, lines: int = 3) -> Executed:
    """The kernel kills the agent at 3, the sidecar lives on, and the executor says so at 3.5."""
    built = begun(lines)
    dead: dict[str, Any] = {"exit_code": 137, "reason": "OOMKilled"}
    built.box(3.0, "agent", "terminated", **dead).box(3.2, "agent", "terminated", "edge", **dead).attach(1.8, 3.0)
    built.says(3.5, "failed_permanent").says(3.5, "stopped", run="")
    return ended(built, log_of(lines, "failed_permanent", cause))


def begun(lines: int) -> Executed:
    """The agent is at work."""
    built = Executed()
    built.put(0.0, Phase("starting"), Life("started", 0), Life("ready", 0))
    built.turn(1.0).says(1.1, "queued").says(1.2, "running").says(1.2, "running", run="")
    for name in ("agent", "tools"):
        built.box(1.5, name, "running")
    built.agent(1.6, "began", turn="").agent(2.0, "got")
    for n in range(1, lines + 1):
        built.agent(2.0 + n / 10, "printed", line=n)
    return built


def ended(built: Executed, log: list[Event]) -> Executed:
    """Read, replayed, and released."""
    built.stream(1.05, 4.0, log, "stream:0", run=E)
    built.log(4.1, log)
    for number, after in enumerate(("", log[1].id, log[-1].id, "999")):
        rest = [one for one in log if not after or int(one.id) > int(after)]
        built.stream(4.3, 4.4, rest, f"stream:{10 + number}", after=after, path="replay", since="cursor")
    built.ask(5.0, "delete", 202, conversation=S, witness="observer")
    built.gone(6.0)
    return built.put(7.0, Phase("stopping"), Phase("ended"))
