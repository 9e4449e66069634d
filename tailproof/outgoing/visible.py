"""Text of others for one line of ours: every character that would act, or that nobody would see, is written out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from pathlib import PurePosixPath

CUT = "…"
"""Stands where something was cut off."""
SECRET = "<secret:"
"""How the mark begins that stands where a secret stood: `<secret:session key>`."""
_SECRETS = re.compile(SECRET + r"[^<>\n]{1,200}>")
_LOOKED_THROUGH = 20_000
"""So many characters of a long text are looked through for marks."""
PATH_CHARS = 500
"""How much of a path of a user is shown in a sentence."""


def visible(text: str) -> str:
    """One line in which every control character can be seen, as `\\x1b` or `\\u202e`: an escape sequence in evidence must not act.

    What is written out: control characters with their line breaks, format characters (text direction, zero width), line separators,
    lone surrogates, code points for private use and those that mean nothing. What is visible already stays as it is.
    """
    # Text that needs nothing is the rule, and this is one pass in C.
    return text if text.isprintable() else text.translate(_written_out(text, _escaped))


def visible_json(raw: bytes) -> bytes:
    """A JSON text with the same meaning in which what would act stands as `\\uXXXX`, for whoever reads the file in a terminal."""
    text = raw.decode()
    if text.isascii() and "\x7f" not in text:
        return raw
    table = _written_out(text, _escaped_in_json)
    table.pop(ord("\n"), None)
    return text.translate(table).encode() if table else raw


def clip(text: str, limit: int) -> str:
    """At most `limit` characters of visible text; what is cut off is marked. The whole of a long text is not looked at.

    The mark of a secret is never cut, and the first one is shown where there is room for it: text is left out before it instead.
    """
    shown = visible(text[: limit + 1])
    if len(shown) <= limit:
        return shown
    if text.find(SECRET, 0, _LOOKED_THROUGH) < 0:
        return shown[: limit - 1] + CUT
    return _clip_around(visible(text[:_LOOKED_THROUGH]), limit)


def _clip_around(shown: str, limit: int) -> str:
    end = limit - 1
    found = list(_SECRETS.finditer(shown))
    if not found or found[0].end() <= end:
        end = next((one.start() for one in found if one.start() < end < one.end()), end)
        return shown[:end] + CUT
    first = found[0]
    room = end - len(CUT) - len(first[0])
    if room < 0:
        return shown[: min(end, first.start())] + CUT
    near = room // 2
    begin, before = shown[: room - near], shown[first.start() - near : first.start()]
    return begin + CUT + before + first[0] + (CUT if first.end() < len(shown) else "")


def program_of(command: str) -> str:
    """`tmux` of a command line, whose arguments fill screens and name places of a machine."""
    return PurePosixPath(command.split(maxsplit=1)[0]).name if command.split() else ""


def _written_out(text: str, written: Callable[[str], str]) -> dict[int, str]:
    """For `str.translate`: how each character of `text` that would act is written. A result of 100 MB has few that differ."""
    return {
        ord(char): written(char) for char in set(text) if not char.isprintable() and unicodedata.category(char) != "Zs"
    }


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def _escaped_in_json(char: str) -> str:
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
