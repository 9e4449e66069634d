"""A trial that cannot go on says with whom, accounts for every fault of its plan, and takes every step of its end."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from small_trial import FINISH, GATED, KILL, order, play, trial

from tailproof.clients.plain import PlainClient
from tailproof.clients.program import ProgramClient
from tailproof.faults.wire import WireFault
from tailproof.guarantees.catalogue import judge
from tailproof.guarantees.verdict import Outcome
from tailproof.history.reader import History
from tailproof.model.conversation import PlayedScript
from tailproof.protocol.subscription import SubscriptionRefused
from tailproof.targets.process_server import ProcessServer, Release
from tailproof.targets.target import TargetError
from tailproof.trial.observer import Observer
from tailproof.trial.participants import Participants
from tailproof.trial.recorded import TrialFailed
from tailproof.waiting import DeadlineMissed

REFUSED = {
    "id": "refused",
    "fault": "wire.status",
    "at": "connected",
    "with": {"code": 503, "match": {"route": "/api/conversations", "method": "POST"}},
}
END = ["healing", "recovering", "reading", "delivering", "stopping", "reading the disk", "clearing", "removing"]


def why(history: History) -> list[tuple[str, str]]:
    return [(one.by, one.doing) for one in history.break_offs]


def failed(out: Path, match: str, **asked: Any) -> History:
    """The history of a trial that must fail."""
    wanted = order(out, **asked)
    with pytest.raises(TrialFailed, match=match):
        trial(wanted).run()
    return History.load(wanted.directory)


def raises(error: Exception) -> Callable[..., Any]:
    def now(*args: object, **kwargs: object) -> None:
        raise error

    return now


# -- with whom --------------------------------------------------------------------------------------------------------


def test_a_trial_in_order_breaks_off_with_nobody(tmp_path: Path) -> None:
    history = play(tmp_path, script=[GATED, FINISH], faults=[KILL])
    assert why(history) == []
    assert [record.stage for record in history.faults] == ["intent", "injected", "proven", "healed"]


def test_a_client_that_gives_up(tmp_path: Path) -> None:
    history = play(tmp_path, faults=[REFUSED])
    assert why(history) == [("client", "create")]
    assert [error.verb for error in history.client_errors] == ["create"]


def test_a_server_that_lets_nobody_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Observer, "subscribe", raises(SubscriptionRefused("not accepted: 4001")))
    history = play(tmp_path)
    assert why(history) == [("server", "subscribe")]
    assert history.break_offs[0].says == "not accepted: 4001"


def test_a_run_that_never_ends(tmp_path: Path) -> None:
    history = play(tmp_path, script=[GATED, FINISH], parameters={"loop.terminates": 1.0})
    assert why(history) == [("server", "run")]
    assert [missed.waited_for for missed in history.missed] == ["run 1 to end"]


def test_a_client_that_is_late_has_a_moment_more_before_the_trial_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_time = PlainClient._end

    def late(*args: Any, **told: Any) -> None:
        threading.Event().wait(4)  # 2 s more than it is waited for
        in_time(*args, **told)

    monkeypatch.setattr(PlainClient, "_end", late)
    history = play(tmp_path, parameters={"loop.returns": 0.0})
    (returned,) = [run for run in history.runs if run.stage == "returned"]
    (reading,) = [phase for phase in history.phases if phase.name == "reading"]
    assert returned.t_ns < reading.t_ns
    assert len(history.missed) == 1, "it was late"


def test_a_client_whose_last_run_does_not_return_breaks_nothing_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PlainClient, "wait_returned", raises(DeadlineMissed("the client's run to return", 1.0, "")))
    until_returned = {
        "id": "lag",
        "fault": "wire.delay",
        "at": "created",
        "until": "returned",
        "with": {"seconds": 0.1},
    }
    history = play(tmp_path, faults=[until_returned])
    assert why(history) == []
    assert [missed.waited_for for missed in history.missed] == ["the client's run to return"], "it is waited for once"
    assert [record.stage for record in history.faults] == ["intent", "injected", "proven", "healed"]


def test_a_client_whose_run_does_not_return_cannot_be_told_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PlainClient, "wait_returned", raises(DeadlineMissed("the run to return", 1.0, "")))
    assert why(play(tmp_path, messages=["go", "and on"], script=[FINISH, FINISH])) == [("client", "run")]


def comes_back_as(monkeypatch: pytest.MonkeyPatch, place: Path, source: str) -> None:
    """Let the server of a trial be another program from its second start on."""
    program = place / "second.py"
    program.write_text(source)
    restart = ProcessServer.restart

    def another(self: ProcessServer, *args: Any, **kwargs: Any) -> None:
        self._own = self._first = replace(self._own, program=(str(program),))
        restart(self, *args, **kwargs)

    monkeypatch.setattr(ProcessServer, "restart", another)


@pytest.mark.parametrize(
    ("source", "saw"),
    [("raise SystemExit(3)", "the server has ended"), ("import time; time.sleep(600)", "refused")],
    ids=["dies-again", "never-ready"],
)
def test_a_server_that_does_not_come_back_ends_the_trial_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, saw: str
) -> None:
    comes_back_as(monkeypatch, tmp_path, source)
    began = time.monotonic()
    history = play(tmp_path, script=[GATED, FINISH], faults=[KILL], parameters={"server.ready": 1.0})
    assert time.monotonic() - began < 30, "it is not started again and again"
    assert why(history) == [("server", "ready")]
    assert saw in history.break_offs[0].says.lower()
    assert sum(life.stage == "started" for life in history.lives) == 2
    assert [phase.name for phase in history.phases][-len(END) - 1 :] == [*END, "ended"]
    assert [record.stage for record in history.faults] == ["intent", "injected", "proven"]


def test_a_server_that_the_harness_cannot_start_again_is_not_the_products_doing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ProcessServer, "restart", raises(TargetError("python does not run")))
    history = failed(tmp_path, "python does not run", script=[GATED, FINISH], faults=[KILL])
    assert why(history) == [("harness", "ready")]


def test_a_server_that_never_gets_ready_at_all_fails_the_trial_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "first.py"
    program.write_text("raise SystemExit('no such option')")
    launch = ProcessServer._launch

    def another(self: ProcessServer, place: str, release: Release | None = None) -> None:
        launch(self, place, replace(self._own, program=(str(program),)))

    monkeypatch.setattr(ProcessServer, "_launch", another)
    assert why(failed(tmp_path, "(?s)the server has ended.*no such option")) == [("server", "ready")]


# -- the wire dies ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", ["plain", "reference"])
def test_a_wire_that_dies_is_no_fault_of_anybody_and_nothing_waits_for_it(tmp_path: Path, client: str) -> None:
    wanted = order(tmp_path, client=client, script=[GATED, FINISH], seconds=600, parameters={"loop.terminates": 500.0})

    def kill_the_wire(phase: str, detail: str) -> None:
        if phase == "driving":
            (wire,) = [
                process
                for process in psutil.process_iter(["cmdline"])
                if str(wanted.directory / "wire.jsonl") in (process.info["cmdline"] or [])
            ]
            os.kill(wire.pid, signal.SIGKILL)

    began = time.monotonic()
    with pytest.raises(TrialFailed, match=r"the wire died \(exit code -9\)"):
        trial(wanted, tell=kill_the_wire).run()
    assert time.monotonic() - began < 60
    history = History.load(wanted.directory)
    assert [(one.by, one.doing, one.says) for one in history.break_offs] == [
        ("harness", "wire", "the wire died (exit code -9)")
    ]
    assert history.client_errors == []
    ends = {end.witness: end for end in history.ends}
    assert "wire" not in ends
    assert "wire" not in ends["trial"].of_others


# -- faults are accounted for -----------------------------------------------------------------------------------------


def test_a_fault_that_the_trial_never_came_to_is_unproven_and_says_so(tmp_path: Path) -> None:
    history = play(tmp_path, script=[GATED, FINISH], faults=[REFUSED, KILL])
    (never,) = [record for record in history.faults if record.fault == KILL["id"]]
    assert (never.stage, never.proof) == ("unproven", {"reason": "the trial broke off before tool-running:1"})
    assert [record.stage for record in history.faults if record.fault == "refused"][-1] == "healed"


LAG = {"id": "lag", "fault": "wire.delay", "at": "created", "with": {"seconds": 0.1}}


@pytest.mark.parametrize("error", [TargetError("gone"), KeyError("a defect")], ids=["environment", "defect"])
def test_a_proof_that_goes_wrong_is_no_proof_and_the_fault_is_healed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(WireFault, "verify", raises(error))
    wanted = order(tmp_path, faults=[LAG])
    if isinstance(error, KeyError):
        with pytest.raises(KeyError, match="a defect"):
            trial(wanted).run()
    else:
        trial(wanted).run()
    history = History.load(wanted.directory)
    assert [record.stage for record in history.faults] == ["intent", "injected", "unproven", "healed"]
    assert str(error) in str(history.faults[2].proof["reason"])
    assert [phase.name for phase in history.phases if phase.name in END] == END


def test_one_fault_that_cannot_be_healed_leaves_no_other_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heal = WireFault.heal

    def all_but_one(self: WireFault, stage: Any) -> None:
        if self.id == "stubborn":
            raise KeyError("a defect")
        heal(self, stage)

    monkeypatch.setattr(WireFault, "heal", all_but_one)
    # `lasts` leaves both of them to the end of the trial.
    lags = [{**LAG, "id": name, "lasts": 600} for name in ("first", "stubborn")]
    wanted = order(tmp_path, faults=lags)
    with pytest.raises(KeyError, match="a defect"):
        trial(wanted).run()
    assert [record.fault for record in History.load(wanted.directory).faults if record.stage == "healed"] == ["first"]


def test_a_fault_that_cannot_be_healed_is_a_failure_of_the_harness(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WireFault, "heal", raises(TargetError("gone")))
    history = failed(tmp_path, "gone", faults=[{**LAG, "lasts": 600}])
    assert why(history) == [("harness", "wire.delay")]
    assert {verdict.outcome for verdict in judge(history, ["events.complete", "loop.terminates"]).values()} == {
        Outcome.INCONCLUSIVE
    }


def test_a_server_that_keeps_what_was_taken_from_it_excuses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WireFault, "heal", raises(DeadlineMissed("the memory to be given back", 1.0, "")))
    history = play(tmp_path, faults=[{**LAG, "lasts": 600}])
    assert why(history) == []
    assert [missed.waited_for for missed in history.missed] == ["the memory to be given back"]


def test_a_model_that_fails_is_a_failure_of_the_harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PlayedScript, "ask", raises(KeyError("a defect")))
    history = failed(tmp_path, "the scripted model failed: KeyError: 'a defect'")
    assert ("harness", "model") in why(history)


def test_a_step_of_the_end_that_goes_wrong_skips_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Participants, "settle", raises(KeyError("a defect")))
    wanted = order(tmp_path)
    with pytest.raises(KeyError, match="a defect"):
        trial(wanted).run()
    history = History.load(wanted.directory)
    assert [phase.name for phase in history.phases][-len(END) :] == END
    assert any(reading.final and reading.reader == "disk" for reading in history.readings)
    assert [life.stage for life in history.lives][-2:] == ["stopped", "removed"]


def test_a_client_that_cannot_be_ended_keeps_nothing_else_from_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = ProgramClient.close

    def closes_and_raises(self: ProgramClient) -> None:
        close(self)
        raise KeyError("a defect")

    monkeypatch.setattr(ProgramClient, "close", closes_and_raises)
    wanted = order(tmp_path, client="reference")
    with pytest.raises(KeyError, match="a defect"):
        trial(wanted).run()
    history = History.load(wanted.directory)
    assert {request.verb for request in history.requests if request.witness == "client"} >= {"create", "send", "run"}
    assert [life.stage for life in history.lives][-2:] == ["stopped", "removed"]
    assert "wire" in {end.witness for end in history.ends}
