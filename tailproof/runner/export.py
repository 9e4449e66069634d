"""A finished check in the formats of other tools."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from tailproof.history.lines import HistoryError
from tailproof.history.reader import History
from tailproof.incoming import BadInput
from tailproof.incoming.files import from_here, lies_below
from tailproof.outgoing.atomic import write_atomically
from tailproof.outgoing.masking import Masker, secrets_of_environment
from tailproof.reports import json, perfetto, sarif
from tailproof.reports.page.names import Named, named
from tailproof.reports.page.trial import Detail, trial_data
from tailproof.runner.finished import result_file
from tailproof.runner.outputs import check_directory, check_file

TRACE = ".perfetto-trace"
_ALL = Detail(records=1 << 31, rows=1)


class NothingAsked(BadInput):
    """No format was asked for."""


def export(path: Path, *, to_sarif: Path | None, traces: Path | None, echo: Callable[[str], object]) -> None:
    """Write the findings of a result as SARIF, and each trial whose history lies beside it as a Perfetto trace into a directory. Raises
    BadInput, OSError."""
    if to_sarif is None and traces is None:
        raise NothingAsked("nothing to write: name --sarif FILE, --perfetto DIR, or both")
    result = json.read(result_file(path))
    root = result_file(path).parent
    if to_sarif is not None:
        check_file(to_sarif, "the SARIF file")
        sarif.write(result, to_sarif)
        echo(f"written: {from_here(to_sarif.absolute())}")
    if traces is not None:
        check_directory(traces, "the directory of traces")
        traces.mkdir(parents=True, exist_ok=True)
        for one in named(result.trials):
            echo(_trace(one, root, traces))


def _trace(one: Named, root: Path, traces: Path) -> str:
    """What became of one trial, in a line."""
    if not lies_below(root, one.trial.history):
        return f"left out: the history of {one.called} does not lie below the result"
    try:
        history = History.load(root / one.trial.history)
    except HistoryError as error:
        return f"left out: {error}"
    data = trial_data(one.key, one.called, one.trial, history, _ALL)
    masked = msgspec.json.decode(Masker(secrets_of_environment()).raw(msgspec.json.encode(data)))
    place = traces / f"{one.key}{TRACE}"
    write_atomically(place, perfetto.encode(masked))
    return f"written: {from_here(place.absolute())}"
