"""What becomes a link in a page: addresses, issues of a repository, RFCs; and nothing that acts."""

from __future__ import annotations

import pytest
from seen_pages import HOSTILE, Seen

from tailproof.reports.page.links import linked

GITHUB = "https://github.com"


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("OpenHands PR 1865", {}),
        ("#12 of nobody", {}),
        ("a/b#1 (why), #22", {"a/b#1": f"{GITHUB}/a/b/issues/1", "#22": f"{GITHUB}/a/b/issues/22"}),
        ("a/b#1, C-d/e.f#3, #4", {
            "a/b#1": f"{GITHUB}/a/b/issues/1", "C-d/e.f#3": f"{GITHUB}/C-d/e.f/issues/3", "#4": f"{GITHUB}/C-d/e.f/issues/4",
        }),
        ("see https://example.org/x?y=1, (https://example.org/2).", {
            "https://example.org/x?y=1": "https://example.org/x?y=1", "https://example.org/2": "https://example.org/2",
        }),
        ("RFC 9112 and RFC 6455", {
            "RFC 9112": "https://www.rfc-editor.org/rfc/rfc9112", "RFC 6455": "https://www.rfc-editor.org/rfc/rfc6455",
        }),
        ("events/search#1000", {"events/search#1000": f"{GITHUB}/events/search/issues/1000"}),
        ("javascript:alert(1) ftp://x", {}),
    ],
)  # fmt: skip
def test_what_is_linked(text: str, links: dict[str, str]) -> None:
    seen = Seen(str(linked(text)))
    assert seen.text() == text
    assert dict(zip(seen.inside("a"), [attrs["href"] for attrs in seen.all("a")], strict=True)) == links


def test_what_is_linked_is_harmless() -> None:
    seen = Seen(str(linked(f"https://x/{HOSTILE} a/b#1{HOSTILE}")))
    assert {tag for tag, _ in seen.tags} == {"a"}
    assert [attrs["href"] for attrs in seen.all("a")] == ["https://x/", f"{GITHUB}/a/b/issues/1"]
