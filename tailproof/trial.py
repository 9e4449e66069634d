"""One trial: the only place where target, model, wire, client, observer and faults meet.

The trial never judges. It ends in one order, also after an error or a cancellation: heal every fault, wait (bounded) for
recovery, take the final reading of every witness, stop the target, read its disk, remove what was created. Whatever goes wrong in
one of these steps, the others are taken all the same.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tailproof import ownership
from tailproof.break_off import CAUSES, AtWork, break_off
from tailproof.cast import Cast, header_of
from tailproof.clients.client import ClientRaised
from tailproof.history import records
from tailproof.history.recorder import Recorder
from tailproof.landing import Landing
from tailproof.orders import Order
from tailproof.scenario.schema import Scenario
from tailproof.server_pool import PooledServer, ServerPool, may_share
from tailproof.targets.target import Owner
from tailproof.targets.url import KEY_VARIABLE
from tailproof.waiting import Budget, DeadlineMissed
from tailproof.wire.handle import WireError

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
        self._in_order = False
        self._broke_off = True
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
                landing = Landing(self.scenario, recorder, cancel=self._cancel, enter=self._enter, tell=self._tell)
                self._enter("preparing")
                cast = self._assemble(recorder, scratch, owner, pooled, removal)
                self._enter("starting")
                self._start(cast)
                try:
                    self._enter("driving")
                    self._drive(cast, landing)
                    self._in_order, self._broke_off = not (landing.missed or cast.course.late), False
                except CAUSES as error:
                    self._break_off(error, cast.at_work, cast)
                finally:
                    self._finish(cast, landing)
                if cast.wire.failed:
                    raise TrialFailed(cast.wire.failed)
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
        except CAUSES as error:
            self._witness(break_off(error, ("harness", "prepare")))
            raise TrialFailed(str(error)) from error

    def _start(self, cast: Cast) -> None:
        """A server that never gets ready at all is no server to judge: that fails the trial."""
        try:
            cast.start()
        except CAUSES as error:
            if isinstance(error, DeadlineMissed):
                self._miss(error)
            self._witness(break_off(error, cast.at_work))
            tail = cast.server.log_tail() if isinstance(error, DeadlineMissed) else ""
            raise TrialFailed(f"{error}\n{tail}".rstrip()) from error

    def _drive(self, cast: Cast, landing: Landing) -> None:
        landing.before(cast, created=False)
        cast.create()
        landing.before(cast, created=True)
        for run, message in enumerate(self.scenario.messages, 1):
            self._check()
            landing.hold(cast, run)
            cast.say(message)
            landing.during(cast, run)
            self._await_end(cast, landing, run)
        landing.during(cast, len(self.scenario.messages) + 1)

    def _await_end(self, cast: Cast, landing: Landing, run: int) -> None:
        """Until the run has ended for the server and for the client, or it had all the time that a promise gives it."""
        last_turn = landing.last_turns[run - 1]
        cast.at_work = ("server", "run")
        cast.budget.wait_for(
            f"run {run} to end",
            lambda: cast.course.run_ended(last_turn),
            within=cast.course.patience(),
            saw=cast.course.last_status,
        )
        if not landing.broke_a_run and not cast.course.late:
            cast.at_work = ("client", "run")
            try:
                cast.course.wait_returned()
            except DeadlineMissed as missed:
                if not landing.goes_on_without(run):
                    raise
                self._miss(missed)
        cast.observer.stop_polling()

    def _finish(self, cast: Cast, landing: Landing) -> None:
        longer = 0.0 if self._cancel.is_set() else cast.history_s
        budget = Budget(END_S + longer)
        steps: list[tuple[str, Callable[[], None]]] = [
            ("healing", lambda: self._heal(cast, landing)),
            ("recovering", lambda: cast.settle(budget.part(15), QUIET_S)),
            ("reading", lambda: cast.final_reading(budget.part(20 + longer))),
            ("stopping", lambda: cast.stop(budget.part(20))),
            ("reading the disk", lambda: cast.read_disk(final=True)),
            ("clearing", lambda: self._clear(cast)),
        ]
        unexpected: list[Exception] = []
        for name, step in steps:
            self._enter(name)
            try:
                step()
            except DeadlineMissed as missed:
                self._miss(missed)
            except CAUSES as error:
                self._in_order = False
                self._witness(records.Note(f"{name}: {error}"))
            except Exception as error:  # noqa: BLE001 - the other steps are taken first
                self._in_order = False
                unexpected.append(error)
        if unexpected:
            raise unexpected[0]

    def _heal(self, cast: Cast, landing: Landing) -> None:
        try:
            landing.heal_all(cast, Budget(END_S / 2))
        finally:
            self._in_order = self._in_order and not landing.missed
            landing.account(broke_off=self._broke_off)

    def _clear(self, cast: Cast) -> None:
        if cast.shares_server:
            self._in_order = cast.clear() and self._in_order

    # -- the trial's own witness --------------------------------------------------------------------------------------

    def _break_off(self, error: Exception, at_work: AtWork, cast: Cast) -> None:
        """Say with whom the trial could not go on. Raises TrialFailed when that is the harness."""
        if isinstance(error, DeadlineMissed):
            self._miss(error)
        try:
            cast.wire.answer()
        except WireError as broken:
            # Whatever the client made of it is not the client's doing. Of a wire that died it was said when it happened.
            if not cast.wire.failed:
                self._witness(break_off(broken, at_work))
            raise TrialFailed(cast.wire.failed or str(broken)) from error
        if isinstance(error, ClientRaised):
            self._witness(records.ClientError(error.verb, error.error_type, error.error[:500]))
        off = break_off(error, at_work)
        self._witness(off)
        if off.by == "harness":
            raise TrialFailed(str(error)) from error

    def _check(self) -> None:
        recorder = self._recorder_of()
        if recorder.failed:
            raise TrialFailed(recorder.failed)

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
