"""A conversation with a long history: a real one that the release under test made itself, extended on the disk of its stopped server."""

from __future__ import annotations

import secrets
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tailproof.history.recorder import Witness
from tailproof.model.conversation import PlayedScript
from tailproof.model.script import Turn
from tailproof.model.server import ScriptedModel
from tailproof.outgoing.masking import Masker, without_user_info
from tailproof.ownership.owners import Owner, owner_id
from tailproof.ownership.scratch import scratch
from tailproof.protocol.adapter import Adapter, Answer, Api, Places, SeededHistory, SeedingError
from tailproof.protocol.conversation import ConversationPlan
from tailproof.targets.kind import check_address
from tailproof.targets.resolve import adapter_of, kind_of, resolve
from tailproof.targets.target import Nowhere, Plan, Server, TargetError
from tailproof.waiting import Budget, DeadlineMissed

SCRIPT = (
    Turn.model_validate({"tools": [{"journal": False, "run": "echo seeded"}], "thought": "One more step."}),
    Turn(finish="Seeded."),
)
"""The run that is cloned: one action and the end. It leaves no trace in a tool journal."""
CALLS = "first"
"""How the ids of its tool calls begin: the runs of a trial begin theirs with another word."""
CONVERSE_S = 120.0
STOP_S = 30.0
BUILD_S = 900.0
READY_S = 120.0


def seed_history(
    server: Server,
    adapter: Adapter,
    api: Api,
    plan: ConversationPlan,
    played: PlayedScript,
    history: SeededHistory,
    budget: Budget,
) -> None:
    """Let the running `server` make a conversation as planned, and seed it with a long history. The server is stopped when this returns.

    `played` plays `SCRIPT` at the plan's model. Nothing of this is written into a history: a trial finds it there.

    Raises:
        TargetError: the server does not do what it is asked for, or its disk cannot be changed.
        DeadlineMissed, Cancelled: as `Budget.wait_for`.
    """
    _converse(adapter, api, plan, played, budget.part(CONVERSE_S))
    server.stop(budget.part(STOP_S))
    server.end_survivors()
    try:
        server.edit_disk(lambda conversations: adapter.seed(conversations, plan.conversation, history))
    except (SeedingError, OSError) as error:
        raise TargetError(f"the history cannot be seeded: {error}") from error


def _converse(adapter: Adapter, api: Api, plan: ConversationPlan, played: PlayedScript, budget: Budget) -> None:
    _accepted(api.create(plan))
    _accepted(api.send(plan.conversation, "Do it, again and again.", run=False))
    _accepted(api.run(plan.conversation))
    # Not by its status alone: some releases cannot bear a read during their first step.
    played.wait_answered(len(SCRIPT) - 1, budget)
    seen = [""]

    def over() -> bool:
        seen[0] = api.status(plan.conversation)[1]
        return adapter.neutral(seen[0]) == "done"

    budget.wait_for("the conversation that is to be seeded to end", over, saw=lambda: seen[0], every=0.1)


def _accepted(answer: Answer) -> None:
    if not answer.ok:
        raise TargetError(
            f"the conversation that is to be seeded: {answer.method} {answer.path} "
            f"{answer.code} {answer.error or answer.text}".rstrip()
        )


# -- for a server of somebody else ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """What `export` left behind."""

    conversation: str
    command: str
    """Starts the server of the release on it, in a shell."""


def export(
    version: str, history: SeededHistory, out: Path, *, model_url: str = "", say: Callable[[str], object] = str
) -> Export:
    """Leave a conversations directory below `out`, made by release `version` and seeded. `model_url` is what the conversation
    shall ask for its next replies; `say` is told what happens.

    Raises:
        TargetError: the release cannot be had or started, was too slow, `out` is in use, or `model_url` is no address.
    """
    if out.exists() and any(out.iterdir()):
        raise TargetError(f"{out} is not empty: name a new directory")
    if model_url:
        check_address(model_url, f"{without_user_info(model_url)!r} is not the address of a model: http://HOST:PORT")
    target = resolve(f"pypi:{version}")
    adapter = adapter_of(kind_of(target.spec)[0])
    say(f"preparing {target.spec}")
    target.prepare(Budget(BUILD_S))
    owner = Owner(trial=uuid.uuid4().hex[:12], owner=owner_id())
    place = scratch(owner)
    secret = secrets.token_hex(16)
    witness = Witness("model", place / "model.jsonl", Masker({"server secret": secret}))
    try:
        (place / "journal").mkdir()
        server = target.server(
            Plan(owner=owner, directory=place, journal=place / "journal", key=secret, secret=secret, engine=Nowhere())
        )
        with ScriptedModel(witness) as model:
            played = model.serve("main", SCRIPT, journal="")
            plan = ConversationPlan(conversation=str(uuid.uuid4()), model_url=played.url, workspace=server.workspace)
            try:
                say("starting the server")
                server.start(Budget(READY_S))
                api = adapter.api(server.url, key=secret, version=target.version)
                Budget(READY_S).wait_for(
                    "the server to be ready", lambda: api.ready().ok, saw=server.log_tail, every=0.2
                )
                say(f"seeding a conversation to {history.events} events")
                seed_history(server, adapter, api, plan, played, history, Budget(BUILD_S))
                conversations = server.disk(out)
            except DeadlineMissed as missed:
                raise TargetError(f"{target.spec} was too slow: {missed}") from missed
            finally:
                server.remove()
        _move(
            conversations / uuid.UUID(plan.conversation).hex,
            {str(Path(server.workspace).parent): str(out.absolute()), **({played.url: model_url} if model_url else {})},
        )
    finally:
        witness.close()
        shutil.rmtree(place, ignore_errors=True)
    root = out.absolute()
    places = Places(root=str(root), workspace=str(root / "workspace"), conversations=str(root / "conversations"))
    launch = adapter.launch(
        version=target.version, port=8000, host="127.0.0.1", key="", secret=secret, places=places, extra={}
    )
    environment = " ".join(f"{name}={value}" for name, value in sorted(launch.environment.items()))
    return Export(conversation=plan.conversation, command=f"{environment} python {' '.join(launch.arguments)}")


def _move(conversation: Path, names: dict[str, str]) -> None:
    """What the server wrote down about its own places is true at the new ones, too."""
    for path in conversation.glob("*.json"):
        text = path.read_text()
        for old, new in names.items():
            text = text.replace(old, new)
        path.write_text(text)
