"""Pages by the contract of `reports/html/src/contract.ts`, with what a browser makes of them at hand: no history, no template."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tailproof.resources import folder

Trial = dict[str, Any]
Index = dict[str, Any]

HOSTILE = "</script><img src=x onerror='window.broken=1'><!-- \u2028\u202e\x1b[31m <b>bold</b> &amp; {{7*7}}"
"""What an event may say. It is text wherever it is shown."""

GUARANTEES = (
    ("events.complete", "MUST", "Every event that any witness saw acknowledged or persisted is in the server's final log."),
    ("events.delivered", "MUST", "A subscriber with a healthy connection receives every event after subscribing, in log order."),
    ("events.tail", "MUST", "When the client's run returns, it holds the first 10 and the last 10 events of the log."),
    ("events.middle", "SHOULD", "When the client's run returns, it also holds the events between."),
    ("status.agree", "MUST", "REST, stream and disk agree within T."),
    ("loop.terminates", "MUST", "A run ends within T after its last step."),
    ("server.sane", "MUST", "What the server says can be read."),
)  # fmt: skip
WORDS = ("violated", "known", "advisory", "holds", "inconclusive", "not-applicable")
LANES = (
    ("client", "client"),
    ("wire-up", "wire, up"),
    ("wire-down", "wire, down"),
    ("observer", "observer"),
    ("rest", "REST"),
    ("model", "model"),
    ("tools", "tools"),
    ("server", "server"),
    ("disk", "disk"),
)  # fmt: skip


def page(index: Index, trials: Iterable[Trial], *, static: str = "") -> str:
    """A whole page with the policy of the real one: only its own style and script may act."""
    here = folder("reports") / "html"
    style = "".join((here / name).read_text() for name in ("page.css", "app.css"))
    script = (here / "app.js").read_text()
    data = "".join(
        f'<script type="text/plain" class="tp-trial" data-key="{trial["key"]}">{packed(trial)}</script>'
        for trial in trials
    )
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src {digest(script)}; style-src {digest(style)}">
<title>report</title><style>{style}</style></head>
<body><main id="report"><h1>Report</h1>{static}<div id="explorer" hidden></div></main>
<script type="application/json" id="tp-index">{escaped(index)}</script>{data}<script>{script}</script></body></html>"""


def digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def packed(trial: Trial) -> str:
    return base64.b64encode(gzip.compress(json.dumps(trial, separators=(",", ":")).encode(), 1, mtime=0)).decode()


def escaped(index: Index) -> str:
    text = json.dumps(index, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def write(place: Path, index: Index, trials: Iterable[Trial], *, static: str = "") -> str:
    """The address of a page on the disk."""
    file = place / "report.html"
    file.write_text(page(index, trials, static=static))
    return file.as_uri()


# -- the index ----------------------------------------------------------------------------------------------------------


def entry(key: str, cells: Mapping[str, tuple[str, str, str]] | None = None, **more: Any) -> dict[str, Any]:
    """A trial in the index. `cells`: guarantee -> word, signature, address of the first evidence; all others hold."""
    ids = [one[0] for one in GUARANTEES]
    said = dict.fromkeys(ids, ("holds", "", "")) | dict(cells or {})
    return {
        "key": key,
        "called": key,
        "family": key.partition("-")[0],
        "tier": "core",
        "summary": f"The situation of {key}: the stream lags while a tool runs.",
        "duration_ms": 4200.0,
        "error": "",
        "faults": ["wire.delay"],
        "cells": [[ids.index(id), *cell] for id, cell in said.items()],
        "data": "whole",
        "history": f"histories/{key}",
        **more,
    }


def index_of(entries: Iterable[dict[str, Any]]) -> Index:
    return {
        "schema": 1,
        "guarantees": [{"id": id, "level": level, "promise": promise} for id, level, promise in GUARANTEES],
        "trials": list(entries),
    }


def wide_index(trials: int = 230, guarantees: int = 49) -> Index:
    """As many trials and guarantees as a deep run has."""
    rng = random.Random(7)
    families = ("stream", "kill", "oom", "restart", "pages", "disk", "model", "clock", "users", "network")
    promises = ("events", "status", "loop", "server", "client", "ask", "process")
    ids = [f"{promises[i * len(promises) // guarantees]}.promise-{i:02}" for i in range(guarantees)]
    weights = (1, 1, 1, 120, 3, 40)
    entries = []
    for number in range(trials):
        family = families[number * len(families) // trials]
        words = rng.choices(WORDS, weights, k=guarantees)
        cells = [[i, word, "lost-tail" if word == "violated" else "", "wire:81"] for i, word in enumerate(words)]
        entries.append({**entry(f"{family}-{number:03}-at-reply"), "family": family, "cells": cells, "data": "none"})
    return {
        "schema": 1,
        "guarantees": [{"id": id, "level": "MUST", "promise": f"The promise of {id}, in one sentence."} for id in ids],
        "trials": entries,
    }


# -- a trial ------------------------------------------------------------------------------------------------------------

COLUMNS = (
    ("disk", "disk"),
    ("rest", "REST"),
    ("observer", "observer"),
    ("client", "client list"),
    ("callbacks", "callbacks"),
)


def trial_of(key: str, *, events: int = 60, records_each: int = 3, losing: range = range(40, 44), **more: Any) -> Trial:
    """A trial of 20 ms an event. Of the events in `losing`, the wire dropped the frame and the client lacks them."""
    rng = random.Random(events)
    duration = events * 20.0 + 600
    columns: dict[str, list[Any]] = {name: [] for name in ("lane", "t", "address", "kind", "says", "flag", "event")}
    found: list[tuple[float, int, str, str, str, int, int]] = []
    lines = dict.fromkeys((name for name, _ in LANES), 0)

    def record(t: float, lane: int, kind: str, says: str, flag: int = 0, event: int = -1) -> str:
        name = LANES[lane][0]
        lines[name] += 1
        address = f"{name.partition('-')[0]}:{lines[name] * 2 + (name == 'wire-down')}"
        found.append((t, lane, address, kind, says, flag, event))
        return address

    marks = [["s"] * events for _ in COLUMNS]
    after: list[list[float | None]] = [[None] * events for _ in COLUMNS]
    addresses = [[""] * events for _ in COLUMNS]
    lost, messages = [], []
    record(5, 7, "life", "server started, epoch 0")
    record(210, 7, "life", "server ready, epoch 0")
    record(260, 0, "run", "run() called")
    for number in range(events):
        at = 300 + number * 20.0
        kind = ("message", "action", "observation", "status")[number % 4]
        if number % 4 == 1:
            asked = record(at - 12, 5, "model-call", f"asked, turn {number // 4}")
            messages += [
                _message("server", "model", at - 12, f"turn {number // 4}", asked),
                _message("model", "server", at - 2, f"reply {number // 4}: call terminal", asked),
            ]
        if number % 4 == 2:
            ran = record(at - 6, 6, "effect", f"token-{number} began")
            messages.append(_message("server", "tool", at - 6, f"token-{number}", ran))
        dropped = number in losing
        says = HOSTILE if number == 7 else f"frame {number}, {rng.randrange(200, 4000)} bytes, {kind}"
        wire = record(at + 3, 2, "frame", f"{says}, dropped" if dropped else says, 1 if dropped else 0, number)
        messages.append(_message("server", "client", at + 3, f"{kind} {number}", wire, 1 if dropped else 0))
        if dropped:
            lost.append(wire)
        for column, (_, lane, delay) in enumerate(
            (("disk", 8, 0.4), ("rest", 4, 9), ("observer", 3, 2), ("client", 0, 4), ("callbacks", 0, 5))
        ):
            if column >= 3 and dropped:
                marks[column][number], addresses[column][number] = "l", wire
                continue
            later = delay + rng.random() * 3
            if column < records_each:
                addresses[column][number] = record(at + later, lane, "event", f"{kind} {number}", 0, number)
            after[column][number] = round(later, 2)
    for number, mark in ((11, "t"), (17, "d"), (23, "u"), (29, "c")):
        if number < events:
            marks[3][number] = mark
            after[3][number] = 900.5 if mark == "d" else after[3][number]
    if events > 3:
        marks[1][3], after[1][3] = ".", None
    record(duration - 80, 7, "note", "answered 503", 2)
    record(duration - 60, 0, "run", "run() returned: finished")
    for row in sorted(found):
        for name, value in zip(("t", "lane", "address", "kind", "says", "flag", "event"), row, strict=True):
            columns[name].append(round(value, 3) if name == "t" else value)
    fault = 300 + losing.start * 20.0
    return {
        "key": key,
        "called": key,
        "history": f"histories/{key}",
        "duration_ms": duration,
        "cut": "",
        "phases": [
            {"name": "starting", "from": 0, "to": 220},
            {"name": "driving", "from": 220, "to": duration - 200},
            {"name": "healing", "from": duration - 200, "to": duration - 150},
            {"name": "reading", "from": duration - 150, "to": duration},
        ],
        "faults": [
            {
                "fault": "tail", "name": "wire.drop", "act": False, "scope": "the client's stream",
                "says": "The wire drops four frames of the stream.", "planned": "tool-running:1", "reached": fault - 60,
                "injected": fault, "healed": fault + 140, "proven": True,
                "proof": [
                    {"name": "frames dropped", "before": "0", "after": str(len(losing)), "owner": "wire"},
                    {"name": "bytes dropped", "before": "0", "after": "1 812", "owner": "wire"},
                ],
            },
            {
                "fault": "late", "name": "process.kill", "act": False, "scope": "the server", "says": "The server is killed.",
                "planned": "final-reply", "injected": None, "healed": None, "proven": False, "proof": [],
            },
            {
                "fault": "message", "name": "user.message", "act": True, "scope": "", "says": "The user sends a second message.",
                "planned": "model-called:2", "injected": 520, "healed": 560, "proven": True,
                "proof": [{"name": "posted", "before": "", "after": "200", "owner": "client"}],
            },
        ],
        "lives": [{"epoch": 0, "started": 5, "ready": 210, "ended": duration - 20, "end": "stopped"}],
        "lanes": [{"id": id, "title": title} for id, title in LANES],
        "records": columns,
        "statuses": [
            {"witness": "REST", "steps": [[230, "idle"], [290, "running"], [duration - 160, "finished"]]},
            {"witness": "stream", "steps": [[240, "idle"], [310, "running"], [duration - 120, "finished"]]},
        ],
        "ledger": {
            "columns": [{"id": id, "title": title} for id, title in COLUMNS],
            "id": [f"{number:08x}-7c1e-4f0a-9b1d-000000000000" for number in range(events)],
            "kind": [("MessageEvent", "ActionEvent", "ObservationEvent", "StatusEvent")[number % 4] for number in range(events)],
            "cause": [("", f"model reply {number // 4}", f"tool call {number // 4}", "")[number % 4] for number in range(events)],
            "place": list(range(1, events + 1)),
            "stamp": [number * 20.0 for number in range(events)],
            "at": [300 + number * 20.0 for number in range(events)],
            "cells": [
                {"mark": "".join(marks[i]), "after": after[i], "address": addresses[i]} for i in range(len(COLUMNS))
            ],
        },
        "sequence": [
            _message("client", "server", 262, "POST run", "client:2"),
            *sorted(messages, key=lambda message: message["t"]),
        ],
        "violations": [
            {
                "guarantee": "events.tail", "signature": "lost-tail",
                "says": f"the client lacks {len(lost)} of the last 10 events of the log",
                "expected": ["the client holds the last 10 events"],
                "seen": [f"it lacks {len(lost)}: the wire dropped their frames", HOSTILE],
                "addresses": lost, "known": "",
            }
        ] if lost else [],
        **more,
    }  # fmt: skip


def _message(from_: str, to: str, t: float, says: str, address: str, flag: int = 0) -> dict[str, Any]:
    return {"from": from_, "to": to, "t": t, "says": says, "address": address, "flag": flag}


def small_report() -> tuple[Index, list[Trial]]:
    """Five trials: one with a violation, one without, one that the harness lost, one without data, one that was cut."""
    lagging = trial_of("stream-lag")
    calm = trial_of("calm", losing=range(0), sequence=[], faults=[])
    cut = trial_of("kill-late", losing=range(0), cut="500 quiet records between 400 ms and 900 ms were left out.")
    first = lagging["violations"][0]["addresses"][0]
    ran = {"duration_ms": lagging["duration_ms"]}
    return index_of(
        [
            entry("calm", faults=[], **ran),
            entry(
                "stream-lag",
                {"events.tail": ("violated", "lost-tail", first), "events.middle": ("advisory", "lost", first)},
                **ran,
            ),
            entry(
                "kill-late",
                {"status.agree": ("inconclusive", "", ""), "events.tail": ("known", "lost-tail", "")},
                data="cut",
                **ran,
            ),
            entry("oom-tool", {"loop.terminates": ("not-applicable", "", "")}, data="none"),
            {**entry("disk-full", data="none", error="the wire did not start"), "cells": []},
        ]
    ), [lagging, calm, cut]
