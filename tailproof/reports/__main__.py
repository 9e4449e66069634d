"""`python -m tailproof.reports [DIRECTORY]` writes the examples of each report anew, below `DIRECTORY/examples`.

They come from `result.json`, and that of a comparison from `before.json` and it; a test keeps them equal to what the writers give today.
The page stands there without its script, which is what a reader sees who allows none.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tailproof.outgoing.atomic import write_atomically
from tailproof.reports import json, markdown, markdown_compare, terminal
from tailproof.reports.compare import compare
from tailproof.reports.page.render import Island, render
from tailproof.resources import folder


def examples(directory: Path) -> dict[Path, bytes]:
    """What is in `directory`, as the writers give it today. Raises BadResult for a bad example."""
    result, before = json.read(directory / "result.json"), json.read(directory / "before.json")
    comparison = compare(
        before,
        result,
        names=("before.json", "result.json"),
        folders=("out/base", "out/candidate"),
        goal="The end of the list is there when run() returns (events.tail).",
    )
    files = {
        "page": "out/report.html",
        "report": "out/report.md",
        "result": "out/result.json",
        "histories": "out/histories/",
    }
    return {
        directory / "result.json": json.encode(result),
        directory / "before.json": json.encode(before),
        directory / "report.md": markdown.render(result).encode(),
        directory / "report.html": render(result, root=None, island=Island()).encode(),
        directory / "compare.md": markdown_compare.render(comparison).encode(),
        directory / "compare.html": render(result, root=None, island=Island(), comparison=comparison).encode(),
        directory / "compare.json": json.encode_comparison(comparison),
        directory / "terminal.txt": terminal.render(result, folder="out", files=files).encode(),
    }


if __name__ == "__main__":
    reports = Path(sys.argv[1]) if sys.argv[1:] else folder("reports")
    for path, content in examples(reports / "examples").items():
        write_atomically(path, content)
