"""The shipped suites judge everything, and nothing twice."""

from __future__ import annotations

from collections import Counter

from tailproof import resources
from tailproof.guarantees.catalogue import CATALOGUE
from tailproof.runner.check import Check, CheckOptions
from tailproof.runner.pairs import meet
from tailproof.runner.pytest_names import SUITE_SUFFIX
from tailproof.runner.suite import Suite


def test_every_guarantee_stands_in_one_suite() -> None:
    options = CheckOptions(scenarios=("calm",), out="out", seed=1)
    cells = Check.plan(options, lambda: meet(["reference"], [], build=False)).cells
    suites = [Suite.read(path) for path in resources.folder("suites").glob(f"*{SUITE_SUFFIX}")]
    judged = Counter(cell.guarantee for suite in suites for cell in suite.cells(cells))
    assert judged == dict.fromkeys(CATALOGUE, 1)
