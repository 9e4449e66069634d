"""`tailproof explore` as a user types it, against the reference server and a broken one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tailproof.explore.allowance import Allowance
from tailproof.explore.cells import Cell
from tailproof.explore.compose import composed
from tailproof.explore.journal import Began, Found
from tailproof.explore.session import Asked
from tailproof.explore.session import explore as begin
from tailproof.incoming import BadInput
from tailproof.ownership.scratch import workroom
from tailproof.reports import json as results
from tailproof.runner.check import check_plan
from tailproof.scenario.load import load_scenarios
from tailproof.waiting import Budget

ENDS_S = 300
MARK = "TAILPROOF_SACRIFICE"


def explore(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tailproof.cli", "explore", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **(environment or {})},
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    said, _ = process.communicate(timeout=ENDS_S)
    return process.returncode, said


def journal(out: Path) -> list[dict[str, Any]]:
    path = out / "cells.jsonl"
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]] if path.exists() else []


def kill(victim: subprocess.Popen[str], out: Path, *, lines: int, of: str = "") -> None:
    """As soon as its journal has so many lines, or so many `of` an event; one begins with each session, and is not counted."""

    def there() -> bool:
        events = [line["event"] for line in journal(out)]
        return sum(event == of if of else event != "session" for event in events) >= lines

    Budget(ENDS_S).wait_for("the journal to grow", lambda: there() or victim.poll() is not None, every=0.005)
    victim.send_signal(signal.SIGKILL)
    code, said = ended(victim)
    assert code == -signal.SIGKILL, said


def processes_of(place: Path) -> Iterator[str]:
    mark = f"{MARK}={place}".encode()
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                yield (entry / "cmdline").read_bytes().decode(errors="replace")


@pytest.fixture
def place() -> Iterator[Path]:
    """With a short path: there are sockets below it."""
    with workroom() as room:
        yield room


@pytest.mark.long
def test_killed_at_five_moments_it_goes_on_and_leaves_nothing(place: Path) -> None:
    out, home = place / "out", place / "t"
    home.mkdir()
    environment = {"TMPDIR": str(home), MARK: str(place)}
    first = ("reference", "--seed", "5", "--out", str(out))
    for lines in (1, 2, 4, 5, 7):
        begin = first if lines == 1 else ("--resume", str(out))
        victim = explore(*begin, "--budget", "100 trials", "-n", "2", environment=environment)
        kill(victim, out, lines=lines)
    code, said = ended(explore("--resume", str(out), "--budget", "2 trials", "-n", "2", environment=environment))
    assert code == 0, said
    told = journal(out)
    drawn = [line for line in told if line["event"] == "drawn"]
    cells = Counter(cell for line in drawn if not line.get("again") for cell in line["cells"])
    assert max(cells.values()) == 1
    numbers = [line["number"] for line in told if line["event"] == "ended"]
    assert len(set(numbers)) == len(numbers)
    kept = {entry.name for entry in (out / "trials").iterdir() if entry.is_dir()}
    assert kept >= {line["trial"] for line in drawn if line["number"] in numbers}
    assert [*home.iterdir(), *processes_of(place)] == []


def found_one(out: Path) -> None:
    """An exploration that was killed when it had found a violation, and nothing more was done about it."""
    out.mkdir(exist_ok=True)
    cell = Cell("process.kill/in-place", "tool-running", "steps", "user.fork")
    plan = composed([cell]).model_dump(mode="json", by_alias=True)
    lines = (
        Began(tailproof="0", target="reference:rewrites-at-start", client="plain", seed=1),
        Found(
            finding=1, guarantee="events.stable", signature="changed-in-disk", trial=plan["name"], scenario=plan,
        ),
    )  # fmt: skip
    (out / "cells.jsonl").write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines) + b'{"event":"dra')


@pytest.mark.long
def test_killed_while_a_finding_is_looked_into_it_goes_on_there(place: Path) -> None:
    out, home = place / "out", place / "t"
    home.mkdir()
    found_one(out)
    environment = {"TMPDIR": str(home), MARK: str(place)}
    for lines, event in ((1, "confirmed"), (1, "smaller"), (2, "smaller"), (1, "needed")):
        victim = explore("--resume", str(out), "--budget", "100 trials", "-n", "1", environment=environment)
        kill(victim, out, lines=lines, of=event)
    code, said = ended(explore("--resume", str(out), "--budget", "1 trials", "-n", "1", environment=environment))
    assert code == 1, said
    assert "events.stable changed-in-disk: confirmed in 3 of 3 trials; 1 fault, 0 acts, 2 turns" in said
    told = journal(out)
    done = [
        (line["event"], line["finding"], line.get("says"), line.get("without"))
        for line in told
        if line["event"] in ("confirmed", "smaller", "needed")
    ]
    assert len(set(done)) == len(done)
    assert [*home.iterdir(), *processes_of(place)] == []


@pytest.fixture(scope="module")
def explored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str]:
    """It goes on, and comes to its end."""
    out = tmp_path_factory.mktemp("found")
    found_one(out)
    code, said = ended(explore("--resume", str(out), "--budget", "12 trials", "-n", "1"))
    return out, code, said


def test_a_finding_is_confirmed_and_made_small(explored: tuple[Path, int, str]) -> None:
    out, code, said = explored
    assert code == 1, said
    assert "events.stable changed-in-disk: confirmed in 3 of 3 trials; 1 fault, 0 acts, 2 turns" in said
    (smallest,) = load_scenarios(out / "found" / "found-1-events-stable-changed-in-disk.yaml", check_plan)
    assert [plan.kind for plan in smallest.landings] == ["process.kill"]
    assert "without fault-1: 0 of 3" in (out / "found" / f"{smallest.name}.md").read_text()


def test_its_result_is_that_of_a_check(explored: tuple[Path, int, str]) -> None:
    result = results.read(explored[0] / "result.json")
    assert result.gate.exit_code == 1
    shown = {trial.scenario for trial, verdict in result.judged() if verdict.violated}
    assert "found-1-events-stable-changed-in-disk" in shown
    assert [(one.variant, one.hits) for one in result.necessity] == [("without fault-1", 0)]
    assert "report.html" in {path.name for path in explored[0].iterdir()}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [((), "name a TARGET"), (("reference", "--resume", "x", "--out", "y"), "leave --out out")],
)
def test_wrong_usage_of_the_command(arguments: tuple[str, ...], says: str) -> None:
    code, said = ended(explore(*arguments))
    assert code == 64
    assert says in said


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"budget": "soon"}, "a time as 30m or 2h, or a number of trials"),
        ({"budget": "0"}, "a time as 30m or 2h, or a number of trials"),
        ({"resume": True}, "there is no cells.jsonl"),
        ({"shard": "3/2"}, "--shard '3/2' is none"),
    ],
    ids=lambda one: next(iter(one)) if isinstance(one, dict) else "",
)
def test_wrong_usage_is_one_sentence(asked: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=re.escape(says)):
        begin(Asked(**{"target": "reference", "budget": "1m", "out": tmp_path / "out", **asked}), echo=print)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"target": "reference"}, "there is an exploration in"),
        ({"target": "reference", "resume": True}, "has target reference:rewrites-at-start, not reference"),
        ({"target": "", "seed": 5, "resume": True}, "has seed 1, not 5"),
        ({"target": "", "baseline": Path("/own.yaml"), "resume": True}, "has baseline none, not /own.yaml"),
    ],
)
def test_an_exploration_is_not_begun_in_place_of_another(
    asked: dict[str, Any], says: str, explored: tuple[Path, int, str]
) -> None:
    with pytest.raises(BadInput, match=re.escape(says)):
        begin(Asked(**{"budget": "1m", "out": explored[0], **asked}), echo=print)


@pytest.mark.parametrize(
    ("text", "seconds", "trials"), [("90s", 90, None), ("2h", 7200, None), ("60 trials", None, 60)]
)
def test_a_budget_is_a_time_or_a_number_of_trials(text: str, seconds: float | None, trials: int | None) -> None:
    allowance = Allowance.read(text)
    assert (allowance.seconds, allowance.trials) == (seconds, trials)


@pytest.mark.long
def test_the_example_of_the_docs_runs(tmp_path: Path) -> None:
    example = Path(__file__).resolve().parents[2] / "docs" / "explore" / "test_my_server.py"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(example)],
        env={**os.environ, "TARGET": "reference"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=ENDS_S,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout
    shown = example.read_text().partition("\n\n")[2]
    assert shown in (example.parents[1] / "explore.md").read_text()
