"""The Docker engine: reached here, and its failures turned into sentences."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import docker
import requests
from docker.constants import DEFAULT_UNIX_SOCKET
from docker.errors import APIError, BuildError, DockerException

from tailproof.provision.errors import EngineError

TIMEOUT_S = 120
HOW_TO_GET_ONE = "start one with docker/engine.sh (needs root), or install Docker and add yourself to its group"


def connect(*, timeout_s: float = TIMEOUT_S) -> docker.DockerClient:
    """A client of the engine that DOCKER_HOST or the usual socket names. Raises EngineError when none answers."""
    client = None
    try:
        knock(address())
        client = docker.from_env(timeout=timeout_s)
        client.ping()
    except (DockerException, requests.RequestException, OSError) as error:
        if client is not None:
            client.close()
        raise EngineError(f"no Docker engine answers ({_reason(error)}): {HOW_TO_GET_ONE}") from error
    return client


def address() -> str:
    """Where the engine is, as the environment has it now."""
    return os.environ.get("DOCKER_HOST") or DEFAULT_UNIX_SOCKET


def knock(at: str) -> None:
    """Raises OSError when nobody listens on the engine's socket: the SDK would leave one open for each vain attempt."""
    scheme, _, path = at.partition("://")
    if "unix" in scheme:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knocking:
            knocking.settimeout(TIMEOUT_S)
            knocking.connect(path)


@contextmanager
def engine_does(doing: str) -> Iterator[None]:
    """Turn whatever the engine throws while it is `doing` something into one sentence (EngineError)."""
    try:
        yield
    except EngineError:
        raise
    except APIError as error:
        raise EngineError(f"{doing}: the Docker engine refused: {error.explanation or error}") from error
    except (DockerException, requests.RequestException, OSError) as error:
        raise EngineError(f"{doing}: the Docker engine is gone ({_reason(error)})") from error


def build(
    engine: docker.DockerClient,
    context: Path,
    tag: str,
    *,
    arguments: Mapping[str, str],
    labels: Mapping[str, str],
    network: str,
) -> None:
    """Build the Dockerfile in `context`. Raises EngineError with the end of what the step that failed has written."""
    with engine_does(f"building {tag}"):
        try:
            engine.images.build(
                path=str(context),
                tag=tag,
                buildargs=dict(arguments),
                labels=dict(labels),
                network_mode=network,
                rm=True,
                forcerm=True,
            )
        except BuildError as error:
            told = "".join(part.get("stream", "") for part in error.build_log)
            raise EngineError(f"building {tag} failed: {error.msg}: {' '.join(told.split())[-400:]}") from error


def _reason(error: BaseException) -> str:
    """The innermost cause, which is the one that says something."""
    while error.__context__ is not None:
        error = error.__context__
    return str(getattr(error, "strerror", None) or error)[:200]
