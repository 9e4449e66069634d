"""The record of a trial is able to testify: every witness counts what it said, and says what it can see."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from small_trial import order, play, trial

from tailproof.cast import witnesses_of
from tailproof.targets import container, process
from tailproof.targets.url import UrlTarget
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
    assert history.header.witnesses.keys() == WITNESSES
    assert history.header.witnesses["client"] == []


@pytest.mark.parametrize(
    ("capabilities", "lacking"),
    [
        (process.CAPABILITIES, set()),
        (container.CAPABILITIES, set()),
        (UrlTarget("http://127.0.0.1:1", model_url="http://127.0.0.1:2").capabilities, {"tool", "engine", "disk"}),
    ],
    ids=["process", "container", "url"],
)
def test_a_witness_stands_in_the_header_where_the_target_has_it(
    capabilities: frozenset[str], lacking: set[str]
) -> None:
    able = witnesses_of(capabilities, ("status", "held"))
    assert WITNESSES - able.keys() == lacking
    assert able["client"] == ["held", "status"]
    assert able["observer"] == ["log", "stream", "status"]


def test_a_trial_whose_history_cannot_be_written_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tailproof.history.recorder.os.fsync", full)
    with pytest.raises(TrialFailed, match=r"the history cannot be written: .*No space left on device"):
        trial(order(tmp_path)).run()
