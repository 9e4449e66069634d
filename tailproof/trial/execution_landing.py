"""The faults and acts of an executor's trial: each lands while the agent stands still, shows its effect, is healed, and is accounted
for."""

from __future__ import annotations

from collections.abc import Callable

from tailproof.acts.catalogue import planned_for_an_executor
from tailproof.faults.fault import Proof
from tailproof.faults.sandbox_stage import SandboxFault, SandboxStage
from tailproof.history import records
from tailproof.history.recorder import Recorder
from tailproof.scenario.points import Point
from tailproof.scenario.schema import ActPlan, FaultPlan, Scenario
from tailproof.trial.break_off import CAUSES, not_healed
from tailproof.waiting import Budget, Cancelled, DeadlineMissed

HELD_S = 60.0
"""How long the agent may take until it stands still: its sandbox has to be made first."""
_OF_AN_ACT = {"injected": "done", "healed": "ended"}


class ExecutionLanding:
    """Raises ValueError for a plan with a fault or an act that does not exist."""

    def __init__(self, scenario: Scenario, recorder: Recorder, *, tell: Callable[[str, str], None]) -> None:
        self._plans = sorted(scenario.landings, key=lambda plan: order(plan.at))
        self._faults = {plan.id: planned_for_an_executor(plan) for plan in scenario.landings}
        self._recorder = recorder
        self._log = recorder.witness("trial")
        self._tell = tell
        self._unhealed: list[SandboxFault] = []
        self._stages: dict[str, set[str]] = {}
        self.missed = False
        self.failed = ""
        """Why a fault could not be healed, where that is ours."""

    @property
    def lines(self) -> list[int]:
        """Behind which lines of the agent something lands."""
        points = [point for plan in self._plans for point in (plan.at, plan.until) if point]
        return sorted({point.number for point in points if point.name == "line"})

    def at(self, stage: SandboxStage, name: str, *, ended: Callable[[], bool]) -> None:
        """Everything that lands, or is healed, at points of this name, one point after the other. An agent that has to stand still is
        waited for, until its execution has `ended`."""
        points = sorted(
            {point for plan in self._plans for point in (plan.at, plan.until) if point and point.name == name},
            key=order,
        )
        for point in points:
            if self._reached(stage, point, ended):
                self._land(stage, point)

    def _reached(self, stage: SandboxStage, point: Point, ended: Callable[[], bool]) -> bool:
        if point.name != "line":
            return True
        gate = f"line-{point.number}"
        try:
            stage.budget.wait_for(
                f"the agent to have printed {point.number} lines",
                lambda: ended() or any(one.says == gate for one in stage.sandboxes.said("held")),
                within=HELD_S,
            )
        except DeadlineMissed as missed:
            self._miss(missed)
        reached = any(one.says == gate for one in stage.sandboxes.said("held"))
        self._log.write(records.Rendezvous(str(point), "reached" if reached else "missed"))
        stage.gate = gate if reached else ""
        return reached

    def _land(self, stage: SandboxStage, point: Point) -> None:
        here = [plan for plan in self._plans if plan.at == point]
        for plan in here:
            self._inject(stage, plan)
        for plan in here:
            if self._faults[plan.id].ends_a_life:
                self._heal(stage, self._faults[plan.id])
        for plan in self._plans:
            if plan.until == point and self._faults[plan.id] in self._unhealed:
                self._heal(stage, self._faults[plan.id])
        if point.name == "line":
            if stage.gate:
                stage.let_agent("")
            self._log.write(records.Rendezvous(str(point), "released"))

    def _inject(self, stage: SandboxStage, plan: ActPlan | FaultPlan) -> None:
        fault = self._faults[plan.id]
        self._record(fault, plan, "intent")
        self._recorder.sync()
        self._tell("act" if isinstance(plan, ActPlan) else "fault", fault.describe())
        self._unhealed.append(fault)
        fault.inject(stage)
        self._record(fault, plan, "injected")
        if fault.proves == "at-once":
            self._prove(stage, fault)

    def _prove(self, stage: SandboxStage, fault: SandboxFault) -> None:
        plan = self._plan_of(fault)
        try:
            proof = fault.verify(stage)
        except Cancelled:
            raise
        except DeadlineMissed as missed:
            self._miss(missed)
            proof = Proof(False, {"reason": str(missed)})
        except CAUSES as error:
            proof = Proof(False, {"reason": str(error)})
        self._record(fault, plan, "proven" if proof.proven else "unproven", dict(proof.counters))

    def _heal(self, stage: SandboxStage, fault: SandboxFault) -> None:
        try:
            if fault.proves == "before-healing" and not stage.budget.cancel.is_set():
                self._prove(stage, fault)
        finally:
            fault.heal(stage)
            self._unhealed.remove(fault)
            self._record(fault, self._plan_of(fault), "healed")

    def heal_all(self, stage: SandboxStage, budget: Budget) -> None:
        """Whatever is still on, the last one first. A trial that is cut off starts nothing again."""
        stage.budget = budget
        for fault in reversed(list(self._unhealed)):
            if fault.ends_a_life and budget.cancel.is_set():
                continue
            try:
                self._heal(stage, fault)
            except DeadlineMissed as missed:
                self._miss(missed)
            except CAUSES as error:
                off = not_healed(fault, error, self._log.masker)
                self._log.write(off)
                self.failed = self.failed or (off.says if off.by == "harness" else "")

    def account(self) -> None:
        """Every fault of the plan has a place in the record."""
        for plan in self._plans:
            stages = self._stages.get(plan.id, set())
            if not stages:
                why = f"the trial ended before {plan.at}"
            elif not stages & {"proven", "unproven"}:
                why = "the trial ended before its effect was measured"
            else:
                continue
            self._record(self._faults[plan.id], plan, "unproven", {"reason": why})

    def _plan_of(self, fault: SandboxFault) -> ActPlan | FaultPlan:
        return next(plan for plan in self._plans if plan.id == fault.id)

    def _record(
        self, fault: SandboxFault, plan: ActPlan | FaultPlan, stage: str, proof: dict[str, object] | None = None
    ) -> None:
        self._stages.setdefault(fault.id, set()).add(stage)
        if isinstance(plan, ActPlan):
            said = _OF_AN_ACT.get(stage, stage)
            self._log.write(records.Act(fault.id, fault.name, said, says=fault.describe(), proof=proof or {}))  # type: ignore[arg-type]
            return
        self._log.write(
            records.Fault(fault.id, fault.name, stage, says=fault.describe(), scope=fault.scope, proof=proof or {})  # type: ignore[arg-type]
        )

    def _miss(self, missed: DeadlineMissed) -> None:
        self.missed = True
        self._log.write(records.Missed(missed.waited_for, missed.seconds, missed.saw))


def order(point: Point) -> tuple[int, int]:
    """Sorts the points of an execution by the moment at which they are reached."""
    return point.order([0])
