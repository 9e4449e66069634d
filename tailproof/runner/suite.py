"""A suite file: which guarantees are judged on which scenarios. `suites/<family>.suite.yaml`."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from tailproof.runner.check import Cell
from tailproof.yamlfile import load


class Suite(BaseModel):
    """The file as it is written: globs over the ids of the catalogue and the names of scenarios."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    summary: str
    guarantees: Annotated[list[str], Field(min_length=1)]
    scenarios: list[str] = ["*"]
    executions: bool = False
    """It judges scenarios of executors, and no other; without it, it judges none of them."""

    @classmethod
    def read(cls, path: Path) -> Suite:
        """Raises BadFile with file and line."""
        return load(path, cls)

    def cells(self, cells: list[Cell]) -> Iterator[Cell]:
        """The cells of a check that this suite judges."""
        for cell in cells:
            if (cell.scenario.execution is not None) != self.executions:
                continue
            if _matches(cell.guarantee, self.guarantees) and _matches(cell.scenario.name, self.scenarios):
                yield cell


def _matches(word: str, globs: list[str]) -> bool:
    return any(fnmatchcase(word, glob) for glob in globs)
