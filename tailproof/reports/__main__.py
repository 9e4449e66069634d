"""`python -m tailproof.reports [DIRECTORY]` writes the published schema and the examples of each report anew.

The examples come from `examples/result.json`, compared with `examples/before.json`; a test keeps them equal to what the
writers give today.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tailproof.data import folder
from tailproof.history.recorder import write_atomically
from tailproof.reports import json, markdown, terminal

SCHEMA = "result.schema.json"


def published(directory: Path) -> dict[Path, bytes]:
    """What stands in `directory`, as the writers give it today. Raises BadResult for a bad example."""
    examples = directory / "examples"
    result, before = json.read(examples / "result.json"), json.read(examples / "before.json")
    files = {"report": "out/report.md", "result": "out/result.json", "histories": "out/histories/"}
    return {
        directory / SCHEMA: json.schema(),
        examples / "result.json": json.encode(result),
        examples / "before.json": json.encode(before),
        examples / "report.md": markdown.render(result, base=before).encode(),
        examples / "terminal.txt": terminal.render(result, files=files).encode(),
    }


if __name__ == "__main__":
    for path, content in published(Path(sys.argv[1]) if sys.argv[1:] else folder("reports")).items():
        write_atomically(path, content)
