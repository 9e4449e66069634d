"""Turns what a cluster, or the way to it, says into one sentence."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import urllib3
from kubernetes.client.exceptions import ApiException
from websocket import WebSocketException

from tailproof.outgoing.visible import clip
from tailproof.provision.errors import Unavailable

SAID_CHARS = 300
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")


class ClusterError(Unavailable):
    """The cluster is not there, has gone, or refuses."""


class NotThere(ClusterError):
    """The cluster does not hold what was asked for."""


class AlreadyThere(ClusterError):
    """Something of that name exists, or has changed meanwhile."""


class Refused(ClusterError):
    """The cluster understood and says no: no rights, too small a quota, a policy."""


class Gone(ClusterError):
    """Nobody answers (any more): the API server, or the way to it."""


class Expired(ClusterError):
    """The place from which a watch was to go on is too old (410)."""


@contextmanager
def cluster_does(doing: str) -> Iterator[None]:
    """Turn whatever the client throws while the cluster is `doing` something into one sentence. Raises ClusterError."""
    try:
        yield
    except ApiException as error:
        raise _of_answer(doing, error) from error
    except (urllib3.exceptions.HTTPError, WebSocketException, ssl.SSLError, OSError) as error:
        raise Gone(f"{doing}: the cluster does not answer ({why(error)})") from error


def why(error: BaseException) -> str:
    """The innermost reason of an error of the network, in few words."""
    reason: Any = error
    while isinstance(found := getattr(reason, "reason", None), Exception):
        reason = found
    text = getattr(reason, "strerror", None) or str(reason).rpartition(": ")[2] or type(reason).__name__
    return clip(_ERRNO.sub("", str(text)), SAID_CHARS)


def _of_answer(doing: str, error: ApiException) -> ClusterError:
    message = _message(error)
    match error.status:
        case HTTPStatus.UNAUTHORIZED:
            return Refused(f"{doing}: the cluster does not know the user of this kubeconfig")
        case HTTPStatus.FORBIDDEN if "exceeded quota" in message:
            return Refused(f"{doing}: the quota is too small: {message}")
        case HTTPStatus.FORBIDDEN:
            return Refused(f"{doing}: not allowed: {message}")
        case HTTPStatus.NOT_FOUND:
            return NotThere(f"{doing}: {message}")
        case HTTPStatus.CONFLICT:
            return AlreadyThere(f"{doing}: {message}")
        case HTTPStatus.GONE:
            return Expired(f"{doing}: {message}")
        case 0 | None:
            # The client's name for whatever went wrong on the way.
            return Gone(f"{doing}: the cluster does not answer ({message})")
        case status:
            return ClusterError(f"{doing}: the cluster refused ({status}): {message}")


def _message(error: ApiException) -> str:
    body: Any = error.body or ""
    if isinstance(body, bytes):
        body = body.decode("utf-8", "replace")
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    text = told.get("message") if isinstance(told, dict) else None
    # Of what went wrong on the way the last line holds the reason.
    lines = str(text or error.reason or body).strip().splitlines()
    return clip(lines[-1] if lines else "no reason", SAID_CHARS)
