"""The known violations of a target: a YAML file in which each entry has a reason and a link.

    last_seen: 1.58.2                  # the newest release on which the entries were seen; an entry may have its own
    known:
      - target: docker:*-server*  # a spec or a glob, or a list of them
        release: ">=1.56.0"            # of which releases; with an end: ">=1.35,<1.60"
        guarantee: status.crash
        scenario: kill-tool
        signature: running-after-restart
        reason: the lease is not checked when the same host restarts within it
        link: https://example.org/issues/1
        expires: 2026-12-31            # optional: the last day (UTC) on which it counts

A violation that an entry lists is reported as known and does not close the gate. An entry that no longer occurs is stale
and closes it, so that the file never lies. `rate` (0 to 1) says how often something occurs that does not occur always; such
an entry is not stale for being absent. An entry whose day is over is expired: what it lists counts as violated, and it closes the gate
itself, so that somebody looks at it again.

Since when and until when something occurs is said by one form, a range: a single release could not say the end, and there are two
whose release may matter, server and client.

`release` is a range (PEP 440: `>=1.56.0`, `>=1.35,<1.60`, `==1.58.0`) of the release that the server reports while it runs,
whatever the tag of its image (where it reports none: the one that was installed); `client_release` is a range of the one that the
client reports, for defects of a client. A release candidate stands below its release: 1.58.0rc1 is in `>=1.56.0` and not in
`>=1.58.0`. An entry is not about a trial whose release is out of its range, or is not known. Without a range an entry is about
every release that `target` and `client` name.

A release in range that is newer than `last_seen` has been listed by nobody yet: the entry is extended to it, the report says so,
and as nobody has claimed that it occurs there, it is not stale when it does not. Once the release was looked at, `last_seen` is
raised, and what no longer occurs there gets an end (`>=1.35,<1.59`). Without `last_seen` nothing is extended.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

from msgspec.structs import replace
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from tailproof import resources
from tailproof.guarantees.verdict import Outcome
from tailproof.incoming.files import from_here
from tailproof.incoming.limits import SAID_CHARS
from tailproof.outgoing.visible import clip
from tailproof.reports.result import ExpiredResult, KnownResult, StaleResult, TrialResult, VerdictResult
from tailproof.yamlfile import BadFile, Document, did_you_mean


def _is_range(text: str) -> str:
    try:
        SpecifierSet(text)
    except InvalidSpecifier as error:
        example = f"=={clip(text, SAID_CHARS)}" if version_of(text) else ">=1.56.0, or >=1.35,<1.60"
        raise ValueError(f"{clip(repr(text), SAID_CHARS)} is no range of releases: write it as {example}") from error
    return text


def _is_release(text: str) -> str:
    if version_of(text) is None:
        raise ValueError(f"{clip(repr(text), SAID_CHARS)} is no release: write it as 1.58.0")
    return text


def _to_date(value: Any) -> date:
    try:
        if isinstance(value, str) and len(value) == len("2026-12-31"):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise ValueError(f"{clip(repr(value), SAID_CHARS)} is no date: write it as 2026-12-31")


def utc_today() -> date:
    """The day by which entries expire."""
    return datetime.now(UTC).date()


Text = Annotated[str, Field(min_length=1, max_length=4000)]
Range = Annotated[Text, AfterValidator(_is_range)]
Release = Annotated[Text, AfterValidator(_is_release)]
Day = Annotated[date, BeforeValidator(_to_date)]


class Entry(BaseModel):
    """One known violation. `target` and `client` are specs or globs (`docker:*:1.58.0`), `scenario` is a name or, for what shows
    wherever it is looked for, a glob, `release` and `client_release` are ranges of what server and client report."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: Text | list[Text]
    release: Range | None = None
    client: Text = "*"
    client_release: Range | None = None
    guarantee: Text
    scenario: Text
    signature: Text
    reason: Text
    link: Text
    rate: float | None = Field(default=None, gt=0, le=1)
    last_seen: Release | None = None
    expires: Day | None = None

    def names(self, trial: TrialResult, guarantee: str) -> bool:
        """The entry is about this guarantee in this trial, whatever release target and client had."""
        targets = [self.target] if isinstance(self.target, str) else self.target
        return (
            self.guarantee == guarantee
            and fnmatchcase(trial.scenario, self.scenario)
            and any(fnmatchcase(trial.target, pattern) for pattern in targets)
            and fnmatchcase(trial.client, self.client)
        )

    def concerns(self, trial: TrialResult, guarantee: str) -> bool:
        """The entry is about this guarantee in this trial, and about the releases that target and client report."""
        return self.names(trial, guarantee) and not self.out_of_range(trial)

    def occurs(self, trial: TrialResult, verdict: VerdictResult) -> bool:
        """This is the violation that the entry lists, whatever releases it is about."""
        return (
            verdict.outcome is Outcome.VIOLATED
            and verdict.signature == self.signature
            and self.names(trial, verdict.guarantee)
        )

    def out_of_range(self, trial: TrialResult) -> str:
        """`is about release >=1.59.0, and this is 1.58.2`; empty when it is about the releases of this trial."""
        for key, wanted, reported in self.ranges(trial):
            if wanted is not None and not in_range(reported, wanted):
                return f"is about {key} {wanted}, and this is {clip(reported, SAID_CHARS) or 'not known'}"
        return ""

    def extended_to(self, trial: TrialResult) -> str:
        """The release, of those for which the entry has a range, that is newer than where it was last seen; empty when none is."""
        last = version_of(self.last_seen or "")
        for _, wanted, reported in self.ranges(trial):
            found = version_of(reported)
            if wanted and last and found and found > last:
                return reported
        return ""

    def expired(self, day: date) -> bool:
        """Its last day was before this one."""
        return self.expires is not None and self.expires < day

    def ranges(self, trial: TrialResult) -> tuple[tuple[str, str | None, str], ...]:
        """The key of each range, the range, and what is reported in this trial."""
        return (("release", self.release, trial.release), ("client_release", self.client_release, trial.client_release))


class BaselineFile(BaseModel):
    """The file as it is written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    last_seen: Release | None = None
    """The newest release on which the entries were seen that do not say their own."""
    known: list[Entry]


@dataclass(frozen=True, slots=True)
class Baseline:
    """The entries of a file, each with its place (`file:line`, as seen from the working directory)."""

    entries: tuple[tuple[str, Entry], ...] = ()
    day: date = field(default_factory=utc_today)
    """Entries that expired before it do not count."""

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        guarantees: Collection[str] | None = None,
        scenarios: Collection[str] | None = None,
        day: date | None = None,
    ) -> Baseline:
        """Read a baseline as it counts on `day`, by default today's in UTC. Where the known ids are given, an entry about any other is an
        error.

        Raises:
            BadFile: with the line of every mistake: YAML, keys, values, unknown ids, the same entry twice.
        """
        return cls.of(Document.read(path), guarantees=guarantees, scenarios=scenarios, day=day)

    @classmethod
    def of(
        cls,
        document: Document,
        *,
        guarantees: Collection[str] | None = None,
        scenarios: Collection[str] | None = None,
        day: date | None = None,
    ) -> Baseline:
        """What a file says. Raises BadFile, as `load`."""
        path = document.path
        file = document.parse(BaselineFile)
        entries = [entry.model_copy(update={"last_seen": entry.last_seen or file.last_seen}) for entry in file.known]
        mistakes: list[tuple[int, str]] = []
        first: dict[str, int] = {}
        for index, entry in enumerate(entries):
            line = document.line("known", index)
            for key, known in (("guarantee", guarantees), ("scenario", scenarios)):
                word = getattr(entry, key)
                there = known is None or (
                    any(fnmatchcase(one, word) for one in known) if key == "scenario" else word in known
                )
                if known is not None and not there:
                    say = f"known[{index}].{key}: there is no {key} {clip(repr(word), SAID_CHARS)}{did_you_mean(word, known)}"
                    mistakes.append((document.line("known", index, key), say))
            if file.known[index].last_seen and not (entry.release or entry.client_release):
                say = f"known[{index}].last_seen: means nothing without a range: give it a release or a client_release"
                mistakes.append((document.line("known", index, "last_seen"), say))
            same = entry.model_dump_json(exclude={"reason", "link", "rate", "last_seen", "expires"})
            if first.setdefault(same, line) != line:
                mistakes.append((line, f"known[{index}]: the same violation is listed at line {first[same]}"))
        if mistakes:
            (line, message), *also = sorted(mistakes)
            raise BadFile(path, line, message, also=also)
        shown = resources.shipped(path) or from_here(path)
        placed = ((f"{shown}:{document.line('known', index)}", entry) for index, entry in enumerate(entries))
        return cls(tuple(placed), day or utc_today())

    def marked(self, trial: TrialResult) -> TrialResult:
        """The trial, each of its violations with the entry that lists it, or with why one that names it does not count."""
        verdicts = (
            replace(verdict, known=self.known(trial, verdict), passed_over=self.passed_over(trial, verdict))
            for verdict in trial.verdicts
        )
        return replace(trial, verdicts=tuple(verdicts))

    def known(self, trial: TrialResult, verdict: VerdictResult) -> KnownResult | None:
        """The entry that lists this violation; None for what is not violated or not listed.

        One that was seen on this very release or a later one goes before one that is extended to it, and of those the one that
        was seen last.
        """
        fitting = [
            (entry.extended_to(trial), entry, where)
            for where, entry in self._naming(trial, verdict)
            if not entry.out_of_range(trial) and not entry.expired(self.day)
        ]
        if not fitting:
            return None
        extended_to, entry, where = max(fitting, key=lambda fit: (not fit[0], Version(fit[1].last_seen or "0")))
        return KnownResult(
            reason=entry.reason,
            link=entry.link,
            entry=where,
            last_seen=(entry.last_seen or "") if extended_to else "",
            extended_to=extended_to,
        )

    def passed_over(self, trial: TrialResult, verdict: VerdictResult) -> str:
        """`suites/baseline.yaml:12 expired on 2026-11-01`, or is about other releases; empty for what is known, and for what no entry
        names."""
        if self.known(trial, verdict) is not None:
            return ""
        reasons = (
            f"{where} {entry.out_of_range(trial) or f'expired on {entry.expires}'}"
            for where, entry in self._naming(trial, verdict)
        )
        return next(reasons, "")

    def _naming(self, trial: TrialResult, verdict: VerdictResult) -> list[tuple[str, Entry]]:
        """The entries that name this violation, whatever the releases and the day."""
        return [(where, entry) for where, entry in self.entries if entry.occurs(trial, verdict)]

    def stale(self, trials: Sequence[TrialResult]) -> tuple[StaleResult, ...]:
        """Entries without a rate whose guarantee holds in a trial of their scenario, and which occurred in none.

        Trials that failed say nothing, and neither do inconclusive verdicts, violations of another kind, or a guarantee that
        holds on a release to which the entry is only extended.
        """
        return tuple(
            StaleResult(entry=where, guarantee=entry.guarantee, scenario=entry.scenario, signature=entry.signature)
            for where, entry in self.entries
            if entry.rate is None and _is_stale(entry, trials)
        )

    def expired(self, trials: Sequence[TrialResult]) -> tuple[ExpiredResult, ...]:
        """Entries whose last day is over, and which these trials were about. One that is stale is told as stale."""
        return tuple(
            ExpiredResult(
                entry=where,
                guarantee=entry.guarantee,
                scenario=entry.scenario,
                signature=entry.signature,
                expires=entry.expires.isoformat(),
            )
            for where, entry in self.entries
            if entry.expires is not None
            and entry.expired(self.day)
            and any(verdict.outcome is not Outcome.NOT_APPLICABLE for _, verdict in _about(entry, trials))
            and not (entry.rate is None and _is_stale(entry, trials))
        )


def _about(entry: Entry, trials: Sequence[TrialResult]) -> list[tuple[TrialResult, VerdictResult]]:
    return [
        (trial, verdict)
        for trial in trials
        if trial.error is None
        for verdict in trial.verdicts
        if entry.concerns(trial, verdict.guarantee)
    ]


def _is_stale(entry: Entry, trials: Sequence[TrialResult]) -> bool:
    about = _about(entry, trials)
    occurred = any(v.outcome is Outcome.VIOLATED and v.signature == entry.signature for _, v in about)
    return not occurred and any(
        verdict.outcome is Outcome.HOLDS and not entry.extended_to(trial) for trial, verdict in about
    )


def in_range(reported: str, wanted: str) -> bool:
    """Never for what is no release."""
    release = version_of(reported)
    return release is not None and SpecifierSet(wanted).contains(release, prereleases=True)


def version_of(text: str) -> Version | None:
    """None for what is no release."""
    try:
        return Version(text)
    except ValueError:  # no version, or one with a number of thousands of digits
        return None
