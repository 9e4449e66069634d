"""The pages that say what there is: `docs/catalogue.md`, `docs/faults.md`, `docs/variants.md`.

`python -m bench.catalogue` writes them from the code: the guarantees, the kinds of faults and acts, the scenarios, the broken servers
and clients, and the rows of `bench/bugs.yaml`. Nothing is run. A test compares the pages with what this would write.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from bench.bugs import ROWS, Row, Rows
from fixtures.broken.table import VARIANTS
from fixtures.broken.variant import Variant
from tailproof.acts.catalogue import CATALOGUE as ACTS
from tailproof.adapters.openhands.sources import SOURCES
from tailproof.faults.catalogue import CATALOGUE as FAULTS
from tailproof.faults.wire import SAYS
from tailproof.guarantees.catalogue import CATALOGUE as GUARANTEES
from tailproof.guarantees.verdict import Guarantee
from tailproof.history.header import Header
from tailproof.history.parameters import PARAMETERS
from tailproof.outgoing.atomic import write_atomically
from tailproof.runner.check import catalogue
from tailproof.scenario.schema import TIERS, Family, Scenario
from tailproof.wire.rules import NEEDS
from tailproof.wire.toxiproxy import TOXICS
from tailproof.yamlfile import load

DOCS = Path(__file__).resolve().parent.parent / "docs"
MOST_SCENARIOS = 6
NOTHING = "—"
WRITTEN = "Written by `python -m bench.catalogue` from the code."


def pages() -> Mapping[str, str]:
    """Name of the file in `docs/` -> what is in it."""
    scenarios = catalogue()
    rows = load(ROWS, Rows).rows
    return MappingProxyType(
        {
            "catalogue.md": _catalogue(scenarios, rows),
            "faults.md": _faults(scenarios),
            "variants.md": _variants(),
        }
    )


def main() -> None:
    """Write them."""
    for name, text in pages().items():
        write_atomically(DOCS / name, text.encode())


def _catalogue(scenarios: list[Scenario], rows: list[Row]) -> str:
    lines = [
        "# The catalogue: what is promised, and in which situations it is looked at",
        "",
        f"{WRITTEN} The faults are in [faults.md](faults.md), the broken servers and clients in [variants.md](variants.md).",
        "",
        "## Guarantees",
        "",
        "A guarantee is judged in every scenario whose plan it is about. It is proven by the variants that it convicts, and by",
        "the real bugs of released servers and clients that it convicts in every trial ([BUGS.md](../BUGS.md)).",
        "",
    ]
    for identity, guarantee in GUARANTEES.items():
        lines += _guarantee(identity, guarantee, scenarios, rows)
    lines += ["## Scenarios", "", "A tier holds the scenarios of the ones before it, too.", ""]
    lines += list(_counted(scenarios))
    for family in get_args(Family):
        of_family = sorted((one for one in scenarios if one.family == family), key=lambda one: one.name)
        if not of_family:
            continue
        lines += ["", f"### {family}", "", "| scenario | tier | what happens | lands |", "|---|---|---|---|"]
        for one in of_family:
            lands = ", ".join(f"`{plan.kind}` at `{plan.at}`" for plan in one.landings)
            lines.append(f"| `{one.name}` | {one.tier} | {_cell(one.summary)} | {lands or NOTHING} |")
    return "\n".join(lines) + "\n"


def _guarantee(identity: str, guarantee: Guarantee, scenarios: list[Scenario], rows: list[Row]) -> Iterator[str]:
    limits = [f"`{name}` {value:g}" for name, value in PARAMETERS.items() if f"{name}.".startswith(f"{identity}.")]
    variants = [variant.name for variant in VARIANTS if variant.convicted_by == identity]
    bugs = [row.id for row in rows if identity in row.guarantees]
    judged = [one.name for one in scenarios if _judges(guarantee, one)]
    yield from (f"### {identity}", "", f"{guarantee.level}: {guarantee.promise}", "")
    yield f"- Source: {SOURCES[identity]}"
    yield f"- Rests on: {', '.join(sorted(guarantee.rests_on))}"
    if limits:
        yield f"- Numbers in force unless an adapter or a scenario says others: {', '.join(limits)}"
    yield f"- Convicts the variants: {_names(variants)}"
    yield f"- Convicts the real bugs: {_names(bugs)}"
    yield f"- Judged in {_some(judged, len(scenarios))}"
    yield ""


def _judges(guarantee: Guarantee, scenario: Scenario) -> bool:
    """With a client that tells everything, on a server that can do everything."""
    if not any(fnmatchcase(guarantee.id, glob) for glob in scenario.guarantees):
        return False
    tells = "" if scenario.client == "plain" else "held callbacks status exit"
    header = Header(
        trial="",
        scenario=scenario.name,
        seed=0,
        target="",
        client=scenario.client,
        facts={"client_tells": tells},
        plan=scenario.model_dump(mode="json", by_alias=True),
    )
    return not guarantee.applies(header)


def _some(names: list[str], of: int) -> str:
    if len(names) == of:
        return "every scenario"
    if len(names) > MOST_SCENARIOS:
        return f"{len(names)} of {of} scenarios"
    return _names(names)


def _counted(scenarios: list[Scenario]) -> Iterator[str]:
    yield from (f"| family | {' | '.join(TIERS)} |", f"|---|{'---|' * len(TIERS)}")
    held = {tier: [one for one in scenarios if one.tier in TIERS[: place + 1]] for place, tier in enumerate(TIERS)}
    for family in get_args(Family):
        counts = [sum(one.family == family for one in held[tier]) for tier in TIERS]
        yield f"| {family} | {' | '.join(map(str, counts))} |"
    yield f"| **all** | {' | '.join(f'**{len(held[tier])}**' for tier in TIERS)} |"


def _faults(scenarios: list[Scenario]) -> str:
    lines = [
        "# Faults and acts",
        "",
        f"{WRITTEN} A fault is done to a server or to what lies before it, an act is what users and operators do. Each says",
        "how its effect is proven, by a counter that it does not keep itself; without the proof its trial decides nothing.",
    ]
    for title, kinds in (("Faults", FAULTS), ("Acts", ACTS)):
        lines += ["", f"## {title}"]
        for name, make in kinds.items():
            users = [one.name for one in scenarios if any(plan.kind == name for plan in one.landings)]
            lines += ["", *_kind(name, make, users)]
    return "\n".join(lines) + "\n"


def _kind(name: str, make: Callable[..., Any], users: list[str]) -> Iterator[str]:
    kind: Any = make.func if isinstance(make, partial) else make
    yield from (f"### {name}", "", _does(name, kind), "")
    yield from _options(name, kind)
    if needs := _needs(name, make):
        yield f"- Needs: {needs}"
    yield f"- Proven: {_sentence(kind.verify) or NOTHING}"
    if healing := _sentence(kind.heal):
        yield f"- Healed: {healing}"
    yield f"- In {len(users)} scenarios: {_names(users[:MOST_SCENARIOS])}{', …' if len(users) > MOST_SCENARIOS else ''}"


def _options(name: str, kind: Any) -> Iterator[str]:
    family, _, what = name.partition(".")
    if family == "wire":
        must, may = NEEDS[what]
        yield f"- `with`: {_names(sorted(must))}; may: {_names(['match', 'on', 'direction', 'times', *sorted(may)])}"
        return
    if family == "network":
        attributes = next(known for toxic, known in TOXICS.items() if toxic == what)
        yield f"- `with`: `direction` (`downstream`), `attributes` of {_names(sorted(attributes))}"
        return
    model = _takes(name, kind)
    if model is None:
        yield "- `with`: nothing"
        return
    yield "- `with`:"
    for field, info in model.model_fields.items():
        default = "needed" if info.default is PydanticUndefined else f"`{info.default}`"
        words = _typed(info.annotation)
        yield f"  - `{info.alias or field}` ({words}; {default}){f': {_one(info.description)}' if info.description else ''}"


def _takes(name: str, kind: Any) -> type[BaseModel] | None:
    """The model of a kind's options is the one in its module whose docstring names it: "`with:` of `process.kill`"."""
    known = vars(inspect.getmodule(kind)).values()
    models = (one for one in known if inspect.isclass(one) and issubclass(one, BaseModel))
    return next(
        (one for one in models if f"`{name}`" in (one.__doc__ or "") and "`with:`" in (one.__doc__ or "")), None
    )


def _typed(annotation: Any) -> str:
    if args := [arg for arg in get_args(annotation) if arg is not type(None)]:
        flat = [_typed(arg) if get_args(arg) or inspect.isclass(arg) else str(arg) for arg in args]
        return " or ".join(dict.fromkeys(flat))
    return str(getattr(annotation, "__name__", annotation))


def _does(name: str, kind: Any) -> str:
    family, _, what = name.partition(".")
    says = {"wire": SAYS.get(what), "network": f"The toxic `{what}` of Toxiproxy, between client and wire."}.get(family)
    return f"{says[0].upper()}{says[1:].removesuffix('.')}." if says else _sentence(kind)


def _needs(name: str, make: Callable[..., Any]) -> str:
    """What it says when a target can do nothing at all. Whether this machine has Toxiproxy does not change the page."""
    if name.startswith("network."):
        return "Toxiproxy"
    for options in ({}, {"text": "x"}):
        try:
            return make("one", dict(options)).available(frozenset()) or ""
        except ValueError:
            continue
    return ""


def _variants() -> str:
    lines = [
        "# Broken servers and clients",
        "",
        f"{WRITTEN} Each is the reference server or the reference client with one defect. The guarantee in the third column must",
        "convict it, those in the fourth may, because the defect breaks them by logic, too, and no other MUST may. The honest one is",
        "convicted of nothing in the same situation. `tests/reference/test_every_variant_is_convicted.py` plays all of them.",
        "",
        f"**{len(VARIANTS)} variants.**",
        "",
        "| variant | defect | convicted by | may be convicted by | situation |",
        "|---|---|---|---|---|",
    ]
    place = {identity: index for index, identity in enumerate(GUARANTEES)}
    for one in sorted(VARIANTS, key=lambda variant: place[variant.convicted_by]):
        lines.append(_variant(one))
    counts = {identity: sum(one.convicted_by == identity for one in VARIANTS) for identity in GUARANTEES}
    lines += ["", "| guarantee | variants that only it has to convict |", "|---|---|"]
    lines += [f"| {identity} | {count} |" for identity, count in counts.items()]
    return "\n".join(lines) + "\n"


def _variant(one: Variant[Any]) -> str:
    others = ", ".join(one.also_breaks) or NOTHING
    return f"| `{one.name}` | {_cell(one.defect)} | {one.convicted_by} | {others} | {one.scenario or 'its own'} |"


def _sentence(documented: Any) -> str:
    """The first paragraph of its own docstring."""
    return _one((documented.__doc__ or "").split("\n\n")[0])


def _one(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _one(text).replace("|", "\\|")


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or NOTHING


if __name__ == "__main__":
    main()
