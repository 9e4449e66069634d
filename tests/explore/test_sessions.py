"""How long an exploration took that was stopped, killed, and gone on with."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from tailproof.explore.account import write_account
from tailproof.explore.cells import Cell, Space
from tailproof.explore.journal import Began, Confirmed, Drawn, Ended, Journal, Session
from tests.explore.pretended import exploration, on_reference, pretending


def ended(number: int, at_s: float) -> Ended:
    return Ended(number=number, seconds=3.0, at_s=at_s)


def test_each_line_says_when_it_was_written(tmp_path: Path) -> None:
    before = time.time()
    with closing(Journal(tmp_path)) as journal:
        journal.write(Session())
        journal.write(Confirmed(finding=1, hits=3, trials=3))
        assert all(before - 1 < line.at_s < time.time() + 1 for line in journal.lines)


def test_all_its_sessions_count_and_what_lies_between_does_not(tmp_path: Path) -> None:
    with closing(Journal(tmp_path)) as journal:
        journal.write(Session(at_s=1000.0))
        journal.write(ended(1, 1010.0))
        journal.write(Confirmed(finding=1, hits=3, trials=3, at_s=1020.0))
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


def test_what_a_trial_showed_is_not_forgotten_with_its_history(tmp_path: Path) -> None:
    began = Began(tailproof="0", target="reference", client="plain", seed=1)
    cell = Cell("wire.delay/2s", "tool-running", "steps")
    with closing(Journal(tmp_path)) as journal:
        journal.write(began)
        journal.write(Drawn(number=1, cells=(str(cell),), trial="shown"))
        journal.write(Ended(number=1, proven=(str(cell),), violated=(("events.tail", "missing-tail", "known"),)))
        going = exploration(pretending(tmp_path, lambda plan, number: []), journal, [cell])
        pair = on_reference().pairs[0]
        result = write_account(going, Space(), began, pair=pair, shard=None, cut_off="", errors=[])
    assert result.errors == ("1 trial showed violations, and cannot be read any more: shown",)
    assert result.gate.exit_code == 2
