"""Everyone who plays in a trial, brought on stage and off it: target, model, tools, wire, client and observer.

Whatever is started here is put on the trial's removal stack at once.
"""

from __future__ import annotations

import time
import uuid
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from tailproof.acts.access import UserProbeAccess
from tailproof.clients.catalogue import client_for
from tailproof.clients.kind import Sight
from tailproof.clients.wire_requests import requests_of, words_asked_for
from tailproof.faults.fault import Stage
from tailproof.history import records
from tailproof.history.parameters import PARAMETERS
from tailproof.history.plan import CLOCK, filesystem
from tailproof.history.record import CLIENT
from tailproof.history.recorder import Recorder
from tailproof.history.server_records import Vocabulary
from tailproof.model.server import ScriptedModel
from tailproof.model.tool import ToolJournal
from tailproof.outgoing.masking import secrets_of_environment
from tailproof.ownership.owners import Owner
from tailproof.protocol.adapter import Answer
from tailproof.protocol.recording import request_of
from tailproof.scenario.schema import Scenario, parse_bytes
from tailproof.targets.resolve import adapter_of, kind_of, resolve
from tailproof.targets.target import TargetError
from tailproof.trial import canaries, children, machine
from tailproof.trial.access_probe import AccessProbe
from tailproof.trial.break_off import AtWork
from tailproof.trial.canaries import Lookout
from tailproof.trial.company import Company
from tailproof.trial.equipment import equipment_of, serve
from tailproof.trial.header import witnesses_of
from tailproof.trial.observer import Observer
from tailproof.trial.order import Order
from tailproof.trial.readings import READ_S
from tailproof.trial.run_control import RunControl
from tailproof.trial.server_pool import PooledServer
from tailproof.trial.start_gate import StartGate
from tailproof.trial.webhooks import TrialHooks
from tailproof.waiting import Budget
from tailproof.wire.handle import Wire, WireError
from tailproof.wire.toxiproxy import Toxiproxy

SCRIPT = "main"
_VOCABULARIES: dict[tuple[object, ...], tuple[tuple[str, ...], str]] = {}
_PREPARE_S = 900.0
_REPORTED = 0.1
"""How long a client takes to report an event, as a part of what it takes to read one."""


class Assembly:
    """Made, and not yet started. Raises TargetError for what cannot be had."""

    def __init__(
        self,
        order: Order,
        scenario: Scenario,
        recorder: Recorder,
        scratch: Path,
        owner: Owner,
        pooled: PooledServer,
        budget: Budget,
        removal: ExitStack,
    ) -> None:
        self.scenario = scenario
        self.budget = budget
        self.conversation = ""
        self.at_work: AtWork = ("harness", "start")
        """Who is asked for what at this moment."""
        self.path_pids: set[int] = set()
        """The processes between client and server."""
        self._recorder = recorder
        self._removal = removal
        self._log = recorder.witness("trial")
        self._scratch = scratch
        self._pooled = pooled
        self._keys = pooled.keys
        self._ready_ns = 0
        self._lookout = Lookout(recorder)
        target = resolve(order.target, model_url=order.model_url or None)
        self.adapter = adapter_of(kind_of(order.target)[0])
        target.prepare(Budget(_PREPARE_S, cancel=budget.cancel), earlier=scenario.needs_earlier)
        self.capabilities = target.capabilities
        promises = self.adapter.promises(target.version)
        header = recorder.header
        header.parameters = {**PARAMETERS, **promises.parameters, **header.parameters, **scenario.parameters}
        header.facts = {**promises.facts, **header.facts}
        header.sources = dict(promises.sources)
        header.versions = {**header.versions, **target.facts, "server": target.version}
        recorder.write_header()

        header.facts["server_trials"] = pooled.trials
        pooled.tell(recorder.witness("engine"), recorder.witness("pod") if "pod" in self.capabilities else None)
        self.hooks = TrialHooks(scenario, self.adapter, recorder, removal, self._lookout)
        self.server = pooled.make(
            target,
            environment={
                **scenario.server.environment,
                **(self.adapter.dormant_environment() if scenario.server.dormant else {}),
                **self.hooks.environment,
            },
            memory_bytes=parse_bytes(scenario.server.memory) if scenario.server.memory else 0,
            processes=scenario.server.processes or 0,
            own_clock=any(plan.fault == CLOCK for plan in scenario.faults),
            begins_as_earlier=scenario.server.begins_as == "earlier",
            own_disk=filesystem(plan.fault for plan in scenario.faults),
        )
        journal, journal_for_tools = pooled.journal(header.trial)
        self.tools = ToolJournal(journal, recorder.witness("tool"))
        self.equipment = equipment_of(scenario.agent, journal=journal_for_tools)
        self.model = _model(recorder, order.model_url)
        removal.callback(self.model.close)
        removal.callback(self.tools.close)
        told = recorder.witness("model")
        self.played = serve(self.model, scenario, self.adapter, told, key=SCRIPT, journal=journal_for_tools)
        woken_by_client = scenario.server.dormant and scenario.server.initialised_by == "client"
        sight = Sight(
            conversations=lambda: self.observer.conversations(),
            began=lambda: self.played.asked(0) > 0,
            init_key=self._keys["server secret"] if woken_by_client else "",
        )
        self.client = client_for(order.client, self.adapter, recorder, scratch=scratch, owner=owner, sight=sight)
        removal.callback(self.client.close)
        header.facts["client_tells"] = " ".join(sorted(self.client.reports))
        header.witnesses = witnesses_of(
            self.capabilities, self.client.reports, company=bool(scenario.acts), hooks=bool(self.hooks.receiver)
        )
        for name in header.witnesses.keys() - {"wire"}:
            recorder.witness(name)  # one that has nothing to say ends all the same
        recorder.write_header()
        self._start_gate: StartGate | None = None
        self._drives_itself = "exit" in self.client.reports
        self._said: list[tuple[int, str]] = []
        self._version = target.version
        self._spec = target.spec
        self._facts = target.facts

    @property
    def shares_server(self) -> bool:
        """The server is for the next trial, too."""
        return self._pooled.shared

    # -- on stage -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Until the server is ready and everyone is connected. Raises DeadlineMissed, TargetError."""
        self.model.start()
        self.tools.start()
        self.hooks.start()
        self.client.start()
        if self._pooled.trials > 1:
            self._pooled.greet()
        else:
            self.server.start(self.budget)
        for address in (self.model.url, self.hooks.receiver.url if self.hooks.receiver else ""):
            if address:
                self.server.reach(address)
        self._pooled.check_journal(self.tools.directory)
        self.observer = Observer(
            self.adapter,
            self._recorder,
            url=self.server.url,
            key=self._keys["session key"],
            version=self._version,
            budget=self.budget,
            secret=self._keys["server secret"],
        )
        self._removal.callback(self.observer.close)
        self.children = children.Children(
            self.observer,
            self.adapter,
            self._recorder.witness("observer"),
            lambda: self.conversation,
            kinds={name: plan.kind for name, plan in self.scenario.children.items()},
            started=self.played.children,
        )
        if self.scenario.children:
            self.observer.beside_poll = self.children.look
        self._access = AccessProbe(
            self.observer.api,
            self._log,
            workspace=self.server.workspace,
            sighted=lambda body, where: self._lookout.look(body, "answer", where),
        )
        self.at_work = ("server", "ready")
        self.wait_ready()
        if self.scenario.server.dormant:
            self._probe()
            if any(plan.act == UserProbeAccess.name for plan in self.scenario.acts):
                self._access.knock(self.budget, dormant=True)
            if self.scenario.server.initialised_by == "harness":
                self._wake()
        header = self._recorder.header
        said = self.observer.version()
        if self.scenario.server.begins_as == "own":
            header.versions["server"] = said or self._version
        elif said == self._version:
            raise TargetError(f"the first life says that it is {said} already: nothing would be upgraded")
        elif said:
            header.versions["earlier"] = said
        self._recorder.write_header()
        words, source = self._vocabulary()
        self._recorder.witness("observer").write(
            Vocabulary(list(words or self.adapter.promises(self._version).vocabulary), source or "adapter")
        )
        self.wire = Wire.start(
            self._upstream(),
            self._recorder.directory / "wire.jsonl",
            naming=self.adapter.naming,
            environment=self.client.environment,
            secrets={**secrets_of_environment(), **self._keys, **self._recorder.planted},
            on_failure=self._wire_failed,
        )
        self.path_pids.add(self.wire.pid)
        self._removal.callback(self._end_wire)
        if self._drives_itself:
            self._start_gate = StartGate(
                adapter=self.adapter,
                wire=self.wire,
                model=self.played,
                observer=self.observer,
                log=self._log,
                reads_wait_for_steps=bool(header.facts.get("reads_wait_for_steps")),
            )
        toxiproxy = None
        url = self.wire.url
        if any(plan.fault.startswith("network.") for plan in self.scenario.faults):
            self.at_work = ("harness", "Toxiproxy")
            toxiproxy = Toxiproxy.start(self.budget, environment=self.client.environment)
            self.path_pids.add(toxiproxy.pid)
            self._removal.callback(toxiproxy.stop)
            port = toxiproxy.proxy(self._recorder.header.trial, urlsplit(self.wire.url).netloc)
            url = f"http://127.0.0.1:{port}"
        self.at_work = ("client", "start")
        self._log.write(records.Phase("connecting"))
        self.client.connect(url, key=self._keys["session key"], version=self._version, budget=self.budget)
        self.company = Company(
            self.adapter,
            self._recorder,
            self.observer,
            self.model,
            conversation=lambda: self.conversation,
            workspace=self.server.workspace,
            scratch=self._scratch,
            equipment=self.equipment,
        )
        self._removal.callback(self.company.close)
        self.stage = Stage(
            company=self.company,
            vocabulary=words,
            adapter=self.adapter,
            server=self.server,
            wire=self.wire,
            model=self.played,
            tools=self.tools,
            budget=self.budget,
            ready=self.wait_ready,
            capabilities=self.capabilities,
            observer=self.observer,
            probe_access=self._access.knock,
            send_spoiled=partial(self._lookout.send_spoiled, self.observer.api.access()),
            plant_secret=lambda name: self._lookout.plant(canaries.secret(name), "request"),
            toxiproxy=toxiproxy,
            hooks=self.hooks.receiver,
        )
        self.run_control = RunControl(
            self.stage,
            self.observer,
            self.client,
            self.adapter,
            header.parameters,
            reported_s=self.history_s * _REPORTED,
        )

    def _upstream(self) -> str:
        """What is behind the wire. A server that somebody else runs may go by its name, and not be reached over plain TCP."""
        parts = urlsplit(self.server.url)
        address = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{address}" if kind_of(self._spec)[0].runs_already else address

    def _wire_failed(self, why: str) -> None:
        """Told at once, by a thread of the wire's owner: whatever the client does from here on is not its own doing."""
        self._log.write(records.BreakOff(by="harness", doing="wire", says=why))

    def _end_wire(self) -> None:
        """Idempotent. What the wire wrote is counted when it ended in order."""
        with suppress(WireError):  # one that died leaves what it had written
            self.wire.sync()
        self.wire.stop()
        if self.wire.records is not None:
            self._recorder.wrote("wire", self.wire.records)

    def _vocabulary(self) -> tuple[tuple[str, ...], str]:
        """The status words that the server publishes, and where.

        A server makes its schema anew in every life, which takes it more than a second. It is a property of the installation, so
        the first trial of a supervisor asks for all; a running server of somebody else is asked every time.
        """
        installed = (self._spec, *sorted(self._facts.items()))
        known = _VOCABULARIES.get(installed) if self._facts else None
        if known is None:
            known = self.observer.vocabulary()
            if known[0]:
                _VOCABULARIES[installed] = known
        return known

    def wait_ready(self) -> None:
        """The server answers as ready: a `Life(ready)` of its epoch. Raises DeadlineMissed."""
        limit = self._recorder.header.parameters["server.ready"]
        self.observer.epoch = self.server.epoch
        began = time.monotonic()
        try:
            self.observer.ready(self.budget.part(limit + 5), alive=self.server.alive)
        finally:
            if time.monotonic() - began > limit:
                # A server that no processor was free for is late because of its neighbours.
                self._log.write(records.Stall(machine.waited_for_cpu_ns(self.server.server_pid())))
        self._ready_ns = time.monotonic_ns()
        self._recorder.witness("engine").write(
            records.Life("ready", self.server.epoch, pid=self.server.server_pid(), t_ns=self._ready_ns)
        )

    @property
    def history_s(self) -> float:
        """How much longer than usual it may take to read the whole log of this trial, in seconds."""
        return self.scenario.seeded.events * READ_S if self.scenario.seeded else 0.0

    def stop(self, budget: Budget) -> None:
        """Client and subscriptions go first, so that the server ends in peace, unless the next trial shall have it. Whatever goes wrong
        with one of them, the others are ended, and what the client asked is written down. A trial that was cut off leaves its server
        to `remove`, which asks for nothing."""
        cut_off = self.budget.cancel.is_set()
        with ExitStack() as last_first:
            last_first.callback(self.hooks.close)
            if not self.shares_server and not cut_off:
                last_first.callback(self.server.stop, budget)
            if not cut_off:
                last_first.callback(self._record_requests)
            last_first.callback(self._end_wire)
            last_first.callback(self.observer.unsubscribe)
            last_first.callback(self.company.unsubscribe)
            last_first.callback(self.client.close)
            if self._start_gate is not None:
                last_first.callback(self._start_gate.end)

    def _record_requests(self) -> None:
        """What the client asked of the server, as the wire saw it, unless it tells that itself."""
        if self.client.tells_requests:
            return
        witness = self._recorder.witness(CLIENT)
        journal = self._recorder.directory / "wire.jsonl"
        for request in requests_of(journal, self.adapter, self._said):
            if request.verb == "create" and not self._drives_itself:
                request.conversation = self.conversation
            witness.write(request)
        for vocabulary in words_asked_for(journal, self.adapter):
            witness.write(vocabulary)

    # -- dormant servers --------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Initialise a dormant server, and try again the routes that had to be refused."""
        self._tell(self.observer.api.init(key=self._keys["session key"]))
        self.wait_ready()
        self._probe()

    def _probe(self) -> None:
        """Try routes that a dormant server must refuse, and any other serve."""
        api = self.observer.api
        for method, path in api.probes(str(uuid.uuid4())):
            self._tell(api.probe(method, path))

    def _tell(self, answer: Answer) -> None:
        self._log.write(request_of(answer, conversation=self.conversation, epoch=self.server.epoch))


def _model(recorder: Recorder, public_url: str) -> ScriptedModel:
    """On a free port of loopback; where a running server reaches it under `public_url`, on that port. Raises TargetError."""
    public_url = public_url.rstrip("/").removesuffix("/v1")
    address = urlsplit(public_url)
    host = "127.0.0.1" if address.hostname in (None, "127.0.0.1", "localhost") else "0.0.0.0"
    try:
        return ScriptedModel(recorder.witness("model"), host=host, port=address.port or 0, public_url=public_url)
    except OSError as error:
        raise TargetError(
            f"the scripted model cannot listen at {host}:{address.port}: {error.strerror or error}"
        ) from error
