"""Nothing of the harness reaches a terminal but through `say`: whoever writes there otherwise is named here, with the reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tailproof

ENGINE = Path(tailproof.__file__).parent
WRITERS = (
    "print",
    "sys.stdout",
    "sys.stderr",
    "sys.__stdout__",
    "sys.__stderr__",
    "click.echo",
    "click.secho",
    "click.echo_via_pager",
    "click.confirm",
    "click.prompt",
    "traceback.print_exc",
    "traceback.print_exception",
    "traceback.print_stack",
    "faulthandler.enable",
    "warnings.warn",
    "logging.basicConfig",
    "logging.StreamHandler",
    "terminalreporter.write",
    "terminalreporter.write_line",
    "writer.write",
    "writer.line",
)
"""What would print, as it is spelled in a call or a name."""
ALLOWED: dict[str, dict[str, str]] = {
    "outgoing/say.py": {"sys.stdout": "the door", "sys.stderr": "the door"},
    "cli/check.py": {"sys.stderr": "asked whether it is a terminal"},
    "runner/ending.py": {"sys.stdout": "flushed, and made an outlet; nothing is written", "sys.stderr": "the same"},
    "runner/supervisor.py": {"sys.stdout": "JSON lines for the check, which says them"},
    "shards/inside.py": {"sys.stdout": "flushed; nothing is written"},
    "targets/pod_inside_program.py": {"sys.stdout": "JSON lines for the witness that follows them, out of a pod"},
    "wire/control.py": {"sys.stdout": "JSON lines for the owner of the wire"},
    "runner/pytest_checks.py": {
        "terminalreporter.write": "the summary, whose texts `reports.terminal` made visible, with colours of ours",
        "writer.write": "the same",
    },
    "cluster/forward.py": {"writer.write": "the bytes of a connection"},
    "targets/pod_relay.py": {"writer.write": "the bytes of a connection"},
}


def spelled(node: ast.AST) -> str:
    """`sys.stdout` for `sys.stdout.buffer.write`'s inner part; empty for what is no plain name."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            return f"{name}.{attribute}"
    return ""


def writers(source: str) -> Iterator[str]:
    """What in `source` would print."""
    tree = ast.parse(source)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        name = spelled(node)
        # A stream is one wherever it is named; the others only where they are called.
        if name in WRITERS and (name.startswith("sys.") or id(node) in called):
            yield name
        if isinstance(node, ast.ImportFrom):
            yield from {f"{node.module}.{alias.name}" for alias in node.names} & set(WRITERS)


@pytest.mark.parametrize("path", sorted(ENGINE.rglob("*.py")), ids=lambda path: str(path.relative_to(ENGINE)))
def test_terminals_are_written_through_one_door(path: Path) -> None:
    place = str(path.relative_to(ENGINE))
    assert set(writers(path.read_text("utf-8"))) == set(ALLOWED.get(place, {}))


@pytest.mark.parametrize(
    "source",
    [
        "print(1)",
        "import sys\nsys.stderr.write('x')",
        "import sys\nout = sys.stdout",
        "from sys import stderr",
        "import click\nclick.echo('x', err=True)",
        "from click import echo",
        "import traceback\ntraceback.print_exc()",
    ],
)
def test_another_door_is_seen(source: str) -> None:
    assert list(writers(source))
