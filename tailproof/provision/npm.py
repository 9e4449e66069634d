"""Calls npm, which resolves and installs what is written for Node. Registry and certificates are the caller's own."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from tailproof.outgoing.masking import Masker, secrets_of_environment
from tailproof.provision.errors import Unavailable
from tailproof.provision.run_to_end import run_to_end
from tailproof.waiting import Budget

HOW_TO_GET_IT = "install Node.js 20 or newer with npm (apt-get install nodejs npm, or a package of nodejs.org)"
SAYS_CHARS = 600
_QUIET = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
_ERROR = re.compile(r"^npm (?:error|ERR!) ?", re.MULTILINE)


class NpmFailed(Unavailable):
    """npm ended with an error; `said` is what it wrote, for the caller that knows what it means."""

    def __init__(self, doing: str, said: str) -> None:
        super().__init__(f"{doing} failed: {_sentence(said)}")
        self.said = said


def find_node() -> Path:
    """The Node on PATH. Raises Unavailable, with how to get one."""
    return _on_path("node")


def find_npm() -> Path:
    """The npm on PATH. Raises Unavailable, with how to get one."""
    return _on_path("npm")


def npm(arguments: Sequence[str], *, doing: str, budget: Budget, cwd: Path) -> str:
    """Run npm in `cwd` and return its standard output. `doing` says in words what it is run for.

    Raises:
        NpmFailed: it ended with an error.
        Unavailable: it is not there, or did not end within the budget.
    """
    find_node()
    ended = run_to_end(
        [find_npm(), *arguments, *_QUIET],
        doing=doing,
        budget=budget,
        environment={**os.environ, "NO_COLOR": "1", "CI": "1"},
        cwd=cwd,
    )
    if ended.code:
        raise NpmFailed(doing, ended.err or ended.out)
    return ended.out


def _on_path(name: str) -> Path:
    place = shutil.which(name)
    if place is None:
        raise Unavailable(f"{name} is not on PATH and what is written for Node runs on it: {HOW_TO_GET_IT}")
    return Path(place)


def _sentence(said: str) -> str:
    """The lines in which npm says what is wrong, as one line; where its own log lies helps nobody."""
    lines = [_ERROR.sub("", line).strip() for line in said.splitlines() if _ERROR.match(line)]
    told = " ".join(line for line in lines if line and "complete log of this run" not in line and ".log" not in line)
    # An address of a registry may hold a password.
    return Masker(secrets_of_environment()).cut(told or " ".join(said.split()), SAYS_CHARS) or "it did not say why"
