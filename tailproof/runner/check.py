"""What one check will do, worked out before anything is started: which cell is judged, and which is not run and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec

from tailproof import resources
from tailproof.acts.catalogue import announced
from tailproof.guarantees.catalogue import CATALOGUE
from tailproof.history.directory import called
from tailproof.incoming import BadInput
from tailproof.incoming.files import place_of
from tailproof.incoming.limits import SAID_CHARS
from tailproof.outgoing.visible import clip
from tailproof.reports.baseline import Baseline
from tailproof.reports.merge import known_by, whole_of
from tailproof.reports.result import FailOn, NotRunResult, PairResult, ShardResult
from tailproof.runner.pairs import Matrix, Pair, model_url_of
from tailproof.runner.playable import cannot, is_about
from tailproof.runner.shard import Shard, cost
from tailproof.scenario.load import is_beyond, load_scenarios, of_tier, scenario_files
from tailproof.scenario.schema import ActPlan, FaultPlan, Scenario, Tier
from tailproof.trial.order import Order


class CheckError(BadInput):
    """The check cannot be done as it was asked for: wrong usage or bad input, said in one sentence."""


class CheckOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for."""

    scenarios: tuple[str, ...] = ()
    tier: Tier = "gate"
    out: str
    baseline: str = ""
    seed: int
    model_url: str = ""
    repetitions: int = 1
    fail_on: FailOn = "must"
    allow_inconclusive: int = 0
    shard: str = ""
    """`K/N`; empty for all of it."""
    dealt: tuple[str, ...] | None = None
    """The scenarios of this part, where somebody has dealt them out for all of them; None to deal them here."""
    keep: bool = False
    """Compress the histories once they are judged."""
    html: str = ""
    """Where the page goes besides `out`; empty for nowhere."""

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> CheckOptions:
        """What `tailproof check` was `asked` for; the seed is 0 where it is to be drawn."""
        return cls(
            scenarios=tuple(asked["scenarios"]),
            tier=asked["tier"],
            out=asked["out"],
            baseline=asked["baseline"] or "",
            seed=asked["seed"] or 0,
            model_url=asked["model_url"],
            repetitions=asked["repetitions"],
            fail_on=asked["fail_on"],
            allow_inconclusive=asked["allow_inconclusive"],
            shard=asked["shard"] or "",
            keep=asked["keep"],
            html=str(place_of(asked["html"])) if asked["html"] else "",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One guarantee on one trial of one scenario with one pair."""

    scenario: Scenario
    guarantee: str
    pair: Pair
    order: Order | None
    """None when the scenario is not run; `not_run` says why it cannot be, or `pair.failure` what could not be built."""
    not_run: str = ""

    @property
    def trial(self) -> str:
        """`stream-lag`, `stream-lag.2`, `stream-lag_sdk-1.11.0_pypi-1.11.0`: see `Order.name`."""
        return self.order.name if self.order else called(self.scenario.name, self.pair.name)

    @property
    def name(self) -> str:
        """`events.tail[stream-lag]`: the guarantee and the trial."""
        return f"{self.guarantee}[{self.trial}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check that can be run."""

    options: CheckOptions
    matrix: Matrix
    cells: list[Cell]
    baseline: Baseline
    shard: ShardResult | None = None

    @classmethod
    def plan(cls, options: CheckOptions, matrix_of: Callable[[], Matrix]) -> Check:
        """Load scenarios and baseline, decide what is run with which pair. Starts nothing; `matrix_of` is called when the files
        are found to be right, because it may build for minutes.

        Raises:
            CheckError, BadFile: said so that the user can act on it.
        """
        shard = Shard.read(options.shard) if options.shard else None
        files = [
            scenario
            for word in options.scenarios
            if _is_file(word)
            for scenario in load_scenarios(Path(word), check_plan)
        ]
        scenarios = _each_once(_asked_for(options, files))
        baseline = Baseline.load(
            Path(options.baseline) if options.baseline else resources.folder("suites") / "baseline.yaml",
            guarantees=CATALOGUE.keys(),
            scenarios={*shipped_files(), *(scenario.name for scenario in files)},
        )
        matrix = matrix_of()
        # Trials of one target stand side by side: its server can be kept between them.
        meetings = {
            (scenario.name, playing.target, playing.client): (scenario, playing)
            for pair in matrix.pairs
            for scenario in scenarios
            if options.scenarios or is_about(scenario, pair)
            for playing in [pair if scenario.client == "chosen" else matrix.plain_of(pair.target)]
        }
        cells = [cell for scenario, pair in meetings.values() for cell in _cells(scenario, pair, options)]
        check = cls(options=options, matrix=matrix, cells=cells, baseline=baseline)
        if shard is None:
            return check
        return check.part(shard, shard.names(costs(cells)) if options.dealt is None else frozenset(options.dealt))

    def part(self, shard: Shard, names: frozenset[str]) -> Check:
        """One shard of this check, with these of its scenarios. All cells of a scenario stay together."""
        every = {cell.scenario.name for cell in self.cells}
        play = {cell.scenario.name for cell in self.cells if cell.order is not None}
        told = ShardResult(
            number=shard.number,
            of=shard.of,
            scenarios=len(names),
            in_all=len(every),
            idle=bool(play) and not play & names,
            names=tuple(sorted(names)),
            whole=whole_of(every),
            baseline=known_by(self.baseline),
            repetitions=self.options.repetitions,
        )
        return replace(self, cells=[cell for cell in self.cells if cell.scenario.name in names], shard=told)

    @property
    def orders(self) -> list[Order]:
        """The trials, each once, in the order in which they should be begun."""
        return list({cell.order.key: cell.order for cell in self.cells if cell.order is not None}.values())

    @property
    def pairs(self) -> list[PairResult]:
        """Who meets whom: the pairs that were asked for, then those of scenarios that judge the server alone."""
        with_cells = {cell.pair for cell in self.cells}
        several = len(self.matrix.pairs) > 1
        pairs = [*self.matrix.pairs, *self.matrix.plain] if several else list(self.matrix.pairs)
        return [
            PairResult(
                target=pair.target,
                client=pair.client,
                name=pair.name,
                release=pair.release,
                error=pair.failure or None,
                newest=pair.newest,
            )
            for pair in dict.fromkeys(pairs)
            if not several or pair in with_cells
        ]

    @property
    def not_run(self) -> list[NotRunResult]:
        """The scenarios that a pair cannot play, each once for each pair, with the reason."""
        rows = [
            NotRunResult(
                scenario=cell.scenario.name,
                guarantee=None,
                reason=cell.not_run,
                target=cell.pair.target,
                client=cell.pair.client,
            )
            for cell in self.cells
            if cell.not_run
        ]
        return list(dict.fromkeys(rows))

    @property
    def failures(self) -> list[str]:
        """A sentence for each target and reason for which its pairs have no trials, although they could play."""
        clients: dict[tuple[str, str], dict[str, None]] = {}
        for cell in self.cells:
            if cell.pair.failure and not cell.not_run:
                clients.setdefault((cell.pair.target, cell.pair.failure), {})[cell.pair.client] = None
        return [
            f"no trial of {', '.join(names)} with {target}: {failure}" for (target, failure), names in clients.items()
        ]


def check_plan(plan: ActPlan | FaultPlan) -> None:
    """Raises ValueError for a kind of act or fault, or options, that do not exist."""
    if announced(plan).ends_a_life and plan.lasts is not None:
        raise ValueError(f"{plan.kind} is healed at once, by starting the server again: it knows no `lasts`")


def shipped_files() -> dict[str, Path]:
    """Name -> file of the shipped scenarios."""
    return scenario_files(resources.folder("scenarios"))


def catalogue(globs: Sequence[str] = ("*",), *, tier: Tier = "deep") -> list[Scenario]:
    """The shipped scenarios whose names match one of `globs`, without those of files that say a wider tier; no other file is read. Raises
    BadFile."""
    wanted = {name: path for name, path in shipped_files().items() if any(fnmatchcase(name, glob) for glob in globs)}
    files = [path for path in dict.fromkeys(wanted.values()) if not is_beyond(path, tier)]
    loaded = (scenario for path in files for scenario in load_scenarios(path, check_plan))
    return [scenario for scenario in loaded if scenario.name in wanted]


def _is_file(word: str) -> bool:
    return word.endswith(".yaml")


def _asked_for(options: CheckOptions, files: list[Scenario]) -> list[Scenario]:
    """Those named, whatever their tier; without a name those of the tier. Raises CheckError for a name that is none: what was asked
    for and not looked at would stand behind an open gate."""
    if not options.scenarios:
        return of_tier(catalogue(tier=options.tier), options.tier)
    globs = [word for word in options.scenarios if not _is_file(word)]
    names = shipped_files()
    for glob in globs:
        if not any(fnmatchcase(name, glob) for name in names):
            raise CheckError(f"no scenario matches {clip(glob, SAID_CHARS)}; there are {', '.join(names)}")
    return catalogue(globs) + files


def _each_once(scenarios: Iterable[Scenario]) -> list[Scenario]:
    """Raises CheckError for what would be looked at by nobody: one of two scenarios that share a name, by which all that is known and
    reported goes, and a glob that is no guarantee's."""
    found: dict[str, Scenario] = {}
    for scenario in scenarios:
        if found.setdefault(scenario.name, scenario) != scenario:
            raise CheckError(f"two scenarios are called {scenario.name}: give one of them another name")
        for glob in scenario.guarantees:
            if not any(fnmatchcase(guarantee, glob) for guarantee in CATALOGUE):
                raise CheckError(
                    f"{scenario.name}: no guarantee matches {clip(glob, SAID_CHARS)}; there are {', '.join(CATALOGUE)}"
                )
    return list(found.values())


def costs(cells: Iterable[Cell], measured: Mapping[str, float] | None = None) -> dict[str, float]:
    """Scenario -> the seconds of its trials: as `measured`, the seconds of one trial, says; roughly where it was never measured."""
    scenarios = {cell.scenario.name: cell.scenario for cell in cells}
    trials: dict[str, set[str]] = {name: set() for name in scenarios}
    for cell in cells:
        if cell.order is not None:
            trials[cell.scenario.name].add(cell.trial)
    rough = {name: cost(scenario, 1) for name, scenario in scenarios.items()}
    known = {name: seconds for name, seconds in (measured or {}).items() if name in rough}
    # What is rough is put on the scale of what was measured.
    scale = sum(known.values()) / sum(rough[name] for name in known) if known else 1.0
    return {name: len(trials[name]) * known.get(name, scale * rough[name]) for name in scenarios}


def _cells(scenario: Scenario, pair: Pair, options: CheckOptions) -> list[Cell]:
    reason = cannot(scenario, pair, model_url=options.model_url)
    orders = [
        Order(
            scenario=scenario.model_dump(mode="json", by_alias=True),
            target=pair.target,
            client=pair.client,
            pair=pair.name,
            seed=options.seed,
            out=options.out,
            repetition=repetition,
            model_url=model_url_of(pair.target, options.model_url),
        )
        for repetition in range(options.repetitions)
    ]
    return [
        Cell(scenario=scenario, guarantee=guarantee, pair=pair, order=order, not_run=reason)
        for order in ([None] if reason or pair.failure else orders)
        for guarantee in CATALOGUE
        if any(fnmatchcase(guarantee, glob) for glob in scenario.guarantees)
    ]
