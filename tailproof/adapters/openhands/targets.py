"""The targets that speak the protocol of the OpenHands agent-server: releases, checkouts, images, running servers, and the small
honest server in `fixtures/`, or a variant of it that breaks one promise."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from tailproof import resources
from tailproof.adapters.openhands.installed import pypi_target, src_target
from tailproof.adapters.openhands.name import PROTOCOL
from tailproof.adapters.openhands.recipes import IMAGES, RELEASES
from tailproof.incoming.files import is_directory, place_of
from tailproof.outgoing.masking import SESSION_KEY, BadSecret, check_secret, without_user_info
from tailproof.outgoing.visible import PATH_CHARS, clip
from tailproof.provision.installations import Installation
from tailproof.provision.locks import known_releases, release_before
from tailproof.targets.kind import BadTarget, TargetKind, TargetSpec, check_address, said
from tailproof.targets.process import ProcessTarget
from tailproof.targets.process_server import Release
from tailproof.targets.target import Target
from tailproof.targets.url import UrlTarget

REFERENCE_RELEASE, REFERENCE_EARLIER = "1.58.0", "1.30.0"
"""The release that the reference server plays, and says that it is; and what it plays as the one before it, without a defect:
an old one, whose events lack what came later."""

_RELEASE = re.compile(r"\d+\.\d+(\.\d+)*((a|b|rc|\.post|\.dev)\d+)?")
_REFERENCE_CHARS = 512
"""A name has at most 255 of them, a tag 128."""
_REFERENCE = re.compile(r"[a-z0-9]+([._/:@-]+[A-Za-z0-9_]+)*")


def _docker(asked: TargetSpec) -> Target:
    if not _REFERENCE.fullmatch(asked.what) or len(asked.what) > _REFERENCE_CHARS:
        raise BadTarget(
            f"{said(asked.what)} is not an image reference: docker:NAME[:TAG], for example docker:tailproof/agent-server:1.58.0"
        )
    # The library of the engine takes longer to load than the rest of a command.
    from tailproof.targets.container import ContainerTarget

    return ContainerTarget(asked.spec, asked.what, adapter=asked.adapter, recipe=IMAGES)


def _k8s(asked: TargetSpec) -> Target:
    if not _REFERENCE.fullmatch(asked.what) or len(asked.what) > _REFERENCE_CHARS:
        raise BadTarget(
            f"{said(asked.what)} is not an image reference: k8s:NAME[:TAG], for example k8s:tailproof/agent-server:1.58.0"
        )
    # So does that of Kubernetes.
    from tailproof.provision.images import build_image
    from tailproof.targets.pod import PodTarget

    repository, _, version = asked.what.rpartition(":")
    before = (
        release_before(RELEASES, version) if repository == IMAGES.repository and _RELEASE.fullmatch(version) else ""
    )
    earlier = partial(build_image, IMAGES, before) if before else None
    return PodTarget(asked.spec, asked.what, adapter=asked.adapter, earlier=earlier)


def _pypi(asked: TargetSpec) -> Target:
    version = asked.what
    if version == "newest":
        version = known_releases(RELEASES)[-1]
    if not _RELEASE.fullmatch(version):
        raise BadTarget(
            f"{said(version)} is not a release: pypi:VERSION, for example pypi:{known_releases(RELEASES)[-1]}"
        )
    return pypi_target(f"pypi:{version}", version, adapter=asked.adapter)


def _src(asked: TargetSpec) -> Target:
    directory = place_of(asked.what)
    if not is_directory(directory):
        raise BadTarget(
            f"{clip(str(directory), PATH_CHARS)} is not a directory: src:DIR takes a checkout of the server or a virtual environment"
        )
    return src_target(asked.spec, directory, adapter=asked.adapter)


def _url(asked: TargetSpec) -> Target:
    url, model_url = asked.what, asked.model_url
    check_address(url, f"{said(without_user_info(url))} is not the address of a server: url:http://HOST:PORT")
    if model_url:
        check_address(
            model_url, f"{said(without_user_info(model_url))} is not the address of a model: http://HOST:PORT"
        )
    if key := os.environ.get(SESSION_KEY):
        try:
            check_secret(key, SESSION_KEY)
        except BadSecret as bad:
            raise BadTarget(str(bad)) from bad
    return UrlTarget(asked.spec, url, adapter=asked.adapter, model_url=model_url)


def _reference(asked: TargetSpec) -> Target:
    program = str(resources.folder("fixtures") / "reference_server.py")
    installed = Installation(interpreter=Path(sys.executable), version=REFERENCE_RELEASE)
    return ProcessTarget(
        asked.spec,
        adapter=asked.adapter,
        provide=lambda budget: installed,
        version=installed.version,
        program=(program, *(("--broken", asked.what) if asked.what else ())),
        earlier=lambda budget: Release(
            interpreter=installed.interpreter,
            version=REFERENCE_EARLIER,
            program=(program, "--release", REFERENCE_EARLIER),
        ),
    )


KINDS: Mapping[str, TargetKind] = {
    "docker": TargetKind(form="docker:IMAGE", protocol=PROTOCOL, make=_docker, image=IMAGES),
    "k8s": TargetKind(form="k8s:IMAGE", protocol=PROTOCOL, make=_k8s),
    "pypi": TargetKind(form="pypi:VERSION, pypi:newest", protocol=PROTOCOL, make=_pypi, recipe=RELEASES),
    "src": TargetKind(form="src:DIR", protocol=PROTOCOL, make=_src),
    "url": TargetKind(form="url:URL", protocol=PROTOCOL, make=_url, runs_already=True),
    resources.REFERENCE: TargetKind(form="reference[:VARIANT]", protocol=PROTOCOL, make=_reference, bare=True),
}
