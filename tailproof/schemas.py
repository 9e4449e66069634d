"""Writes the published schemas: `python -m tailproof.schemas` (or `make schemas`) in a checkout."""

from __future__ import annotations

import json

from tailproof import resources
from tailproof.outgoing.atomic import write_atomically
from tailproof.reports.json import comparison_schema
from tailproof.reports.json import schema as result_schema
from tailproof.scenario.schema import Scenario
from tailproof.scenario.sweep import KEY

_SWEEP = {
    "description": "Axes: what `$axis` stands for in the rest of the file, which then says many scenarios.",
    "type": "object",
    "additionalProperties": {"type": ["array", "object"], "minItems": 1, "minProperties": 1},
}


def scenario_schema() -> bytes:
    """The JSON Schema of a scenario file."""
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Scenario.model_json_schema(by_alias=True)}
    document["properties"][KEY] = _SWEEP
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def main() -> None:
    """Write the schemas where they are published."""
    write_atomically(resources.folder("scenarios") / "scenario.schema.json", scenario_schema())
    write_atomically(resources.folder("reports") / "result.schema.json", result_schema())
    write_atomically(resources.folder("reports") / "compare.schema.json", comparison_schema())


if __name__ == "__main__":
    main()
