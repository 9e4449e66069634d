"""How long an exploration took that was stopped, killed, and gone on with."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from tailproof.explore.journal import Ended, Journal, Session


def ended(number: int, at_s: float) -> Ended:
    return Ended(number=number, seconds=3.0, at_s=at_s)


def test_all_its_sessions_count_and_what_lies_between_does_not(tmp_path: Path) -> None:
    with closing(Journal(tmp_path)) as journal:
        journal.write(Session(at_s=1000.0))
        journal.write(ended(1, 1010.0))
        journal.write(ended(2, 1020.0))  # and then it was killed
    with closing(Journal(tmp_path)) as journal:
        journal.write(Session(at_s=5000.0))
        assert journal.worked(5005.0) == (1000.0, 25.0)
        journal.write(ended(3, 5030.0))
        assert journal.worked(5031.0) == (1000.0, 51.0)


def test_a_clock_that_was_set_back_takes_no_time_away(tmp_path: Path) -> None:
    with closing(Journal(tmp_path)) as journal:
        journal.write(Session(at_s=1000.0))
        journal.write(ended(1, 1010.0))
        journal.write(Session(at_s=2000.0))
        assert journal.worked(1500.0) == (1000.0, 10.0)
