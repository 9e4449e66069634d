"""Histories of real trials, judged by the guarantees of today: what was convicted once stays convicted, and so does its control.

`python -m bench.bugs --afresh --trials 1 --keep` makes them anew, one of each row and side of the table of bugs.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from bench.bugs import KEPT, LINES, ROWS, SIDES, Row, Rows, Side
from tailproof.guarantees.catalogue import CATALOGUE, judge
from tailproof.guarantees.verdict import Outcome
from tailproof.guarantees.witnesses import blind
from tailproof.history.reader import History
from tailproof.yamlfile import load

BUGS = load(ROWS, Rows).rows
PLAYED = {line["row"] for line in map(json.loads, LINES.read_text().splitlines()) if line["outcomes"]}
CELLS = [(row, side) for row in BUGS if row.id in PLAYED for side in SIDES if side == "bad" or row.good]


def unpacked(name: str, place: Path) -> History:
    with tarfile.open(KEPT / f"{name}.tar.xz") as packed:
        packed.extractall(place, filter="data")
    return History.load(place)


@pytest.mark.parametrize(("row", "side"), CELLS, ids=[f"{row.id}-{side}" for row, side in CELLS])
def test_a_kept_history_is_judged_as_it_was(row: Row, side: Side, tmp_path: Path) -> None:
    history = unpacked(f"{row.id}-{side}", tmp_path)
    blinded = blind(history)
    for guarantee in row.guarantees:
        # A server that lets nobody subscribe blinds who listens; what the row names must not rest on that.
        assert not blinded.keys() & CATALOGUE[guarantee].rests_on, blinded
        verdict = judge(history)[guarantee]
        outcome = row.outcome(verdict.outcome, verdict.signature)
        assert outcome is (Outcome.VIOLATED if side == "bad" else Outcome.HOLDS), verdict.says


def test_a_history_without_counts_keeps_its_violations_and_nothing_else(tmp_path: Path) -> None:
    """Of schema 1: the reference client that never repairs, behind two seconds of lag."""
    history = unpacked("schema-1", tmp_path)
    assert history.header.schema == 1
    found = judge(history)
    assert found["events.tail"].outcome is Outcome.VIOLATED
    assert Outcome.HOLDS not in {verdict.outcome for verdict in found.values()}
