"""Trials of servers that say odd things for ever: over within the scenario's seconds and a few, with the fact that names it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from small_trial import order, trial

from tailproof.guarantees.catalogue import judge
from tailproof.history.reader import History
from tailproof.trial.recorded import TrialFailed
from tests.incoming.odd_servers import OK, Says, drip, flood, server

SECONDS = 12
MORE_S = 10.0
BODY = drip(OK + b"Content-Length: 100000\r\n\r\n", b" ")


def played(says: Says, out: Path, *, ready: bool) -> tuple[History, str]:
    """The history of a trial of the server that says this to everything, but for `/ready` where it is ready; why it failed."""
    failed = ""
    with server(says, ready=ready) as port:
        wanted = order(out, target=f"url:http://127.0.0.1:{port}", seconds=SECONDS)
        began = time.monotonic()
        try:
            trial(wanted).run()
        except TrialFailed as error:
            failed = str(error)
        assert time.monotonic() - began < SECONDS + MORE_S
    return History.load(wanted.directory), failed


@pytest.mark.parametrize(
    ("says", "signature", "fact"),
    [
        (BODY, "never-ends", "GET /server_info: the body did not end within"),
        (flood(OK + b"\r\n", b"x" * 65536), "too-large", "GET /server_info: the body is longer than 32 MB"),
    ],
    ids=["drips", "floods"],
)
def test_a_server_that_is_ready_and_then_odd_is_convicted(
    says: Says, signature: str, fact: str, tmp_path: Path
) -> None:
    history, failed = played(says, tmp_path, ready=True)
    verdict = judge(history, ["server.sane"])["server.sane"]
    assert (failed, verdict.outcome, verdict.signature) == ("", "violated", signature)
    assert fact in verdict.seen[0]


def test_a_server_that_drips_before_it_is_ready_fails_its_trial(tmp_path: Path) -> None:
    history, failed = played(BODY, tmp_path, ready=False)
    assert "the server to be ready; last seen: 200 the body did not end within" in failed
    assert [request.flaw for request in history.requests] == ["endless"]
