"""Turns `docker:IMAGE`, `pypi:VERSION`, `url:URL` and whatever else there is into a target, and finds the adapter that speaks with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from tailproof.extensions import BadExtension, table
from tailproof.incoming.files import is_directory
from tailproof.incoming.limits import SAID_CHARS
from tailproof.outgoing.masking import without_user_info
from tailproof.protocol.adapter import Adapter, Launcher
from tailproof.protocol.executor import ExecutorAdapter
from tailproof.targets.kind import BadTarget, TargetKind, TargetSpec, said
from tailproof.targets.target import Target

_RELEASE = re.compile(r"\d+\.\d+(\.\d+)*((a|b|rc|\.post|\.dev)\d+)?")


def resolve(spec: str, *, model_url: str | None = None) -> Target:
    """The target that `spec` names; nothing is built, fetched or started yet, and nobody is asked: `pypi:newest` is the newest
    release with a committed lock file here. A check asks the package index and names the release (`tailproof.runner.pairs.meet`).

    Raises:
        BadTarget: `spec` is malformed, or names a directory that does not exist.
    """
    kind, what = kind_of(spec)
    if model_url and not kind.runs_already:
        raise BadTarget(
            f"a model address is for url: targets only; {said(without_user_info(spec))} is started here and finds the model by itself"
        )
    return kind.make(TargetSpec(spec=spec, what=what, adapter=_brought(kind), model_url=model_url))


def kind_of(spec: str) -> tuple[TargetKind, str]:
    """The kind that a spec names, and what stands behind its colon. Raises BadTarget."""
    word, colon, what = spec.partition(":")
    named = without_user_info(spec)
    kind = _kinds().get(word)
    if kind is None or not (colon or kind.bare):
        raise BadTarget(f"target {said(named)} is none of {forms()}{_hint(named)}")
    if colon and not what:
        raise BadTarget(f"target {said(named)} names nothing behind the colon: {forms()}")
    return kind, what


def adapter_of(kind: TargetKind) -> Adapter:
    """The adapter that speaks with targets of a kind, which is no executor. Raises BadExtension: no package brings it."""
    return cast(Adapter, _brought(kind))


def executor_of(kind: TargetKind) -> ExecutorAdapter:
    """The adapter that speaks with targets of a kind that are executors. Raises BadExtension: no package brings it."""
    return cast(ExecutorAdapter, _brought(kind))


def _brought(kind: TargetKind) -> Launcher:
    adapter = table("adapters").get(kind.protocol)
    if adapter is None:
        raise BadExtension(
            f"targets {kind.form} speak {kind.protocol!r}, and no package brings an adapter of that name"
        )
    return cast(Launcher, adapter)


def forms() -> str:
    """How targets are written, for messages."""
    *most, last = (kind.form for kind in _kinds().values())
    return f"{', '.join(most)} or {last}"


def _kinds() -> Mapping[str, TargetKind]:
    return table("targets")


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
