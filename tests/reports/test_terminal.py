"""What a person sees in a terminal of 80 columns, with and without colour."""

from __future__ import annotations

import re

import msgspec
import pytest
from small_check import check, several, trial, verdict

from tailproof.guarantees.verdict import Outcome
from tailproof.reports import terminal
from tailproof.reports.gate import decide
from tailproof.reports.result import (
    KnownResult,
    NotRunResult,
    PairResult,
    Result,
    StaleResult,
    TimesResult,
    TrialResult,
)

OPEN = """\
GATE OPEN  0 violated · 2 hold · 0 inconclusive · 0 not run
target docker:openhands:1.58.0 · client sdk:1.58.0 · seed 7 · 1 trial in 49.8 s

. holds
              1
events.tail   .
loop.once     .

   1 calm                     1.50 s, 2 hold
"""

UNKNOWN = """\
GATE UNKNOWN  0 violated · 0 hold · 0 inconclusive · 0 not run · 1 failed
target docker:openhands:1.58.0 · client sdk:1.58.0 · seed 7 · 1 trial in 49.8 s

COULD NOT TELL
  the trial of calm failed: the image is not there; build it with: tailproof
  image build 1.58.0
  no guarantee was decided: all verdicts are inconclusive or not applicable

nothing was judged

   1 calm                     1.50 s, not judged, failed
"""

STALE = """\
GATE CLOSED  0 violated · 1 hold · 0 inconclusive · 0 not run · 1 stale
target docker:openhands:1.58.0 · client sdk:1.58.0 · seed 7 · 1 trial in 49.8 s

STALE IN THE BASELINE
  suites/baseline.yaml:9 events.tail[calm] missing-tail holds now: remove the
  entry

. holds
              1
events.tail   .

   1 calm                     1.50 s, 1 hold
"""


def result_of(*trials: TrialResult, stale: tuple[StaleResult, ...] = ()) -> Result:
    return msgspec.structs.replace(check(), trials=trials, not_run=(), times=None, gate=decide(trials, stale=stale))


SNAPSHOTS = {
    "open": (result_of(trial(verdict(), verdict(guarantee="loop.once"))), OPEN),
    "unknown": (
        result_of(trial(error="the image is not there; build it with: tailproof image build 1.58.0")),
        UNKNOWN,
    ),
    "stale": (
        result_of(
            trial(verdict()),
            stale=(
                StaleResult(
                    entry="suites/baseline.yaml:9", guarantee="events.tail", scenario="calm", signature="missing-tail"
                ),
            ),
        ),
        STALE,
    ),
}


def test_what_nobody_has_listed_yet_and_what_newest_came_to_are_said() -> None:
    known = KnownResult(reason="it forgets", link="l", entry="e", last_seen="1.58.0", extended_to="1.58.2")
    result = result_of(trial(verdict(Outcome.VIOLATED, known=known)))
    pair = PairResult(target="pypi:1.58.2", client="sdk:1.58.2", newest="pypi:newest is pypi:1.58.2, says the index")
    shown = terminal.render(msgspec.structs.replace(result, pairs=(pair,)), width=120).splitlines()
    assert shown[2] == pair.newest
    assert "  events.tail[calm] it forgets; last seen on 1.58.0, extended to 1.58.2 (l)" in shown


@pytest.mark.parametrize(("result", "shown"), SNAPSHOTS.values(), ids=SNAPSHOTS.keys())
def test_snapshot(result: Result, shown: str) -> None:
    assert terminal.render(result) == shown


def test_all_fits_but_the_verdict_line_and_commands() -> None:
    lines = terminal.render(check()).splitlines()
    assert [line for line in lines[1:] if len(line) > 80 and "tailproof repro" not in line] == []
    assert lines[0] == check().gate.says


def test_a_command_is_never_broken() -> None:
    long = "x" * 200
    shown = terminal.render(result_of(trial(verdict(Outcome.VIOLATED, signature="s"), scenario=long)), folder="my out")
    assert f"  repro     tailproof repro 'my out/histories/{long}'\n" in shown


def test_colour_changes_nothing_but_colour() -> None:
    coloured = terminal.render(check(), color=True)
    assert "\x1b[1;31mGATE CLOSED\x1b[0m" in coloured
    plain = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert [line.rstrip() for line in plain.splitlines()] == terminal.render(check()).splitlines()


def test_a_card_for_a_failing_test_is_the_one_of_the_summary() -> None:
    tried = check().trials[1]
    card = terminal.violation_card(tried.verdicts[0], tried, folder="")
    for label in ("promise", "found", "measured", "expected", "seen", "fault", "evidence", "repro"):
        assert f"\n  {label:<10}" in f"\n{card}"
    summary = terminal.render(check()).replace(" (1 of 1\n            trials)", "")
    assert card in summary


def test_a_narrow_terminal_still_shows_every_scenario_that_has_more_to_tell_than_what_holds() -> None:
    said = verdict(Outcome.INCONCLUSIVE, says="nobody looked")
    trials = [trial(said, scenario=f"scenario-{number}") for number in range(40)]
    shown = terminal.render(result_of(*trials), width=60)
    assert max(len(line) for line in shown.splitlines()[2:]) <= 60
    assert shown.count("events.tail ") == 4, "40 columns of the matrix in parts"
    assert "  40 scenario-39" in shown


def test_of_many_scenarios_those_with_nothing_but_what_holds_are_counted() -> None:
    known = KnownResult(reason="it was so", link="https://example.org/1", entry="b.yaml:1")
    calm = [trial(verdict(), verdict(guarantee="loop.once"), scenario=f"calm-{number}") for number in range(300)]
    odd = [
        trial(verdict(), verdict(Outcome.VIOLATED, guarantee="loop.once", signature="s", known=known), scenario="odd"),
        trial(error="port 1 is in use", scenario="broken"),
    ]
    shown = terminal.render(result_of(*calm, *odd))
    assert "300 of 302 scenarios have nothing but what holds: see the report" in shown
    grid = shown[shown.index("scenarios have") :]
    assert ("odd" in grid, "broken" in grid, "calm-7" in grid) == (True, True, False)
    assert ("loop.once" in grid, "events.tail" in grid) == (True, False)
    assert len(shown.splitlines()) < 40


def test_control_characters_of_evidence_do_not_act() -> None:
    bad = "\x1b[2J\x07\r\n[red]x[/red]"
    said = verdict(Outcome.VIOLATED, says=bad, signature=bad, expected=(bad,), seen=(bad,), repro=bad)
    shown = terminal.render(result_of(trial(said, scenario=bad, error=bad)))
    assert re.findall(r"[\x00-\x09\x0b-\x1f\x7f]", shown) == []
    assert "\\x1b[2J\\x07\\r\\n[red]x[/red]" in shown


def test_long_lists_end_with_how_much_is_missing() -> None:
    cards = [verdict(Outcome.VIOLATED, guarantee=f"events.x{n}", signature="s") for n in range(25)]
    missing = tuple(NotRunResult(scenario=f"s{n}", guarantee=None, reason="no engine") for n in range(23))
    shown = terminal.render(msgspec.structs.replace(result_of(trial(*cards)), not_run=missing))
    assert "and 5 more violations: see the report" in shown
    assert "and 3 more: see the report" in shown


SEVERAL = """\
KNOWN
  status.crash[oom-server] (pairs 7-8) the lease is honoured
  (https://example.org/issues/3184)

X violated, ? inconclusive, k violated (known), . holds
               1   2   3   4   5   6   7   8
events.tail    X   ?   X
loop.once      .   .   .               .   .
status.crash                           k   k

   1 sdk:1.57.0 with docker:openhands:1.57.0  1 in 1.50 s, 1 violated · 1 hold
   2 sdk:1.58.0 with docker:openhands:1.57.0  2 in 3.00 s, 1 inconclusive · 2
                                              hold
   3 sdk:1.57.0 with docker:openhands:1.58.0  1 in 1.50 s, 1 violated · 1 hold
   4 sdk:1.58.0 with docker:openhands:1.58.0  1 in 1.50 s, not judged, 1 failed
   5 sdk:1.57.0 with pypi:0.0.9               could not be built
   6 sdk:1.58.0 with pypi:0.0.9               could not be built
   7 plain with docker:openhands:1.57.0       1 in 1.50 s, 1 known · 1 hold
   8 plain with docker:openhands:1.58.0       1 in 1.50 s, 1 known · 1 hold

WHERE
  events.tail   X stream-lag (1, 3)
                ? stream-lag (2)
  status.crash  k oom-server (7-8)

NOT RUN
  init                        1.57.0 is never dormant (1-2)
"""


def test_several_pairs_are_numbered_and_what_breaks_says_where() -> None:
    shown = terminal.render(several())
    assert shown.splitlines()[1] == "3 targets · 3 clients · 8 pairs · seed 7 · 7 trials in 49.8 s"
    assert SEVERAL in shown


def test_the_same_with_several_pairs_is_one_card_that_names_them() -> None:
    shown = terminal.render(several(), width=120)
    assert shown.count("VIOLATED  events.tail[") == 1
    assert "  pair      sdk:1.57.0 with docker:openhands:1.57.0\n" in shown
    assert "  also      sdk:1.57.0 with docker:openhands:1.58.0 (1 of 1 trials)\n" in shown
    assert [line for line in shown.splitlines()[1:] if len(line) > 120] == []


def test_forty_pairs_fit_the_terminal() -> None:
    result = several()
    pairs = tuple(msgspec.structs.replace(result.pairs[0], client=f"sdk:1.{n}.0") for n in range(40))
    trials = [trial(verdict(Outcome.VIOLATED, signature="s"), pair=f"p{n}") for n in range(40)]
    trials = [msgspec.structs.replace(t, client=p.client, target=p.target) for t, p in zip(trials, pairs, strict=True)]
    shown = terminal.render(msgspec.structs.replace(result_of(*trials), pairs=pairs), width=100)
    assert max(len(line) for line in shown.splitlines()[1:]) <= 100
    assert "  events.tail  X calm (1-40)\n" in shown


def test_the_end_of_a_check_says_where_its_time_went() -> None:
    times = TimesResult(server_start_s=61, client_start_s=5.1, runs_s=12.4, server_stop_s=0.4, ours_s=1.9)
    shown = " ".join(terminal.render(msgspec.structs.replace(check(), times=times), width=120).split())
    assert "time server start 61.0 s · client start 5.10 s · runs 12.4 s · server stop 0.40 s · ours 1.90 s" in shown


def test_the_last_lines_say_why_the_gate_is_not_open() -> None:
    files = {"result": "out/result.json"}
    for name in ("unknown", "stale"):
        result = SNAPSHOTS[name][0]
        reasons = (*result.gate.closed_by, *result.gate.doubts)
        end = " ".join(terminal.render(result, files=files, width=300).rpartition("result.json")[2].split())
        assert end == f"GATE {'CLOSED' if name == 'stale' else 'UNKNOWN'} {' '.join(reasons)}"
    assert terminal.render(SNAPSHOTS["open"][0], files=files).endswith("out/result.json\n")
