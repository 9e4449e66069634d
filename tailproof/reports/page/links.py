"""Where a promise was made and why something is known, as links: addresses, issues and pull requests on GitHub, RFCs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from markupsafe import Markup, escape

_REFERENCE = re.compile(
    r"(?P<address>https?://[^\s<>\"'`\\(),;]+[^\s<>\"'`\\(),;.:])"
    r"|(?P<repository>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)#(?P<number>[0-9]{1,9})\b"
    r"|(?<![\w#])#(?P<bare>[0-9]{1,9})\b"
    r"|\bRFC (?P<rfc>[0-9]{1,5})\b"
)


def linked(text: str) -> Markup:
    """The text with what it refers to as links: `https://…`, `OWNER/REPOSITORY#12`, `#13` of the repository that was named last,
    `RFC 9112`. Everything else is escaped."""
    return Markup("").join(_parts(text))


def _parts(text: str) -> Iterator[Markup]:
    done, repository = 0, ""
    for found in _REFERENCE.finditer(text):
        repository = found["repository"] or repository
        if found["bare"] and not repository:
            continue
        yield escape(text[done : found.start()])
        yield Markup('<a href="{}" rel="noreferrer">{}</a>').format(_address(found, repository), found[0])
        done = found.end()
    yield escape(text[done:])


def _address(found: re.Match[str], repository: str) -> str:
    if found["rfc"]:
        return f"https://www.rfc-editor.org/rfc/rfc{found['rfc']}"
    # GitHub leads from an issue's address to the pull request of the same number.
    number = found["number"] or found["bare"]
    return found["address"] or f"https://github.com/{repository}/issues/{number}"
