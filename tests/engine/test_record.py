"""The record of a trial is able to testify: every witness counts what it said, and says what it can see."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from small_trial import order, play, trial

from tailproof.trial import TrialFailed

WITNESSES = {"trial", "observer", "model", "tool", "wire", "engine", "client", "disk"}


def test_every_witness_ends_and_the_trial_counts_them_all(tmp_path: Path) -> None:
    history = play(tmp_path)
    ends = {end.witness: end for end in history.ends}
    assert ends.keys() == WITNESSES
    others = {name: end.records + 1 for name, end in ends.items() if name != "trial"}
    assert ends["trial"].of_others == others
    assert {name: tally.records for name, tally in history.tallies.items()} == {
        **others,
        "trial": ends["trial"].records + 1,
    }
    assert history.phases[-1].name == "ended"


def test_a_trial_whose_history_cannot_be_written_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tailproof.history.recorder.os.fsync", full)
    with pytest.raises(TrialFailed, match="the history cannot be written: .*No space left on device"):
        trial(order(tmp_path)).run()
