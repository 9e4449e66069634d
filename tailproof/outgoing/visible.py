"""Text of others for one line of ours: every character that would act, or that nobody would see, is written out."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

CUT = "…"
"""Stands where something was cut off."""
PATH_CHARS = 500
"""How much of a path of a user is shown in a sentence."""


def visible(text: str) -> str:
    """One line in which every control character can be seen, as `\\x1b` or `\\u202e`: an escape sequence in evidence must not act.

    What is written out: control characters with their line breaks, format characters (text direction, zero width), line separators,
    lone surrogates, code points for private use and those that mean nothing. What is visible already stays as it is.
    """
    # Text that needs nothing is the rule, and this is one pass in C.
    return text if text.isprintable() else "".join(map(_shown, text))


def visible_json(raw: bytes) -> bytes:
    """A JSON text with the same meaning in which what would act stands as `\\uXXXX`, for whoever reads the file in a terminal."""
    text = raw.decode()
    if text.isascii() and "\x7f" not in text:
        return raw
    return "".join(map(_shown_in_json, text)).encode()


def clip(text: str, limit: int) -> str:
    """At most `limit` characters of visible text; what is cut off is marked. The whole of a long text is not looked at."""
    shown = visible(text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + CUT


def program_of(command: str) -> str:
    """`tmux` of a command line, whose arguments fill screens and name places of a machine."""
    return PurePosixPath(command.split(maxsplit=1)[0]).name if command.split() else ""


def _shown(char: str) -> str:
    if char.isprintable() or unicodedata.category(char) == "Zs":
        return char
    return char.encode("unicode_escape").decode("ascii")


def _shown_in_json(char: str) -> str:
    if char == "\n" or _shown(char) == char:
        return char
    units = char.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
