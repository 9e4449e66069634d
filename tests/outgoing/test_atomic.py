"""What a writer that was killed leaves aside is told from everything that merely resembles it."""

from __future__ import annotations

import pytest

from tailproof.outgoing.atomic import is_aside


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        (".result.json.12.345", True),
        (".result.json.12", False),
        (".result.json.mine.12.345", False),
        ("result.json.12.345", False),
        (".result_json.12.345", False),
        (".header.json.12.345", False),
    ],
)
def test_only_what_was_left_of_this_file_is(name: str, ours: bool) -> None:
    assert is_aside(name, "result.json") is ours
