"""Whether a target and a client can play a scenario at all, told before anything is started."""

from __future__ import annotations

from tailproof.acts.catalogue import announced
from tailproof.clients.spec import kind_of as client_kind_of
from tailproof.faults.meaning import lacks
from tailproof.history.plan import DAMAGE
from tailproof.protocol.rarer import abilities_of
from tailproof.runner.pairs import Pair, model_url_of
from tailproof.scenario.schema import Scenario
from tailproof.targets.resolve import adapter_of, executor_of, kind_of, resolve
from tailproof.targets.target import Target


def cannot(scenario: Scenario, pair: Pair, *, model_url: str = "") -> str:
    """Why this pair cannot play this scenario; empty when it can. Raises BadTarget."""
    url = model_url_of(pair.target, model_url)
    target = resolve(pair.target, model_url=url or None)
    return _target_cannot(scenario, target, pair.release) or _client_cannot(scenario, pair.client)


def is_about(scenario: Scenario, pair: Pair) -> bool:
    """The scenario is about the kind of system that the target is."""
    return (scenario.execution is not None) == kind_of(pair.target)[0].executes


def _executor_cannot(scenario: Scenario, target: Target) -> str:
    assert scenario.execution is not None, "asked of scenarios of executors"
    abilities = executor_of(kind_of(target.spec)[0]).abilities | target.capabilities
    keys = ["keys"] if scenario.execution.asks_again else []
    for needed in ("execution-status", "session-status", "resume", *keys):
        if needed not in abilities:
            return f"{target.spec} has no {needed.replace('-', ' ')}"
    return next((why for plan in scenario.landings if (why := announced(plan).available(abilities))), "")


def _target_cannot(scenario: Scenario, target: Target, version: str) -> str:
    executes = kind_of(target.spec)[0].executes
    if (scenario.execution is not None) != executes:
        what = "an executor" if executes else "no executor"
        return f"{target.spec} is {what}, and the scenario is about the other kind"
    if executes:
        return _executor_cannot(scenario, target)
    if "model" not in target.capabilities:
        return f"{target.spec} cannot reach the scripted model: give it with --model-url"
    if scenario.server.memory and "oom" not in target.capabilities:
        return f"{target.spec} has no memory limit: use docker:IMAGE"
    if scenario.server.processes and "process-limit" not in target.capabilities:
        return f"{target.spec} has no limit of processes: use docker:IMAGE"
    if scenario.server.begins_as == "earlier" and "earlier-release" not in target.capabilities:
        return f"{target.spec} names no release before it to upgrade from: use pypi:VERSION"
    adapter = adapter_of(kind_of(target.spec)[0])
    promises = adapter.promises(version)
    if scenario.server.dormant and not ("deferred-init" in target.capabilities and promises.facts.get("deferred_init")):
        return f"{target.spec} has no deferred initialisation"
    if scenario.seeded and not {"disk", "restart"} <= target.capabilities:
        return f"{target.spec} gives nobody its disk to seed a history on: use pypi:VERSION, src:DIR or docker:IMAGE"
    if scenario.seeded and not promises.facts.get("seeded_histories"):
        return f"nobody can give a server of the protocol {adapter.name} a long history"
    if scenario.server.hooks and adapter.webhooks is None:
        return f"the protocol {adapter.name} has no webhooks"
    if scenario.server.hooks and "restart" not in target.capabilities:
        return f"{target.spec} cannot be told of a receiver of webhooks: use pypi:VERSION, src:DIR or docker:IMAGE"
    if scenario.confirmation != "never" and not promises.facts.get("confirmations"):
        return f"the protocol {adapter.name} knows no confirmations"
    abilities = target.capabilities | abilities_of(promises.facts)
    if any(plan.kind == DAMAGE for plan in scenario.faults) and not promises.facts.get("stored_files"):
        return f"an event of the protocol {adapter.name} has no file of its own that could be damaged"
    for kind in sorted({child.kind for child in scenario.children.values()}):
        if f"can-start-{kind}" not in abilities:
            return f"no agent of {target.spec} starts a {kind} of its own"
    if lacking := scenario.agent.takes - abilities:
        return f"{target.spec} gives no agent {_named(lacking)}"
    for plan in scenario.landings:
        reason = announced(plan).available(abilities)
        if reason:
            return reason
        if reason := lacks(plan.options, adapter, adapter.name):
            return reason
    return ""


def _client_cannot(scenario: Scenario, client: str) -> str:
    """A script plays by itself, from the first message to the end; all other clients are driven."""
    if scenario.agent.takes and not client_kind_of(client)[0].equips:
        return f"{client} gives its agent no more than a terminal, and here it has {_named(scenario.agent.takes)}"
    by_client = scenario.server.dormant and scenario.server.initialised_by == "client"
    if client.partition(":")[0] != "script":
        return f"{client} does not initialise a server: use script:FILE" if by_client else ""
    if scenario.server.dormant and not by_client:
        return f"{client} initialises a dormant server by itself, and here the harness does"
    if scenario.seeded:
        return f"{client} begins its own conversation, and this one has a history"
    if scenario.confirmation != "never":
        return f"{client} creates its own conversation, and in this one the agent must wait for a confirmation"
    if len(scenario.messages) != 1:
        return f"{client} sends one message, and this scenario has {len(scenario.messages)}"
    return ""


def _named(takes: frozenset[str]) -> str:
    return " and ".join(_WORDS[ability] for ability in sorted(takes))


_WORDS = {
    "can-take-mcp": "an MCP server",
    "can-take-condenser": "a condenser",
    "can-take-guards": "guards",
    "can-take-risks": "a policy that confirms what is risky",
}
