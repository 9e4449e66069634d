"""Bytes of an agent become lines, wherever they were cut, however long they are."""

from __future__ import annotations

import json
import sys
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # `fixtures` is not installed under this name

from fixtures.executor.lines import MOST, Lines  # noqa: E402
from tailproof.sandboxes.pod_of_an_agent import with_gates  # noqa: E402
from tailproof.scenario.schema import ExecutionPlan  # noqa: E402


def raw(seq: int, text: str) -> bytes:
    said = {"seq": seq, "type": "output", "text": text}
    return json.dumps(said, ensure_ascii=False).encode() + b"\n"


@given(texts=st.lists(st.text(max_size=20), max_size=5), cuts=st.lists(st.integers(0, 400), max_size=10))
def test_lines_are_the_same_wherever_the_bytes_were_cut(texts: list[str], cuts: list[int]) -> None:
    whole = b"".join(raw(number, text) for number, text in enumerate(texts, 1))
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    lines = Lines()
    found = [line for begin, end in pairwise(places) for line in lines.take(whole[begin:end])]
    assert [(line.seq, line.text) for line in found] == list(enumerate(texts, 1))


def test_of_a_long_line_the_beginning_is_kept_and_the_next_one_is_whole() -> None:
    lines = Lines()
    long, after = list(lines.take(raw(1, "x" * 10_000_000) + raw(2, "y")))
    assert len(long.text) < MOST < long.cut
    assert (long.seq, after.seq, after.text, after.cut) == (1, 2, "y", 0)


def test_half_a_line_is_told_at_the_end() -> None:
    lines = Lines()
    assert [line.seq for line in lines.take(raw(1, "a") + raw(2, "b")[:-4])] == [1]
    half = lines.rest()
    assert half is not None
    assert half.seq == 0


def test_what_is_no_line_is_passed_over() -> None:
    assert list(Lines().take(b'journal {"n": 1}\n[1]\n{"seq": "x"}\n\n')) == []


def test_gates_stand_behind_the_lines_at_which_something_lands() -> None:
    script = ["EMIT 3", "LONG 100", "SLEEP 1", "SLOWLY 2", "TERMINAL ok"]
    gated = with_gates(script, [2, 4, 5])
    assert gated == [
        *("EMIT 1", "EMIT 1", "GATE line-2", "EMIT 1"),
        *("LONG 100", "GATE line-4", "SLEEP 1", "SLOWLY 1", "GATE line-5", "SLOWLY 1", "TERMINAL ok"),
    ]
    assert ExecutionPlan(agent=script).lines == 6
