"""Calls uv, the tool that resolves, downloads and installs what is tested. Index and certificates are the caller's own."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import uv as uv_package

from tailproof.outgoing.masking import Masker, secrets_of_environment
from tailproof.provision.errors import Unavailable
from tailproof.provision.run_to_end import run_to_end
from tailproof.waiting import Budget

THIS_PYTHON = ("--python", sys.executable)
"""The interpreter that a resolution is computed with, for whatever Python it is: without it uv looks for one of that release."""
SAYS_CHARS = 600


class UvFailed(Unavailable):
    """uv ended with an error; `said` is what it wrote, for the caller that knows what it means."""

    def __init__(self, doing: str, said: str) -> None:
        super().__init__(f"{doing} failed: {_sentence(said)}")
        self.said = said


def uv(
    arguments: Sequence[str],
    *,
    doing: str,
    budget: Budget,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run uv and return its standard output. `doing` says in words what it is run for. It never downloads a Python: one that
    `pythons.py` did not find is asked of the user.

    Raises:
        UvFailed: it ended with an error.
        Unavailable: it did not end within the budget.
    """
    try:
        program = uv_package.find_uv_bin()
    except FileNotFoundError as missing:
        raise Unavailable(f"{doing} needs uv, which is not beside this Python: pip install uv") from missing
    ended = run_to_end(
        [program, "--no-progress", "--no-python-downloads", "--color", "never", *arguments],
        doing=doing,
        budget=budget,
        environment=environment,
    )
    if ended.code:
        raise UvFailed(doing, ended.err)
    return ended.out


def _sentence(said: str) -> str:
    """The lines in which uv says what is wrong, as one line."""
    lines = [line.strip(" ×╰─▶|│") for line in said.splitlines()]
    told = " ".join(line for line in lines if line)
    # An address of an index may hold a password.
    return Masker(secrets_of_environment()).cut(told, SAYS_CHARS) or "it did not say why"
