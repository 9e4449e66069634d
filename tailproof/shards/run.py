"""`tailproof check --on kubernetes --shards N`: from the options to one result, as if all of it had been run here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tailproof.cluster.bring import bring
from tailproof.cluster.reach import Cluster, check_nodes, check_rights, connect
from tailproof.incoming.files import place_of
from tailproof.outgoing.say import say
from tailproof.ownership.scratch import workroom
from tailproof.provision.errors import Unavailable
from tailproof.provision.harness_image import harness_image
from tailproof.provision.recipe import PythonRecipe
from tailproof.runner import leftovers, out_dir, room
from tailproof.runner.check import Check, CheckError, CheckOptions, costs
from tailproof.runner.estimate import durations
from tailproof.runner.out_lock import OutLock
from tailproof.runner.outputs import check_directory, check_file, check_scratch
from tailproof.runner.pairs import concrete, meet
from tailproof.runner.shard import dealt
from tailproof.runner.supervisor_process import TAKE_DOWN_S
from tailproof.shards import job, travel
from tailproof.shards.session import ShardsSession
from tailproof.waiting import Budget

_BRING_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What `tailproof check` was asked for, beside the options of the check itself."""

    targets: Sequence[str]
    clients: Sequence[str]
    shards: int
    parallel: int
    """Trials side by side in each shard."""
    image: str
    """One that the cluster can pull; empty to build it and bring it in."""
    progress: str
    """`plain`, `rich` or `json`."""
    width: int


def check_on_kubernetes(asked: Asked, options: CheckOptions) -> int:
    """Run a check as a Job, tell its progress, write its reports to `options.out`. Returns the exit code of its gate.

    Raises:
        BadInput: wrong usage, or a file or place that cannot be used.
        Unavailable: no cluster, no rights, no image, or no shard has run; no result is there then.
    """
    out = _checked(options)
    if removed := leftovers.sweep(engine=True):
        _say(removed)
    targets, clients = concrete(asked.targets, asked.clients, _say)
    check = Check.plan(options, lambda: meet(targets, clients, build=False))
    if not check.orders:
        raise CheckError("nothing of this can be run; --dry-run says why")
    deal = dealt(costs(check.cells, durations(out)), asked.shards)
    files = travel.order(options, targets=targets, clients=clients, deal=deal, parallel=asked.parallel)
    carried = _carried_by(check)
    with closing(connect()) as cluster:
        check_rights(cluster, job.NEEDED, by="shards")
        check_nodes(cluster)
        image = _image(cluster, asked.image, carried)
        with closing(OutLock(out, patience_s=TAKE_DOWN_S)), workroom() as place:
            session = ShardsSession(
                check,
                deal,
                place=place,
                parallel=asked.parallel,
                progress=asked.progress,
                width=asked.width,
            )
            return session.to_the_end(cluster, image, files, pull="" if asked.image else "Never")


def image_for(targets: Sequence[str], clients: Sequence[str]) -> str:
    """Build the image in which these are checked in a cluster: its tag. It holds the release before each target, too, which scenarios
    begin with. Raises BadInput, Unavailable."""
    targets, clients = concrete(targets, clients, _say)
    matrix = meet(targets, clients, build=False)
    pairs = [*matrix.pairs, *matrix.plain]
    return harness_image(_releases(pairs_of=((pair.target, pair.client) for pair in pairs), earlier=True), say=_say)


def _carried_by(check: Check) -> list[tuple[PythonRecipe, str]]:
    """The releases that the image of a check has to hold. Raises CannotTravel."""
    pairs = [*check.matrix.pairs, *check.matrix.plain]
    earlier = any(cell.scenario.needs_earlier for cell in check.cells if cell.order is not None)
    return _releases(pairs_of=((pair.target, pair.client) for pair in pairs), earlier=earlier)


def _releases(*, pairs_of: Iterable[tuple[str, str]], earlier: bool) -> list[tuple[PythonRecipe, str]]:
    pairs = list(pairs_of)
    return travel.releases(
        dict.fromkeys(target for target, _ in pairs), dict.fromkeys(client for _, client in pairs), earlier=earlier
    )


def _checked(options: CheckOptions) -> Path:
    check_scratch()
    out = Path(options.out)
    check_directory(out, "the directory of histories and reports")
    if options.html:
        check_file(place_of(options.html), "the HTML file")
    out_dir.check(out)
    try:
        room.check(out)
    except room.NoRoom as full:
        raise Unavailable(str(full)) from full
    return out


def _image(cluster: Cluster, named: str, carried: Sequence[tuple[PythonRecipe, str]]) -> str:
    if named:
        return named
    if not cluster.ours:
        raise CheckError(
            f"the cluster of {cluster.kubeconfig} was not made by docker/cluster.sh, so no image can be brought into it: build one with "
            "`tailproof image harness`, push it to where the cluster pulls from, and name it with --image"
        )
    image = harness_image(carried, say=_say)
    _say(f"bringing {image} into the cluster")
    bring(image, Budget(_BRING_S))
    return image


def _say(line: str) -> None:
    say(line, err=True)
