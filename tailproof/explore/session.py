"""`tailproof explore`: from what was asked to a directory with what was found, and an exit code."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec

from tailproof import __version__
from tailproof.explore.account import write_account
from tailproof.explore.allowance import Allowance
from tailproof.explore.cells import Cell, Space
from tailproof.explore.compose import composed
from tailproof.explore.deck import Deck
from tailproof.explore.exploration import Exploration
from tailproof.explore.findings import forget
from tailproof.explore.journal import NAME, BadJournal, Began, Journal, Session, read_began
from tailproof.explore.likeness import Likeness
from tailproof.explore.playing import Player
from tailproof.guarantees.catalogue import CATALOGUE
from tailproof.incoming.files import from_here, is_plain_file
from tailproof.reports.baseline import Baseline
from tailproof.reports.merge import known_by, whole_of
from tailproof.reports.result import ShardResult
from tailproof.reports.words import count
from tailproof.resources import folder
from tailproof.runner import out_dir, room
from tailproof.runner.check import CheckError, shipped_files
from tailproof.runner.interrupts import INTERRUPTS
from tailproof.runner.out_lock import OutLock
from tailproof.runner.outputs import check_directory, check_scratch
from tailproof.runner.pairs import PLAIN, Matrix, meet
from tailproof.runner.playable import cannot
from tailproof.runner.shard import Shard
from tailproof.runner.supervisor_process import SupervisorProcess
from tailproof.targets.resolve import kind_of

PATIENCE_S = 60.0
"""How long an exploration waits for the trials of one that was killed there: on a busy machine they take their time to be taken down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user asked for."""

    target: str
    client: str = ""
    budget: str
    seed: int | None = None
    out: Path
    resume: bool = False
    parallel: int = 1
    baseline: Path | None = None
    model_url: str = ""
    shard: str = ""


def explore(asked: Asked, *, echo: Callable[[str], object]) -> int:
    """Explore until the budget is spent; the exit code is that of the result, which is written to `out`.

    Raises BadInput of many kinds before anything is started, Unavailable, OSError.
    """
    allowance = Allowance.read(asked.budget)
    began = _began(asked)
    shard = Shard.read(began.shard) if began.shard else None
    baseline = Baseline.load(
        Path(began.baseline) if began.baseline else folder("suites") / "baseline.yaml",
        guarantees=CATALOGUE.keys(),
        scenarios=shipped_files(),
    )
    likeness = Likeness.of(baseline)
    check_scratch()
    check_directory(asked.out, "the directory of the exploration")
    room.check(asked.out)
    matrix = meet([began.target], [began.client] if began.client else [], model_url=began.model_url, say=echo)
    pair = matrix.pairs[0]
    if pair.failure:
        raise CheckError(f"nothing can be explored: {pair.failure}")
    began = msgspec.structs.replace(began, target=pair.target, client=pair.client)
    space = _space(matrix, began.model_url)
    every = list(space)
    cells = [cell for cell in every if shard is None or _part(cell, shard)]
    if not cells:
        raise CheckError(f"{pair.target} can play nothing of what is drawn")
    out_dir.check(asked.out)
    cut_off = ""
    with closing(_alone(asked)) as lock, closing(Journal(asked.out)) as journal:
        if journal.began is None:
            journal.write(began)
        for line in _tells(space, cells, began):
            echo(line)
        alone = kind_of(pair.target)[0].runs_already
        parallel = 1 if alone else asked.parallel
        with SupervisorProcess(parallel=parallel, log=asked.out / out_dir.LOG, keeps=[lock.descriptor]) as supervisor:
            player = Player(
                address=supervisor.address, matrix=matrix, seed=began.seed, out=asked.out, allowance=allowance,
                likeness=likeness, model_url=began.model_url,
            )  # fmt: skip
            exploration = Exploration(Deck(cells, began.seed, one_client=pair.client == PLAIN), journal, player, echo)
            allowance.start()
            journal.write(Session())
            INTERRUPTS.tell(lambda: allowance.end(INTERRUPTS.says))
            INTERRUPTS.tell(supervisor.hurry)
            try:
                exploration.run(parallel)
            except KeyboardInterrupt:
                cut_off = INTERRUPTS.says
        with INTERRUPTS.held():
            cut_off = cut_off or (INTERRUPTS.says if INTERRUPTS.by else "") or supervisor.gave_up
            result = write_account(
                exploration, space, began, pair=pair, shard=_said_of(shard, cells, every, baseline), cut_off=cut_off,
                errors=[one for one in (exploration.broken, supervisor.died, supervisor.removed) if one],
            )  # fmt: skip
    for line in (result.gate.says, exploration.progress, exploration.rest, *exploration.told):
        echo(line)
    echo(f"{allowance.over or 'nothing is left to draw'}; go on with --resume {from_here(asked.out)}")
    echo(f"page {from_here(asked.out / out_dir.PAGE)}")
    return result.gate.exit_code


def _began(asked: Asked) -> Began:
    if asked.resume:
        before = read_began(asked.out)
        for word, was, now in (
            ("target", before.target, asked.target),
            ("client", before.client, asked.client),
            ("seed", before.seed, asked.seed),
            ("shard", before.shard, asked.shard),
            ("baseline", before.baseline, _baseline(asked)),
        ):
            if now not in (None, "", was):
                raise BadJournal(f"the exploration in {from_here(asked.out)} has {word} {was or 'none'}, not {now}")
        return before
    if _begun(asked.out):
        there = from_here(asked.out)
        raise BadJournal(f"there is an exploration in {there}: go on with --resume {there}, or give another --out")
    return Began(
        tailproof=__version__,
        target=asked.target,
        client=asked.client,
        seed=random.SystemRandom().randrange(1 << 32) if asked.seed is None else asked.seed,
        model_url=asked.model_url,
        shard=asked.shard,
        baseline=_baseline(asked),
    )


def _begun(out: Path) -> bool:
    """One that was killed at once has not."""
    journal = out / NAME
    return journal.exists() and (not is_plain_file(journal) or journal.stat().st_size > 0)


def _alone(asked: Asked) -> OutLock:
    """The lock of the directory, in which nothing is left of another exploration: that would be taken for trials of this one. Raises
    OutRefused, OSError."""
    lock = OutLock(asked.out, patience_s=PATIENCE_S)
    try:
        if not _begun(asked.out):
            out_dir.clear(asked.out)
            forget(asked.out)
    except BaseException:
        lock.close()
        raise
    return lock


def _baseline(asked: Asked) -> str:
    return str(asked.baseline.resolve()) if asked.baseline else ""


def _space(matrix: Matrix, model_url: str) -> Space:
    pair = matrix.pairs[0]
    plain = matrix.plain_of(pair.target)

    def why_not(cell: Cell) -> str:
        if cell.fault_choice.repaired and pair.client == PLAIN:
            return "the plain client never asks for what it is about"
        return cannot(composed([cell]), plain if cell.plain else pair, model_url=model_url)

    return Space.playable(why_not)


def _part(cell: Cell, shard: Shard) -> bool:
    return int(sha256(str(cell).encode()).hexdigest(), 16) % shard.of == shard.number - 1


def _said_of(
    shard: Shard | None, cells: Sequence[Cell], every: Sequence[Cell], baseline: Baseline
) -> ShardResult | None:
    """Of an exploration, cells are what scenarios are of a check."""
    if shard is None:
        return None
    whole = whole_of(map(str, every))
    return ShardResult(
        number=shard.number, of=shard.of, scenarios=len(cells), in_all=len(every), whole=whole, baseline=known_by(baseline)
    )  # fmt: skip


def _tells(space: Space, cells: list[Cell], began: Began) -> Iterator[str]:
    yield (
        f"{began.target} with {began.client}, seed {began.seed}: {count(len(cells), 'cell')} of {len(space.faults)} faults, "
        f"{len(space.points)} points, {len(space.shapes)} shapes, {len(space.acts)} acts"
    )
    for name, why in space.missing.items():
        yield f"not drawn: {name}: {why}"
