"""Shapes are worked out by one thread at a time: msgspec crashes the process when two ask for the same one first."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import tailproof

ROOM = Path(tailproof.__file__).resolve().parent
ONE_PLACE = ROOM / "incoming" / "json.py"
TOGETHER = """
import sys, threading
from dataclasses import dataclass
import msgspec
from tailproof.incoming.json import converted, decoder
sys.setswitchinterval(1e-6)

def shape(number):
    inner = msgspec.defstruct(f"Inner{number}", [("a", int, 0), ("b", str | None, None)])
    return msgspec.defstruct(f"Outer{number}", [("one", inner | None, None), ("more", list[inner], []), ("by", dict[str, inner], {})])

for number in range(300):
    outer, start = shape(number), threading.Barrier(4)
    def ask(first):
        start.wait()
        decoder(outer).decode(b'{"one":{"a":1}}') if first else converted({"more": [{"a": 1}]}, outer)
    threads = [threading.Thread(target=ask, args=(which % 2,)) for which in range(4)]
    for one in threads: one.start()
    for one in threads: one.join()
"""


def workings_out(source: str) -> Iterator[int]:
    """The lines in which msgspec is asked for a shape."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            decodes = called == "msgspec.json.decode" and any(word.arg == "type" for word in node.keywords)
            if decodes or called == "msgspec.convert" or (called == "msgspec.json.Decoder" and node.args):
                yield node.lineno


def test_nobody_else_asks_msgspec_for_a_shape() -> None:
    found = {
        f"{path.relative_to(ROOM)}:{line}"
        for path in ROOM.rglob("*.py")
        if path != ONE_PLACE
        for line in workings_out(path.read_text())
    }
    assert found == set(), "use decoder and converted of tailproof/incoming/json.py"


def test_the_search_sees_what_it_looks_for() -> None:
    source = "msgspec.json.Decoder(int)\nmsgspec.convert(1, int)\nmsgspec.json.decode(b'1', type=int)\nmsgspec.json.decode(b'1')"
    assert list(workings_out(source)) == [1, 2, 3]


def test_threads_that_ask_for_one_shape_at_once_all_get_it() -> None:
    done = subprocess.run([sys.executable, "-c", TOGETHER], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
