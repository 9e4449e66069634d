"""How long it takes to judge a long history, and how much memory: `python bench/judge.py`.

The floor is a msgspec decode of {id, kind, ts} of the same files in the same run. Rounds of floor and judging alternate, so
that a busy machine hurts both; the medians are compared. Memory is the peak of a child process that only judges.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from tailproof.guarantees.catalogue import CATALOGUE, judge
from tailproof.history.archive import opened, record_files
from tailproof.history.header import SCHEMA_VERSION, Header
from tailproof.history.reader import History
from tailproof.history.recorder import Recorder, Witness
from tailproof.history.records import Life, Phase, Run
from tailproof.history.server_records import Reading, Request, Status, Stream, Vocabulary, WholeEvent
from tailproof.ownership.scratch import workroom

ROUNDS = 7
TIMES_THE_FLOOR = 5.0
PEAK_MB = 300.0
CONVERSATION = "00000000-0000-0000-0000-000000000001"


@dataclass(frozen=True, slots=True)
class Load:
    """A history to write: so many events of so many bytes, each seen on the stream, read from the log and held by the client."""

    events: int
    size: int


LOADS = (Load(60_000, 2_000), Load(5_000, 120_000))


class Key(msgspec.Struct, gc=False):
    """What a plain reader would take from each line."""

    id: str = ""
    kind: str = ""
    ts: str = ""


def main() -> int:
    """Write the histories, measure, print one line for each. Exit code 1 when a target is missed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--json", type=Path, help="write the numbers to this file, too")
    options.add_argument("--peak-of", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.peak_of:
        judge(History.load(chosen.peak_of))
        say(str(peak_mb()))
        return 0
    rows = []
    for load in LOADS:
        with workroom() as place:
            write_history(place / "history", load)
            rows.append(measure(place / "history", load, chosen.rounds))
        say(line_of(rows[-1]))
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=2) + "\n")
    return 0 if all(row["ok"] for row in rows) else 1


def measure(directory: Path, load: Load, rounds: int) -> dict[str, Any]:
    """Medians of alternating rounds, and the peak memory of a process that judges."""
    floors, judgings, loadings = [], [], []
    for _ in range(max(7, rounds)):
        began = time.perf_counter()
        plain_read(directory)
        floors.append(time.perf_counter() - began)
        began = time.perf_counter()
        history = History.load(directory)
        loadings.append(time.perf_counter() - began)
        verdicts = judge(history)
        judgings.append(time.perf_counter() - began)
        del history
    child = subprocess.run(
        [sys.executable, __file__, "--peak-of", str(directory)], check=True, capture_output=True, text=True
    )
    floor, judging = statistics.median(floors), statistics.median(judgings)
    peak = float(child.stdout)
    return {
        "events": load.events,
        "bytes_each": load.size,
        "file_mb": round(sum(path.stat().st_size for path in directory.glob("*.jsonl")) / 1e6, 1),
        "guarantees": len(verdicts),
        "floor_s": round(floor, 4),
        "load_s": round(statistics.median(loadings), 4),
        "load_and_judge_s": round(judging, 4),
        "times_the_floor": round(judging / floor, 2),
        "peak_mb": round(peak, 1),
        "ok": judging / floor <= TIMES_THE_FLOOR and peak < PEAK_MB and len(verdicts) == len(CATALOGUE),
    }


def line_of(row: dict[str, Any]) -> str:
    """One measured history as a sentence."""
    return (
        f"{row['events']} events of {row['bytes_each']} B, seen three times ({row['file_mb']} MB of lines): floor "
        f"{row['floor_s']:.3f} s, load {row['load_s']:.3f} s, load and judge {row['load_and_judge_s']:.3f} s = "
        f"{row['times_the_floor']:.2f} x (at most {TIMES_THE_FLOOR:g} x), peak {row['peak_mb']:.0f} MB (under {PEAK_MB:g} MB): "
        f"{'reached' if row['ok'] else 'MISSED'}"
    )


def say(text: str) -> None:
    """A line of the bench's table."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def plain_read(directory: Path) -> int:
    """The floor: every line of every file, decoded into {id, kind, ts}."""
    decode = msgspec.json.Decoder(Key).decode
    count = 0
    for path in record_files(directory).values():
        for line in _bytes(path).splitlines():
            decode(line)
            count += 1
    return count


def _bytes(path: Path) -> bytes:
    """What is in a file of records, compressed or not."""
    found, piece = bytearray(), bytearray(1 << 20)
    with opened(path) as file:
        while size := file.readinto(piece):
            found += memoryview(piece)[:size]
    return bytes(found)


def peak_mb() -> float:
    """The peak resident memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("this machine does not tell the peak memory of a process (no VmHWM in /proc/self/status)")


def write_history(directory: Path, load: Load) -> None:
    """A good run of `load.events` events through the real recorder: an observer's stream, the log, a client's list."""
    rng = random.Random(20)
    header = Header(
        schema=SCHEMA_VERSION,
        witnesses={name: [] for name in ("trial", "engine", "observer", "client")},
        trial="bench",
        scenario="calm",
        seed=20,
        target="bench",
        client="sdk:bench",
        parameters={"status.crash": 60.0, "loop.terminates": 30.0, "server.ready": 90.0, "scripted": 0.0},
        facts={"crash_policy": "error", "ends_with_snapshot": True, "page_size": 100},
    )
    with Recorder(directory, header) as recorder:
        trial, engine, observer = (recorder.witness(name) for name in ("trial", "engine", "observer"))
        trial.write(Phase(name="driving"))
        engine.write(Life(stage="started", epoch=0))
        engine.write(Life(stage="ready", epoch=0))
        observer.write(Vocabulary(words=["idle", "running", "finished", "error"], source="bench"))
        observer.write(Stream(reading="stream:0", stage="subscribed", conversation=CONVERSATION, path="direct"))
        for verb in ("create", "send", "run"):
            request = Request(verb=verb, code=200, conversation=CONVERSATION, began_ns=time.monotonic_ns())
            if verb == "send":
                request.text = "go"
            trial.write(request)
        recorder.witness("client").write(Run(stage="called", conversation=CONVERSATION))
        kept = []
        for event in events(load, rng):
            recorder.keep(event)
            event.reading = "stream:0"
            observer.write(event)
            if event.role == "status":
                write_status(observer, event.status, "stream")
            kept.append(event)
        write_status(observer, "finished", "rest")
        write_list(observer, "page:0", "rest", kept)
        write_list(recorder.witness("client"), "held:0", "client", kept)
        recorder.witness("client").write(
            Run(stage="returned", conversation=CONVERSATION, reading="held:0", status="finished", neutral="done")
        )
        engine.write(Life(stage="stopped", epoch=0, by_us=True))
        trial.write(Phase(name="ended"))


def events(load: Load, rng: random.Random) -> Any:
    """A user's message, a status, pairs of actions and observations, a final status: each of the size asked for."""
    began = datetime(2026, 1, 1)
    for index in range(load.events):
        name, role, call, status = "ObservationEvent", "observation", f"call-{index // 2}", ""
        if index == 0:
            name, role, call = "MessageEvent", "message", ""
        elif index in (1, load.events - 1):
            name, role, call, status = "StatusEvent", "status", "", "running" if index == 1 else "finished"
        elif index == load.events - 2:
            name, role, call = "MessageEvent", "message", ""
        elif index % 2 == 0:
            name, role = "ActionEvent", "action"
        text = "go" if index == 0 else f"{role} {index}"
        body = {
            "id": str(uuid.UUID(int=rng.getrandbits(128))),
            "timestamp": (began + timedelta(milliseconds=index)).isoformat(),
            "kind": name,
            "source": "agent",
            "content": [{"type": "text", "text": text}],
        }
        filler = "".join(rng.choices("abcdefghij klmno\n", k=500))
        missing = max(0, load.size - len(msgspec.json.encode(body)) - 20)
        body["output"] = (filler * (missing // len(filler) + 1))[:missing]
        event = WholeEvent(
            id=str(body["id"]),
            name=name,
            conversation=CONVERSATION,
            role=role,  # type: ignore[arg-type]
            call=call,
            status=status,
            ts=str(body["timestamp"]),
            source="agent",
            text=text,
            size=len(msgspec.json.encode(body)),
            body=body,
        )
        yield event


def write_status(observer: Witness, raw: str, via: str) -> None:
    """A status that the observer saw."""
    neutral = {"running": "active", "finished": "done"}[raw]
    observer.write(Status(conversation=CONVERSATION, via=via, raw=raw, neutral=neutral))  # type: ignore[arg-type]


def write_list(witness: Witness, reading: str, reader: str, kept: list[WholeEvent]) -> None:
    """A whole reading of the same events."""
    common: dict[str, Any] = {"reading": reading, "reader": reader, "conversation": CONVERSATION, "final": True}
    witness.write(Reading(stage="begin", page_size=100, **common))
    for event in kept:
        event.reading, event.t_ns = reading, 0
        witness.write(event)
    witness.write(Reading(stage="end", page_size=100, count=len(kept), pages=-(-len(kept) // 100), **common))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    sys.exit(main())
