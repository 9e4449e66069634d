"""Where the software under test comes from: a release from the package index, or a directory of the user."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from packaging.version import Version

from tailproof.adapters.openhands.recipes import RELEASES, SERVER
from tailproof.protocol.adapter import Launcher
from tailproof.provision.environments import environment
from tailproof.provision.installations import Installation, installation_of
from tailproof.provision.locks import known_releases
from tailproof.targets.process import ProcessTarget
from tailproof.targets.process_server import Release
from tailproof.waiting import Budget


def pypi_target(spec: str, version: str, *, adapter: Launcher) -> ProcessTarget:
    """`pypi:VERSION`: a release in an environment of its own, with the dependencies of its day. The one before it is the newest older
    one with a committed lock file."""

    def provide(budget: Budget) -> Installation:
        built = environment(RELEASES, version, budget)
        return Installation(
            interpreter=built.interpreter,
            version=version,
            facts={
                "package": RELEASES.package,
                "python": built.python.release,
                "lock": built.directory.name,
                "terminal": _terminal(),
            },
        )

    before = release_before(version)

    def earlier(budget: Budget) -> Release:
        return Release(interpreter=environment(RELEASES, before, budget).interpreter, version=before)

    return ProcessTarget(spec, adapter=adapter, provide=provide, version=version, earlier=earlier if before else None)


def release_before(version: str) -> str:
    """The newest older one with a committed lock file; empty when there is none."""
    older = [one for one in known_releases(RELEASES) if Version(one) < Version(version)]
    return older[-1] if older else ""


def src_target(spec: str, directory: Path, *, adapter: Launcher) -> ProcessTarget:
    """`src:DIR`: a checkout of the server's repository, or a virtual environment that holds the server."""

    def provide(budget: Budget) -> Installation:
        held = installation_of(RELEASES, SERVER, directory, budget)
        return replace(held, facts={"package": RELEASES.package, **held.facts, "terminal": _terminal()})

    return ProcessTarget(spec, adapter=adapter, provide=provide)


def _terminal() -> str:
    """What the tools of a server run in here. Releases look for tmux themselves and give them a plain shell without it."""
    return "tmux" if shutil.which("tmux") else "shell"
