"""The shell command of one tool call: what it writes into the tool journal, how it waits at its gate, and that it ends as the
scenario's own command did.

One line of POSIX shell without line breaks, so that every terminal tool takes it as one command. The journal is a directory
that harness and tools share: `tokens` collects one line per begin and end (`<wall ns> <token> <stage> <pid> <host>`), and one
twice a second while what a command left behind lives, each written by one `write` on a file opened for appending. A gate
opens when `gate-<token>` appears, and what stands in that file is run, so that a fault can make the tool do harm.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Literal

from tailproof.model.script import Command

TOKENS = "tokens"
LOOK_EVERY_S = 0.05
LIVES_EVERY_S = 0.5
_LIVES = 600
"""How often what was left behind says that it lives: five minutes, and it ends by itself where nobody can end it."""
_CODE = "tailproof_code"
"""The variable of the tool's shell that keeps how the scenario's command ended, until the end is written."""
_REQUESTS = "INT TERM HUP"
"""Signals that ask a process to end."""
_LINE = re.compile(r"([0-9]{1,19}) (\S+) (begin|end|lives) ([0-9]{1,9}) (\S+)")


Stage = Literal["begin", "end", "lives"]


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
        parts += [f"( {command.run} )", f"{_CODE}=$?"]
    if command.leaves:
        parts.append(_left_behind(command, directory))
    parts.append(line_of(command.token, "end", directory))
    if command.stubborn:
        parts = [f"trap '' {_REQUESTS}", *parts, f"trap - {_REQUESTS}"]
    parts.append(f"echo done {shlex.quote(command.token)}")
    if command.run:
        # A tool that fails shall fail for the server, too; that it has ended is said and written all the same.
        parts.append(f"( exit ${_CODE} )")
    return "; ".join(parts)


def line_of(token: str, stage: Stage, directory: str) -> str:
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


def _left_behind(command: Command, directory: str) -> str:
    """A job of the shell, or a process in a session of its own that no hangup reaches."""
    beats = f"for beat in $(seq {_LIVES}); do {line_of(command.token, 'lives', directory)}; sleep {LIVES_EVERY_S}; done"
    begun = f"setsid sh -c {shlex.quote(beats)}" if command.leaves == "detached" else f"( {beats} )"
    return f"{{ {begun} < /dev/null > /dev/null 2>&1 & }}"
