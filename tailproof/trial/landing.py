"""The faults and acts of one trial: each lands at its point of the loop, shows its effect, is healed, and is accounted for in the
record. An act has the five verbs of a fault, and is told and recorded as what it is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import groupby

from tailproof.acts.catalogue import planned
from tailproof.faults.clock import HealingClock
from tailproof.faults.fault import Fault, Proof
from tailproof.history import records
from tailproof.history.recorder import Recorder
from tailproof.scenario.schedule import Moment, last_turns, of_run, schedule
from tailproof.scenario.schema import ActPlan, Scenario
from tailproof.trial.break_off import CAUSES, not_healed
from tailproof.trial.participants import Participants
from tailproof.waiting import Budget, Cancelled, DeadlineMissed

_OF_AN_ACT = {"injected": "done", "healed": "ended"}
"""What the stages of a fault are called in the life of an act."""


class Landing:
    """Raises ValueError for a plan with a fault or an act that does not exist. `enter` and `tell` are those of the trial."""

    def __init__(
        self,
        scenario: Scenario,
        recorder: Recorder,
        *,
        cancel: threading.Event,
        enter: Callable[[str], None],
        tell: Callable[[str, str], None],
    ) -> None:
        self.broke_a_run = False
        """A run was under way when the server died: nobody waits for the client's run to return."""
        self.failed = ""
        """Why a fault could not be healed, where that is ours: what is seen behind that decides nothing."""
        self.missed = False
        """A proof or a point was waited for in vain."""
        self.last_turns = last_turns(scenario)
        self._moments = schedule(scenario)
        self._plans = {plan.id: plan for plan in scenario.landings}
        self._faults = {plan.id: planned(plan) for plan in scenario.landings}
        self._runs = len(scenario.messages)
        self._clock = HealingClock(cancel)
        self._cancel = cancel
        self._enter = enter
        self._tell = tell
        self._recorder = recorder
        self._log = recorder.witness("trial")
        self._unhealed: list[Fault] = []
        self._lost: set[str] = set()
        """Faults after which the server was not ready again: it is not started once more for them."""
        self._stages: dict[str, set[str]] = {}

    # -- landing ------------------------------------------------------------------------------------------------------

    def before(self, participants: Participants, *, created: bool) -> None:
        """What lands before the first run: at `connected`, or at `created`."""
        early = of_run(self._moments, 0)
        self._land_all(participants, [moment for moment in early if (moment.point.name != "connected") is created])

    def hold(self, participants: Participants, run: int) -> None:
        """Let the loop stand still at the points of this run."""
        for moment in of_run(self._moments, run):
            participants.run_control.hold_for(moment)

    def during(self, participants: Participants, run: int) -> None:
        """What lands in this run (from 1), and behind the last run what lands at the end."""
        self._land_all(participants, of_run(self._moments, run))

    def goes_on_without(self, run: int) -> bool:
        """Nothing of the plan is left for a client whose run does not return: that is a finding, and the trial comes to its end."""
        left = [
            moment for moment in self._moments if moment.does == "inject" and moment.point.name in ("returned", "end")
        ]
        return run == self._runs and not left

    def _land_all(self, participants: Participants, moments: Sequence[Moment]) -> None:
        for _, here in groupby(moments, key=lambda moment: moment.order):
            self._land(participants, list(here))

    def _land(self, participants: Participants, moments: Sequence[Moment]) -> None:
        """The moments of one point: the loop stands still there until all of them are done."""
        if not any(moment.does == "inject" or self._faults[moment.fault] in self._unhealed for moment in moments):
            return
        point = moments[0].point
        if point.name == "returned" and participants.run_control.late:
            return  # what is to be healed there is healed at the end
        participants.at_work = ("client" if point.name == "returned" else "server", "run")
        try:
            reached = participants.run_control.reach(moments[0])
        except DeadlineMissed as missed:
            if not participants.run_control.late or not self.goes_on_without(moments[0].run):
                raise
            self._miss(missed)
            return
        detail = "" if reached else f"last status: {participants.run_control.last_status()}"
        self._log.write(records.Rendezvous(str(point), "reached" if reached else "missed", detail=detail))
        for moment in moments:
            fault = self._faults[moment.fault]
            if moment.does == "heal":
                if fault in self._unhealed:
                    participants.at_work = ("harness", fault.name)
                    self._heal(participants, fault)
            elif reached:
                self._inject(participants, fault, moment)
            else:
                self._record(fault, "unproven", {"reason": f"the loop never reached {point}"})
        participants.run_control.release(moments[0])
        if reached:
            self._log.write(records.Rendezvous(str(point), "released"))

    def _inject(self, participants: Participants, fault: Fault, moment: Moment) -> None:
        plan = self._plans[fault.id]
        control = participants.run_control
        was_active, paused = control.shows("active"), control.shows("interrupted")
        held = None if isinstance(plan, ActPlan) else plan.hold_until
        streams = participants.run_control.streams() if held else 0
        participants.stage.token = moment.token
        participants.look_at_children()
        self._record(fault, "intent")
        self._recorder.sync()
        self._tell("act" if isinstance(plan, ActPlan) else "fault", fault.describe())
        self._unhealed.append(fault)
        participants.at_work = ("harness", fault.name)
        fault.inject(participants.stage)
        self._record(fault, "injected")
        if fault.proves == "at-once":
            self._prove(participants, fault)
        if plan.lasts is not None:
            participants.run_control.expect_healing(plan.lasts)
            self._clock.set(fault.id, plan.lasts, lambda: self._heal_by_clock(participants, fault))
        if held:
            self._hold_until_reconnected(participants, fault, streams)
        if fault.ends_a_life:
            # A step that goes on behind a pause is broken off, whatever was shown.
            was_active = (participants.lost_life() and paused) or was_active
            self.broke_a_run = self.broke_a_run or was_active
            self._enter("recovering")
            self._bring_back(participants, fault)
            participants.run_control.release(moment)
            participants.probe_recovery(was_active=was_active)
            self._enter("driving")

    def _bring_back(self, participants: Participants, fault: Fault) -> None:
        participants.at_work = ("server", "ready")
        try:
            self._heal(participants, fault)
        except CAUSES:
            self._lost.add(fault.id)
            raise

    def _hold_until_reconnected(self, participants: Participants, fault: Fault, streams: int) -> None:
        """Keep the loop where it stands until the client is back, or had its time: what it misses is then its own doing."""
        self._clock.wait(fault.id, participants.budget)
        try:
            participants.run_control.wait_reconnected(streams)
        except DeadlineMissed as missed:
            said = records.Rendezvous("reconnected", "missed", detail=f"{missed.seconds:.1f} s: {missed.saw}")
        else:
            said = records.Rendezvous("reconnected", "reached", detail=fault.id)
        self._log.write(said)

    # -- proof and healing --------------------------------------------------------------------------------------------

    def _prove(self, participants: Participants, fault: Fault) -> None:
        """A proof that cannot be had is no proof; whatever it was that went wrong, the record says so."""
        try:
            proof = fault.verify(participants.stage)
        except Cancelled:
            raise
        except DeadlineMissed as missed:
            self._miss(missed)
            proof = Proof(False, {"reason": str(missed)})
        except CAUSES as error:
            proof = Proof(False, {"reason": str(error)})
        except Exception as error:
            self._record(fault, "unproven", {"reason": f"defect of the harness: {type(error).__name__}: {error}"})
            raise
        self._record(fault, "proven" if proof.proven else "unproven", dict(proof.counters), proof.destroyed)

    def _heal(self, participants: Participants, fault: Fault) -> None:
        try:
            if fault.proves == "before-healing" and not self._cancel.is_set():
                self._prove(participants, fault)
        finally:
            fault.heal(participants.stage)
            self._unhealed.remove(fault)
            self._record(fault, "healed")

    def _heal_by_clock(self, participants: Participants, fault: Fault) -> None:
        try:
            self._heal(participants, fault)
        except CAUSES as error:
            self._not_healed(fault, error)

    def heal_all(self, participants: Participants, budget: Budget) -> None:
        """Whatever is still on. Each is tried; the first error that nobody expects is raised behind the last one."""
        self._clock.stop()
        # A trial that is cut off starts nothing again: what a dead server would be healed with is a start.
        participants.stage.budget = budget
        unexpected: list[Exception] = []
        for fault in reversed(list(self._unhealed)):
            if fault.ends_a_life and (self._cancel.is_set() or fault.id in self._lost):
                continue
            try:
                self._heal(participants, fault)
            except CAUSES as error:
                self._not_healed(fault, error)
            except Exception as error:  # noqa: BLE001 - the others must be healed, too
                unexpected.append(error)
        if unexpected:
            raise unexpected[0]

    def _not_healed(self, fault: Fault, error: Exception) -> None:
        if isinstance(error, DeadlineMissed):
            self._miss(error)  # a server may keep for itself what was taken from it
            return
        off = not_healed(fault, error, self._log.masker)
        self._log.write(off)
        self.failed = self.failed or (off.says if off.by == "harness" else "")

    # -- the record ---------------------------------------------------------------------------------------------------

    def account(self, *, broke_off: bool) -> None:
        """Every fault of the plan has a place in the record: say of those that never landed, or never showed an effect, why."""
        point = {moment.fault: moment.point for moment in self._moments if moment.does == "inject"}
        ended = "the trial broke off" if broke_off else "the trial ended"
        for fault in self._faults.values():
            stages = self._stages.get(fault.id, set())
            if not stages:
                self._record(fault, "unproven", {"reason": f"{ended} before {point[fault.id]}"})
            elif not stages & {"proven", "unproven"}:
                self._record(fault, "unproven", {"reason": f"{ended} before its effect was measured"})

    def _record(
        self, fault: Fault, stage: str, proof: dict[str, object] | None = None, destroyed: Sequence[str] = ()
    ) -> None:
        self._stages.setdefault(fault.id, set()).add(stage)
        if isinstance(self._plans[fault.id], ActPlan):
            said = _OF_AN_ACT.get(stage, stage)
            self._log.write(records.Act(fault.id, fault.name, said, says=fault.describe(), proof=proof or {}))  # type: ignore[arg-type]
            return
        self._log.write(
            records.Fault(
                fault.id,
                fault.name,
                stage,  # type: ignore[arg-type]
                says=fault.describe(),
                scope=fault.scope,
                proof=proof or {},
                destroyed=list(destroyed),
            )
        )

    def _miss(self, missed: DeadlineMissed) -> None:
        self.missed = True
        self._log.write(records.Missed(missed.waited_for, missed.seconds, missed.saw))
