"""What one check will do, worked out before anything is started: which cell is judged, and which is not run and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from tailproof import resources
from tailproof.acts.catalogue import announced
from tailproof.faults.meaning import lacks
from tailproof.guarantees.catalogue import CATALOGUE
from tailproof.history.directory import called
from tailproof.history.plan import DAMAGE
from tailproof.incoming import BadInput
from tailproof.incoming.limits import SAID_CHARS
from tailproof.outgoing.visible import clip
from tailproof.protocol.rarer import abilities_of
from tailproof.reports.baseline import Baseline
from tailproof.reports.result import FailOn, NotRunResult, PairResult, ShardResult
from tailproof.runner.pairs import Matrix, Pair, model_url_of
from tailproof.runner.shard import Shard, cost
from tailproof.scenario.load import load_scenarios, of_tier, scenario_files
from tailproof.scenario.schema import ActPlan, FaultPlan, Scenario, Tier
from tailproof.targets.resolve import adapter_of, executor_of, kind_of, resolve
from tailproof.targets.target import Target
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
    keep: bool = False
    """Compress the histories once they are judged."""
    html: str = ""
    """Where the page goes besides `out`; empty for nowhere."""


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
        scenarios = _asked_for(options, files)
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
            if options.scenarios or _is_about(scenario, pair)
            for playing in [pair if scenario.client == "chosen" else matrix.plain_of(pair.target)]
        }
        cells = [cell for scenario, pair in meetings.values() for cell in _cells(scenario, pair, options)]
        if shard is None:
            return cls(options=options, matrix=matrix, cells=cells, baseline=baseline)
        mine, told = _part(shard, cells)
        return cls(options=options, matrix=matrix, cells=mine, baseline=baseline, shard=told)

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


def catalogue(globs: Sequence[str] = ("*",)) -> list[Scenario]:
    """The shipped scenarios whose names match one of `globs`; no other file is read. Raises BadFile."""
    wanted = {name: path for name, path in shipped_files().items() if any(fnmatchcase(name, glob) for glob in globs)}
    loaded = (scenario for path in dict.fromkeys(wanted.values()) for scenario in load_scenarios(path, check_plan))
    return [scenario for scenario in loaded if scenario.name in wanted]


def _is_file(word: str) -> bool:
    return word.endswith(".yaml")


def _asked_for(options: CheckOptions, files: list[Scenario]) -> list[Scenario]:
    """Those named, whatever their tier; without a name those of the tier. Raises CheckError for a name that is none: what was asked
    for and not looked at would stand behind an open gate."""
    if not options.scenarios:
        return of_tier(catalogue(), options.tier)
    globs = [word for word in options.scenarios if not _is_file(word)]
    names = shipped_files()
    for glob in globs:
        if not any(fnmatchcase(name, glob) for name in names):
            raise CheckError(f"no scenario matches {clip(glob, SAID_CHARS)}; there are {', '.join(names)}")
    return catalogue(globs) + files


def _part(shard: Shard, cells: list[Cell]) -> tuple[list[Cell], ShardResult]:
    """The cells of one shard. All cells of a scenario stay together."""
    scenarios = {cell.scenario.name: cell.scenario for cell in cells}
    trials: dict[str, set[str]] = {name: set() for name in scenarios}
    for cell in cells:
        if cell.order is not None:
            trials[cell.scenario.name].add(cell.trial)
    names = shard.names({name: cost(scenario, len(trials[name])) for name, scenario in scenarios.items()})
    told = ShardResult(
        number=shard.number,
        of=shard.of,
        scenarios=len(names),
        in_all=len(scenarios),
        idle=any(trials.values()) and not any(trials[name] for name in names),
    )
    return [cell for cell in cells if cell.scenario.name in names], told


def _cells(scenario: Scenario, pair: Pair, options: CheckOptions) -> list[Cell]:
    reason = _cannot(scenario, pair, options)
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


def _cannot(scenario: Scenario, pair: Pair, options: CheckOptions) -> str:
    """Why this pair cannot play this scenario; empty when it can."""
    url = model_url_of(pair.target, options.model_url)
    target = resolve(pair.target, model_url=url or None)
    return _target_cannot(scenario, target, pair.release) or _client_cannot(scenario, pair.client)


def _is_about(scenario: Scenario, pair: Pair) -> bool:
    """The scenario is about the kind of system that the target is."""
    return (scenario.execution is not None) == kind_of(pair.target)[0].executes


def _executor_cannot(scenario: Scenario, target: Target) -> str:
    assert scenario.execution is not None, "asked of scenarios of executors"
    abilities = executor_of(kind_of(target.spec)[0]).abilities | target.capabilities
    for needed in (
        "execution-status",
        "session-status",
        "resume",
        *(["keys"] if scenario.execution.asks_again else []),
    ):
        if needed not in abilities:
            return f"{target.spec} has no {needed.replace('-', ' ')}"
    return next((why for plan in scenario.landings if (why := announced(plan).available(abilities))), "")


def _target_cannot(scenario: Scenario, target: Target, version: str) -> str:
    executes = kind_of(target.spec)[0].executes
    if (scenario.execution is not None) != executes:
        return (
            f"{target.spec} is {'an executor' if executes else 'no executor'}, and the scenario is about the other kind"
        )
    if executes:
        return _executor_cannot(scenario, target)
    if "model" not in target.capabilities:
        return f"{target.spec} cannot reach the scripted model: give it with --model-url"
    if scenario.server.memory and "oom" not in target.capabilities:
        return f"{target.spec} has no memory limit: use docker:IMAGE"
    if scenario.server.begins_as == "earlier" and "earlier-release" not in target.capabilities:
        return f"{target.spec} names no release before it to upgrade from: use pypi:VERSION"
    adapter = adapter_of(kind_of(target.spec)[0])
    promises = adapter.promises(version)
    if scenario.server.dormant and not ("deferred-init" in target.capabilities and promises.facts.get("deferred_init")):
        return f"{target.spec} has no deferred initialisation"
    if scenario.seeded and not {"disk", "restart"} <= target.capabilities:
        return f"{target.spec} gives nobody its disk to seed a history on: use pypi:VERSION, src:DIR or docker:IMAGE"
    if scenario.seeded and not promises.facts.get("seeded_histories"):
        return f"nobody can give a server of the protocol {adapter.name} a long history"
    if scenario.server.hooks and adapter.webhooks is None:
        return f"the protocol {adapter.name} has no webhooks"
    if scenario.server.hooks and "restart" not in target.capabilities:
        return f"{target.spec} cannot be told of a receiver of webhooks: use pypi:VERSION, src:DIR or docker:IMAGE"
    if scenario.confirmation != "never" and not promises.facts.get("confirmations"):
        return f"the protocol {adapter.name} knows no confirmations"
    abilities = target.capabilities | abilities_of(promises.facts)
    if any(plan.kind == DAMAGE for plan in scenario.faults) and not promises.facts.get("stored_files"):
        return f"an event of the protocol {adapter.name} has no file of its own that could be damaged"
    for plan in scenario.landings:
        reason = announced(plan).available(abilities)
        if reason:
            return reason
        if reason := lacks(plan.options, adapter, adapter.name):
            return reason
    return ""


def _client_cannot(scenario: Scenario, client: str) -> str:
    """A script plays by itself, from the first message to the end; all other clients are driven."""
    by_client = scenario.server.dormant and scenario.server.initialised_by == "client"
    if client.partition(":")[0] != "script":
        return f"{client} does not initialise a server: use script:FILE" if by_client else ""
    if scenario.server.dormant and not by_client:
        return f"{client} initialises a dormant server by itself, and here the harness does"
    if scenario.seeded:
        return f"{client} begins its own conversation, and this one has a history"
    if scenario.confirmation != "never":
        return f"{client} creates its own conversation, and in this one the agent must wait for a confirmation"
    if len(scenario.messages) != 1:
        return f"{client} sends one message, and this scenario has {len(scenario.messages)}"
    return ""
