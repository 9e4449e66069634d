"""The harness's own share of a check: wall clock minus what the server and the script took.

`python -m bench.share [TARGET] [--rounds N]` runs the fault-free scenario (and the rest of the quick tier) one trial at a time and
splits each trial by its history: server start (start of a life to its readiness), the server's run (message accepted to the
run's end), server stop, scripted waiting (delays, lag), and the rest, which is ours.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence

import msgspec

from tailproof.history.reader import History
from tailproof.ownership.scratch import workroom
from tailproof.runner.check import catalogue
from tailproof.runner.orders import Ask, ask
from tailproof.runner.supervisor_process import SupervisorProcess
from tailproof.scenario.load import of_tier
from tailproof.trial.order import Order

LIMIT_S = 2.0
"""What a fault-free scenario may cost beyond server start and scripted time."""


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of one trial."""

    scenario: str
    wall: float
    start: float
    run: float
    stop: float
    lag: float

    @property
    def ours(self) -> float:
        """What is left for the harness."""
        return self.wall - self.start - self.run - self.stop - self.lag


def split(history: History, wall: float) -> Split:
    """How the wall clock of one trial was spent."""
    started = {life.epoch: life.t_ns for life in history.lives if life.stage == "started"}
    ready = {life.epoch: life.t_ns for life in history.lives if life.stage == "ready"}
    phases = {phase.name: phase.t_ns for phase in history.phases}
    asked = [request.began_ns for request in history.requests if request.verb in ("send", "run") and request.code]
    returned = [run.t_ns for run in history.runs if run.stage != "called"]
    called = [run.t_ns for run in history.runs if run.stage == "called"]
    begins = [*asked, *called]
    statuses = [status.t_ns for status in history.statuses if status.neutral == "done"]
    first = min(begins) if begins else 0
    end = min((t for t in statuses if t > first), default=first)
    lag = history.header.parameters.get("lag", 0.0)
    waited = (max(returned) - end) / 1e9 if returned and lag else 0.0
    return Split(
        scenario=history.header.scenario,
        wall=wall,
        start=sum(ready[epoch] - started[epoch] for epoch in ready) / 1e9,
        run=(end - first) / 1e9,
        stop=(phases["reading the disk"] - phases["stopping"]) / 1e9,
        lag=waited,
    )


def measure(target: str, rounds: int) -> list[Split]:
    """Run the quick tier `rounds` times, one trial at a time."""
    scenarios = of_tier(catalogue(), "quick")
    client = "sdk:" + target.partition(":")[2] if target.startswith("pypi:") else "plain"
    splits = []
    with (
        workroom() as out,
        SupervisorProcess(parallel=1, log=out / "supervisor.log") as supervisor,
    ):
        for repetition in range(rounds):
            for scenario in scenarios:
                order = Order(
                    scenario=scenario.model_dump(mode="json", by_alias=True),
                    target=target,
                    client=client,
                    seed=1,
                    out=str(out),
                    repetition=repetition,
                )
                done = ask(supervisor.address, Ask(submit=[order], wait=order.key))
                if done is None or done.error:
                    raise SystemExit(f"{scenario.name}: {done.error if done else 'no answer'}")
                splits.append(split(History.load(order.directory), done.seconds))
    return splits


def table(splits: Sequence[Split]) -> str:
    """Medians per scenario, in seconds."""
    lines = [f"{'scenario':<24} {'wall':>7} {'start':>7} {'run':>7} {'stop':>7} {'lag':>7} {'ours':>7}"]
    for name in dict.fromkeys(one.scenario for one in splits):
        mine = [one for one in splits if one.scenario == name]
        columns = [
            statistics.median(getattr(one, field) for one in mine) for field in ("wall", "start", "run", "stop", "lag")
        ]
        ours = statistics.median(one.ours for one in mine)
        lines.append(f"{name:<24} " + " ".join(f"{value:7.2f}" for value in [*columns, ours]))
    lines.append(f"limit for a fault-free scenario: {LIMIT_S:.2f} s of ours")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.share")
    parser.add_argument("target", nargs="?", default="pypi:1.58.0")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print(table(measure(given.target, given.rounds)))


if __name__ == "__main__":
    main()
