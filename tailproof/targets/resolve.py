"""Turns `docker:IMAGE`, `pypi:VERSION`, `src:DIR` or `url:URL` into a target."""

from __future__ import annotations

import os
import re
import sys
import urllib.parse
from collections.abc import Callable
from pathlib import Path

from tailproof import resources
from tailproof.adapters.adapter import Adapter
from tailproof.incoming import BadInput
from tailproof.incoming.files import is_directory, place_of
from tailproof.incoming.limits import SAID_CHARS
from tailproof.outgoing.masking import SESSION_KEY, BadSecret, check_secret, without_user_info
from tailproof.outgoing.visible import PATH_CHARS, clip
from tailproof.provision.installations import Installation
from tailproof.provision.locks import known_releases
from tailproof.targets.process import ProcessTarget
from tailproof.targets.releases import pypi_target, src_target
from tailproof.targets.target import Target, TargetError
from tailproof.targets.url import UrlTarget

FORMS = "docker:IMAGE, pypi:VERSION, pypi:newest, src:DIR, url:URL or reference[:VARIANT]"

"""The small honest server in `fixtures/`, or a variant of it that breaks one promise."""

REFERENCE_RELEASE = "1.58.0"
"""The release that the reference server plays, and says that it is."""

_RELEASE = re.compile(r"\d+\.\d+(\.\d+)*((a|b|rc|\.post|\.dev)\d+)?")
_REFERENCE_CHARS = 512
"""A name has at most 255 of them, a tag 128."""
_REFERENCE = re.compile(r"[a-z0-9]+([._/:@-]+[A-Za-z0-9_]+)*")


class BadTarget(TargetError, BadInput):
    """What was asked for is not a target; the message says what would be."""


def resolve(spec: str, *, adapter: Adapter, model_url: str | None = None) -> Target:
    """The target that `spec` names; nothing is built, fetched or started yet, and nobody is asked: `pypi:newest` is the newest
    release with a committed lock file here. A check asks the package index and names the release (`tailproof.runner.pairs.meet`).

    Raises:
        BadTarget: `spec` is malformed, or names a directory that does not exist.
    """
    kind, colon, what = spec.partition(":")
    named = without_user_info(spec)
    make = _KINDS.get(kind)
    if make is None or not (colon or kind == resources.REFERENCE):
        raise BadTarget(f"target {_said(named)} is none of {FORMS}{_hint(named)}")
    if colon and not what:
        raise BadTarget(f"target {_said(named)} names nothing behind the colon: {FORMS}")
    if model_url and kind != "url":
        raise BadTarget(
            f"a model address is for url: targets only; {_said(named)} is started here and finds the model by itself"
        )
    return make(spec, what, adapter, model_url)


def _docker(spec: str, image: str, adapter: Adapter, model_url: str | None) -> Target:
    if not _REFERENCE.fullmatch(image) or len(image) > _REFERENCE_CHARS:
        raise BadTarget(
            f"{_said(image)} is not an image reference: docker:NAME[:TAG], for example docker:tailproof/agent-server:1.58.0"
        )
    from tailproof.targets.container import (
        ContainerTarget,  # its library takes longer to load than the rest of a command
    )

    return ContainerTarget(image, adapter=adapter)


def _pypi(spec: str, version: str, adapter: Adapter, model_url: str | None) -> Target:
    if version == "newest":
        version = known_releases()[-1]
    if not _RELEASE.fullmatch(version):
        raise BadTarget(f"{_said(version)} is not a release: pypi:VERSION, for example pypi:{known_releases()[-1]}")
    return pypi_target(f"pypi:{version}", version, adapter=adapter)


def _src(spec: str, place: str, adapter: Adapter, model_url: str | None) -> Target:
    directory = place_of(place)
    if not is_directory(directory):
        raise BadTarget(
            f"{clip(str(directory), PATH_CHARS)} is not a directory: src:DIR takes a checkout of the server or a virtual environment"
        )
    return src_target(spec, directory, adapter=adapter)


def _url(spec: str, url: str, adapter: Adapter, model_url: str | None) -> Target:
    check_address(url, f"{_said(without_user_info(url))} is not the address of a server: url:http://HOST:PORT")
    if model_url:
        check_address(
            model_url, f"{_said(without_user_info(model_url))} is not the address of a model: http://HOST:PORT"
        )
    if key := os.environ.get(SESSION_KEY):
        try:
            check_secret(key, SESSION_KEY)
        except BadSecret as bad:
            raise BadTarget(str(bad)) from bad
    return UrlTarget(url, model_url=model_url)


def check_address(address: str, otherwise: str) -> None:
    """Raises BadTarget, with the words `otherwise` or with the place for a key: never with what stands before an `@`."""
    try:
        parts = urllib.parse.urlsplit(address)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
    if "@" in address:
        raise BadTarget(
            f"{_said(without_user_info(address))} has a user name or a password in it, which would stand in every report: leave it out, "
            f"and give the session key of the server in the variable {SESSION_KEY}"
        )
    if not fits or "?" in address or "#" in address:
        raise BadTarget(otherwise)


def _reference(spec: str, variant: str, adapter: Adapter, model_url: str | None) -> Target:
    program = str(resources.folder("fixtures") / "reference_server.py")
    installed = Installation(interpreter=Path(sys.executable), version=REFERENCE_RELEASE)
    return ProcessTarget(
        spec,
        adapter=adapter,
        provide=lambda budget: installed,
        version=installed.version,
        program=(program, *(("--broken", variant) if variant else ())),
    )


_KINDS: dict[str, Callable[[str, str, Adapter, str | None], Target]] = {
    "docker": _docker,
    "pypi": _pypi,
    "src": _src,
    "url": _url,
    resources.REFERENCE: _reference,
}


def _said(word: str) -> str:
    return clip(repr(word), SAID_CHARS)


def _hint(spec: str) -> str:
    if len(spec) > SAID_CHARS:
        return ""
    if _RELEASE.fullmatch(spec):
        return f"; did you mean pypi:{spec}?"
    if spec.startswith(("http:", "https:")):
        return f"; did you mean url:{spec}?"
    if is_directory(Path(spec)):
        return f"; did you mean src:{spec}?"
    if "/" in spec:
        return f"; did you mean docker:{spec}?"
    return ""
