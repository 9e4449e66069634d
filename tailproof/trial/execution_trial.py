"""One trial of an executor: the harness owns the client, the agent in the pod, and the edge between executor and cluster.

There is no scripted model and no wire. It ends as every trial does: heal, take the final reading of every witness, stop the executor,
remove what was created; nothing is judged.
"""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from tailproof.cluster.namespaces import make_namespace, remove_namespace
from tailproof.cluster.reach import Cluster, connect
from tailproof.cluster.refusals import ClusterError
from tailproof.faults.sandbox_stage import SandboxStage
from tailproof.history import records
from tailproof.history.parameters import PARAMETERS
from tailproof.history.recorder import Recorder
from tailproof.outgoing.masking import Masker, secrets_of_environment
from tailproof.ownership import processes
from tailproof.ownership.marks import TRIAL_LABEL
from tailproof.ownership.owners import Owner, owner_id
from tailproof.ownership.scratch import scratch, thaw
from tailproof.sandboxes.edge import Edge
from tailproof.sandboxes.image import IMAGE, sandbox_image
from tailproof.sandboxes.pod_of_an_agent import Sidecar, sandbox, with_gates
from tailproof.sandboxes.witness import Sandboxes
from tailproof.scenario.schema import ExecutionPlan, parse_bytes
from tailproof.targets.resolve import executor_of, kind_of, resolve
from tailproof.targets.target import Plan, Server, ServerFailed
from tailproof.trial.break_off import CAUSES, break_off
from tailproof.trial.execution_client import ExecutionClient
from tailproof.trial.execution_landing import ExecutionLanding
from tailproof.trial.header import header_of
from tailproof.trial.order import Order
from tailproof.trial.recorded import HistoryLost, RecordedTrial, TrialFailed
from tailproof.waiting import Budget, DeadlineMissed

KEY = "turn-1"
END_S = 60.0
SETTLE_S = 1.0
"""How long an execution that has ended is watched for what must not come behind its end."""
GONE_S = 15.0
"""How long sandboxes may take to be gone when their session was released."""
TOLD_S = 15.0
"""How long it may take until the executor says anything of an execution that it has acknowledged."""
SLACK_S = 3.0
"""How much longer than the last promise allows an execution is waited for."""
_PREPARE_S = 300.0
_REMOVE_S = 2.0
_WITNESSES = {
    "trial": ["faults", "points"],
    "observer": ["log", "stream", "status"],
    "engine": ["lives"],
    "pod": ["containers"],
    "agent": ["lines"],
    "edge": ["attachments"],
}


class ExecutionTrial(RecordedTrial):
    """One executor, one session, one turn."""

    def __init__(self, order: Order, *, cancel: threading.Event, tell: Callable[[str, str], None]) -> None:
        super().__init__(order, cancel=cancel, tell=tell)
        assert self.scenario.execution is not None, "an executor is asked for an execution"
        self._plan: ExecutionPlan = self.scenario.execution
        self._owner: Owner | None = None
        self._scratch: Path | None = None
        self._server: Server | None = None
        self._cluster: Cluster | None = None
        self._namespace = self._image = ""

    def cut_off(self, *, spare_wire: bool) -> None:
        self._tell_cut_off()
        if self._server is not None:
            self._server.end_at_once()
        if self._owner is not None:
            for process in processes.processes(trial=self._owner.trial):
                processes.end(process)

    def remove_all(self) -> None:
        if self._scratch is not None:
            thaw(self._scratch)
        if self._owner is not None:
            with suppress(DeadlineMissed):  # what hangs in the kernel is left to `clean`
                processes.end_all(Budget(_REMOVE_S), trial=self._owner.trial)
        if self._cluster is not None and self._namespace:
            with suppress(ClusterError):
                remove_namespace(self._cluster, self._namespace, timeout_s=_REMOVE_S)
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def run(self) -> None:
        self._make_room()
        header = header_of(self.order, self.scenario)
        self._owner = Owner(trial=header.trial, owner=owner_id())
        self.masker = Masker(secrets_of_environment())
        try:
            recorder = Recorder(self.order.directory, header, masker=self.masker)
        except OSError as error:
            raise HistoryLost(f"the history cannot be written: {error.strerror or error}") from error
        with self._recording(recorder):
            with ExitStack() as removal:
                removal.callback(self._enter, "removing")
                self._enter("preparing")
                landing = ExecutionLanding(self.scenario, recorder, tell=self._tell)
                stage, client = self._prepared(recorder, removal)
                self._enter("starting")
                self._start(stage, client)
                try:
                    self._enter("driving")
                    self._drive(stage, client, landing)
                    self._in_order = not landing.missed
                except CAUSES as error:
                    self._broke_off(error, stage)
                finally:
                    self._finish(stage, client, landing)
            self._enter("ended")

    # -- the stages -------------------------------------------------------------------------------------------------------

    def _prepared(self, recorder: Recorder, removal: ExitStack) -> tuple[SandboxStage, ExecutionClient]:
        """Everyone who plays, made and not yet started. Raises TrialFailed."""
        try:
            return self._assembled(recorder, removal)
        except CAUSES as error:
            self._check_cut_off()
            self._witness(break_off(error, ("harness", "prepare"), self.masker))
            raise TrialFailed(str(error)) from error

    def _assembled(self, recorder: Recorder, removal: ExitStack) -> tuple[SandboxStage, ExecutionClient]:
        assert self._owner is not None
        budget = Budget(self.scenario.seconds, cancel=self._cancel)
        self._scratch = place = scratch(self._owner)
        removal.callback(shutil.rmtree, place, ignore_errors=True)
        removal.callback(thaw, place)
        target = resolve(self.order.target)
        adapter = executor_of(kind_of(self.order.target)[0])
        target.prepare(Budget(_PREPARE_S, cancel=self._cancel))
        promises = adapter.promises(target.version)
        header = recorder.header
        header.parameters = {**PARAMETERS, **promises.parameters, **header.parameters, **self.scenario.parameters}
        header.facts = {**promises.facts, "client_tells": "", **header.facts}
        header.sources = dict(promises.sources)
        header.witnesses = {name: list(seen) for name, seen in _WITNESSES.items()}
        header.versions = {**header.versions, **target.facts, "server": target.version}
        recorder.write_header()
        for name in header.witnesses:
            recorder.witness(name)  # one that has nothing to say ends all the same

        self._cluster = cluster = connect()
        removal.callback(cluster.close)
        self._image = header.versions["image"] = sandbox_image(cluster, Budget(_PREPARE_S, cancel=self._cancel))
        recorder.write_header()
        self._namespace = namespace = f"tailproof-{self._owner.trial}"
        removal.callback(self._remove_namespace)
        make_namespace(cluster, namespace, self._owner, budget)
        sandboxes = Sandboxes(cluster, namespace, recorder)
        removal.callback(sandboxes.close)
        edge = Edge(cluster, sandboxes.past, recorder.witness("edge").write)
        removal.callback(edge.close)
        journal = place / "journal"
        journal.mkdir()
        self._server = server = target.server(
            Plan(
                owner=self._owner,
                directory=place / "server",
                journal=journal,
                key=secrets.token_hex(16),
                secret=secrets.token_hex(16),
                environment={
                    **adapter.surroundings(cluster_url=edge.url, namespace=namespace),
                    **self.scenario.server.environment,
                },
                engine=recorder.witness("engine"),
            )
        )
        removal.callback(server.remove)
        api = adapter.executor(server.url, budget=Budget(self.scenario.seconds + END_S, cancel=self._cancel))
        removal.callback(api.close)
        client = ExecutionClient(adapter, api, recorder, budget, epoch=lambda: server.epoch)
        stage = SandboxStage(
            server=server,
            edge=edge,
            sandboxes=sandboxes,
            cluster=cluster,
            namespace=namespace,
            api=api,
            budget=budget,
            place=place,
            ready=lambda: self._await_ready(server, client, budget),
        )
        return stage, client

    def _start(self, stage: SandboxStage, client: ExecutionClient) -> None:
        """An executor that never gets ready at all is none to judge: that fails the trial."""
        try:
            stage.server.start(stage.budget)
            stage.ready()
        except CAUSES as error:
            self._check_cut_off()
            self._witness(break_off(error, ("server", "ready"), self.masker))
            raise TrialFailed(f"{error}\n{stage.server.log_tail()}".rstrip()) from error

    def _await_ready(self, server: Server, client: ExecutionClient, budget: Budget) -> None:
        limit = self._recorder_of().header.parameters["server.ready"]

        def ready() -> bool:
            if not server.alive():
                raise ServerFailed("the executor ended by itself before it was ready")
            return client.ready().ok

        budget.wait_for("the executor to be ready", ready, within=limit, saw=server.log_tail, every=0.05)
        self._recorder_of().witness("engine").write(records.Life("ready", server.epoch, pid=server.server_pid()))

    def _drive(self, stage: SandboxStage, client: ExecutionClient, landing: ExecutionLanding) -> None:
        assert self._owner is not None
        containers = sandbox(
            image=self._image,
            memory_bytes=parse_bytes(self._plan.memory),
            restarts=self._plan.restarts,
            sidecars=[Sidecar(**one.model_dump()) for one in self._plan.sidecars],
            labels={TRIAL_LABEL: self._owner.trial},
        )
        client.create(containers)
        stage.session = client.session
        ended = self._look_at(stage, client)
        landing.at(stage, "created", ended=ended)
        script = with_gates(self._plan.agent, landing.lines)
        client.ask(script, key=KEY)
        stage.execution = client.execution
        if client.execution:
            client.follow()
            landing.at(stage, "accepted", ended=ended)
            landing.at(stage, "line", ended=ended)
            self._await_end(stage, client)
            landing.at(stage, "end", ended=ended)
        if self._plan.asks_again:
            client.ask(script, key=KEY)
            client.ask([*script, "SLEEP 0"], key=KEY)

    def _look_at(self, stage: SandboxStage, client: ExecutionClient) -> Callable[[], bool]:
        """Whether the execution has ended. Raises ClusterError: the cluster cannot run what it was asked for."""

        def ended() -> bool:
            if stage.sandboxes.hindered:
                raise ClusterError(
                    f"the sandbox cannot run: {stage.sandboxes.hindered} (the image is named in {IMAGE})"
                )
            return client.ended()

        return ended

    def _await_end(self, stage: SandboxStage, client: ExecutionClient) -> None:
        """Until the execution has ended, or had all the time that its own deadline gives it; then the log is read at once."""
        stage.budget.wait_for("the executor to tell a deadline", lambda: client.deadline_s, within=TOLD_S)
        patience = client.deadline_s + self._recorder_of().header.parameters["loop.terminates.deadline"] + SLACK_S
        with suppress(DeadlineMissed):  # how long it took is for the guarantees
            stage.budget.wait_for("the execution to end", self._look_at(stage, client), within=patience)
        client.read(final=False)
        stage.budget.wait_for("the session to be quiet", _after(SETTLE_S), within=SETTLE_S + 1)

    def _finish(self, stage: SandboxStage, client: ExecutionClient, landing: ExecutionLanding) -> None:
        self._recorder_of().header.facts["deadline_s"] = client.deadline_s
        budget = Budget(END_S, cancel=self._cancel)
        steps: list[tuple[str, Callable[[], None]]] = [
            ("healing", lambda: landing.heal_all(stage, budget.part(END_S / 3))),
            ("reading", lambda: self._read(stage, client)),
            ("recovering", lambda: self._release(stage, client, budget)),
            ("stopping", lambda: self._stop(stage, client, Budget(20.0))),
        ]
        for name, step in steps:
            if self._cancel.is_set() and name not in ("healing", "stopping"):
                continue
            self._enter(name)
            try:
                step()
            except DeadlineMissed as missed:
                self._miss(missed)
            except CAUSES as error:
                self._in_order = False
                self._witness(records.Note(f"{name}: {error}"))
        landing.account()
        self._check_cut_off()
        if stage.sandboxes.lost:
            self._witness(records.BreakOff(by="harness", doing="cluster", says=stage.sandboxes.lost))
            raise TrialFailed(stage.sandboxes.lost)
        if landing.failed:
            raise TrialFailed(landing.failed)

    def _read(self, stage: SandboxStage, client: ExecutionClient) -> None:
        if client.session and stage.server.alive():
            ids = client.read(final=True)
            if client.ended():  # a stream of one that goes on has no end
                client.replay(ids)

    def _release(self, stage: SandboxStage, client: ExecutionClient, budget: Budget) -> None:
        """Nothing may be left behind: what is still there when T is over is a finding, and no failure of the trial."""
        if not client.session or not stage.server.alive():
            return
        if stage.released is not None:
            client.told(stage.released)
        else:
            client.release()
        with suppress(DeadlineMissed):
            budget.wait_for("the sandboxes to be gone", stage.sandboxes.gone, within=GONE_S, every=0.1)
        with suppress(DeadlineMissed):
            stage.sandboxes.settle(budget.part(2.0))

    def _stop(self, stage: SandboxStage, client: ExecutionClient, budget: Budget) -> None:
        client.close()
        stage.edge.close()
        if not self._cancel.is_set():
            stage.server.stop(budget, grace_s=3.0)

    def _remove_namespace(self) -> None:
        """Asked for, and not waited for: the cluster does it, and `clean` looks again."""
        assert self._cluster is not None
        try:
            remove_namespace(self._cluster, self._namespace)
        except ClusterError as error:
            self._witness(records.Note(f"the namespace {self._namespace} is left to `tailproof clean`: {error}"))

    def _broke_off(self, error: Exception, stage: SandboxStage) -> None:
        self._check_cut_off()
        if isinstance(error, DeadlineMissed):
            self._miss(error)
        off = break_off(error, ("server", "run"), self.masker)
        self._witness(off)
        if off.by == "harness":
            raise TrialFailed(str(error)) from error


def _after(seconds: float) -> Callable[[], bool]:
    due = time.monotonic() + seconds
    return lambda: time.monotonic() >= due
