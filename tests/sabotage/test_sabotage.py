"""The harness hurt for real: no gate opens on it, nobody is accused, and the gate says whose records cannot be trusted."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # `fixtures` is not installed under this name

from fixtures.sabotage.cell import Cell, Situation  # noqa: E402
from fixtures.sabotage.situations import CALM, CUT, KILLED, REPORTING  # noqa: E402
from fixtures.sabotage.stage import Stage  # noqa: E402
from fixtures.sabotage.table import CELLS  # noqa: E402
from tailproof.acts.catalogue import CATALOGUE as ACTS  # noqa: E402
from tailproof.acts.session import KINDS as SESSION_ACTS  # noqa: E402
from tailproof.faults.catalogue import CATALOGUE as FAULTS  # noqa: E402
from tailproof.faults.sandbox import KINDS as SANDBOX_FAULTS  # noqa: E402

PAGE = ROOT / "docs/sabotage.md"
LINES = ROOT / "bench/sabotage.jsonl"
OF_THEIR_KIND = {
    "no-op": "process-kill disk-full user-request user-delete wire-drop wire-status network-latency memory-server "
    "agent-oom edge-lag",
    "clock": "ahead-trial behind-observer ahead-model behind-disk ahead-engine behind-client-program ahead-tools behind-wire",
    "release": "observer-cut-midway",
}
"""Of the cells that are hurt in one way, those that stand for the others here: `python -m bench.sabotage` plays all of them."""


def stands_for_others(cell: Cell) -> bool:
    """Whether it is played here."""
    for way, chosen in OF_THEIR_KIND.items():
        if cell.name.startswith(f"{way}-"):
            return cell.name.removeprefix(f"{way}-") in chosen.split()
    return True


def shares(situation: Situation) -> pytest.MarkDecorator:
    """The honest trial of a situation is played once: with pytest-xdist, all tests that look at it go to one process."""
    return pytest.mark.xdist_group(f"{situation.scenario}-{situation.client}-{situation.target}")


def marks(cell: Cell) -> list[pytest.MarkDecorator]:
    of_honest = [shares(cell.situation)] if cell.after is not None else []
    where = cell.situation.target.partition(":")[0]
    if where == "executor":
        return [*of_honest, pytest.mark.cluster]
    in_a_container = [pytest.mark.engine] if where == "docker" else []
    return [*of_honest, *([pytest.mark.release, *in_a_container] if cell.situation.real else [])]


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("sabotage"))


@pytest.mark.long
@pytest.mark.parametrize(
    "situation",
    [pytest.param(one, id=f"{one.scenario}-{one.client}", marks=shares(one)) for one in (CALM, REPORTING, CUT, KILLED)],
)
def test_the_gate_is_open_when_nobody_does_anything(stage: Stage, situation: Situation) -> None:
    gate = stage.control(situation)
    assert (gate.state, gate.closed_by, gate.doubts) == ("open", (), ())


@pytest.mark.long
@pytest.mark.parametrize(
    "cell", [pytest.param(one, id=one.name, marks=marks(one)) for one in filter(stands_for_others, CELLS)]
)
def test_no_gate_opens_and_nobody_is_accused(stage: Stage, cell: Cell) -> None:
    missing = cell.cannot()
    if missing:
        pytest.skip(missing)
    gate = stage.played(cell)
    assert (gate.state, gate.closed_by) == ("unknown", ())
    assert any(cell.blames in doubt for doubt in gate.doubts), gate.doubts


def test_every_kind_of_fault_is_made_to_do_nothing() -> None:
    done = {cell.done.partition("`")[2].partition("`")[0] for cell in CELLS if cell.name.startswith("no-op-")}
    assert not (FAULTS.keys() | ACTS.keys() | SANDBOX_FAULTS.keys() | SESSION_ACTS.keys()) - done


def test_the_page_holds_every_cell() -> None:
    rows = [line.split("|")[1].strip() for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert rows == [f"`{cell.name}`" for cell in CELLS]


def test_every_cell_was_played_and_no_gate_opened() -> None:
    lines = [json.loads(line) for line in LINES.read_text().splitlines()]
    said = {line["name"]: line["gate"] for line in lines}
    assert {said.get(cell.name) for cell in CELLS} == {"unknown"}, "python -m bench.sabotage --cells GLOB plays them"


def test_those_that_stand_for_others_exist() -> None:
    names = {cell.name for cell in CELLS}
    assert {f"{way}-{one}" for way, chosen in OF_THEIR_KIND.items() for one in chosen.split()} <= names
