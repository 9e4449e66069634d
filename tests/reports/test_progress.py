"""Whoever follows a check: a log, a person at a terminal, a program. And how long it still takes."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from small_check import check, trial, verdict

from tailproof.guarantees.verdict import Outcome
from tailproof.outgoing.masking import SESSION_KEY
from tailproof.reports.progress import Events, Kept, Lines, Picture
from tailproof.reports.result import TrialResult
from tailproof.reports.run_events import CheckBegan, CheckEnded, RunEvent, TrialEnded, TrialEntered, judged
from tailproof.reports.words import gave
from tailproof.runner.estimate import expected_s, left_s


def _began(trials: int = 9) -> CheckBegan:
    return CheckBegan(
        t_s=0,
        started="2026-11-27T03:00:00+00:00",
        target="pypi:1",
        client="sdk:1",
        trials=trials,
        parallel=2,
        expected_s=80,
    )


def _ended(name: str, done: int, *, error: str = "", left: float = 60) -> TrialEnded:
    return TrialEnded(t_s=20, trial=name, seconds=12.34, done=done, left_s=left, error=error)


def _judged(name: str, of: TrialResult | None = None) -> RunEvent:
    found = of or trial(verdict(), scenario=name)
    return judged(found, name, t_s=21, says=gave(found))


GAVE = {
    "holds": (trial(verdict()), "1 hold"),
    "violated": (trial(verdict(), verdict(Outcome.VIOLATED, guarantee="loop.once")), "1 violated · 1 hold (loop.once)"),
    "failed": (trial(error="port 1 is in use"), "failed: port 1 is in use"),
}


@pytest.mark.parametrize(("ended", "says"), GAVE.values(), ids=GAVE.keys())
def test_a_line_tells_what_a_trial_gave(ended: TrialResult, says: str) -> None:
    assert gave(ended) == says


def test_a_log_has_the_line_of_a_trial_that_was_judged_before_its_end_was_told() -> None:
    said: list[str] = []
    log = Lines(said.append, width=120)
    for event in (_began(1), _judged("calm"), _ended("calm", 1, left=0)):
        log.tell(event)
    assert said[1:] == ["[1/1] calm  12.3 s  1 hold"]


def test_a_log_has_a_line_for_each_trial() -> None:
    said: list[str] = []
    log = Lines(said.append, width=120)
    for event in (
        _began(),
        TrialEntered(t_s=1, trial="calm", phase="driving", seconds=1),
        _ended("calm", 1),
        _judged("calm"),
    ):
        log.tell(event)
    log.tell(_ended("lag", 2, error="port 1 is in use", left=0))
    assert said == [
        "9 trials, 2 side by side: about 80 s",
        "[1/9] calm  12.3 s  1 hold  about 60 s left",
        "[2/9] lag  12.3 s  failed: port 1 is in use",
    ]


def test_a_long_log_stays_short_and_keeps_what_was_violated() -> None:
    said: list[str] = []
    log = Lines(said.append, width=120)
    log.tell(_began(2000))
    loud = trial(verdict(Outcome.VIOLATED, guarantee="loop.once"), scenario="bad")
    for number in range(2000):
        name = f"t{number}"
        log.tell(_ended(name, number + 1))
        log.tell(_judged(name, loud if number in (3, 7) else None))
    assert len(said) < 120
    assert [line.split("] ")[1].split()[0] for line in said if "loop.once" in line] == ["t3", "t7"]


def test_a_log_of_violations_alone_is_short_too() -> None:
    said: list[str] = []
    log = Lines(said.append, width=120)
    log.tell(_began(2000))
    for number in range(2000):
        log.tell(_ended(f"t{number}", number + 1, error="no engine"))
    assert len(said) < 200


def test_a_terminal_shows_what_is_under_way_and_what_went_by() -> None:
    screen = io.StringIO()
    picture = Picture(Console(file=screen, force_terminal=True, width=100, height=20))
    for event in (
        _began(),
        TrialEntered(t_s=1, trial="lag", phase="driving", seconds=1, detail="wire.delay is on"),
        _ended("bad", 1),
        _judged("bad", trial(verdict(Outcome.VIOLATED, guarantee="loop.once"), scenario="bad")),
    ):
        picture.tell(event)
    picture.close()
    drawn = screen.getvalue()
    assert "bad  1 violated (loop.once)" in drawn
    assert "lag  driving" in drawn
    assert "wire.delay is on" in drawn
    assert "1 of 9 trials · 1 violated · about" in drawn


def test_a_hostile_name_does_not_act_on_the_terminal() -> None:
    screen = io.StringIO()
    picture = Picture(Console(file=screen, force_terminal=True, width=100, height=20))
    picture.tell(_began())
    picture.tell(_ended("x", 1, error="\x1b]0;owned\x07 [red]not markup[/red]"))
    picture.close()
    assert "\x1b]0" not in screen.getvalue()
    assert "[red]not markup[/red]" in screen.getvalue()


def test_programs_read_one_event_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SESSION_KEY, "correct-horse-battery-staple")
    said: list[str] = []
    kept = Kept(tmp_path / "run.ndjson")
    ended = CheckEnded(t_s=30, state="closed", exit_code=1, says=check().gate.says)
    for event in (_began(), _ended("calm", 1, error="correct-horse-battery-staple"), _judged("calm"), ended):
        Events(said.append).tell(event)
        kept.tell(event)
    kept.close()
    kept.tell(ended)
    assert (tmp_path / "run.ndjson").read_text().splitlines() == said
    events = [json.loads(line) for line in said]
    assert [event["event"] for event in events] == ["check began", "trial ended", "trial judged", "check ended"]
    assert events[1]["error"] == "<secret:session key>"
    assert events[2]["outcomes"] == {"holds": 1}
    assert (events[3]["state"], events[3]["exit_code"]) == ("closed", 1)


def test_what_is_left_follows_what_was_done() -> None:
    costs = {"a": 10.0, "b": 10.0, "c": 20.0, "d": 40.0}
    assert expected_s(costs, 2) == 40.0
    assert expected_s(costs, 16) == 20.0
    left = [
        left_s(costs, frozenset(ended), elapsed_s=seconds, parallel=2)
        for ended, seconds in (("", 0.0), ("a", 10.0), ("ab", 20.0), ("abc", 40.0), ("abcd", 80.0))
    ]
    # Everything took twice as long as foretold, which counts once a tenth is done.
    assert left == [40.0, 70.0, 60.0, 40.0, 0.0]
    assert left_s({}, frozenset(), elapsed_s=0, parallel=1) == 0
