"""One trial: the only place where target, model, wire, client, observer and faults meet.

The trial never judges. It ends in one order, also after an error: heal every fault, wait (bounded) for recovery, take the final
reading of every witness, stop the target, read its disk, remove what was created. Whatever goes wrong in one of these steps, the
others are taken all the same. A trial that is cut off (a signal, a full disk) heals and removes, and nothing else.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from tailproof.clients.client import ClientRaised
from tailproof.clients.spec import kind_of as client_kind_of
from tailproof.history import records
from tailproof.history.recorder import Recorder
from tailproof.incoming.files import BadFile, read_bytes
from tailproof.incoming.limits import PROGRAM_BYTES
from tailproof.outgoing.masking import SESSION_KEY, Masker, secrets_of_environment
from tailproof.ownership import processes
from tailproof.ownership.owners import Owner, owner_id
from tailproof.ownership.scratch import scratch
from tailproof.targets.resolve import kind_of
from tailproof.trial import canaries
from tailproof.trial.break_off import CAUSES, SAYS_CHARS, AtWork, break_off
from tailproof.trial.header import header_of
from tailproof.trial.landing import Landing
from tailproof.trial.order import Order
from tailproof.trial.participants import Participants
from tailproof.trial.recorded import HistoryLost, RecordedTrial, TrialFailed
from tailproof.trial.server_pool import PooledServer, ServerPool, may_share
from tailproof.waiting import Budget, Cancelled, DeadlineMissed
from tailproof.wire.handle import WireError

END_S = 60.0
"""What the end of a trial may take beyond the scenario's budget."""
_EVEN_IF_CUT_OFF = ("healing", "stopping")
_REMOVE_S = 1.0
SETTLE_S, READ_S = 2.0, 3.0
"""How long a server is waited for that has used up the scenario's budget: until it is quiet, and for the readings."""
QUIET_S = 1.0
"""How long the end of the last run is watched for model calls and tool effects that must not come."""


class Trial(RecordedTrial):
    """One server, one client, one conversation."""

    def __init__(
        self,
        order: Order,
        *,
        cancel: threading.Event,
        tell: Callable[[str, str], None],
        pool: ServerPool | None = None,
    ) -> None:
        super().__init__(order, cancel=cancel, tell=tell)
        self._broke_off = True
        self._pool = pool
        self._pooled: PooledServer | None = None
        self._participants: Participants | None = None
        self._owner: Owner | None = None
        self._scratch: Path | None = None

    def cut_off(self, *, spare_wire: bool) -> None:
        pooled, participants, owner = self._pooled, self._participants, self._owner
        self._tell_cut_off()
        if pooled is not None and pooled.server is not None:
            pooled.server.end_at_once()
        if owner is not None:
            spared = participants.path_pids if participants is not None and spare_wire else ()
            for process in processes.processes(trial=owner.trial):
                if process.pid not in spared:
                    processes.end(process)

    def remove_all(self) -> None:
        pooled, owner, scratch = self._pooled, self._owner, self._scratch
        if owner is not None:
            with suppress(DeadlineMissed):  # what hangs in the kernel is left to `clean`
                processes.end_all(Budget(_REMOVE_S), trial=owner.trial)
        if pooled is not None:
            remover = threading.Thread(target=pooled.remove, name="remover", daemon=True)
            remover.start()
            remover.join(_REMOVE_S)
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)

    def run(self) -> None:
        client = self._file_of_client()  # which may lie in the history that makes room
        self._make_room()
        header = header_of(self.order, self.scenario)
        self._owner = owner = Owner(trial=header.trial, owner=owner_id())
        pool, pooled = self._server(owner)
        self._pooled = pooled
        planted = canaries.drawn(self.scenario)
        self.masker = Masker({**secrets_of_environment(), **pooled.keys, **planted}) if planted else pooled.masker
        try:
            recorder = Recorder(self.order.directory, header, masker=self.masker, planted=planted)
        except OSError as error:
            pool.give_back(pooled, fit=False)
            raise HistoryLost(f"the history cannot be written: {error.strerror or error}") from error
        with self._recording(recorder):
            with ExitStack() as removal:
                self._scratch = place = scratch(owner)
                removal.callback(shutil.rmtree, place, ignore_errors=True)
                removal.callback(self._enter, "removing")
                removal.callback(lambda: pool.give_back(pooled, fit=self._in_order))
                landing = Landing(self.scenario, recorder, cancel=self._cancel, enter=self._enter, tell=self._tell)
                self._enter("preparing")
                if client is not None:
                    recorder.keep_client(*client)
                self._participants = participants = self._assemble(recorder, place, owner, pooled, removal)
                self._enter("starting")
                self._start(participants)
                try:
                    self._enter("driving")
                    self._drive(participants, landing)
                    self._in_order, self._broke_off = not (landing.missed or participants.run_control.late), False
                except CAUSES as error:
                    self._break_off(error, participants.at_work, participants)
                finally:
                    self._finish(participants, landing)
                if why := participants.wire.failed or participants.model.failure or landing.failed:
                    raise TrialFailed(why)
            self._enter("ended")

    def _file_of_client(self) -> tuple[Path, bytes, int] | None:
        """The file of the user's that the client is, what stands in it, and its mode. One that cannot be read is for the client to tell."""
        kind, what = client_kind_of(self.order.client)
        file = kind.file(what)
        with suppress(BadFile, OSError):
            return (file, read_bytes(file, PROGRAM_BYTES), file.stat().st_mode & 0o777) if file else None
        return None

    def _server(self, owner: Owner) -> tuple[ServerPool, PooledServer]:
        running = kind_of(self.order.target)[0].runs_already
        pool = self._pool if self._pool is not None else ServerPool(most=0)
        pooled = pool.take(
            self.order.target,
            owner,
            shared=self._pool is not None and not running and may_share(self.scenario),
            key=lambda: os.environ.get(SESSION_KEY, "") if running else secrets.token_hex(16),
        )
        return pool, pooled

    # -- the stages -------------------------------------------------------------------------------------------------

    def _assemble(
        self, recorder: Recorder, place: Path, owner: Owner, pooled: PooledServer, removal: ExitStack
    ) -> Participants:
        budget = Budget(self.scenario.seconds, cancel=self._cancel)
        try:
            return Participants(self.order, self.scenario, recorder, place, owner, pooled, budget, removal)
        except CAUSES as error:
            self._check_cut_off()
            self._witness(break_off(error, ("harness", "prepare"), self.masker))
            raise TrialFailed(str(error)) from error

    def _start(self, participants: Participants) -> None:
        """A server that never gets ready at all is no server to judge: that fails the trial."""
        try:
            participants.start()
        except CAUSES as error:
            self._check_cut_off()
            if isinstance(error, DeadlineMissed):
                self._miss(error)
            self._witness(break_off(error, participants.at_work, self.masker))
            tail = participants.server.log_tail() if isinstance(error, DeadlineMissed) else ""
            raise TrialFailed(f"{error}\n{tail}".rstrip()) from error

    def _drive(self, participants: Participants, landing: Landing) -> None:
        landing.before(participants, created=False)
        participants.create()
        landing.before(participants, created=True)
        for run, message in enumerate(self.scenario.messages, 1):
            self._check()
            landing.hold(participants, run)
            if not self._heard(participants, message):
                return
            landing.during(participants, run)
            self._await_end(participants, landing, run)
        landing.during(participants, len(self.scenario.messages) + 1)

    def _heard(self, participants: Participants, message: str) -> bool:
        """Say it. False: the client was refused, in a conversation that somebody has deleted before. Nothing else of the plan can come."""
        try:
            participants.say(message)
        except ClientRaised as raised:
            if not participants.stage.deleted:
                raise
            self._answers(participants, raised, participants.at_work)
            self._raised(raised)
            return False
        return True

    def _await_end(self, participants: Participants, landing: Landing, run: int) -> None:
        """Until the run has ended for the server and for the client, or it had all the time that a promise gives it."""
        last_turn = landing.last_turns[run - 1]
        participants.at_work = ("server", "run")
        participants.budget.wait_for(
            f"run {run} to end",
            lambda: participants.run_control.run_ended(last_turn),
            within=participants.run_control.patience(),
            saw=participants.run_control.last_status,
        )
        if not landing.broke_a_run and not participants.run_control.late:
            participants.at_work = ("client", "run")
            try:
                participants.run_control.wait_returned()
            except DeadlineMissed as missed:
                if not landing.goes_on_without(run):
                    raise
                self._miss(missed)
        participants.observer.stop_polling()

    def _finish(self, participants: Participants, landing: Landing) -> None:
        longer = participants.history_s
        budget = Budget(END_S + longer + participants.hooks_s + participants.children_s, cancel=self._cancel)
        left = participants.budget.left
        steps: list[tuple[str, Callable[[], object]]] = [
            ("healing", lambda: self._heal(participants, landing)),
            ("recovering", lambda: self._recover(participants, budget, left)),
            ("reading", lambda: participants.final_reading(budget.part(min(20, left + READ_S) + longer))),
            ("delivering", lambda: participants.await_hooks(budget.part(participants.hooks_s))),
            ("stopping", lambda: participants.stop(Budget(min(20.0, budget.left)))),
            ("reading the disk", lambda: participants.read_disk(final=True)),
            ("clearing", lambda: self._clear(participants)),
        ]
        unexpected: list[Exception] = []
        for name, step in steps:
            if self._cancel.is_set() and name not in _EVEN_IF_CUT_OFF:
                continue
            self._enter(name)
            try:
                step()
            except Cancelled:
                continue
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
        self._check_cut_off()

    def _heal(self, participants: Participants, landing: Landing) -> None:
        try:
            landing.heal_all(participants, Budget(END_S / 2))
        finally:
            self._in_order = self._in_order and not landing.missed
            landing.account(broke_off=self._broke_off)

    def _recover(self, participants: Participants, budget: Budget, left: float) -> None:
        participants.run_control.wait_late(budget)
        for wait in (participants.await_children, participants.await_jobs):
            try:
                wait(budget)
            except DeadlineMissed as missed:
                self._miss(missed)
        participants.settle(budget.part(min(15, left + SETTLE_S)), QUIET_S)

    def _clear(self, participants: Participants) -> None:
        if participants.shares_server:
            self._in_order = self._in_order and participants.clear()

    # -- the trial's own witness --------------------------------------------------------------------------------------

    def _answers(self, participants: Participants, error: Exception, at_work: AtWork) -> None:
        """Raises TrialFailed where the wire does not: whatever the client made of it is not the client's doing."""
        try:
            participants.wire.answer()
        except WireError as broken:
            # Of a wire that died it was said when it happened.
            if not participants.wire.failed:
                self._witness(break_off(broken, at_work, self.masker))
            raise TrialFailed(participants.wire.failed or str(broken)) from error

    def _raised(self, error: ClientRaised) -> None:
        self._witness(records.ClientError(error.verb, error.error_type, self.masker.cut(error.error, SAYS_CHARS)))

    def _break_off(self, error: Exception, at_work: AtWork, participants: Participants) -> None:
        """Say with whom the trial could not go on. Raises TrialFailed when that is the harness, Cancelled when it is cut off."""
        self._check_cut_off()
        if isinstance(error, DeadlineMissed):
            self._miss(error)
        self._answers(participants, error, at_work)
        if isinstance(error, ClientRaised):
            self._raised(error)
        off = break_off(error, at_work, self.masker)
        self._witness(off)
        if off.by == "harness":
            raise TrialFailed(str(error)) from error
