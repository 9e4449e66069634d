"""What stands on this machine with our mark, and the removal of what a dead owner left.

Processes carry two environment variables that all their descendants inherit, containers, networks and volumes two labels,
namespaces of a cluster labels and an annotation, scratch directories their name. Nothing without such a mark is ever touched, and
nothing whose owner lives.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path

from tailproof.cluster.notes import clusters_of_the_dead
from tailproof.ownership import scratch
from tailproof.ownership.leftover import Leftover
from tailproof.ownership.marks import SUPERVISOR
from tailproof.ownership.owners import Owner, owner_died, owner_lives
from tailproof.ownership.processes import Process, end, end_until_none_is_left, processes
from tailproof.provision.cache import building_sites
from tailproof.provision.errors import Unavailable
from tailproof.waiting import Budget, DeadlineMissed

_END_S = 10.0
_TAKES_DOWN_S = 15.0
"""How long a supervisor whose check was killed is left to take its trials down."""
PLURAL = {
    "process": "processes",
    "container": "containers",
    "network": "networks",
    "volume": "volumes",
    "namespace": "namespaces",
    "scratch directory": "scratch directories",
}


def leftovers(*, trial: str = "", engine: bool = True, of_the_dead: bool = False) -> list[Leftover]:
    """Everything on this machine with our mark (of one trial, when given), in the order in which it has to be removed. With
    `of_the_dead` only clusters are asked in which a process that has died may have left something.

    Works without an engine and without a cluster.
    """
    found = [
        Leftover("process", f"{process.pid} {process.command[:80]}", process.owner, partial(end, process))
        for process in processes()
        if process.pid != os.getpid()
    ]
    if engine:
        from tailproof.runner.engine_leftovers import (
            engine_leftovers,  # what only reads a history does not load its library
        )

        found += engine_leftovers()
        if (places := clusters_of_the_dead()) or not of_the_dead:
            from tailproof.runner.cluster_leftovers import cluster_leftovers, clusters_here  # likewise

            found += cluster_leftovers(places if of_the_dead else clusters_here())
    found += [
        Leftover("scratch directory", str(place), owner, partial(scratch.remove, place))
        for place, owner in scratch.owned(_homes())
    ]
    return [leftover for leftover in found if trial in ("", leftover.owner.trial)]


def clean(*, spare_living: bool = True, trial: str = "", owners: Collection[str] = ()) -> list[str]:
    """Remove what dead owners left; with `spare_living=False` everything with our mark. Says what it removed, line by line.

    With `trial` only what is left of that one, with `owners` only what is theirs. What cannot be removed is said, too, and why.
    """

    def doomed(owner: Owner) -> bool:
        meant = trial in ("", owner.trial) and (not owners or owner.owner in owners)
        return meant and not (spare_living and owner_lives(owner.owner))

    return [_said(leftover, why) for leftover, why in _remove(doomed)]


def sweep(*, engine: bool) -> str:
    """Remove what owners left that have died for certain: what every command does first. Says in one line what that was; empty
    when there was nothing. `engine`: look there and in a cluster, too."""
    removed = _remove(lambda owner: owner_died(owner.owner), engine=engine, of_the_dead=True)
    return _summary(removed, "left by a check that was killed")


def remove_left_by(owner: str) -> str:
    """Remove whatever a process left that was ours and has died. Says in one line what that was; empty when there was nothing."""
    return _summary(_remove(lambda one: one.owner == owner, of_the_dead=True), "left by the supervisor")


def _remove(
    doomed: Callable[[Owner], bool], *, engine: bool = True, of_the_dead: bool = False
) -> list[tuple[Leftover, str]]:
    """What was doomed, each with why it could not be removed; empty when it was."""

    _await_supervisors(doomed)
    found = [leftover for leftover in leftovers(engine=engine, of_the_dead=of_the_dead) if doomed(leftover.owner)]
    # A check may have been killed since supervisors were waited for: its own is left the time, and all that it has to take down.
    spared = {process.owner.owner for process in _supervisors(doomed)}
    found = [leftover for leftover in found if leftover.owner.owner not in spared]
    owners = {leftover.owner.owner for leftover in found}

    def meant(owner: Owner) -> bool:
        return owner.owner in owners and doomed(owner)

    def living() -> list[Process]:
        return [process for process in processes() if process.pid != os.getpid() and meant(process.owner)]

    removed = []
    for directory, owner in scratch.owned(_homes()):
        if meant(owner):
            scratch.thaw(directory)
    for leftover in found:
        try:
            if leftover.kind == "process":
                end_until_none_is_left(Budget(_END_S), "left processes to end", living)
            leftover.remove()
        except (OSError, Unavailable, DeadlineMissed) as error:
            removed.append((leftover, str(error)))
        else:
            removed.append((leftover, ""))
    return removed


def _homes() -> list[Path]:
    return [Path(tempfile.gettempdir()), *building_sites()]


def _await_supervisors(doomed: Callable[[Owner], bool]) -> None:
    """A supervisor ends by itself when its check has gone, and its trials then end in order. One that does not is ended here, before
    anybody asks what it left: until then it counts as the living owner of that."""

    def under_way() -> list[Process]:
        return _supervisors(doomed)

    def ended() -> bool:
        return not under_way()

    try:
        Budget(_TAKES_DOWN_S).wait_for("trials to be taken down", ended, every=0.1)
    except DeadlineMissed:
        end_until_none_is_left(Budget(_END_S), "supervisors to end", under_way)


def _supervisors(doomed: Callable[[Owner], bool]) -> list[Process]:
    return [process for process in processes(part=SUPERVISOR) if doomed(process.owner)]


def _said(leftover: Leftover, why: str) -> str:
    return f"could not remove {leftover}: {why}" if why else f"removed {leftover}"


def _summary(removed: Iterable[tuple[Leftover, str]], what: str) -> str:
    tally = Counter(leftover.kind for leftover, why in removed if not why)
    parts = [f"{number} {kind if number == 1 else PLURAL[kind]}" for kind, number in tally.items()]
    failed = [_said(leftover, why) for leftover, why in removed if why]
    return "; ".join([*([f"removed {', '.join(parts)} {what}"] if parts else []), *failed])
