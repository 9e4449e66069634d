"""The known violations of a target: a YAML file in which each entry has a reason and a link.

    last_seen: 1.58.2                  # the newest release on which the entries were seen; an entry may have its own
    known:
      - target: docker:*-server*  # a spec or a glob, or a list of them
        release: ">=1.56.0"            # since when
        guarantee: status.crash
        scenario: kill-tool
        signature: running-after-restart
        reason: the lease is not checked when the same host restarts within it
        link: https://example.org/issues/1

A violation that an entry lists is reported as known and does not close the gate. An entry that no longer occurs is stale
and closes it, so that the file never lies. `rate` (0 to 1) says how often something occurs that does not occur always; such
an entry is not stale for being absent.

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
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tailproof import resources
from tailproof.guarantees.verdict import Outcome, Verdict
from tailproof.incoming.files import from_here
from tailproof.incoming.limits import SAID_CHARS
from tailproof.outgoing.visible import clip
from tailproof.reports.result import KnownResult, StaleResult, TrialResult
from tailproof.yamlfile import BadFile, Document, did_you_mean


def _is_range(text: str) -> str:
    try:
        SpecifierSet(text)
    except InvalidSpecifier as error:
        example = f"=={clip(text, SAID_CHARS)}" if _version(text) else ">=1.56.0, or >=1.35,<1.60"
        raise ValueError(f"{clip(repr(text), SAID_CHARS)} is no range of releases: write it as {example}") from error
    return text


def _is_release(text: str) -> str:
    if _version(text) is None:
        raise ValueError(f"{clip(repr(text), SAID_CHARS)} is no release: write it as 1.58.0")
    return text


Text = Annotated[str, Field(min_length=1, max_length=4000)]
Range = Annotated[Text, AfterValidator(_is_range)]
Release = Annotated[Text, AfterValidator(_is_release)]


class Entry(BaseModel):
    """One known violation. `target` and `client` are specs or globs (`docker:*:1.58.0`), `release` and `client_release` ranges of
    what server and client report."""

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

    def concerns(
        self, *, target: str, client: str, release: str, client_release: str, guarantee: str, scenario: str
    ) -> bool:
        """The entry is about this guarantee in this scenario, for this target and client and the releases that they report."""
        targets = [self.target] if isinstance(self.target, str) else self.target
        return (
            (self.guarantee, self.scenario) == (guarantee, scenario)
            and any(fnmatchcase(target, pattern) for pattern in targets)
            and fnmatchcase(client, self.client)
            and _in_range(release, self.release)
            and _in_range(client_release, self.client_release)
        )

    def extended_to(self, *, release: str, client_release: str) -> str:
        """The release, of those for which the entry has a range, that is newer than where it was last seen; empty when none is."""
        last = _version(self.last_seen or "")
        for wanted, reported in ((self.release, release), (self.client_release, client_release)):
            found = _version(reported)
            if wanted and last and found and found > last:
                return reported
        return ""


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

    @classmethod
    def load(
        cls, path: Path, *, guarantees: Collection[str] | None = None, scenarios: Collection[str] | None = None
    ) -> Baseline:
        """Read a baseline. Where the known ids are given, an entry about any other is an error.

        Raises:
            BadFile: with the line of every mistake: YAML, keys, values, unknown ids, the same entry twice.
        """
        document = Document.read(path)
        file = document.parse(BaselineFile)
        entries = [entry.model_copy(update={"last_seen": entry.last_seen or file.last_seen}) for entry in file.known]
        mistakes: list[tuple[int, str]] = []
        first: dict[str, int] = {}
        for index, entry in enumerate(entries):
            line = document.line("known", index)
            for key, known in (("guarantee", guarantees), ("scenario", scenarios)):
                word = getattr(entry, key)
                if known is not None and word not in known:
                    say = f"known[{index}].{key}: there is no {key} {clip(repr(word), SAID_CHARS)}{did_you_mean(word, known)}"
                    mistakes.append((document.line("known", index, key), say))
            if file.known[index].last_seen and not (entry.release or entry.client_release):
                say = f"known[{index}].last_seen: means nothing without a range: give it a release or a client_release"
                mistakes.append((document.line("known", index, "last_seen"), say))
            same = entry.model_dump_json(exclude={"reason", "link", "rate", "last_seen"})
            if first.setdefault(same, line) != line:
                mistakes.append((line, f"known[{index}]: the same violation is listed at line {first[same]}"))
        if mistakes:
            (line, message), *also = sorted(mistakes)
            raise BadFile(path, line, message, also=also)
        shown = resources.shipped(path) or from_here(path)
        return cls(tuple((f"{shown}:{document.line('known', index)}", entry) for index, entry in enumerate(entries)))

    def known(
        self,
        verdict: Verdict,
        *,
        target: str,
        client: str,
        release: str,
        client_release: str,
        guarantee: str,
        scenario: str,
    ) -> KnownResult | None:
        """The entry that lists this violation; None for what is not violated or not listed. `release` and `client_release` are
        what server and client report, empty where that is not known.

        One that was seen on this very release or a later one goes before one that is extended to it, and of those the one that
        was seen last.
        """
        if verdict.outcome is not Outcome.VIOLATED:
            return None
        fitting = [
            (entry.extended_to(release=release, client_release=client_release), entry, where)
            for where, entry in self.entries
            if entry.signature == verdict.signature
            and entry.concerns(
                target=target,
                client=client,
                release=release,
                client_release=client_release,
                guarantee=guarantee,
                scenario=scenario,
            )
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


def _is_stale(entry: Entry, trials: Sequence[TrialResult]) -> bool:
    about = [
        (trial, verdict)
        for trial in trials
        if trial.error is None
        for verdict in trial.verdicts
        if entry.concerns(
            target=trial.target,
            client=trial.client,
            release=trial.release,
            client_release=trial.client_release,
            guarantee=verdict.guarantee,
            scenario=trial.scenario,
        )
    ]
    occurred = any(v.outcome is Outcome.VIOLATED and v.signature == entry.signature for _, v in about)
    return not occurred and any(
        verdict.outcome is Outcome.HOLDS
        and not entry.extended_to(release=trial.release, client_release=trial.client_release)
        for trial, verdict in about
    )


def _in_range(reported: str, wanted: str | None) -> bool:
    """Always without a range; with one never for what is no release."""
    release = _version(reported)
    return wanted is None or (release is not None and SpecifierSet(wanted).contains(release, prereleases=True))


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except ValueError:  # no version, or one with a number of thousands of digits
        return None
