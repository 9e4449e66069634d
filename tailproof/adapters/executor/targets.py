"""The targets that are executors: the small honest one in `fixtures/`, or a variant of it that breaks one promise."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from tailproof import resources
from tailproof.adapters.executor.name import PROTOCOL
from tailproof.provision.installations import Installation
from tailproof.targets.kind import BadTarget, TargetKind, TargetSpec, said
from tailproof.targets.process import ProcessTarget
from tailproof.targets.target import Target
from tailproof.waiting import Budget

RELEASE = "1.0.0"
"""What the reference executor says that it is."""


def _executor(asked: TargetSpec) -> Target:
    word, _, variant = asked.what.partition(":")
    if word != resources.REFERENCE:
        raise BadTarget(f"{said(asked.what)} is no executor that is known: executor:reference[:VARIANT]")
    program = str(resources.folder("fixtures") / "executor_server.py")
    installed = Installation(interpreter=Path(sys.executable), version=RELEASE)
    target = ProcessTarget(
        asked.spec,
        adapter=asked.adapter,
        provide=lambda budget: _with_a_cluster(installed, budget),
        version=installed.version,
        program=(program, *(("--broken", variant) if variant else ())),
    )
    target.capabilities |= _of_the_cluster()
    return target


def _of_the_cluster() -> frozenset[str]:
    # The client of the cluster takes longer to load than the rest of a command.
    from tailproof.cluster.kubelet import CAPABILITY, is_ours_to_stop

    return frozenset({CAPABILITY} if is_ours_to_stop() else set())


def _with_a_cluster(installed: Installation, budget: Budget) -> Installation:
    """Raises Unavailable: there is no cluster, or it cannot run what trials need."""
    # The client of the cluster takes longer to load than the rest of a command.
    from tailproof.cluster.reach import check_nodes, check_rights, connect
    from tailproof.sandboxes.image import sandbox_image

    with closing(connect()) as cluster:
        check_rights(cluster)
        check_nodes(cluster)
        sandbox_image(cluster, budget)
    return installed


KINDS: Mapping[str, TargetKind] = {
    "executor": TargetKind(form="executor:reference[:VARIANT]", protocol=PROTOCOL, make=_executor, executes=True),
}
