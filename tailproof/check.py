"""What one check will do, worked out before anything is started: which cell is judged, and which is not run and why."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from tailproof import data
from tailproof.adapters.catalogue import PROTOCOL, adapter_for
from tailproof.faults.catalogue import fault_for
from tailproof.guarantees.catalogue import CATALOGUE
from tailproof.orders import Order
from tailproof.reports.baseline import Baseline
from tailproof.reports.result import NotRunResult
from tailproof.scenario.load import chosen, load_all, load_scenario
from tailproof.scenario.schema import FaultPlan, Scenario, Tier
from tailproof.targets.resolve import REFERENCE, resolve
from tailproof.targets.target import Target, TargetError
from tailproof.waiting import Budget

PREPARE_S = 900.0


class CheckError(Exception):
    """The check cannot be done as it was asked for: wrong usage or bad input, said in one sentence."""


class CheckOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for."""

    target: str
    client: str = ""
    scenarios: tuple[str, ...] = ()
    tier: Tier = "gate"
    out: str
    baseline: str = ""
    seed: int
    model_url: str = ""
    repetitions: int = 1
    strict: bool = False
    version: str = ""
    """The release of the target, where it could be told before a start (`release_of`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One guarantee on one trial of one scenario."""

    scenario: Scenario
    guarantee: str
    order: Order | None
    """None when the scenario is not run; `not_run` says why."""
    not_run: str = ""

    @property
    def name(self) -> str:
        """`events.tail[stream-lag]`, with `.2` behind the scenario for a second trial of it."""
        return f"{self.guarantee}[{self.order.name if self.order else self.scenario.name}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check that can be run."""

    options: CheckOptions
    target: Target
    client: str
    """The client under test, resolved."""
    cells: list[Cell]
    baseline: Baseline

    @classmethod
    def plan(cls, options: CheckOptions) -> Check:
        """Resolve the target, load scenarios and baseline, decide what is run. Starts nothing.

        Raises:
            CheckError, BadFile, TargetError: said so that the user can act on it.
        """
        target = resolve(options.target, adapter=adapter_for(PROTOCOL), model_url=options.model_url or None)
        everything = catalogue()
        scenarios = _asked_for(options, everything)
        if not scenarios:
            names = ", ".join(scenario.name for scenario in everything)
            raise CheckError(f"no scenario matches {' '.join(options.scenarios)}; there are {names}")
        baseline = Baseline.load(
            Path(options.baseline) if options.baseline else data.folder("suites") / "baseline.yaml",
            guarantees=CATALOGUE.keys(),
            scenarios={scenario.name for scenario in [*everything, *scenarios]},
        )
        client = _client(options, target)
        cells = [
            cell
            for scenario in scenarios
            for repetition in range(options.repetitions)
            for cell in _cells(scenario, repetition, options, target, client)
        ]
        return cls(options=options, target=target, client=client, cells=cells, baseline=baseline)

    @property
    def orders(self) -> list[Order]:
        """The trials, each once, in the order in which they should be begun."""
        return list({cell.order.key: cell.order for cell in self.cells if cell.order is not None}.values())

    @property
    def not_run(self) -> list[NotRunResult]:
        """The scenarios that are not run, each once, with the reason."""
        reasons = {cell.scenario.name: cell.not_run for cell in self.cells if cell.order is None}
        return [NotRunResult(scenario=name, guarantee=None, reason=reason) for name, reason in reasons.items()]


def check_fault(plan: FaultPlan) -> None:
    """Raises ValueError for a fault kind or options that do not exist."""
    fault_for(plan.id, plan.fault, plan.options)


def catalogue() -> list[Scenario]:
    """The shipped scenarios. Raises BadFile."""
    return load_all(data.folder("scenarios"), check_fault)


def _asked_for(options: CheckOptions, everything: list[Scenario]) -> list[Scenario]:
    files = [word for word in options.scenarios if word.endswith(".yaml")]
    globs = [word for word in options.scenarios if word not in files]
    found = [] if files and not globs else chosen(everything, tier=options.tier, globs=globs)
    return found + [load_scenario(Path(word), check_fault) for word in files]


def release_of(spec: str, *, model_url: str = "") -> str:
    """The release of a target without starting it: an image says it in a label, a directory in its metadata.

    Empty when it cannot be told. Raises BadTarget.
    """
    target = resolve(spec, adapter=adapter_for(PROTOCOL), model_url=model_url or None)
    if not target.version:
        try:
            target.prepare(Budget(PREPARE_S))
        except TargetError:
            # Every trial will meet the same error, and say it with its history.
            return ""
    return target.version


def _client(options: CheckOptions, target: Target) -> str:
    asked = options.client
    if asked.startswith(("sdk:", f"{REFERENCE}:")) or asked in ("plain", REFERENCE):
        return asked
    if asked not in ("", "sdk"):
        raise CheckError(f"there is no client {asked!r}; there are sdk:VERSION, sdk, plain and {REFERENCE}[:VARIANT]")
    if target.spec.startswith(REFERENCE) and not asked:
        return REFERENCE
    if options.version:
        return f"sdk:{options.version}"
    if asked == "sdk":
        raise CheckError(f"the release of {target.spec} is not known before it runs: name the client, sdk:VERSION")
    return "plain"


def _cells(scenario: Scenario, repetition: int, options: CheckOptions, target: Target, client: str) -> list[Cell]:
    reason = _cannot(scenario, target, options.version)
    order = None
    if not reason:
        order = Order(
            scenario=scenario.model_dump(mode="json", by_alias=True),
            target=target.spec,
            client=client if scenario.client == "chosen" else "plain",
            seed=options.seed,
            out=options.out,
            repetition=repetition,
            model_url=options.model_url,
        )
    return [
        Cell(scenario=scenario, guarantee=guarantee, order=order, not_run=reason)
        for guarantee in CATALOGUE
        if any(fnmatchcase(guarantee, glob) for glob in scenario.guarantees)
    ]


def _cannot(scenario: Scenario, target: Target, version: str) -> str:
    """Why this target cannot play this scenario; empty when it can."""
    if "model" not in target.capabilities:
        return f"{target.spec} cannot reach the scripted model: give it with --model-url"
    if scenario.server.memory and "oom" not in target.capabilities:
        return f"{target.spec} has no memory limit: use docker:IMAGE"
    sheet = adapter_for(PROTOCOL).sheet(version)
    if scenario.server.dormant and not ("deferred-init" in target.capabilities and sheet.facts["deferred_init"]):
        return f"{target.spec} has no deferred initialisation"
    for plan in scenario.faults:
        reason = fault_for(plan.id, plan.fault, plan.options).available(target.capabilities)
        if reason:
            return reason
    return ""
