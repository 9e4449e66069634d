"""Files that chance has changed: whatever stands in them, a reader takes it or refuses it in a sentence. `bench/fuzz.py` plays many more,
as commands."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.fuzz.mutations import mutated_text, mutated_values
from fixtures.fuzz.seeds import Seeds
from tailproof import resources
from tailproof.guarantees.catalogue import CATALOGUE, judge
from tailproof.history.reader import History
from tailproof.incoming import BadInput
from tailproof.incoming.yaml import Document
from tailproof.reports import json as results
from tailproof.reports.baseline import Baseline
from tailproof.reports.markdown import render
from tailproof.runner.check import check_plan
from tailproof.runner.repro import order_of
from tailproof.scenario.load import load_scenarios
from tailproof.wire.rules import load_rules

ROOT = Path(__file__).resolve().parents[2]
FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
CHANCE = st.integers(0, 1 << 32).map(Random)
Read = Callable[[Path], object]


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Seeds:
    return Seeds.make(tmp_path_factory.mktemp("seeds"))


def _scenario(path: Path) -> object:
    return load_scenarios(path, check_plan)


SCENARIOS = sorted(resources.folder("scenarios").rglob("*.yaml"))
BASELINE = resources.folder("suites") / "baseline.yaml"


@FEW
@given(CHANCE, st.sampled_from(SCENARIOS))
def test_a_scenario_is_taken_or_refused(tmp_path: Path, chance: Random, seed: Path) -> None:
    _taken_or_refused(tmp_path / seed.name, seed, chance, _scenario)


@FEW
@given(CHANCE)
def test_a_baseline_is_taken_or_refused(tmp_path: Path, chance: Random) -> None:
    _taken_or_refused(tmp_path / "baseline.yaml", BASELINE, chance, Baseline.load)


@FEW
@given(CHANCE)
def test_rules_are_taken_or_refused(tmp_path: Path, seeds: Seeds, chance: Random) -> None:
    _taken_or_refused(tmp_path / "rules.yaml", seeds.rules, chance, load_rules)


def _taken_or_refused(path: Path, seed: Path, chance: Random, read: Read) -> None:
    text = seed.read_bytes()
    path.write_bytes(
        mutated_text(text, chance) if chance.random() < 0.5 else mutated_values(Document.read(seed).data, chance)
    )
    _read(path, read)


@FEW
@given(CHANCE)
def test_a_header_is_judged_or_refused(tmp_path: Path, seeds: Seeds, chance: Random) -> None:
    history = _copied(seeds.history, tmp_path)
    header = json.loads((history / "header.json").read_bytes())
    (history / "header.json").write_bytes(mutated_values(header, chance))
    _read(history, _judged)
    _read(history, lambda path: order_of(path, out=tmp_path, repetition=0).directory.relative_to(tmp_path / "trials"))


@FEW
@given(CHANCE)
def test_records_are_judged_or_refused(tmp_path: Path, seeds: Seeds, chance: Random) -> None:
    history = _copied(seeds.history, tmp_path)
    file = chance.choice(sorted(history.glob("*.jsonl")))
    lines = file.read_bytes().splitlines()
    at = chance.randrange(len(lines))
    lines[at] = b" ".join(mutated_values(json.loads(lines[at]), chance).splitlines())
    file.write_bytes(b"\n".join(lines) + b"\n")
    _read(history, _judged)


@FEW
@given(CHANCE)
def test_a_result_is_shown_or_refused(tmp_path: Path, seeds: Seeds, chance: Random) -> None:
    whole = json.loads((seeds.results / "result.json").read_bytes())
    path = tmp_path / "result.json"
    path.write_bytes(mutated_values(whole, chance))
    _read(path, lambda given: render(results.read(given)))


def _judged(history: Path) -> object:
    verdicts = judge(History.load(history), list(CATALOGUE))
    assert not any("defect" in verdict.says for verdict in verdicts.values())
    return verdicts


def _copied(history: Path, to: Path) -> Path:
    shutil.rmtree(to / "history", ignore_errors=True)
    return Path(shutil.copytree(history, to / "history"))


def _read(path: Path, read: Read) -> None:
    for line in _refusal(path, read):
        assert line.isprintable()
        assert 0 < len(line) < 1_000


def _refusal(path: Path, read: Read) -> list[str]:
    try:
        read(path)
    except BadInput as error:
        return str(error).split("\n")
    return []


def test_a_slice_of_the_table_as_commands(tmp_path: Path) -> None:
    """Every kind of file and command line, a few of each: exit code, sentence, seconds, memory, and what was touched."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.fuzz", "--share", "1", "--seed", "slice", "--keep", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" wrong 0 ") == 9
