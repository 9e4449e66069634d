"""Finds and reads scenario files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from tailproof.scenario.points import Point
from tailproof.scenario.schema import TIERS, FaultPlan, Scenario, Tier
from tailproof.yamlfile import BadFile, Document


def load_scenario(path: Path, check_fault: Callable[[FaultPlan], object]) -> Scenario:
    """One scenario. `check_fault` raises ValueError for a fault kind or options that do not exist.

    Raises:
        BadFile: with file and line of every mistake; also when the file is not named like its scenario.
    """
    document = Document.read(path)
    scenario = document.parse(Scenario)
    if scenario.name != path.stem:
        raise BadFile(path, document.line("name"), f"name is {scenario.name!r} but the file is called {path.name}")
    for index, plan in enumerate(scenario.faults):
        try:
            check_fault(plan)
        except ValueError as error:
            raise BadFile(path, document.line("faults", index, "fault"), f"fault {plan.id}: {error}") from error
    lands_at = {point for plan in scenario.faults for point in (plan.at, plan.until) if point}
    for index, turn in enumerate(scenario.script):
        if turn.gated and Point("tool-running", index + 1) not in lands_at:
            says = f"turn {index + 1} holds a tool with `gate: true`, and no fault lands at tool-running:{index + 1}"
            raise BadFile(path, document.line("script", index), f"{says}: nobody would let it go on")
    return scenario


def scenario_files(folder: Path) -> dict[str, Path]:
    """Name -> file of every scenario below `folder`, by family and name. Raises BadFile for a name given twice."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.yaml")):
        if path.stem in found:
            raise BadFile(path, 1, f"there is a scenario {path.stem!r} already in {found[path.stem]}")
        found[path.stem] = path
    return found


def of_tier(scenarios: Iterable[Scenario], tier: Tier) -> list[Scenario]:
    """The scenarios of a tier and of the tiers before it."""
    tiers = TIERS[: TIERS.index(tier) + 1]
    return [scenario for scenario in scenarios if scenario.tier in tiers]
