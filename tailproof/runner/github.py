"""A GitHub runner is told of a finished check in the ways that it has: its log, the step summary, the outputs of the step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tailproof.incoming import BadInput
from tailproof.incoming.files import from_here
from tailproof.outgoing.masking import Masker, secrets_of_environment
from tailproof.reports import json, markdown
from tailproof.reports.github import outputs, workflow_commands
from tailproof.runner.finished import result_file

SUMMARY, OUTPUT = "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"


class NoRunner(BadInput):
    """The environment is not that of a step."""


def tell(path: Path, environment: Mapping[str, str], echo: Callable[[str], object]) -> int:
    """Returns the exit code of the gate. Raises BadResult, NoRunner, OSError."""
    missing = [name for name in (SUMMARY, OUTPUT) if not environment.get(name)]
    if missing:
        raise NoRunner(f"{' and '.join(missing)} is not set: this is for a step of a GitHub workflow")
    result = json.read(result_file(path))
    folder = from_here(result_file(path).absolute().parent)
    echo(workflow_commands(result, folder))
    with Path(environment[SUMMARY]).open("a") as summary:
        report = markdown.render(result, limit=markdown.STEP_SUMMARY)
        summary.write(Masker(secrets_of_environment()).text(report) + "\n")
    with Path(environment[OUTPUT]).open("a") as output:
        output.writelines(f"{name}={value}\n" for name, value in outputs(result, folder).items())
    return result.gate.exit_code
