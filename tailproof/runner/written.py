"""The reports of a check on the disk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tailproof.reports import json, markdown
from tailproof.reports.page import render
from tailproof.reports.result import Result
from tailproof.runner import out_dir


def write_reports(
    result: Result, out: Path, *, page: Path | None = None, hurry: Callable[[], bool] = lambda: False
) -> None:
    """Write `report.md`, `report.html` (to `page`, too) and at last `result.json`; `hurry` asks for a page without what takes long.
    Raises OSError: each of them that was there before is there then, as it was or new."""
    markdown.write(result, out / out_dir.REPORT)
    render.write(result, [out / out_dir.PAGE, *([page] if page else [])], root=out, hurry=hurry)
    json.write(result, out / out_dir.RESULT)


def withdraw_reports(out: Path, *, page: Path | None = None) -> None:
    """No result is there any more."""
    for place in (*(out / name for name in out_dir.WRITTEN), *([page] if page else [])):
        with suppress(OSError):  # a disk that lets nothing be removed lets nothing be written either
            place.unlink(missing_ok=True)
