"""Whatever a server wrote into an event, a Markdown reader shows it as it was written and does nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tailproof.outgoing.visible import visible
from tailproof.reports.markup import block, code, link, prose, table_head, table_row

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
HOSTILE = st.text(
    alphabet=st.one_of(st.sampled_from("|`<>*_[]()!~#&@\\-+=.:1 \n\t\x1b\u202e"), st.characters(exclude_categories=["Cs"])),
    max_size=40,
)  # fmt: skip
EXAMPLES = {
    "a bar": "a | b",
    "a code span": "`rm -rf`",
    "a fence": "```\nx\n```",
    "a tag": "<img src=x onerror=alert(1)>",
    "a comment": "<!-- gone",
    "an entity": "&lt;b&gt;",
    "a link": "[here](https://example.org)",
    "an image": "![x](y)",
    "emphasis": "**bold** _it_ ~~no~~ snake_case",
    "a heading": "# title",
    "a list": "- item",
    "a numbered list": "1. item",
    "a rule": "---",
    "a backslash before a bar": "a\\|b",
    "colour": "\x1b[31mred\x1b[0m",
    "a text turned around": "\u202etxt.exe",
}


def text_of(tokens: list[Token]) -> str:
    """What a reader sees. Fails on everything that is more than text."""
    seen = ""
    for token in tokens:
        assert token.type in ("text", "text_special", "code_inline", "softbreak"), token
        seen += token.content
    return seen


def inline(markdown: str) -> list[Token]:
    tokens = READER.parse(markdown)
    assert [token.type for token in tokens] in ([], ["paragraph_open", "inline", "paragraph_close"]), tokens
    return tokens[1].children or [] if tokens else []


def unmarked(text: str) -> str:
    """Readers trim the ends of a paragraph; the zero-width space that keeps people from being called is ours."""
    return re.sub(r"(?<=[@#])\u200b", "", text).strip()


@pytest.mark.parametrize("text", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_prose_is_text_and_nothing_else(text: str) -> None:
    assert unmarked(text_of(inline(prose(text)))) == visible(text).strip()


@given(HOSTILE)
def test_any_prose_is_text_and_nothing_else(text: str) -> None:
    assert unmarked(text_of(inline(prose(text)))) == visible(text).strip()


@given(HOSTILE)
def test_any_code_is_shown_as_it_is(text: str) -> None:
    children = inline(code(text))
    assert [child.type for child in children] == (["code_inline"] if text else [])
    # A reader takes one space off both ends, unless there is nothing but spaces.
    assert "".join(child.content for child in children).strip() == visible(text).strip()


@given(HOSTILE, HOSTILE)
def test_any_row_keeps_its_cells(one: str, other: str) -> None:
    tokens = READER.parse(f"{table_head(('a', 'b'))}\n{table_row((prose(one), code(other, cell=True)))}")
    cells = [tokens[index + 1] for index, token in enumerate(tokens) if token.type == "td_open"]
    assert len(cells) == 2
    shown = ["".join(child.content for child in cell.children or [] if child.type != "html_inline") for cell in cells]
    assert [unmarked(text) for text in shown] == [visible(one).strip(), visible(other).strip()]


@given(st.lists(HOSTILE, max_size=4))
def test_any_block_ends_where_it_ends(lines: list[str]) -> None:
    tokens = READER.parse(f"{block(lines)}\n\nafter")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert tokens[0].content.splitlines() == [visible(line) for line in lines]


def test_a_fence_within_a_block_does_not_end_it() -> None:
    tokens = READER.parse(block(["```", "inside", "````"]))
    assert [(token.type, token.content) for token in tokens] == [("fence", "```\ninside\n````\n")]


def test_nobody_is_called() -> None:
    assert "@team" not in prose("ask @team about #12")
    assert "#12" not in prose("ask @team about #12")


@pytest.mark.parametrize("target", ["javascript:alert(1)", "docs/findings.md", "https://x.org/a b", "https://x)"])
def test_only_a_web_address_becomes_a_link(target: str) -> None:
    assert link("x", target) == code(target)


def test_a_web_address_becomes_a_link() -> None:
    assert link("1|2", "https://example.org/?a=1|2") == "[1\\|2](https://example.org/?a=1%7C2)"
    assert 'href="https://example.org/' in READER.render(link("x", "https://example.org/"))


def test_visible_shows_what_would_act() -> None:
    assert visible("a\x1b[2J\tb\r\n\u2028\u202e\ud800") == "a\\x1b[2J\\tb\\r\\n\\u2028\\u202e\\ud800"
    assert visible("é ✓ 漢 🙂") == "é ✓ 漢 🙂"
