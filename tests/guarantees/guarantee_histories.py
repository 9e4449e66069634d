"""Histories in memory: two good ones, and the ways to spoil them.

Times are seconds since the start of the trial. Every way to spoil a history returns it, so that a row of a test reads as one
sentence: `calm().forget("held:0", "a3")`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from tailproof.guarantees.verdict import Outcome
from tailproof.history.header import SCHEMA_VERSION, Header
from tailproof.history.reader import History
from tailproof.history.records import (
    Act,
    AnyRecord,
    ChildCall,
    ClientError,
    Effect,
    End,
    Exchange,
    Fault,
    Frame,
    Life,
    ModelCall,
    Phase,
    Run,
)
from tailproof.history.server_records import Child, Event, Reading, Request, Status, Stream, Vocabulary

SECOND = 1_000_000_000
NEUTRAL = {
    "idle": "idle",
    "running": "active",
    "paused": "interrupted",
    "waiting": "waiting",
    "finished": "done",
    "error": "failed",
    "stuck": "stuck",
}
WITNESS_OF: dict[type, str] = {
    Life: "engine",
    ModelCall: "model",
    Effect: "tool",
    Frame: "wire",
    Exchange: "wire",
    Run: "client",
    ClientError: "client",
    Stream: "observer",
    Vocabulary: "observer",
    Child: "observer",
    ChildCall: "model",
}
SEEN_BY = {
    "trial": ["phases"],
    "observer": ["log", "stream", "status"],
    "disk": ["log", "status"],
    "model": ["calls"],
    "tool": ["effects"],
    "wire": ["frames", "requests"],
    "client": ["held", "callbacks", "status"],
    "engine": ["lives"],
}
WITNESS_OF_READING = {
    "stream": "observer",
    "page": "observer",
    "part": "observer",
    "disk": "disk",
    "held": "client",
    "callback": "client",
}
HOLDS, VIOLATED = Outcome.HOLDS, Outcome.VIOLATED
INCONCLUSIVE, NOT_APPLICABLE = Outcome.INCONCLUSIVE, Outcome.NOT_APPLICABLE


@dataclass(frozen=True)
class Row:
    """What a guarantee must say of a history."""

    guarantee: str
    situation: str
    outcome: Outcome
    make: Callable[[], Built]
    signature: str = ""

    def __str__(self) -> str:
        return f"{self.guarantee}[{self.situation}]-{self.outcome}"


class Built:
    """A history under construction."""

    def __init__(self, client: str = "sdk:1.58.0") -> None:
        self.header = Header(
            schema=SCHEMA_VERSION,
            trial="t1",
            scenario="calm",
            seed=1,
            target="pypi:1.58.0",
            client=client,
            parameters={
                "events.tail": 10.0,
                "status.agree": 5.0,
                "status.crash": 60.0,
                "loop.returns": 10.0,
                "loop.terminates": 30.0,
                "server.ready": 90.0,
                "lag": 0.0,
                "scripted": 2.0,
            },
            facts={
                "crash_policy": "error",
                "deferred_init": True,
                "page_size": 100,
                "fatal_closes": "4001 4004",
                "transitions": "idle>active active>done,failed,stuck,waiting,interrupted done>idle,active failed>active "
                "stuck>active waiting>active interrupted>active",
            },
            witnesses={name: list(seen) for name, seen in SEEN_BY.items()},
            plan={"script": [{"finish": "All done."}], "messages": ["go"], "faults": []},
        )
        self.placed: list[tuple[float, AnyRecord]] = []
        self.damaged: list[str] = []
        self.unended: set[str] = set()
        """Witnesses that do not come to their end."""

    def plan(self, **said: Any) -> Self:
        """What the scenario says otherwise."""
        self.header.plan.update(said)
        return self

    def blind(self, *witnesses: str) -> Self:
        """Their record breaks off."""
        self.unended |= set(witnesses)
        return self

    def put(self, at: float, *records: AnyRecord) -> Self:
        """Add records at a time."""
        self.placed += [(at, record) for record in records]
        return self

    def fact(self, **facts: bool | str | int) -> Self:
        self.header.facts.update(facts)
        return self

    def parameter(self, name: str, value: float) -> Self:
        self.header.parameters[name] = value
        return self

    def without(self, kind: type, **fields: Any) -> Self:
        """Take out the records of a kind whose fields are these. There must be some."""
        kept = [(at, record) for at, record in self.placed if not _is(record, kind, fields)]
        assert len(kept) < len(self.placed), f"no {kind.__name__} with {fields}"
        self.placed = kept
        return self

    def alter(self, kind: type, fields: dict[str, Any], **new: Any) -> Self:
        """Give the records of a kind whose fields are these other values. There must be some."""
        found = [record for _, record in self.placed if _is(record, kind, fields)]
        assert found, f"no {kind.__name__} with {fields}"
        for record in found:
            for name, value in new.items():
                setattr(record, name, value)
        return self

    def move(self, kind: type, fields: dict[str, Any], to: float) -> Self:
        """Put the records of a kind whose fields are these at another time."""
        assert any(_is(record, kind, fields) for _, record in self.placed), f"no {kind.__name__} with {fields}"
        self.placed = [(to if _is(record, kind, fields) else at, record) for at, record in self.placed]
        return self

    def until(self, end: float) -> Self:
        """Cut the trial off."""
        self.placed = [(at, record) for at, record in self.placed if at <= end]
        return self

    def forget(self, reading: str, *ids: str) -> Self:
        """Events that a list lacks."""
        for identity in ids:
            self.without(Event, reading=reading, id=identity)
        return self

    def everywhere_forget(self, *ids: str) -> Self:
        for identity in ids:
            self.without(Event, id=identity)
        return self

    def twice(self, reading: str, identity: str) -> Self:
        """An event that stands once more at once behind itself in a list."""
        index = self._index(reading, identity)
        at, record = self.placed[index]
        self.placed.insert(index + 1, (at, _copy(record)))
        return self

    def swap(self, reading: str, one: str, other: str) -> Self:
        """Two events of a list change places."""
        first, second = self._index(reading, one), self._index(reading, other)
        (at_first, record_first), (at_second, record_second) = self.placed[first], self.placed[second]
        self.placed[first], self.placed[second] = (at_first, record_second), (at_second, record_first)
        return self

    def ids(self, reading: str) -> list[str]:
        return [record.id for _, record in self.placed if isinstance(record, Event) and record.reading == reading]

    def read(self, at: float, reading: str, events: list[Event], **fields: Any) -> Self:
        """A whole reading, from begin to end, within a tenth of a second."""
        reader = {"page": "rest", "part": "rest", "disk": "disk"}.get(reading.split(":")[0], "client")
        self.put(at, Reading(reading=reading, stage="begin", reader=reader, conversation="c1", **fields))
        fields.setdefault("count", len(events) if reader == "rest" else -1)
        step = 0.05 / (len(events) + 1)
        for index, event in enumerate(events):
            self.put(at + 0.01 + index * step, _copy(event, reading=reading))
        return self.put(at + 0.1, Reading(reading=reading, stage="end", reader=reader, conversation="c1", **fields))

    def show(self, at: float, raw: str, via: str = "rest", **fields: Any) -> Self:
        """A status that is seen."""
        return self.put(at, Status(conversation="c1", via=via, raw=raw, neutral=NEUTRAL.get(raw, "unknown"), **fields))

    def ask(self, at: float, verb: str, code: int = 200, took: float = 0.02, **fields: Any) -> Self:
        """A request and its answer."""
        fields.setdefault("conversation", "c1")
        return self.put(at, Request(verb=verb, code=code, began_ns=int((at - took) * SECOND), **fields))

    def client_asks(self, at: float, verb: str, code: int = 200, took: float = 0.02, **fields: Any) -> Self:
        """A request of the client, as the wire saw it."""
        path = f"/{verb}"
        self.ask(at, verb, code, took, witness="client", method="POST", path=path, **fields)
        began = int((at - took) * SECOND)
        return self.put(at, Exchange(conn=2, method="POST", path=path, code=code, began_ns=began))

    def fault(self, at: float, stage: str, name: str = "wire.delay", fault: str = "f") -> Self:
        """A step of a fault, which is planned by that."""
        if fault not in [plan["id"] for plan in self.header.plan["faults"]]:
            self.header.plan["faults"].append({"id": fault, "fault": name, "at": "created"})
        return self.put(at, Fault(fault=fault, name=name, stage=stage))

    def act(self, at: float, stage: str, name: str = "user.message", act: str = "a", **options: object) -> Self:
        """A step of an act, which is planned by that."""
        planned = self.header.plan.setdefault("acts", [])
        if act not in [plan["id"] for plan in planned]:
            planned.append({"id": act, "act": name, "at": "created", "with": options})
        return self.put(at, Act(act=act, name=name, stage=stage))

    def end_in_order(self) -> None:
        """What every trial leaves behind whatever happened in it: readings, streams, requests to the model and tools have ends."""
        last = max((at for at, _ in self.placed), default=0.0)
        records = [record for _, record in self.placed]
        closed = {one.reading for one in records if isinstance(one, Stream) and one.stage == "closed"}
        for one in records:
            if isinstance(one, Stream) and one.stage in ("subscribed", "opened") and one.reading not in closed:
                closed.add(one.reading)
                over = Stream(
                    reading=one.reading, stage="closed", path=one.path, conversation="c1", witness=one.witness
                )
                self.placed.append((last, over))
        answered = {one.request for one in records if isinstance(one, ModelCall) and one.stage != "asked"}
        for at, one in list(self.placed):
            if isinstance(one, ModelCall) and one.stage == "asked" and one.request not in answered:
                self.placed.append((at, _copy(one, stage="answered", results={}, said=[], unpaired=[])))
        read = {one.reading for one in records if isinstance(one, Reading) and one.stage == "end"}
        for one in records:
            if isinstance(one, Reading) and one.reading.startswith("callback") and one.reading not in read:
                self.placed.append((last, _copy(one, stage="end")))
        if not any(isinstance(one, Reading) and one.reader == "disk" and one.final for one in records):
            self.header.witnesses.pop("disk", None)

    def build(self) -> History:
        """The history: each witness numbers its records in the order of their times, and counts them at its end."""
        self.end_in_order()
        numbers: dict[str, int] = {}
        records: list[AnyRecord] = []
        for at, record in sorted(self.placed, key=lambda one: one[0]):
            if not record.witness:
                record.witness = _witness(record)
            record.t_ns = int(at * SECOND)
            record.seq = numbers.get(record.witness, 0)
            numbers[record.witness] = record.seq + 1
            records.append(record)
        last = max((record.t_ns for record in records), default=0)
        counted: dict[str, int] = {}
        for name in sorted(self.header.witnesses, key=lambda name: name == "trial"):
            if name not in self.unended:
                wrote = numbers.get(name, 0)
                counted[name] = wrote + 1
                others = {other: count for other, count in counted.items() if other != name} if name == "trial" else {}
                records.append(End(wrote, others, witness=name, seq=wrote, t_ns=last))
        return History(self.header, records, damaged=self.damaged)

    def _index(self, reading: str, identity: str) -> int:
        for index, (_, record) in enumerate(self.placed):
            if isinstance(record, Event) and record.reading == reading and record.id == identity:
                return index
        raise AssertionError(f"{reading} does not hold {identity}")


def _is(record: AnyRecord, kind: type, fields: dict[str, Any]) -> bool:
    return isinstance(record, kind) and all(getattr(record, name) == value for name, value in fields.items())


def _copy(record: Any, **new: Any) -> Any:
    return type(record)(**{name: getattr(record, name) for name in record.__struct_fields__} | new)


def _witness(record: AnyRecord) -> str:
    if isinstance(record, Event):
        return WITNESS_OF_READING[record.reading.split(":")[0]]
    if isinstance(record, Reading):
        return {"rest": "observer", "disk": "disk", "client": "client"}[record.reader]
    if isinstance(record, Status):
        return {"rest": "observer", "stream": "observer", "disk": "disk", "client": "client"}[record.via]
    if isinstance(record, Request):
        return "observer" if record.verb in ("status", "load") else "trial"
    return WITNESS_OF.get(type(record), "trial")


def event(identity: str, role: str, ts: float = 0.0, **fields: Any) -> Event:
    """One event; its time stamp is `ts` seconds past noon."""
    fields.setdefault("digest", f"digest-{identity}")
    fields.setdefault("text", f"text of {identity}")
    return Event(
        reading="",
        id=identity,
        name=f"{role.capitalize()}Event",
        conversation="c1",
        role=role,  # type: ignore[arg-type]
        ts=f"2026-01-01T12:00:{ts:09.6f}",
        size=1000,
        **fields,
    )


def log_of_run(tools: int, first: int = 1, began: float = 0.0, ends: str = "finished") -> list[Event]:
    """What one run writes: m<n> u<n> a<n>/o<n> per tool, f<n>, and statistics behind the end (b<n>)."""
    names: list[tuple[str, str, dict[str, Any]]] = [
        (f"m{first}", "message", {"text": "go" if first == 1 else "go on", "source": "user"}),
        (f"u{first}", "status", {"status": "running"}),
    ]
    for tool in range(first, first + tools):
        names += [
            (f"a{tool}", "action", {"call": f"call-{tool}-0"}),
            (f"o{tool}", "observation", {"call": f"call-{tool}-0"}),
        ]
    names += [(f"f{first}", "status", {"status": ends}), (f"b{first}", "bookkeeping", {})]
    return [event(name, role, began + index * 0.1, **fields) for index, (name, role, fields) in enumerate(names)]


def calm(tools: int = 3, client: str = "sdk:1.58.0") -> Built:
    """A good run of an SDK client: ready at 1, asked to run at 2, finished at about 3, returned at 4, read at 6, stopped at 8."""
    built = opened(client)
    built.plan(script=[*({"tools": [{}]} for _ in range(tools)), {"finish": "All done."}])
    log = log_of_run(tools)
    built.put(1.1, Reading(reading="callback:0", stage="begin", reader="client", conversation="c1"))
    built.put(7.0, Reading(reading="callback:0", stage="end", reader="client", conversation="c1"))
    lived(built, log, 2.1, 1.0, "stream:0")
    built.put(1.9, Run(stage="called", conversation="c1"))
    built.read(3.9, "held:0", [*log, event("s1", "snapshot", durable=False)])
    built.put(4.0, Run(stage="returned", conversation="c1", reading="held:0", status="finished", neutral="done"))
    built.show(4.0, "finished", "client")
    subscribed(built, 1, 1.15)
    for index, one in enumerate(log):
        built.put(2.105 + index / len(log), _copy(one, reading="callback:0"))
    for at, raw in ((2.5, "running"), (3.2, "finished"), (4.2, "finished")):
        built.show(at, raw).ask(at, "status")
    return closed(built, log)


def subscribed(built: Built, number: int, at: float) -> Built:
    """The client subscribes through the wire."""
    built.put(at, Exchange(conn=number, method="GET", path="/stream", code=101, done="upgraded", upgrade=True))
    built.put(at + 0.01, Stream(reading=f"wire:{number}", stage="opened", path="wire", witness="wire"))
    return built.put(at + 0.02, Frame(conn=number, direction="down", index=0, size=100, name="Snapshot"))


def cut(again: float | None = 2.5, tools: int = 6, code: int = 1006) -> Built:
    """`calm`, but for a stream that is cut at 2.3 in the middle of the run; the client subscribes again at `again` and tells its
    callbacks first what it missed."""
    built = calm(tools).fault(2.2, "injected", "wire.cut").fault(2.31, "proven", "wire.cut")
    built.put(2.1, Fault(fault="f", name="wire.cut", stage="intent")).fault(4.5, "healed", "wire.cut")
    built.put(2.3, Stream(reading="wire:1", stage="closed", path="wire", code=code, witness="wire"))
    return built if again is None else subscribed(built, 2, again)


def opened(client: str) -> Built:
    """Started, ready, a conversation with a subscriber, a message sent, asked to run at 2."""
    built = Built(client)
    built.put(0.0, Phase(name="starting"), Life(stage="started", epoch=0))
    built.put(1.0, Life(stage="ready", epoch=0))
    built.put(1.05, Vocabulary(words=sorted(NEUTRAL), source="openapi"))
    built.client_asks(1.1, "create", 201)
    built.put(1.2, Stream(reading="stream:0", stage="subscribed", path="direct", conversation="c1"))
    built.show(1.25, "idle", "stream").show(1.3, "idle").ask(1.3, "status")
    return built.client_asks(1.8, "send", text="go").client_asks(2.0, "run")


def lived(built: Built, log: list[Event], began: float, took: float, stream: str, turn: int = 0) -> None:
    """A run as model, tools, wire and subscriber see it."""
    told: dict[str, str] = {}
    for index, one in enumerate(log):
        at = began + took * index / len(log)
        built.put(at, _copy(one, reading=stream))
        built.put(at, Frame(conn=1, direction="down", index=index, size=1000, id=one.id, name=one.name))
        if one.role == "status":
            built.show(at, one.status, "stream")
            if NEUTRAL[one.status] in ("done", "failed"):
                built.put(at + 0.01, event("s1", "snapshot", durable=False, status=one.status))
                built.placed[-1][1].reading = stream  # type: ignore[union-attr]
        if one.role == "action":
            said, calls = ["go"], [one.call]
            built.put(at - 0.01, _asked(turn, told, said=said, calls=calls))
            built.put(at - 0.008, ModelCall(stage="answered", turn=turn, request=turn, conversation="c1", calls=calls))
            built.put(at + 0.002, Effect(token=f"token-{one.id}", stage="begin"))
            if any(other.call == one.call and other is not one for other in log):
                built.put(at + 0.004, Effect(token=f"token-{one.id}", stage="end"))
                told[one.call] = f"done token-{one.id}"
            turn += 1


def _asked(turn: int, results: dict[str, str], **fields: Any) -> ModelCall:
    return ModelCall(
        stage="asked", turn=turn, request=turn, conversation="c1", results=dict(results), told=len(results), **fields
    )


def closed(built: Built, log: list[Event]) -> Built:
    """The log is read whole and in small pages, the server stopped, the disk read."""
    built.ask(6.0, "load").read(6.0, "page:0", log, final=True, page_size=100)
    built.read(6.2, "page:1", log, page_size=3)
    built.read(6.4, "page:2", log, page_size=10)
    built.read(6.6, "page:3", log[::-1], page_size=7, order="descending")
    built.show(6.8, "finished").ask(6.8, "status")
    built.put(5.9, Phase(name="reading")).put(7.4, Phase(name="stopping"))
    built.put(7.5, Stream(reading="stream:0", stage="closed", path="direct", conversation="c1"))
    built.put(8.0, Life(stage="stopped", epoch=0, exit_code=0, by_us=True))
    built.read(8.2, "disk:9", log, final=True).show(8.3, "finished", "disk")
    return built.put(9.0, Phase(name="ended"))


def crashed(policy: str = "error") -> Built:
    """The server is killed while tool 2 runs, comes back, marks the run, and is pushed to its end.

    Died at 4, started at 5, ready at 10, reads of the status alone from 11, loaded at 14, pushed at 16, finished at 18, final
    reading at 20.
    """
    built = opened("plain").fact(crash_policy=policy)
    built.plan(script=[*({"tools": [{}]} for _ in range(3)), {"finish": "All done."}])
    before = log_of_run(2)[:5]
    mark = event("e2", "error", 0.55, call="call-2-0")
    after = [
        event("u9", "status", 0.6, status="running"),
        *log_of_run(1, 3, 0.7)[2:4],
        event("f9", "status", 1.0, status="finished"),
    ]
    log = [*before, mark, *after]
    lived(built, before, 2.1, 0.5, "stream:0")
    for at in (2.5, 3.0, 3.5):
        built.show(at, "running")
    built.fault(3.8, "intent", "process.kill").fault(3.9, "injected", "process.kill").fault(
        4.1, "proven", "process.kill"
    )
    built.put(4.0, Life(stage="died", epoch=0, exit_code=137, by_us=True))
    built.put(4.05, Stream(reading="stream:0", stage="closed", path="direct", conversation="c1"))
    built.read(4.3, "disk:0", before).show(4.4, "running", "disk")
    built.put(5.0, Life(stage="started", epoch=1)).put(10.0, Life(stage="ready", epoch=1))
    built.fault(10.1, "healed", "process.kill")
    for at, raw in ((11.0, "running"), (12.0, "error"), (13.0, "error")):
        built.show(at, raw, epoch=1).ask(at, "status", epoch=1)
    built.ask(14.0, "load", epoch=1).read(14.0, "page:9", [*before, mark], page_size=100, epoch=1)
    built.show(14.5, "error", after_load=True, epoch=1)
    built.put(15.0, Stream(reading="stream:1", stage="subscribed", path="direct", conversation="c1", epoch=1))
    built.show(15.1, "error", "stream", epoch=1)
    built.ask(16.0, "run", epoch=1, witness="trial")
    lived(built, after, 16.5, 1.5, "stream:1", turn=2)
    told = {"call-1-0": "done token-a1", "call-2-0": "the server was restarted"}
    built.alter(ModelCall, {"turn": 2, "stage": "asked"}, results=told)
    built.show(16.8, "running", epoch=1).show(18.5, "finished", epoch=1)
    built.ask(20.0, "load", epoch=1).read(20.0, "page:0", log, final=True, page_size=100, epoch=1)
    built.read(20.2, "page:1", log, page_size=3, epoch=1).read(
        20.4, "page:2", log[::-1], page_size=7, order="descending"
    )
    built.put(19.9, Phase(name="reading")).put(20.9, Phase(name="stopping"))
    built.put(21.0, Stream(reading="stream:1", stage="closed", path="direct", conversation="c1", epoch=1))
    built.put(22.0, Life(stage="stopped", epoch=1, exit_code=0, by_us=True))
    built.read(22.3, "disk:1", log, final=True).show(22.4, "finished", "disk", epoch=1)
    return built.put(23.0, Phase(name="ended"))
