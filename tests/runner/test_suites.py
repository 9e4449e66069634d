"""The shipped suites judge everything, and nothing twice."""

from __future__ import annotations

from collections import Counter

from tailproof import resources
from tailproof.guarantees.catalogue import CATALOGUE
from tailproof.runner.check import Cell, Check, CheckOptions
from tailproof.runner.pairs import meet
from tailproof.runner.pytest_names import SUITE_SUFFIX
from tailproof.runner.suite import Suite


def test_every_guarantee_stands_in_one_suite() -> None:
    options = CheckOptions(scenarios=("calm",), out="out", seed=1)
    cells = Check.plan(options, lambda: meet(["reference"], [], build=False)).cells
    assert _judged(cells) == dict.fromkeys(CATALOGUE, 1)


def test_every_guarantee_of_executors_stands_in_one_suite() -> None:
    options = CheckOptions(scenarios=("executor-turn",), out="out", seed=1)
    cells = Check.plan(options, lambda: meet(["executor:reference"], [], build=False)).cells
    assert _judged(cells) == {name: 1 for name, one in CATALOGUE.items() if one.of_executors}


def _judged(cells: list[Cell]) -> Counter[str]:
    paths = list(resources.folder("suites").glob(f"*{SUITE_SUFFIX}"))
    suites = [(suite, Suite.beside(path) if suite.unclaimed else []) for path in paths for suite in [Suite.read(path)]]
    return Counter(cell.guarantee for suite, beside in suites for cell in suite.cells(cells, beside))
