"""GitHub-flavoured Markdown from text that nobody has vetted: escaped text, code, tables, folds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tailproof.outgoing.visible import visible

_SPECIAL = re.compile(r"([\\`*\[\]|~])|((?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_BLOCK = re.compile(r"^(\s*)([-+#=])|^(\s*\d+)([.)])(?=\s|$)")
_CALLING = re.compile(r"([@#])(?=[A-Za-z0-9])")
_BACKTICKS = re.compile(r"`+")


def prose(text: str) -> str:
    """One line of text that is shown as it is: no markup, no HTML, nobody mentioned and no issue linked."""
    escaped = _SPECIAL.sub(r"\\\1\2", visible(text)).translate(_HTML)
    escaped = _BLOCK.sub(r"\1\3\\\2\4", escaped)
    return _CALLING.sub("\\1\u200b", escaped)


def code(text: str, *, cell: bool = False) -> str:
    """A code span, also for a `cell` of a table, where a bar would end it. Empty text gives an empty string."""
    shown = visible(text)
    if not shown:
        return ""
    if cell and "|" in shown:
        return f"<code>{prose(shown)}</code>"
    ticks = "`" * (_longest(shown) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def block(lines: Iterable[str], language: str = "") -> str:
    """A fenced block of code; its fence is longer than any run of backticks within."""
    shown = [visible(line) for line in lines]
    fence = "`" * max(3, _longest("\n".join(shown)) + 1)
    return "\n".join((fence + language, *shown, fence))


def table_head(columns: Sequence[str]) -> str:
    """The first two lines of a table. The columns are Markdown."""
    return f"{table_row(columns)}\n|{'---|' * len(columns)}"


def table_row(cells: Sequence[str]) -> str:
    """One row. The cells are Markdown that holds no bare bar."""
    return f"| {' | '.join(cells)} |"


def link(text: str, target: str) -> str:
    """A link where the target is a web address, else the target as code."""
    if re.fullmatch(r"https?://[^\s<>()\"']+", target) and visible(target) == target:
        return f"[{prose(text)}]({target.replace('|', '%7C')})"
    return code(target)


def fold(summary: str) -> str:
    """Opens a part that unfolds by a click; `FOLD_END` closes it. The summary is plain text."""
    return f"<details>\n<summary>{prose(summary)}</summary>\n"


FOLD_END = "</details>"


def _longest(text: str) -> int:
    return max((len(run) for run in _BACKTICKS.findall(text)), default=0)
