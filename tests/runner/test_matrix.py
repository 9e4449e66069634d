"""A check of several targets and several clients, as a user runs it: each pair plays, fails and is reproduced by itself."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

import pytest
from checks import CHECK_S, Checked, tailproof

from tailproof import resources

TARGETS = ("reference", "reference:never-closes")
CLIENTS = ("reference", "reference:never-repairs", "plain")
WORDS = {"reference": "reference", "reference:never-closes": "reference-never-closes"}
WORDS |= {"reference:never-repairs": "reference-never-repairs", "plain": "plain"}
LAG = {f"stream-lag_{WORDS[client]}_{WORDS[target]}" for target in TARGETS for client in CLIENTS}
KILL = {f"kill-tool-running_plain_{WORDS[target]}" for target in TARGETS}


@pytest.fixture(scope="session")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    """Two targets, three clients, a stream scenario, one that judges the server alone and one that nobody here can play."""
    out = tmp_path_factory.mktemp("matrix")
    return tailproof(
        *("check", *TARGETS, *(f"--client={client}" for client in CLIENTS), "--out", str(out), "-n", "2"),
        *("--scenario", "stream-lag", "--scenario", "kill-tool-running", "--scenario", "oom-server"),
    )


def test_every_pair_plays_once_and_the_plain_scenario_once_per_target(matrix: Checked) -> None:
    assert Counter(matrix.trials_begun()) == dict.fromkeys(LAG | KILL, 1)
    assert {path.name for path in (matrix.out / "trials").iterdir() if path.is_dir()} == LAG | KILL


def test_each_violation_stands_with_its_own_pair(matrix: Checked) -> None:
    assert matrix.code == 1
    musts = {
        (verdict.guarantee, trial.client, trial.target)
        for trial, verdict in matrix.result.judged()
        if verdict.violated and verdict.level == "MUST" and trial.scenario == "stream-lag"
    }
    assert {pair for pair in musts if pair[0] == "events.paired"} == {
        ("events.paired", client, "reference:never-closes") for client in CLIENTS
    }
    assert {pair for pair in musts if pair[0] == "events.tail"} == {
        ("events.tail", "reference:never-repairs", target) for target in TARGETS
    }
    assert not [pair for pair in musts if pair[1:] == ("reference", "reference")]


def test_the_result_carries_the_pairs_and_each_trial_its_own(matrix: Checked) -> None:
    result = matrix.result
    pairs = {(pair.client, pair.target): pair for pair in result.pairs}
    assert list(pairs) == [(client, target) for target in TARGETS for client in CLIENTS]
    assert result.target == ", ".join(TARGETS)
    assert result.client == ", ".join(CLIENTS)
    for trial in result.trials:
        assert trial.pair == pairs[trial.client, trial.target].name
        assert trial.history == f"trials/{trial.called}"
    # Trials of one target stand side by side.
    assert [trial.target for trial in result.trials] == sorted(trial.target for trial in result.trials)


def test_what_a_pair_cannot_play_is_named_with_it(matrix: Checked) -> None:
    rows = {(row.client, row.target): row for row in matrix.result.not_run}
    assert rows.keys() == {("plain", target) for target in TARGETS}
    assert all(row.scenario == "oom-server" and "docker:IMAGE" in row.reason for row in rows.values())


def test_the_terminal_shows_guarantees_by_pairs_and_where_they_break(matrix: Checked) -> None:
    lines = matrix.stdout.splitlines()
    assert lines[0].startswith("GATE CLOSED")
    assert lines[1].startswith("2 targets · 3 clients · 6 pairs · seed ")
    (marks,) = [line.split() for line in lines if line.startswith("events.tail   ")]
    assert marks[1:] == [".", "X", "-", ".", "X", "-"]
    (legend,) = [line for line in lines if line.startswith("   2 reference:never-repairs with reference ")]
    assert "1 in " in legend
    where = [" ".join(line.split()) for line in lines[lines.index("WHERE") :]]
    assert "events.tail X stream-lag (2, 5)" in where
    assert "events.paired X kill-tool-running (6), stream-lag (4-6)" in where
    assert [line for line in lines[1:] if len(line) > 100 and "tailproof repro" not in line] == []


def test_the_report_names_client_and_target(matrix: Checked) -> None:
    report = (matrix.out / "report.md").read_text()
    assert "| 2 | `reference:never-repairs` | `reference` | 1 |" in report
    assert "- client `reference:never-repairs` with target `reference`\n" in report
    assert "- also `reference:never-repairs` with `reference:never-closes`, in 1 of 1 trials" in report
    assert "| `stream-lag` | `plain` | `reference:never-closes` |" in report


def test_repro_takes_each_violated_trial_with_its_own_pair(matrix: Checked, tmp_path: Path) -> None:
    violated = next(trial for trial in matrix.result.trials if trial.client == "reference:never-repairs")
    again = tailproof("repro", str(matrix.out / violated.history), "--trials", "1", "--out", str(tmp_path / "one"))
    assert "1/1  events.tail[stream-lag]" in again.stdout
    assert again.code == 1
    every = tailproof("repro", str(matrix.out / "result.json"), "--trials", "1", "--out", str(tmp_path), "-n", "2")
    assert every.code == 1
    back = {line.split()[1] for line in every.stdout.splitlines() if line.startswith("1/1 ")}
    assert {name for name in back if name.startswith(("events.tail", "events.paired[s"))} == {
        *(f"events.tail[stream-lag_reference-never-repairs_{WORDS[target]}]" for target in TARGETS),
        *(f"events.paired[stream-lag_{WORDS[client]}_reference-never-closes]" for client in CLIENTS),
    }
    assert not any(line.startswith("0/1") for line in every.stdout.splitlines())


@pytest.mark.long
def test_what_cannot_be_built_fails_alone(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    out = tmp_path / "out"
    done = tailproof(
        *("check", f"src:{empty}", "reference", "--client", "plain", "--scenario", "calm", "--out", str(out))
    )
    assert done.code == 2
    assert done.trials_begun() == ["calm_plain_reference"]
    assert done.stdout.splitlines()[0].startswith("GATE UNKNOWN  0 violated")
    (error,) = done.result.errors
    assert error.startswith(f"no trial of plain with src:{empty}: ")
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.long
def test_under_xdist_every_trial_of_every_pair_is_run_once(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", str(resources.folder("suites")), "-n", "2", "--progress=plain", "-s"),
            *(f"--target={target}" for target in TARGETS),
            *("--client=reference", "--client=plain", "--scenario=calm", "--out", str(out)),
            *("-p", "no:cacheprovider", "--junit-xml", str(tmp_path / "junit.xml")),
        ],
        capture_output=True,
        text=True,
        timeout=CHECK_S,
        check=False,
    )
    checked = Checked(done.returncode, done.stdout, done.stderr, out)
    calm = [f"calm_{WORDS[client]}_{WORDS[target]}" for target in TARGETS for client in ("reference", "plain")]
    assert Counter(checked.trials_begun()) == dict.fromkeys(calm, 1)
    assert checked.code == 1
    names = Counter(case.get("name") for case in ElementTree.parse(tmp_path / "junit.xml").getroot().iter("testcase"))
    assert names == {f"{verdict.guarantee}[{trial.called}]": 1 for trial, verdict in checked.result.judged()}
