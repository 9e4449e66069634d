"""What a person reads in a terminal: the only place of the harness that writes there."""

from __future__ import annotations

import sys

from tailproof.outgoing.masking import Masker, secrets_of_environment, without_passwords
from tailproof.outgoing.visible import clip

LINE_CHARS = 8192
"""Longer lines are cut: no value of others fills a screen. A command that is printed holds two paths at most."""
SENTENCE_CHARS = 1_000
"""The same for a sentence that says what is wrong: it need not be whole to be typed again."""


def shown(text: str, line_chars: int = LINE_CHARS) -> str:
    """`text`, whoever wrote it, as a terminal, a test runner or a log may have it: no secret that this process was given, no
    password in an address, nothing that acts, no endless line. Its line breaks are kept."""
    lines = without_passwords(Masker(secrets_of_environment()).text(text)).replace("\r\n", "\n").split("\n")
    return "\n".join(clip(line, line_chars) for line in lines)


def say(text: str, *, err: bool = False, line_chars: int = LINE_CHARS) -> None:
    """Print `text` as it may be shown, on standard output, or with `err` on standard error.

    Raises OSError when it cannot be written: the pipe is closed, the disk is full.
    """
    stream = sys.stderr if err else sys.stdout
    encoding = stream.encoding or "utf-8"
    stream.write(f"{shown(text, line_chars)}\n".encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()
