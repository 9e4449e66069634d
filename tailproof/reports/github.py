"""What a GitHub runner is told of a finished check: annotations on its log, and outputs that later steps read."""

from __future__ import annotations

from collections.abc import Iterator

from tailproof.outgoing.masking import Masker, secrets_of_environment
from tailproof.outgoing.visible import clip
from tailproof.reports.gate import IS_VIOLATED, cell
from tailproof.reports.result import Result
from tailproof.reports.words import failures, frequency, repro_command

_EACH = 10
"""GitHub shows so many errors and as many warnings of a step, and drops the rest without a word."""
_TEXT = 1_000
_TITLE = 200


def workflow_commands(result: Result, folder: str) -> str:
    """Workflow commands, one a line: an error for each violation that closes the gate, a warning for each that does not and for each
    doubt, and how many there are besides. `folder` is where the result lies, as seen from the working directory."""
    errors = list(_errors(result, folder))
    warnings = list(_warnings(result, folder))
    told = [
        *_some("error", errors),
        *_some("warning", warnings),
        f"::notice title=tailproof::{_value(result.gate.says)}",
    ]
    return Masker(secrets_of_environment()).text("\n".join(told))


def outputs(result: Result, folder: str) -> dict[str, str]:
    """By the names that the action publishes."""
    return {
        "state": result.gate.state,
        "violated": str(result.gate.counts.violated),
        "says": clip(result.gate.says, _TEXT),
        "report": f"{folder}/report.md",
        "page": f"{folder}/report.html",
        "result": f"{folder}/result.json",
    }


def _errors(result: Result, folder: str) -> Iterator[tuple[str, str]]:
    for trial, verdict in failures(result, "violated"):
        often = frequency(result, trial, verdict)
        says = f"{verdict.promise}\n{verdict.says} ({often})\n{repro_command(trial.history, folder)}"
        yield f"{cell(verdict.guarantee, trial.called)} {verdict.level} is violated", says
    for reason in result.gate.closed_by:
        if IS_VIOLATED not in reason:
            yield "the baseline closes the gate", reason


def _warnings(result: Result, folder: str) -> Iterator[tuple[str, str]]:
    for doubt in result.gate.doubts:
        yield "could not tell", doubt
    for trial, verdict in failures(result, "advisory"):
        title = f"{cell(verdict.guarantee, trial.called)} {verdict.level} is violated; the gate does not close over it"
        yield title, f"{verdict.says}\n{repro_command(trial.history, folder)}"


def _some(level: str, found: list[tuple[str, str]]) -> Iterator[str]:
    shown = found if len(found) <= _EACH else found[: _EACH - 1]
    for title, text in shown:
        yield f"::{level} title={_property(clip(title, _TITLE))}::{_value(text)}"
    if len(found) > len(shown):
        yield f"::{level} title=tailproof::and {len(found) - len(shown)} more: see the report"


def _value(text: str) -> str:
    lines = [clip(line, _TEXT) for line in text.split("\n")]
    return "%0A".join(line.replace("%", "%25") for line in lines)


def _property(text: str) -> str:
    return text.replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
