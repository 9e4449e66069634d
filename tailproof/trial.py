"""One trial: the only place where target, model, wire, client, observer and faults meet.

The trial never judges. It ends in one order, also after an error or a cancellation: heal every fault, wait (bounded) for
recovery, take the final reading of every witness, stop the target, read its disk, remove what was created.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path

from tailproof import ownership
from tailproof.adapters.subscription import SubscriptionRefused
from tailproof.cast import Cast, header_of
from tailproof.clients.client import ClientError, ClientRaised
from tailproof.faults.catalogue import fault_for
from tailproof.faults.clock import HealingClock
from tailproof.faults.fault import Fault, Proof
from tailproof.history import records
from tailproof.history.recorder import Recorder
from tailproof.orders import Order
from tailproof.scenario.schedule import Moment, last_turns, of_run, schedule
from tailproof.scenario.schema import Scenario
from tailproof.server_pool import PooledServer, ServerPool, may_share
from tailproof.targets.target import Owner, TargetError
from tailproof.targets.url import KEY_VARIABLE
from tailproof.waiting import Budget, DeadlineMissed
from tailproof.wire.handle import WireError
from tailproof.wire.toxiproxy import ToxiproxyError

END_S = 60.0
"""What the end of a trial may take beyond the scenario's budget."""
QUIET_S = 1.0
"""How long the end of the last run is watched for model calls and tool effects that must not come."""


class TrialFailed(Exception):
    """The harness or the environment failed: the history, if there is one, decides nothing."""


class Trial:
    """Executes one order and leaves its history in `order.directory`."""

    def __init__(
        self,
        order: Order,
        *,
        cancel: threading.Event,
        tell: Callable[[str, str], None],
        pool: ServerPool | None = None,
    ) -> None:
        self.order = order
        self.scenario = Scenario.model_validate(order.scenario)
        self._moments = schedule(self.scenario)
        self._last_turns = last_turns(self.scenario)
        self._plans = {plan.id: plan for plan in self.scenario.faults}
        self._faults = {plan.id: fault_for(plan.id, plan.fault, plan.options) for plan in self.scenario.faults}
        self._clock = HealingClock(cancel)
        self._unhealed: list[Fault] = []
        self._broken_off = False
        self._in_order = False
        self._pool = pool
        self._cancel = cancel
        self._tell = tell
        self._recorder: Recorder | None = None

    def stalled(self, late_ns: int) -> None:
        """The supervisor was late by this much; the history must know."""
        recorder = self._recorder
        if recorder is not None:
            recorder.witness("trial").write(records.Stall(late_ns))

    def run(self) -> None:
        """Raises TrialFailed (environment), Cancelled. Whatever happens, nothing is left running."""
        shutil.rmtree(self.order.directory, ignore_errors=True)
        header = header_of(self.order, self.scenario)
        owner = Owner(trial=header.trial, owner=ownership.owner_id())
        pool, pooled = self._server(owner)
        try:
            recorder = Recorder(self.order.directory, header, secrets=pooled.keys)
        except OSError as error:
            pool.give_back(pooled, fit=False)
            raise TrialFailed(f"the history cannot be written: {error.strerror or error}") from error
        with self._recording(recorder):
            with ExitStack() as removal:
                scratch = ownership.scratch(owner)
                removal.callback(shutil.rmtree, scratch, ignore_errors=True)
                removal.callback(self._enter, "removing")
                removal.callback(lambda: pool.give_back(pooled, fit=self._in_order))
                self._enter("preparing")
                cast = self._assemble(recorder, scratch, owner, pooled, removal)
                self._enter("starting")
                self._start(cast)
                try:
                    self._enter("driving")
                    self._drive(cast)
                    self._in_order = True
                except DeadlineMissed as missed:
                    self._miss(missed)
                except ClientRaised as raised:
                    self._witness(records.ClientError(raised.verb, raised.error_type, raised.error[:500]))
                    self._note(f"the trial broke off: {raised}")
                except SubscriptionRefused as refused:
                    self._note(f"the trial broke off: {refused}")
                except (TargetError, ClientError, WireError, ToxiproxyError) as error:
                    raise TrialFailed(str(error)) from error
                finally:
                    self._finish(cast)
            self._enter("ended")

    @contextmanager
    def _recording(self, recorder: Recorder) -> Iterator[None]:
        """Raises TrialFailed when not all of the history could be written."""
        self._recorder = recorder
        try:
            yield
        finally:
            self._recorder = None
            recorder.close()
        if recorder.failed:
            raise TrialFailed(recorder.failed)

    def _server(self, owner: Owner) -> tuple[ServerPool, PooledServer]:
        running = self.order.target.startswith("url:")
        pool = self._pool if self._pool is not None else ServerPool(most=0)
        pooled = pool.take(
            self.order.target,
            owner,
            shared=self._pool is not None and not running and may_share(self.scenario),
            key=lambda: os.environ.get(KEY_VARIABLE, "") if running else secrets.token_hex(16),
        )
        return pool, pooled

    # -- the stages -------------------------------------------------------------------------------------------------

    def _assemble(
        self, recorder: Recorder, scratch: Path, owner: Owner, pooled: PooledServer, removal: ExitStack
    ) -> Cast:
        budget = Budget(self.scenario.seconds, cancel=self._cancel)
        try:
            return Cast(self.order, self.scenario, recorder, scratch, owner, pooled, budget, removal)
        except (TargetError, ClientError, DeadlineMissed, OSError) as error:
            raise TrialFailed(str(error)) from error

    def _start(self, cast: Cast) -> None:
        try:
            cast.start()
        except DeadlineMissed as missed:
            self._miss(missed)
            raise TrialFailed(f"{missed}\n{cast.server.log_tail()}".rstrip()) from missed
        except (TargetError, ClientError, WireError, ToxiproxyError) as error:
            raise TrialFailed(str(error)) from error

    def _drive(self, cast: Cast) -> None:
        early = of_run(self._moments, 0)
        self._land_all(cast, [moment for moment in early if moment.point.name == "connected"])
        cast.create()
        self._land_all(cast, [moment for moment in early if moment.point.name != "connected"])
        for run, message in enumerate(self.scenario.messages, 1):
            moments = of_run(self._moments, run)
            for moment in moments:
                cast.course.hold_for(moment.point, self._last_turns)
            cast.say(message)
            self._land_all(cast, moments)
            self._await_end(cast, run)
        self._land_all(cast, of_run(self._moments, len(self.scenario.messages) + 1))

    def _finish(self, cast: Cast) -> None:
        longer = 0.0 if self._cancel.is_set() else cast.history_s
        budget = Budget(END_S + longer)
        steps: list[tuple[str, Callable[[], None]]] = [
            ("healing", lambda: self._heal_all(cast)),
            ("recovering", lambda: cast.settle(budget.part(15), QUIET_S)),
            ("reading", lambda: cast.final_reading(budget.part(20 + longer))),
            ("stopping", lambda: cast.stop(budget.part(20))),
            ("reading the disk", lambda: cast.read_disk(final=True)),
            ("clearing", lambda: self._clear(cast)),
        ]
        for name, step in steps:
            self._enter(name)
            try:
                step()
            except DeadlineMissed as missed:
                self._miss(missed)
            except (TargetError, ClientError, WireError, OSError) as error:
                self._in_order = False
                self._note(f"{name}: {error}")

    def _clear(self, cast: Cast) -> None:
        if cast.shares_server:
            self._in_order = cast.clear() and self._in_order

    def _await_end(self, cast: Cast, run: int) -> None:
        """Until the run has ended for the server and for the client, or it had all the time that a promise gives it."""
        last_turn = self._last_turns[run - 1]
        cast.budget.wait_for(
            f"run {run} to end",
            lambda: cast.course.run_ended(last_turn),
            within=cast.course.patience(),
            saw=cast.course.last_status,
        )
        if not self._broken_off:
            cast.course.wait_returned()
        cast.observer.stop_polling()

    # -- faults -----------------------------------------------------------------------------------------------------

    def _land_all(self, cast: Cast, moments: Sequence[Moment]) -> None:
        for _, here in groupby(moments, key=lambda moment: moment.point.order(self._last_turns)):
            self._land(cast, list(here))

    def _land(self, cast: Cast, moments: Sequence[Moment]) -> None:
        """The moments of one point: the loop stands still there until all of them are done."""
        if not any(moment.does == "inject" or self._faults[moment.fault] in self._unhealed for moment in moments):
            return
        point = moments[0].point
        reached = cast.course.reach(point, self._last_turns)
        detail = "" if reached else f"last status: {cast.course.last_status()}"
        self._witness(records.Rendezvous(str(point), "reached" if reached else "missed", detail=detail))
        for moment in moments:
            fault = self._faults[moment.fault]
            if moment.does == "heal":
                if fault in self._unhealed:
                    self._heal(cast, fault)
            elif reached:
                self._inject(cast, fault, moment)
            else:
                self._record(fault, "unproven", {"reason": f"the loop never reached {point}"})
        cast.course.release(point, self._last_turns)
        if reached:
            self._witness(records.Rendezvous(str(point), "released"))

    def _inject(self, cast: Cast, fault: Fault, moment: Moment) -> None:
        plan = self._plans[fault.id]
        was_active = cast.course.active()
        streams = cast.course.streams() if plan.hold_until else 0
        cast.stage.token = cast.course.held_token(moment.point)
        self._record(fault, "intent")
        self._recorder_of().sync()
        self._tell("fault", fault.describe())
        self._unhealed.append(fault)
        fault.inject(cast.stage)
        self._record(fault, "injected")
        if fault.proves == "at-once":
            self._prove(cast, fault)
        if plan.lasts is not None:
            cast.course.expect_healing(plan.lasts)
            self._clock.set(fault.id, plan.lasts, lambda: self._heal_by_clock(cast, fault))
        if plan.hold_until:
            self._hold_until_reconnected(cast, fault, streams)
        if fault.ends_a_life:
            cast.lost_life()
            self._broken_off = self._broken_off or was_active
            self._enter("recovering")
            self._heal(cast, fault)
            cast.course.release(moment.point, self._last_turns)
            cast.come_back(was_active=was_active)
            self._enter("driving")

    def _prove(self, cast: Cast, fault: Fault) -> None:
        try:
            proof = fault.verify(cast.stage)
        except DeadlineMissed as missed:
            self._miss(missed)
            proof = Proof(False, {"reason": str(missed)})
        self._record(fault, "proven" if proof.proven else "unproven", dict(proof.counters))

    def _heal(self, cast: Cast, fault: Fault) -> None:
        if fault.proves == "before-healing":
            self._prove(cast, fault)
        fault.heal(cast.stage)
        self._unhealed.remove(fault)
        self._record(fault, "healed")

    def _heal_by_clock(self, cast: Cast, fault: Fault) -> None:
        try:
            self._heal(cast, fault)
        except (DeadlineMissed, TargetError, WireError, ToxiproxyError, OSError) as error:
            self._note(f"healing {fault.id}: {error}")

    def _hold_until_reconnected(self, cast: Cast, fault: Fault, streams: int) -> None:
        """Keep the loop where it stands until the client is back, or had its time: what it misses is then its own doing."""
        self._clock.wait(fault.id, cast.budget)
        try:
            cast.course.wait_reconnected(streams)
        except DeadlineMissed as missed:
            self._witness(records.Rendezvous("reconnected", "missed", detail=f"{missed.seconds:.1f} s: {missed.saw}"))
        else:
            self._witness(records.Rendezvous("reconnected", "reached", detail=fault.id))

    def _heal_all(self, cast: Cast) -> None:
        self._clock.stop()
        # A cancelled trial starts nothing again: what a dead server would be healed with is a start.
        cast.stage.budget = Budget(END_S / 2)
        for fault in reversed(list(self._unhealed)):
            if fault.ends_a_life and self._cancel.is_set():
                continue
            try:
                self._heal(cast, fault)
            except (DeadlineMissed, TargetError, WireError, ToxiproxyError, OSError) as error:
                self._note(f"healing {fault.id}: {error}")

    # -- the trial's own witness --------------------------------------------------------------------------------------

    def _recorder_of(self) -> Recorder:
        assert self._recorder is not None, "a trial records only while it runs"
        return self._recorder

    def _witness(self, record: records.AnyRecord) -> None:
        self._recorder_of().witness("trial").write(record)

    def _enter(self, phase: str) -> None:
        self._witness(records.Phase(phase))
        self._tell(phase, "")

    def _miss(self, missed: DeadlineMissed) -> None:
        self._in_order = False
        self._witness(records.Missed(missed.waited_for, missed.seconds, missed.saw))

    def _note(self, text: str) -> None:
        self._witness(records.Note(text))

    def _record(self, fault: Fault, stage: str, proof: dict[str, object] | None = None) -> None:
        self._witness(
            records.Fault(
                fault.id,
                fault.name,
                stage,  # type: ignore[arg-type]
                says=fault.describe(),
                scope=fault.scope,
                proof=proof or {},
            )
        )
