"""What others wrote acts on nobody's terminal: each kind of character that would is written out, and nothing else changes."""

from __future__ import annotations

import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailproof.outgoing.visible import clip, visible, visible_json

ACTS = {
    "an escape sequence": ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
    "a control sequence in one character": ("\x9b2J", r"\x9b2J"),
    "a bell, a backspace, a delete": ("\a\b\x7f", r"\x07\x08\x7f"),
    "line breaks": ("a\nb\r\nc\td\ve\ff", r"a\nb\r\nc\td\x0be\x0cf"),
    "line breaks of Unicode": ("a\x85b\u2028c\u2029d", r"a\x85b\u2028c\u2029d"),
    "text turned around": ("\u202etxt.exe\u202c \u2066x\u2069 \u200f", r"\u202etxt.exe\u202c \u2066x\u2069 \u200f"),
    "characters of no width": ("a\u200bb\u200dc\u2060d\ufeffe\xadf", r"a\u200bb\u200dc\u2060d\ufeffe\xadf"),
    "tags that nobody sees": ("\U000e0041\U000e007f", r"\U000e0041\U000e007f"),
    "a byte of a file name that is no UTF-8": (b"a\xff".decode("utf-8", "surrogateescape"), r"a\udcff"),
    "half a pair": ("\ud83d", r"\ud83d"),
    "private use": ("\ue000", r"\ue000"),
    "no character": ("\uffff", r"\uffff"),
}


@pytest.mark.parametrize(("text", "shown"), ACTS.values(), ids=ACTS)
def test_what_acts_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize("text", ["", "plain text", "naïve 漢字 😀 ±½", "no\xa0break\u3000wide", "C:\\dir\\x1b"])
def test_what_can_be_seen_stays(text: str) -> None:
    assert visible(text) == text


def test_every_character_of_a_kind_that_acts_is_written_out() -> None:
    acting = [
        char
        for char in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and visible(char) == char
    ]
    assert acting == []


@given(st.text())
def test_a_json_file_means_the_same_when_it_is_shown(text: str) -> None:
    raw = json.dumps({text: [text]}, ensure_ascii=False, indent=2).encode()
    shown = visible_json(raw)
    assert json.loads(shown) == {text: [text]}
    assert all(line.isprintable() or visible(line) == line for line in shown.decode().split("\n"))


@given(st.text(), st.integers(1, 30))
def test_what_is_cut_is_marked_and_never_too_long(text: str, limit: int) -> None:
    said = clip(text, limit)
    assert len(said) <= limit
    assert said == visible(text) or said.endswith("…")


@pytest.mark.parametrize(
    ("text", "limit", "said"),
    [
        ("key in log: line 28, GET /a?key=<secret:key> [ok]", 99, "key in log: line 28, GET /a?key=<secret:key> [ok]"),
        ("key in log: line 28, GET /a?key=<secret:key> [ok]", 45, "key in log: line 28, GET /a?key=<secret:key>…"),
        ("key in log: line 28, GET /a?key=<secret:key> [ok]", 40, "key in log: l…, GET /a?key=<secret:key>…"),
        ("key in log: line 28, GET /a?key=<secret:key>", 40, "key in log: l…, GET /a?key=<secret:key>"),
        ("a=<secret:key> and b=<secret:key>", 27, "a=<secret:key> and b=…"),
        ("a=<secret:key>", 9, "a=…"),
    ],
)
def test_the_mark_of_a_secret_is_never_cut(text: str, limit: int, said: str) -> None:
    assert clip(text, limit) == said
    assert len(said) <= limit


@given(st.text(), st.text(), st.integers(20, 60))
def test_the_mark_of_a_secret_is_shown_whole_whatever_stands_around_it(before: str, after: str, limit: int) -> None:
    said = clip(f"{before}<secret:key>{after}", limit)
    assert "<secret:key>" in said
    assert len(said) <= limit


def test_a_text_of_a_hundred_megabytes_is_cut_before_it_is_looked_at() -> None:
    class Long(str):
        def isprintable(self) -> bool:
            raise AssertionError("all of it is looked at")

    assert clip(Long("\x1bx" * 1000), 6) == r"\x1bx…"
