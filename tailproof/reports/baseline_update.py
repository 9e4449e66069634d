"""Brings a baseline up to what finished checks have found. Pure: from the file and the results to the new file and what changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from packaging.version import Version
from pydantic import ValidationError

from tailproof.guarantees.catalogue import CATALOGUE
from tailproof.guarantees.verdict import Outcome
from tailproof.incoming import BadInput
from tailproof.outgoing.visible import clip
from tailproof.reports.baseline import Baseline, BaselineFile, Entry, version_of
from tailproof.reports.baseline_lines import Lines
from tailproof.reports.gate import DECIDES, cell
from tailproof.reports.result import Result, TrialResult, VerdictResult
from tailproof.yamlfile import BadFile, Document, explained

_SHOWN = 3

Values = Mapping[str, str | float]
"""An entry as it is written: by key what stands behind it."""


class NoReason(BadInput):
    """There is something to add, and nobody has said why; one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a person says about the entries that are added: why, where it is discussed, until when; and which (globs)."""

    reason: str = ""
    link: str = ""
    expires: date | None = None
    guarantees: Sequence[str] = ("*",)
    scenarios: Sequence[str] = ("*",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """The new text of the file, one line for each change, and one for each thing that is left to a person."""

    text: str
    changes: tuple[str, ...]
    left: tuple[str, ...]


def update(path: Path, text: str, results: Sequence[Result], wanted: Wanted, day: date | None = None) -> Update:
    """Add what is violated and not listed, remove what is stale, raise `last_seen`. An expired entry is left to a person.

    Only violations that would close the gate of their check are added.

    Raises:
        BadFile: the file is wrong, or is written so that it cannot be changed line by line.
        NoReason: there is something to add, and no reason or no link.
    """
    document = Document.of(path, text)
    known = Baseline.of(document, guarantees=CATALOGUE.keys(), day=day)
    file = document.parse(BaselineFile)
    trials = [trial for result in results for trial in result.trials]
    lines = Lines(document, text)
    expected: dict[int, Entry] = dict(enumerate(file.known))
    changes: list[str] = []

    stale = {entry.entry for entry in known.stale(trials)}
    for index, (where, entry) in enumerate(known.entries):
        if where in stale:
            lines.remove(index)
            del expected[index]
            changes.append(f"removed  {_called(entry)}: it occurs no more ({where})")

    raised = _seen(known, trials, spare=stale)
    last_seen = _of_the_file(file, raised)
    if last_seen != file.last_seen and last_seen is not None:
        lines.set_last_seen(last_seen)
        changes.append(f"raised   last_seen of the file from {file.last_seen} to {last_seen}")
    for index, entry in list(expected.items()):
        own = _own(entry, raised.get(index), before=file.last_seen, after=last_seen)
        if own != entry.last_seen and own is not None:
            lines.set_last_seen(own, index)
            expected[index] = entry.model_copy(update={"last_seen": own})
            verb = "raised " if index in raised else "kept   "
            changes.append(f"{verb}  last_seen of {_called(entry)} {'to' if index in raised else 'at'} {own}")

    new, left = _new(results, known, wanted)
    if new and not (wanted.reason and wanted.link):
        shown = ", ".join(clip(name, 200) for name in list(new)[:_SHOWN])
        more = f" and {len(new) - _SHOWN} more" if len(new) > _SHOWN else ""
        raise NoReason(
            f"a new entry needs a reason and a link, so that a stranger can follow it: --reason, --link ({shown}{more})"
        )
    for name, values in new.items():
        lines.add(values)
        changes.append(f"added    {name}")
    left += [
        f"{entry.entry} expired on {entry.expires}: mend it, or give it another day" for entry in known.expired(trials)
    ]
    done = Update(text=lines.text() if changes else text, changes=tuple(changes), left=tuple(left))
    _check(
        path,
        done.text,
        file,
        last_seen,
        [*expected.values(), *map(_entry, new.values())],
    )
    return done


def _check(path: Path, text: str, before: BaselineFile, last_seen: str | None, entries: Sequence[Entry]) -> None:
    """What was written is what was meant."""
    wanted = before.model_copy(update={"known": list(entries), "last_seen": last_seen})
    try:
        written = Document.of(path, text)
        Baseline.of(written)
    except BadFile as error:
        raise BadFile(path, 0, f"could not be read any more, changed as it is written: {error.message}") from error
    if written.parse(BaselineFile) != wanted:
        raise BadFile(
            path, 0, "cannot be changed line by line, as it is written: give each entry lines of its own, key by key"
        )


# -- last_seen --------------------------------------------------------------------------------------------------------------


def _seen(known: Baseline, trials: Sequence[TrialResult], spare: set[str]) -> dict[int, str]:
    """By the number of an entry the newest release on which it occurred, if that is newer than what is said."""
    found: dict[int, str] = {}
    for index, (where, entry) in enumerate(known.entries):
        newer = [
            release
            for trial in trials
            if where not in spare
            and entry.concerns(trial, entry.guarantee)
            and any(entry.occurs(trial, verdict) for verdict in trial.verdicts)
            and (release := entry.extended_to(trial))
        ]
        if newer:
            found[index] = max(newer, key=Version)
    return found


def _of_the_file(file: BaselineFile, raised: Mapping[int, str]) -> str | None:
    """The `last_seen` of the file: raised when that leaves fewer entries with one of their own."""
    inherit = [index for index, entry in enumerate(file.known) if not entry.last_seen and _ranged(entry)]
    newest = max((raised[index] for index in inherit if index in raised), key=Version, default=None)
    if newest is None:
        return file.last_seen
    follow = [index for index in inherit if raised.get(index) == newest]
    return newest if len(inherit) - len(follow) < len(follow) else file.last_seen


def _own(entry: Entry, raised: str | None, *, before: str | None, after: str | None) -> str | None:
    """What an entry must say itself, so that it means what it should."""
    if entry.last_seen:
        return raised or entry.last_seen
    if not _ranged(entry):
        return None
    meant = raised or before
    return None if meant == after else meant


def _ranged(entry: Entry) -> bool:
    return bool(entry.release or entry.client_release)


# -- new entries -------------------------------------------------------------------------------------------------------------


def _new(results: Sequence[Result], known: Baseline, wanted: Wanted) -> tuple[dict[str, Values], list[str]]:
    """How each new entry is called, and what it says; and what is left out."""
    found: dict[tuple[str, ...], list[tuple[TrialResult, VerdictResult]]] = {}
    left: dict[str, None] = {}
    for result in results:
        for trial, verdict in result.judged():
            if verdict.outcome is not Outcome.VIOLATED or verdict.level not in DECIDES[result.gate.fail_on]:
                continue
            if known.known(trial, verdict) or _expired(known, trial, verdict):
                continue
            name = f"{cell(verdict.guarantee, trial.scenario)} {verdict.signature}"
            if not (_matches(verdict.guarantee, wanted.guarantees) and _matches(trial.scenario, wanted.scenarios)):
                left[f"{name} is not listed"] = None
                continue
            key = (_glob(trial.target, trial.release), _glob(trial.client, trial.client_release), verdict.guarantee)
            found.setdefault((*key, trial.scenario, verdict.signature), []).append((trial, verdict))
    trials = [trial for result in results for trial in result.trials]
    return dict(_entries(found, trials, wanted)), list(left)


def _entries(
    found: Mapping[tuple[str, ...], list[tuple[TrialResult, VerdictResult]]],
    trials: Sequence[TrialResult],
    wanted: Wanted,
) -> Iterator[tuple[str, Values]]:
    for (target, client, guarantee, scenario, signature), hits in found.items():
        releases = _ranges(hits)
        ranges: dict[str, Any] = {key: f">={seen[0]}" for key, seen in releases.items()}
        bare = Entry.model_construct(target=target, client=client, guarantee=guarantee, scenario=scenario, **ranges)
        decided = [
            verdict
            for trial in trials
            for verdict in trial.verdicts
            if bare.concerns(trial, verdict.guarantee) and verdict.outcome in (Outcome.HOLDS, Outcome.VIOLATED)
        ]
        values: dict[str, str | float] = {"target": target}
        if "release" in ranges:
            values["release"] = ranges["release"]
        values["client"] = client
        if "client_release" in ranges:
            values["client_release"] = ranges["client_release"]
        values |= {"guarantee": guarantee, "scenario": scenario, "signature": signature}
        if len(hits) < len(decided):
            values["rate"] = max(0.01, round(len(hits) / len(decided), 2))
        if releases:
            values["last_seen"] = str(max((span[-1] for span in releases.values()), key=Version))
        values |= {"reason": wanted.reason, "link": wanted.link}
        if wanted.expires is not None:
            values["expires"] = wanted.expires.isoformat()
        yield (
            f"{cell(guarantee, scenario)} {signature} ({client} with {target}), in {len(hits)} of {len(decided)} trials",
            values,
        )


def _entry(values: Values) -> Entry:
    """Raises BadInput: what the result or the person says makes no entry."""
    try:
        return Entry.model_validate(values)
    except ValidationError as error:
        raise BadInput(f"this makes no entry: {explained(error, Entry)}") from error


def _ranges(hits: Sequence[tuple[TrialResult, VerdictResult]]) -> dict[str, list[str]]:
    """By the key of a range the releases on which it was seen, the oldest first; no key where none is known."""
    told = {
        "release": [trial.release for trial, _ in hits],
        "client_release": [trial.client_release for trial, _ in hits],
    }
    known = {
        key: sorted({said for said in all_said if version_of(said)}, key=Version) for key, all_said in told.items()
    }
    return {key: releases for key, releases in known.items() if releases and all(map(version_of, told[key]))}


def _expired(known: Baseline, trial: TrialResult, verdict: VerdictResult) -> bool:
    return any(
        entry.expired(known.day) and entry.occurs(trial, verdict) and not entry.out_of_range(trial)
        for _, entry in known.entries
    )


def _glob(spec: str, release: str) -> str:
    """`pypi:*` for `pypi:1.58.0`: the range says the release."""
    return f"{spec.removesuffix(release)}*" if release and spec.endswith(f":{release}") else spec


def _matches(word: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(word, glob) for glob in globs)


def _called(entry: Entry) -> str:
    return f"{cell(entry.guarantee, entry.scenario)} {entry.signature}"
