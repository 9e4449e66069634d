"""A suite file: which guarantees are judged on which scenarios. `suites/<family>.suite.yaml`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from tailproof.runner.check import Cell
from tailproof.runner.pytest_names import SUITE_SUFFIX
from tailproof.yamlfile import load


class Suite(BaseModel):
    """The file as it is written: globs over the ids of the catalogue and the names of scenarios."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    summary: str
    guarantees: Annotated[list[str], Field(min_length=1)]
    scenarios: list[str] = ["*"]
    executions: bool = False
    """It judges scenarios of executors, and no other; without it, it judges none of them."""
    unclaimed: bool = False
    """Of what it names it judges only what no other suite beside it does."""

    @classmethod
    def read(cls, path: Path) -> Suite:
        """Raises BadFile with file and line."""
        return load(path, cls)

    @classmethod
    def beside(cls, path: Path) -> list[Suite]:
        """The other ones of its folder that claim what they name. Raises BadFile with file and line."""
        others = [cls.read(other) for other in sorted(path.parent.glob(f"*{SUITE_SUFFIX}")) if other != path]
        return [other for other in others if not other.unclaimed]

    def cells(self, cells: list[Cell], beside: Sequence[Suite] = ()) -> Iterator[Cell]:
        """The cells of a check that this suite judges, and none of those `beside` it."""
        return (cell for cell in cells if self._names(cell) and not any(other._names(cell) for other in beside))

    def _names(self, cell: Cell) -> bool:
        if not self.unclaimed and (cell.scenario.execution is not None) != self.executions:
            return False
        return _matches(cell.guarantee, self.guarantees) and _matches(cell.scenario.name, self.scenarios)


def _matches(word: str, globs: list[str]) -> bool:
    return any(fnmatchcase(word, glob) for glob in globs)
