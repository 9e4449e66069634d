"""What a client pays for a long history: requests, bytes and seconds of its attach, and from the end of a run to its return.

`python -m bench.cost [--clients SPEC,SPEC] [--events N,N] [--trials N]` runs the trials that `cost.jsonl` does not hold yet,
smallest histories first, appends one line per trial as it ends, and writes docs/cost.md. Stopped at any point, the next call goes on
from there. Everything is read from the histories of the trials: what the wire passed, what a healthy observer saw, what the
client reported. One trial at a time, or the seconds mean nothing.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

import msgspec

from bench.trials import played
from tailproof.clients.spec import prepare
from tailproof.history.reader import History
from tailproof.history.records import Exchange
from tailproof.history.timeline import SECOND, client_runs
from tailproof.history.views import Log, conversations, lists_of, log_of
from tailproof.scenario.schema import Scenario
from tailproof.trial.order import Order
from tailproof.waiting import Budget

HERE = Path(__file__).resolve().parent
LINES, TABLE = HERE / "cost.jsonl", HERE.parent / "docs/cost.md"
CLIENTS = {
    "sdk:1.11.1": "pypi:1.11.1",
    "sdk:1.29.0": "pypi:1.29.0",
    "sdk:1.35.0": "pypi:1.35.0",
    "sdk:1.58.0": "pypi:1.58.0",
    "ts:1.39.0@fresh": "pypi:1.58.0",
}
"""Each with the server that it meets. The TypeScript client is asked for a fresh status: behind a finished conversation it shows a
stale one, and its run seems to be over before it began (docs/clients/typescript.md)."""
EVENTS = (100, 1_000, 10_000, 60_000)
BEYOND = {("sdk:1.11.1", 60_000): 10_000}
"""Not tried, because of what was measured with so many events: before 1.22.1 a server reads its whole log for each page."""
EVENT_BYTES = 2_000
_PLAIN = str.maketrans(":@", "--")
AT_ONCE_NS = SECOND // 4
"""Two programs that hear of the same event at once may write it down in either order."""
PREPARE_S = 1800.0
PATIENCE_S = 1500.0
"""What is measured must not be cut off by what is promised."""


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What one stretch of a trial took."""

    requests: int
    bytes: int
    """Of the answers."""
    seconds: float


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `cost.jsonl`."""

    client: str
    target: str
    events: int
    event_bytes: int
    seed: int
    day: str
    load: float
    """Of the machine in the minute before the trial: seconds that were measured on a busy one are too long."""
    seconds: float
    """Of the whole trial."""
    attach: Cost | None = None
    """Until the client has its conversation."""
    run_s: float = 0.0
    """From the call of `run()` to the terminal status: the server's own work, the same few turns each time."""
    back: Cost | None = None
    """From the server's terminal status to the return of `run()`."""
    in_log: int = 0
    outcomes: dict[str, str] = {}
    """Guarantees that were violated or could not be decided."""
    error: str = ""
    """Why there is no number: the trial failed, or the client did not get that far."""


def main() -> int:
    """Run what is missing; 0 when every cell has its numbers."""
    parser = argparse.ArgumentParser(prog="python -m bench.cost", description=__doc__)
    parser.add_argument("--clients", default=",".join(CLIENTS), metavar="SPEC,SPEC")
    parser.add_argument("--events", default=",".join(map(str, EVENTS)), metavar="N,N")
    parser.add_argument("--trials", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("tailproof-results/cost"), help="where histories are kept")
    given = parser.parse_args()
    known = {(trial.client, trial.events, trial.seed) for trial in _read() if not trial.error}
    out = given.out.resolve()
    clients = given.clients.split(",")
    unknown = set(clients) - CLIENTS.keys()
    if unknown:
        parser.error(f"no client of the table is called {', '.join(sorted(unknown))}; there are {', '.join(CLIENTS)}")
    orders = [
        Order(
            scenario=_scenario(events).model_dump(mode="json", by_alias=True),
            target=CLIENTS[client],
            client=client,
            seed=seed,
            out=str(out / client.translate(_PLAIN) / str(seed)),
        )
        for events in sorted(int(word) for word in given.events.split(","))
        for seed in range(1, given.trials + 1)
        for client in clients
        if (client, events, seed) not in known and (client, events) not in BEYOND
    ]
    if orders:
        prepare({order.client for order in orders}, Budget(PREPARE_S))
    for order in orders:
        _append(_play(order, out / "supervisor.log"))
    trials = _read()
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(_page(trials))
    print(TABLE.read_text())
    cells = {(trial.client, trial.events) for trial in trials if not trial.error}
    return 0 if cells | BEYOND.keys() >= {(client, events) for client in CLIENTS for events in EVENTS} else 1


def _scenario(events: int) -> Scenario:
    return Scenario.model_validate(
        {
            "name": f"cost-{events}",
            "family": "history",
            "summary": f"A short run on top of a history of {events} events.",
            "tier": "deep",
            "seeded": {"events": events, "bytes": EVENT_BYTES},
            "script": [{"tools": [{"token": "one"}]}, {"tools": [{"token": "two"}]}, {"finish": "All done."}],
            "parameters": dict.fromkeys(("loop.returns", "loop.terminates", "server.ready"), PATIENCE_S),
            "seconds": 3600,
        }
    )


def _play(order: Order, log: Path) -> Trial:
    load = os.getloadavg()[0]
    [(_, done, judged)] = played([order], parallel=1, log=log)
    verdicts = judged.verdicts if judged else []
    measured = _measured(History.load(order.directory)) if not done.error else {"error": done.error}
    return Trial(
        client=order.client,
        target=order.target,
        events=order.scenario["seeded"]["events"],
        event_bytes=EVENT_BYTES,
        seed=order.seed,
        day=time.strftime("%Y-%m-%d", time.gmtime()),
        load=round(load, 1),
        seconds=round(done.seconds, 1),
        outcomes={
            verdict.guarantee: verdict.signature or str(verdict.outcome)
            for verdict in verdicts
            if verdict.outcome in ("violated", "inconclusive")
        },
        **measured,
    )


def _measured(history: History) -> dict[str, object]:
    """The numbers of one trial, by the names of `Trial`."""
    conversation = conversations(history)[0]
    asked = [exchange for exchange in history.exchanges if not exchange.upgrade and exchange.done != "upgraded"]
    streams = [one for one in lists_of(history, conversation, "stream") if one.path == "direct"]
    opened = min((stream.t_ns for stream in history.streams if stream.path == "direct"), default=0)
    runs = [(called, back) for called, back in client_runs(history, conversation) if back is not None]
    if not history.exchanges or not streams or not opened:
        missed = [f"waited {one.seconds:.0f} s for {one.waited_for}" for one in history.missed]
        return {"error": "the client never had its conversation: " + ("; ".join(missed) or "no wait was missed")}
    began = min(exchange.began_ns for exchange in history.exchanges)
    found: dict[str, object] = {"attach": _cost(asked, began, opened)}
    log = log_of(history, conversation)
    found["in_log"] = len(log.events) if log else 0
    if not runs:
        return {**found, "error": "run() did not return: " + "; ".join(one.waited_for for one in history.missed)}
    called, back = runs[-1]
    if log is None or back.stage != "returned":
        return {**found, "error": f"run() {back.stage}: {back.error_type} {back.error}".strip()}
    ended_ns = _ended_ns(history, log)
    early = ended_ns - back.t_ns
    if early > AT_ONCE_NS:
        return {
            **found,
            "error": f"run() returned {early / SECOND:.1f} s before the run had ended, with status {back.status}",
        }
    found["run_s"] = round((ended_ns - called.t_ns) / SECOND, 2)
    found["back"] = _cost(asked, ended_ns, max(ended_ns, back.t_ns))
    return found


def _ended_ns(history: History, log: Log) -> int:
    """When the last status of the log was first seen by anybody: at the wire, by the observer, by the client itself."""
    last = next(event.id for event in reversed(log.events) if event.role == "status")
    return min(seen.t_ns for seen in (*history.frames, *history.events) if seen.id == last)


def _cost(exchanges: Iterable[Exchange], began_ns: int, ended_ns: int) -> Cost:
    """Of every exchange that was under way between two moments."""
    span = [one for one in exchanges if one.t_ns >= began_ns and (one.began_ns or one.t_ns) <= ended_ns]
    return Cost(
        requests=len(span),
        bytes=sum(one.down_bytes for one in span),
        seconds=round((ended_ns - began_ns) / SECOND, 2),
    )


def _append(trial: Trial) -> None:
    with LINES.open("ab") as lines:
        lines.write(msgspec.json.encode(trial) + b"\n")
    print(
        f"{trial.client:12} {trial.events:6}  {trial.seconds:7.1f} s, load {trial.load:4.1f}  attach {trial.attach}  "
        f"back {trial.back}  {trial.outcomes or ''} {trial.error}",
        flush=True,
    )


def _read() -> list[Trial]:
    """The newest line of each trial."""
    if not LINES.exists():
        return []
    every = [msgspec.json.decode(line, type=Trial) for line in LINES.read_bytes().splitlines() if line.strip()]
    return list({(trial.client, trial.events, trial.seed): trial for trial in every}.values())


def _page(trials: Sequence[Trial]) -> str:
    days = sorted({trial.day for trial in trials})
    lines = [
        "# What a long history costs a client",
        "",
        f"Written by `python -m bench.cost` from `bench/cost.jsonl`; {len(trials)} trials, {' to '.join(days[:1] + days[1:][-1:])}.",
        "The server's own release made each conversation. It was seeded to the number of events in the table, of "
        f"{EVENT_BYTES} bytes each as",
        "stored. The client attaches to it, and a run of three turns follows on a healthy network. Requests and bytes (of the answers,",
        "polling included) were counted at the wire; where there are several trials, the table has the median. *load* is the load of the",
        f"machine ({os.cpu_count()} cores) before the trial: on a busy machine the seconds are too long; requests and bytes do not change.",
        "The TypeScript client is used with `@fresh`, so that it asks for the status each time. Otherwise it shows a stale status when it",
        "attaches to a finished conversation, and its run seems to be over before it began ([typescript.md](clients/typescript.md)).",
        "",
    ]
    for title, name in (
        ("From the server's terminal status to the return of `run()`", "back"),
        ("Attaching, until the client has its conversation", "attach"),
    ):
        lines += [
            f"## {title}",
            "",
            "| client, server | events | requests | bytes | seconds | trials | load |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [_row(client, events, name, trials) for client in CLIENTS for events in EVENTS]
        lines.append("")
    lines += [
        "## The run itself",
        "",
        "Seconds from the call of `run()` to the terminal status: the server's own work.",
        "",
    ]
    lines += [f"| client, server | {' | '.join(f'{events:,}' for events in EVENTS)} |", f"|---|{'---|' * len(EVENTS)}"]
    for client, target in CLIENTS.items():
        cells = [_of(client, events, trials) for events in EVENTS]
        seconds = [f"{median(trial.run_s for trial in cell):.1f}" if cell else "" for cell in cells]
        lines.append(f"| `{client}`, `{target}` | {' | '.join(seconds)} |")
    lines += ["", "## What was not measured", ""]
    for (client, events), fewer in BEYOND.items():
        for attach in [trial.attach for trial in _of(client, fewer, trials) if trial.attach]:
            times = events // fewer
            lines.append(
                f"- `{client}`, {events:,} events: not tried. With {fewer:,}, attaching takes {attach.requests} requests and "
                f"{attach.seconds:,.0f} s (on a busy machine). This server reads its whole log for each page, so {times} times the events "
                f"would take {times**2} times as long. That is hours, and a trial may take one."
            )
    failed = [trial for trial in trials if trial.error]
    if failed:
        lines += [
            f"- `{trial.client}`, {trial.events:,} events, {trial.seconds:.0f} s, load {trial.load}: {trial.error.splitlines()[0]}"
            for trial in failed
        ]
    return "\n".join([*lines, ""])


def _of(client: str, events: int, trials: Sequence[Trial]) -> list[Trial]:
    return [trial for trial in trials if (trial.client, trial.events) == (client, events) and not trial.error]


def _row(client: str, events: int, name: str, trials: Sequence[Trial]) -> str:
    cell = _of(client, events, trials)
    costs: list[Cost] = [getattr(trial, name) for trial in cell]
    if not costs:
        return f"| `{client}`, `{CLIENTS[client]}` | {events:,} | | | | 0 | |"
    requests, size, seconds = (median(getattr(cost, key) for cost in costs) for key in ("requests", "bytes", "seconds"))
    load = median(trial.load for trial in cell)
    return f"| `{client}`, `{CLIENTS[client]}` | {events:,} | {requests:,.0f} | {size:,.0f} | {seconds:.2f} | {len(cell)} | {load:.1f} |"


if __name__ == "__main__":
    raise SystemExit(main())
