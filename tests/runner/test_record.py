"""The record of a trial is able to testify: every witness counts what it said, and says what it can see."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from small_trial import FINISH, order, play, trial

from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.history.timeline import runs_of
from tailproof.history.views import same
from tailproof.targets import container, process
from tailproof.targets.url import UrlTarget
from tailproof.trial.header import witnesses_of
from tailproof.trial.recorded import TrialFailed

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
        (
            UrlTarget(
                "url:http://127.0.0.1:1", "http://127.0.0.1:1", adapter=OpenHands(), model_url="http://127.0.0.1:2"
            ).capabilities,
            {"tool", "engine", "disk"},
        ),
    ],
    ids=["process", "container", "url"],
)
def test_a_witness_stands_in_the_header_where_the_target_has_it(
    capabilities: frozenset[str], lacking: set[str]
) -> None:
    able = witnesses_of(capabilities, ("status", "held"), hooks=False)
    assert WITNESSES - able.keys() == lacking
    assert able["client"] == ["held", "status"]
    assert able["observer"] == ["log", "stream", "status"]


def test_a_trial_whose_history_cannot_be_written_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tailproof.history.recorder.os.fsync", full)
    with pytest.raises(TrialFailed, match=r"the history cannot be written: .*No space left on device"):
        trial(order(tmp_path)).run()


def test_what_a_driven_client_asked_is_told_by_the_wire(tmp_path: Path) -> None:
    history = play(tmp_path, client="reference", messages=["go", "and on"], script=[FINISH, FINISH])
    mine = [request for request in history.requests if request.witness == "client"]
    ends = {exchange.t_ns: exchange for exchange in history.exchanges}
    assert all(ends[request.t_ns].path == request.path for request in mine)
    writes = [(request.verb, request.text) for request in mine if request.method != "GET"]
    assert writes == [("create", ""), ("send", "go"), ("run", ""), ("send", "and on"), ("run", "")]
    assert {request.verb for request in mine if request.method == "GET"} == {"status", "load"}
    (conversation,) = {request.conversation for request in mine}
    assert conversation
    runs = runs_of(history, same(conversation))
    assert [type(run.record).__name__ for run in runs] == ["Request", "Request"], "no run counts twice"


def test_what_the_plain_client_tells_itself_is_not_told_again(tmp_path: Path) -> None:
    history = play(tmp_path, script=[FINISH])
    writes = [request.verb for request in history.requests if request.witness == "client" and request.method != "GET"]
    assert writes == ["create", "send", "run"]
