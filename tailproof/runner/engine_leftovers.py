"""What a Docker engine holds with our mark: containers, networks and volumes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from http import HTTPStatus

import docker
from docker.errors import APIError, NotFound

from tailproof.ownership.leftover import Leftover
from tailproof.ownership.marks import OWNER_LABEL, TRIAL_LABEL
from tailproof.ownership.owners import Owner
from tailproof.provision.engine import connect, engine_does
from tailproof.provision.errors import EngineError

_GLANCE_S = 10.0
"""How long an engine may take to answer whoever only wants to know what was left there."""


def engine_leftovers() -> list[Leftover]:
    """In the order in which they have to be removed; nothing without an engine."""
    try:
        engine = connect(timeout_s=_GLANCE_S)
        with closing(engine), engine_does("looking for what trials left"):
            return list(_labelled(engine))
    except EngineError:
        return []


def _labelled(engine: docker.DockerClient) -> Iterator[Leftover]:
    ours = {"label": OWNER_LABEL}
    for it in engine.api.containers(all=True, filters=ours):
        yield Leftover(
            "container", it["Names"][0].lstrip("/"), _labels_owner(it), _remover("remove_container", it["Id"])
        )
    for it in engine.api.networks(filters=ours):
        yield Leftover("network", it["Name"], _labels_owner(it), _remover("remove_network", it["Id"]))
    for it in engine.api.volumes(filters=ours)["Volumes"] or []:
        yield Leftover("volume", it["Name"], _labels_owner(it), _remover("remove_volume", it["Name"]))


def _remover(method: str, identity: str) -> Callable[[], None]:
    options = {"force": True, "v": True} if method == "remove_container" else {}

    def remove() -> None:
        with closing(connect()) as engine, engine_does(f"removing {identity}"):
            try:
                getattr(engine.api, method)(identity, **options)
            except NotFound:
                return
            except APIError as error:
                if error.status_code != HTTPStatus.CONFLICT or "in progress" not in str(error.explanation):
                    raise  # somebody else removes it at this moment

    return remove


def _labels_owner(described: dict[str, dict[str, str]]) -> Owner:
    labels = described.get("Labels") or {}
    return Owner(trial=labels.get(TRIAL_LABEL, ""), owner=labels.get(OWNER_LABEL, ""))
