"""The shell command of one tool call: what it writes into the tool journal, and how it waits at its gate.

One line of POSIX shell without line breaks, so that every terminal tool takes it as one command. The journal is a directory
that harness and tools share: `tokens` collects one line per begin and end (`<wall ns> <token> <stage> <pid> <host>`), each
written by one `write` on a file opened for appending; a gate opens when `gate-<token>` appears, and what stands in that file
is run, so that a fault can make the tool do harm.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Literal

from tailproof.model.script import Command

TOKENS = "tokens"
LOOK_EVERY_S = 0.05
_LINE = re.compile(r"([0-9]{1,19}) (\S+) (begin|end) ([0-9]{1,9}) (\S+)")


def gate_name(token: str) -> str:
    """The file that opens the gate of `token`."""
    return f"gate-{token}"


def command_of(command: Command, directory: str) -> str:
    """What the terminal tool is asked to run; `directory` is the journal as the tools see it."""
    if not command.journal:
        return command.run
    parts = [line_of(command.token, "begin", directory)]
    if command.gate:
        gate = shlex.quote(f"{directory}/{gate_name(command.token)}")
        parts += [f"until [ -e {gate} ]; do sleep {LOOK_EVERY_S}; done", f"sh {gate}"]
    if command.run:
        # A subshell: an `exit` of the scenario's command must not take the tool's own shell with it.
        parts.append(f"( {command.run} )")
    parts += [line_of(command.token, "end", directory), f"echo done {shlex.quote(command.token)}"]
    return "; ".join(parts)


def line_of(token: str, stage: Literal["begin", "end"], directory: str) -> str:
    """The command that writes one line."""
    tokens = shlex.quote(f"{directory}/{TOKENS}")
    return f'printf \'%s %s {stage} %s %s\\n\' "$(date +%s%N)" {shlex.quote(token)} "$$" "$(uname -n)" >> {tokens}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the token file."""

    wall_ns: int
    token: str
    stage: str
    pid: int
    host: str


def parse(line: str) -> Line | None:
    """None for a line that was cut off or that is not of this journal."""
    found = _LINE.fullmatch(line.rstrip())
    if found is None:
        return None
    wall_ns, token, stage, pid, host = found.groups()
    return Line(wall_ns=int(wall_ns), token=token, stage=stage, pid=int(pid), host=host)
