"""The reports of a check on the disk."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from tailproof.reports import json, markdown
from tailproof.reports.result import Result
from tailproof.runner import out_dir


def write_reports(result: Result, out: Path) -> None:
    """Write `report.md` and at last `result.json`. Raises OSError: then neither is there."""
    try:
        markdown.write(result, out / out_dir.REPORT)
        json.write(result, out / out_dir.RESULT)
    except OSError:
        withdraw_reports(out)
        raise


def withdraw_reports(out: Path) -> None:
    """No result is there any more."""
    for name in (out_dir.RESULT, out_dir.REPORT):
        with suppress(OSError):  # a disk that lets nothing be removed lets nothing be written either
            (out / name).unlink(missing_ok=True)
