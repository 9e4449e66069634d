"""The known violations of a target: a YAML file in which each entry has a reason and a link.

    known:
      - target: pypi:1.58.0            # or a glob, or a list of them
        guarantee: status.crash
        scenario: kill-tool
        signature: running-after-restart
        reason: the lease is not checked when the same host comes back within it
        link: https://example.org/issues/1

A violation that an entry lists is reported as known and does not close the gate. An entry that no longer occurs is stale
and closes it, so that the file never lies. `rate` (0 to 1) says how often something occurs that does not occur always; such
an entry is not stale for being absent.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from tailproof.guarantees.verdict import Outcome, Verdict
from tailproof.reports.result import KnownResult, StaleResult, TrialResult
from tailproof.yamlfile import BadFile, Document, did_you_mean

Text = Annotated[str, Field(min_length=1)]


class Entry(BaseModel):
    """One known violation. `target` and `client` are specs or globs (`docker:*:1.58.0`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: Text | list[Text]
    client: Text = "*"
    guarantee: Text
    scenario: Text
    signature: Text
    reason: Text
    link: Text
    rate: float | None = Field(default=None, gt=0, le=1)

    def concerns(self, *, target: str, client: str, guarantee: str, scenario: str) -> bool:
        """The entry is about this guarantee in this scenario, for this target and client."""
        targets = [self.target] if isinstance(self.target, str) else self.target
        return (
            (self.guarantee, self.scenario) == (guarantee, scenario)
            and any(fnmatchcase(target, pattern) for pattern in targets)
            and fnmatchcase(client, self.client)
        )


class BaselineFile(BaseModel):
    """The file as it is written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    known: list[Entry]


@dataclass(frozen=True, slots=True)
class Baseline:
    """The entries of a file, each with its place (`file:line`, as seen from the working directory)."""

    entries: tuple[tuple[str, Entry], ...] = ()

    @classmethod
    def load(
        cls, path: Path, *, guarantees: Collection[str] | None = None, scenarios: Collection[str] | None = None
    ) -> Baseline:
        """Read a baseline. Where the known ids are given, an entry about any other is an error.

        Raises:
            BadFile: with the line of every mistake: YAML, keys, values, unknown ids, the same entry twice.
        """
        document = Document.read(path)
        entries = document.parse(BaselineFile).known
        mistakes: list[tuple[int, str]] = []
        first: dict[str, int] = {}
        for index, entry in enumerate(entries):
            line = document.line("known", index)
            for key, known in (("guarantee", guarantees), ("scenario", scenarios)):
                word = getattr(entry, key)
                if known is not None and word not in known:
                    say = f"known[{index}].{key}: there is no {key} {word!r}{did_you_mean(word, known)}"
                    mistakes.append((document.line("known", index, key), say))
            same = entry.model_dump_json(exclude={"reason", "link", "rate"})
            if first.setdefault(same, line) != line:
                mistakes.append((line, f"known[{index}]: the same violation is listed at line {first[same]}"))
        if mistakes:
            (line, message), *also = sorted(mistakes)
            raise BadFile(path, line, message, also=also)
        shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        return cls(tuple((f"{shown}:{document.line('known', index)}", entry) for index, entry in enumerate(entries)))

    def known(self, verdict: Verdict, *, target: str, client: str, guarantee: str, scenario: str) -> KnownResult | None:
        """The entry that lists this violation; None for what is not violated or not listed."""
        if verdict.outcome is not Outcome.VIOLATED:
            return None
        for where, entry in self.entries:
            about = entry.concerns(target=target, client=client, guarantee=guarantee, scenario=scenario)
            if about and entry.signature == verdict.signature:
                return KnownResult(reason=entry.reason, link=entry.link, entry=where)
        return None

    def stale(self, trials: Sequence[TrialResult]) -> tuple[StaleResult, ...]:
        """Entries without a rate whose guarantee holds in a trial of their scenario, and which occurred in none.

        Trials that failed say nothing, and neither do inconclusive verdicts or violations of another kind.
        """
        return tuple(
            StaleResult(entry=where, guarantee=entry.guarantee, scenario=entry.scenario, signature=entry.signature)
            for where, entry in self.entries
            if entry.rate is None and _is_stale(entry, trials)
        )


def _is_stale(entry: Entry, trials: Sequence[TrialResult]) -> bool:
    verdicts = [
        verdict
        for trial in trials
        if trial.error is None
        for verdict in trial.verdicts
        if entry.concerns(
            target=trial.target, client=trial.client, guarantee=verdict.guarantee, scenario=trial.scenario
        )
    ]
    occurred = any(v.outcome is Outcome.VIOLATED and v.signature == entry.signature for v in verdicts)
    return not occurred and any(v.outcome is Outcome.HOLDS for v in verdicts)
