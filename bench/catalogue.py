"""Writes the pages of what there is: `python -m bench.catalogue` after a change of guarantees, faults, acts, scenarios or variants."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from ruamel.yaml import YAML

from bench.variants import kept
from tailproof.acts import catalogue as acts
from tailproof.acts.session import KINDS as SANDBOX_ACTS
from tailproof.adapters.openhands.sources import SOURCES
from tailproof.faults import catalogue as faults
from tailproof.faults.fault import Planned
from tailproof.faults.sandbox import KINDS as SANDBOX_FAULTS
from tailproof.guarantees.catalogue import CATALOGUE
from tailproof.history.parameters import PARAMETERS
from tailproof.outgoing.atomic import write_atomically
from tailproof.runner.check import catalogue as scenarios
from tailproof.scenario.schema import TIERS, Scenario

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))  # `fixtures` is not installed under this name

from fixtures.broken.table import VARIANTS  # noqa: E402
from fixtures.executor.variants import VARIANTS as EXECUTORS  # noqa: E402
from fixtures.sabotage.of_faults import KINDS as LANDED  # noqa: E402

DOCS = ROOT / "docs"
LEFT_OUT = (
    "The environment of the server itself (`access.secret`): a tool of the same user can read it below `/proc`, keys included. What is "
    "promised is that the environment of a command lacks them (`sanitized_env`), which `environment-printed` looks at; nothing is said of "
    "other processes.",
    "What an agent-server knows of a sub-agent's task (`status.children`): its log and its state lie below the directory of its parent "
    "(`subagents/`), and no route, stream or listing shows them. So a task is judged by what the model is asked in its name, and by what "
    "its parent says of the tool call. After a kill, 1.58.2 leaves `running` in that state for ever, where no user looks.",
    "The older `delegate` tool, which no server of these releases registers, and the `workflow` tool, which runs scripts that start tasks.",
    'A child conversation whose parent is deleted: the server says that children stay (`conversation_service.py`, "orphaned, not '
    'cascaded"), so nothing is broken when it works on.',
)
WRITTEN = "Written by `python -m bench.catalogue`; a test finds it stale."


def pages() -> Mapping[str, str]:
    """File below docs/ -> what it has to say."""
    played = scenarios()
    return {
        "catalogue.md": _page("Guarantees", _guarantees()),
        "faults.md": _page("Faults and acts", _landings(played)),
        "scenarios.md": _page("Scenarios", _scenarios(played)),
        "variants.md": _page("Broken servers and clients", _variants()),
    }


def main() -> None:
    """Write them all."""
    for name, text in pages().items():
        write_atomically(DOCS / name, text.encode())


def _page(title: str, lines: Iterable[str]) -> str:
    return "\n".join([f"# {title}", "", WRITTEN, "", *lines, ""])


def _guarantees() -> Iterator[str]:
    yield "The broken variants are those of [variants.md](variants.md), the bugs those of [BUGS.md](../BUGS.md)."
    bugs = YAML(typ="safe").load((ROOT / "bench/bugs.yaml").read_text())["rows"]
    for guarantee in CATALOGUE.values():
        own = [variant.name for variant in (*VARIANTS, *EXECUTORS) if variant.convicted_by == guarantee.id]
        found = [row["id"] for row in bugs if guarantee.id in row["guarantees"]]
        numbers = [
            f"{name} = {value:g}"
            for name, value in PARAMETERS.items()
            if name == guarantee.id or name.startswith(f"{guarantee.id}.")
        ]
        yield from ("", f"## `{guarantee.id}` ({guarantee.level})", "", guarantee.promise, "")
        yield f"- when it is broken, it hurts {guarantee.hurts}"
        yield f"- promised by: {SOURCES.get(guarantee.id, 'every protocol')}"
        if guarantee.rests_on or not guarantee.of_executors:
            yield f"- rests on: the {_list(sorted(guarantee.rests_on), 'trial alone')}"
        if guarantee.of_executors:
            yield f"- of an executor, it rests on: the {_list(sorted(guarantee.of_executors), 'trial alone')}"
        if numbers:
            yield f"- T: {', '.join(numbers)}"
        yield f"- convicts the variants: {_list(_code(own), 'none')}"
        yield f"- real bugs: {_list(dict.fromkeys(found), 'none yet')}"
    yield from ("", "## Left out, and why", "", *(f"- {why}" for why in LEFT_OUT))


def _landings(played: Sequence[Scenario]) -> Iterator[str]:
    yield "How a scenario uses one is said in [CONTRIBUTING.md](../CONTRIBUTING.md). What is not proven opens no gate."
    users: dict[str, list[str]] = {}
    for scenario in played:
        for plan in scenario.landings:
            users.setdefault(plan.kind, []).append(scenario.name)
    tables: Sequence[tuple[str, Mapping[str, Callable[[str, dict[str, Any]], Planned]]]] = (
        ("Acts", acts.CATALOGUE),
        ("Faults", faults.CATALOGUE),
        ("Acts where an executor is on trial", SANDBOX_ACTS),
        ("Faults where an executor is on trial", SANDBOX_FAULTS),
    )
    for title, kinds in tables:
        yield from ("", f"## {title}")
        for kind in sorted(kinds):
            made = kinds[kind]("it", _options_of(kind, played))
            yield from _landing(kind, made, list(dict.fromkeys(users.get(kind, ()))))


def _options_of(kind: str, played: Sequence[Scenario]) -> dict[str, Any]:
    """Options with which one of this kind can be made."""
    if kind in LANDED:
        return dict(LANDED[kind].get("with", {}))
    planned = (plan.options for scenario in played for plan in scenario.landings if plan.kind == kind)
    return next(planned, {})


def _landing(kind: str, made: Planned, used: Sequence[str]) -> Iterator[str]:
    yield from ("", f"### `{kind}`", "", " ".join((inspect.getdoc(type(made)) or "").split()), "")
    yield f"- for example: {made.describe()}"
    if kind.startswith("network."):
        yield "- needs: Toxiproxy"  # whether this machine has it does not change the page
    elif lacks := made.available(frozenset()):
        yield f"- without what it needs: {lacks}"
    if proof := inspect.getdoc(getattr(made, "verify", None)):
        yield f"- proven by: {' '.join(proof.split())}"
    for name, field in _fields(made):
        default = "" if field.is_required() else f", {field.get_default(call_default_factory=True)!r} unless said"
        yield f"- `{name}`: `{_type(field.annotation)}`{default}"
    yield f"- used by: {_list(_code(used[:6]), 'no shipped scenario')}{f' and {len(used) - 6} more' if used[6:] else ''}"


def _fields(made: Planned) -> list[tuple[str, Any]]:
    options = getattr(made, "options", None)
    return list(type(options).model_fields.items()) if isinstance(options, BaseModel) else []


def _type(annotation: Any) -> str:
    said = (
        annotation.__name__ if isinstance(annotation, type) and not hasattr(annotation, "__args__") else str(annotation)
    )
    return said.replace("typing.", "").replace("|", "or")


def _scenarios(played: Sequence[Scenario]) -> Iterator[str]:
    of_servers = [one for one in played if one.execution is None]
    of_executors = [one for one in played if one.execution is not None]
    yield f"Each tier holds those before it. Of servers: {_by_tier(of_servers)}. Of executors: {_by_tier(of_executors)}."
    for family in sorted({scenario.family for scenario in played}):
        yield from ("", f"## {family}", "", "| scenario | tier | what happens | acts and faults |", "|---|---|---|---|")
        for scenario in played:
            if scenario.family == family:
                landings = ", ".join(f"`{plan.kind}` at {plan.at}" for plan in scenario.landings)
                yield f"| `{scenario.name}` | {scenario.tier} | {_cell(scenario.summary)} | {landings} |"


def _by_tier(played: Sequence[Scenario]) -> str:
    return ", ".join(f"{tier} {sum(TIERS.index(one.tier) <= TIERS.index(tier) for one in played)}" for tier in TIERS)


def _variants() -> Iterator[str]:
    yield f"{len(VARIANTS)} servers and clients with one defect each. They are `reference:NAME` as target or as client."
    yield "Where no scenario of the catalogue shows one, its test has a situation of its own (`fixtures/broken/situations.py`)."
    yield ""
    yield "`python -m bench.variants` plays them all; the last column says who convicted each when it was played last."
    yield ""
    yield "| variant | what it does wrong | convicted by | may also be convicted by | shown by | played |"
    yield "|---|---|---|---|---|---|"
    played = kept()
    for variant in sorted(VARIANTS, key=lambda one: (one.convicted_by, one.name)):
        also = _list(_code(variant.also_breaks), "")
        shown = f"`{variant.scenario}`" if variant.scenario else "a scenario of its test"
        line = played.get(variant.name)
        last = f"{line.day}: {_cell(line.wrong) or _list(_code(line.convicted_by), 'nobody')}" if line else "never"
        yield f"| `{variant.name}` | {_cell(variant.defect)} | `{variant.convicted_by}` | {also} | {shown} | {last} |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _code(words: Iterable[str]) -> list[str]:
    return [f"`{word}`" for word in words]


def _list(words: Iterable[str], nothing: str) -> str:
    return ", ".join(words) or nothing


if __name__ == "__main__":
    main()
