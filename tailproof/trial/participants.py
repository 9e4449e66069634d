"""What the participants of a trial do together. The trial decides when; they know how."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePath

from tailproof.clients.client import ClientRaised
from tailproof.guarantees.loop_jobs import PULSELESS_S
from tailproof.history import records
from tailproof.history.plan import hooks_limit, left_behind
from tailproof.history.recorder import Witness
from tailproof.history.server_records import Event
from tailproof.history.timeline import SECOND
from tailproof.model.conversation import PlayedScript
from tailproof.protocol.adapter import SeededHistory
from tailproof.protocol.conversation import ConversationPlan
from tailproof.protocol.subscription import SubscriptionRefused
from tailproof.scenario.schema import SeededPlan
from tailproof.trial import canaries, seeded_history
from tailproof.trial.assembly import SCRIPT, Assembly
from tailproof.trial.readings import read_at_last, record_disk
from tailproof.trial.recovery_probe import RecoveryProbe
from tailproof.waiting import Budget, DeadlineMissed

SECOND_OPINION_S = 10.0
HOOKS_S = 60.0
"""The longest that the trial waits for webhooks."""
JOB_SLACK_S = 1.0
"""What is read from the journal of the tools was written a moment before."""
_ATTEMPTS = 5
"""How often the observer subscribes to a conversation that holds a long history."""


class Participants(Assembly):
    """Everyone on stage, and what they do with the conversation of the trial."""

    _last_log: Sequence[Event] = ()
    """The log as it was read at last."""

    def create(self) -> None:
        """Create the conversation through the client, and subscribe to it past the wire."""
        plan = ConversationPlan(
            conversation=str(uuid.uuid4()),
            model_url=self.played.url,
            workspace=self.server.workspace,
            max_iterations=self.scenario.max_iterations,
            starts=frozenset(child.kind for child in self.scenario.children.values()),
            model_retries=self.scenario.model.retries,
            model_patience_s=self.scenario.model.patience_s,
            model_streams=self.scenario.model.streams,
            tool_patience_s=self.scenario.terminal.patience_s,
            tool_shell=self.scenario.terminal.shell,
            confirm=self.scenario.confirmation == "always",
            model_key=self._lookout.plant(canaries.MODEL_KEY, "key of the model"),
            secrets={name: self._lookout.plant(canaries.secret(name), "creation") for name in self.scenario.secrets},
            equipment=self.equipment,
        )
        if self.scenario.seeded:
            self.at_work = ("server", "seed")
            self._seed(plan, self.scenario.seeded)
            plan = replace(plan, exists=True)
        self.run_control.since_ns = time.monotonic_ns()
        if self._start_gate is not None:
            self._start_gate.hold()
        self.at_work = ("client", "create")
        try:
            self.conversation = self.stage.conversation = self.client.create(plan, self.budget)
            self.stage.plan = plan
        except ClientRaised as raised:
            # The client gave up; what the server made of it all the same is read at the end.
            self.conversation = plan.conversation if self.observer.read_status(plan.conversation) else ""
            if self.conversation and raised.error_type == SubscriptionRefused.__name__:
                self._is_anybody_let_in()
            raise
        self.played.name = self.conversation
        self.at_work = ("server", "subscribe")
        self._subscribe()
        if self.scenario.server.dormant and self.scenario.server.initialised_by == "client":
            self._probe()
        if self._start_gate is not None:
            self._start_gate.subscribed(self.conversation, self.budget)

    def _is_anybody_let_in(self) -> None:
        """The client was not, and may have itself to blame."""
        with suppress(SubscriptionRefused, DeadlineMissed):
            self.observer.subscribe(self.conversation, self.budget.part(SECOND_OPINION_S))

    def _subscribe(self) -> None:
        """Past the wire. A server that loads a long log may answer nothing for longer than it gives a subscriber to prove itself
        (1.58.0: 10 s, then 4001): whoever comes meanwhile is refused, and tries again. Raises SubscriptionRefused, DeadlineMissed."""
        budget = self.budget.part(30 + self.history_s)
        for left in reversed(range(_ATTEMPTS if self.scenario.seeded else 1)):
            try:
                self.observer.subscribe(self.conversation, budget)
            except SubscriptionRefused as refused:
                if not left:
                    raise
                self._log.write(records.Note(f"the observer subscribes once more: {refused}"))
            else:
                return

    def _seed(self, plan: ConversationPlan, wanted: SeededPlan) -> None:
        """Let the server make the conversation as planned, seed it on its disk, and restart it."""
        least, most = wanted.sizes
        history = SeededHistory(events=wanted.events, least=least, most=most, seed=self._recorder.header.seed)
        quiet = Witness("model", self._scratch / "seeded.jsonl", self._recorder.masker)
        warm_up = PlayedScript(
            name="seeded",
            url=self.played.url,
            script=seeded_history.SCRIPT,
            journal="",
            witness=quiet,
            calls=seeded_history.CALLS,
        )
        played = self.model.exchange(SCRIPT, warm_up)
        began = time.monotonic()
        try:
            unconfirmed = replace(plan, confirm=False)
            seeded_history.seed_history(
                self.server, self.adapter, self.observer.api, unconfirmed, warm_up, history, self.budget
            )
        finally:
            self.model.exchange(SCRIPT, played)
            quiet.close()
        self._log.write(
            records.Note(
                f"before this history the release made a conversation itself, and it was seeded to {history.events} events of "
                f"{least} to {most} bytes in {time.monotonic() - began:.1f} s"
            )
        )
        self.server.restart(self.budget, place="in-place")
        self.wait_ready()

    def say(self, message: str) -> None:
        """Send a user message and run. Raises WireError when there is no path for it."""
        self.wire.check()
        if self._start_gate is None:
            self.run_control.since_ns = time.monotonic_ns()
        self.observer.poll(self.conversation)
        if not self._drives_itself:
            self._said.append((time.monotonic_ns(), message))
        self.at_work = ("client", "send")
        self.client.send(message, self.budget)
        self.client.run()
        if self._start_gate is not None:
            self._start_gate.begun()

    # -- death and return ---------------------------------------------------------------------------------------------

    def lost_life(self) -> bool:
        """The server is dead: stop asking it, read what it left on the disk, and tell whether a run is under way there."""
        self.at_work = ("harness", "disk")
        self.observer.stop_polling()
        self.observer.unsubscribe()
        return self.adapter.neutral(self.read_disk(final=False)) == "active"

    def probe_recovery(self, *, was_active: bool) -> None:
        """The server is ready again: see what it makes of the conversation, and push a run that was broken off."""
        if not self.conversation:
            return
        self.at_work = ("server", "run")
        probe = RecoveryProbe(self.observer, self.adapter, self._log, self.budget, conversation=self.conversation)
        limit_s = self._recorder.header.parameters["status.crash"] - (time.monotonic_ns() - self._ready_ns) / SECOND
        if not was_active:
            probe.find(limit_s)
            return
        probe.look(limit_s)
        self.run_control.since_ns = time.monotonic_ns()
        self.run_control.gave_up = not probe.push()

    # -- the end --------------------------------------------------------------------------------------------------------

    def settle(self, budget: Budget, quiet_s: float) -> None:
        """Watch for model calls and tool effects that must not come: until there were none for `quiet_s` seconds."""
        seen = (-1, -1)
        since = time.monotonic()

        def quiet() -> bool:
            nonlocal seen, since
            now = (self.played.total(), self.tools.total())
            if now != seen:
                seen, since = now, time.monotonic()
            return time.monotonic() - since >= quiet_s

        budget.wait_for(f"{quiet_s:g} s without a model call or tool effect", quiet, every=0.05)

    def look_at_children(self) -> None:
        """What a reader is shown at this moment of the conversations that the agent has started; nothing where it starts none."""
        if self.scenario.children and self.conversation:
            self.children.look(self.budget)

    def await_children(self, budget: Budget) -> None:
        """Watch what the agent has started, until all of it has ended or had the time that `status.children` gives it. Raises
        DeadlineMissed."""
        if self.scenario.children and self.conversation and self.server.alive():
            self.children.watch_tasks(self._recorder.header.parameters["status.children.tasks"], budget)
            self.children.wait_ended(self._recorder.header.parameters["status.children"], budget)

    def await_jobs(self, budget: Budget) -> None:
        """Watch the jobs that tools of a deleted conversation left behind, until all are silent or had the time that `loop.quiet` gives
        them. Raises DeadlineMissed."""
        jobs = left_behind(self._recorder.header, "job")
        if not jobs or not self.stage.deleted:
            return
        since_ns = time.monotonic_ns()  # one that was never heard of is not waited for any longer
        silent_ns = round((PULSELESS_S + JOB_SLACK_S) * SECOND)
        budget.wait_for(
            f"{PULSELESS_S:g} s in which no job of the deleted conversation says that it lives",
            lambda: time.monotonic_ns() - max(since_ns, *map(self.tools.last_pulse, jobs)) > silent_ns,
            within=self._recorder.header.parameters["loop.quiet.jobs"] + PULSELESS_S + 2 * JOB_SLACK_S,
        )

    @property
    def children_s(self) -> float:
        """How long that may take, in seconds; 0 where none is started."""
        limits = self._recorder.header.parameters
        return limits["status.children"] + 2 * limits["status.children.tasks"] if self.scenario.children else 0.0

    def final_reading(self, budget: Budget) -> None:
        """What the server shows at last, past the wire; nothing when it is not alive."""
        deleted = (
            self._start_gate is not None
            and self._start_gate.deletion
            and not self.observer.read_status(self.conversation, budget=budget)
        )
        if self.conversation and self.server.alive() and not deleted:
            self._last_log = read_at_last(self.observer, self.conversation, budget).events
            self._lookout.look_at_answers(self.observer.api.access(), self.conversation, budget)

    def await_hooks(self, budget: Budget) -> None:
        """Give the server the time that its promise gives it to post what stands in the log. Whether it did is no failure of the
        trial: after a death nothing is owed."""
        if not self.hooks_s:
            return
        try:
            self.hooks.await_all(self._last_log, budget)
        except DeadlineMissed as missed:
            self._log.write(records.Note(str(missed)))

    @property
    def hooks_s(self) -> float:
        """How long that may take, in seconds; 0 where the server may keep events for longer than anybody waits: it posts them when it
        is asked to end."""
        limit = hooks_limit(self._recorder.header)
        return limit if self.hooks.receiver and limit <= HOOKS_S else 0.0

    def read_disk(self, *, final: bool) -> str:
        """What the server persisted, as it stands while the server is dead or stopped, and the raw status there. Raises TargetError."""
        status = self._read_disk(final=final) if "disk" in self.capabilities and self.conversation else ""
        if final:
            self._lookout.look_at_log(self.server.log_tail(canaries.LOG_LINES))
            self._lookout.end()
        return status

    def _read_disk(self, *, final: bool) -> str:
        epoch = self.server.epoch
        place = self._scratch / f"disk-{epoch}-{int(final)}"
        copy = self.server.disk(place)
        if final:
            self._lookout.look_at_files(place, but=PurePath(self.server.workspace).name)
        damaged = self.stage.damaged
        return record_disk(
            self.adapter, self._recorder, copy, epoch=epoch, final=final, only=self.conversation, damaged=damaged
        )

    def clear(self) -> bool:
        """Leave a shared server as it was found: without any conversation. False when the server does not do it."""
        ours = {self.conversation, *self.observer.conversations()} - {""}
        gone = [self.observer.api.delete(conversation) for conversation in sorted(ours)]
        return all(answer.ok or answer.code == 404 for answer in gone)
