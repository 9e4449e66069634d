"""Where the time of trials went: to starts of the server and of the client, to what the scenario plays, to us."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tailproof.reports.result import TimesResult, TrialResult

Window = tuple[float, float]


def times_of(trials: Iterable[TrialResult]) -> TimesResult:
    """The sums over all trials. Of two things at once the one that is named first counts: what a client loads while the server starts
    costs nothing, and a start in the middle of a run is no part of the run."""
    spent = {"server_start_s": 0.0, "client_start_s": 0.0, "runs_s": 0.0, "server_stop_s": 0.0}
    all_s = 0.0
    for trial in trials:
        all_s += trial.duration_s
        taken: list[Window] = []
        for name, windows in (
            ("server_start_s", list(_starts(trial))),
            ("client_start_s", list(_phases(trial, "connecting"))),
            ("runs_s", list(_phases(trial, "driving"))),
            ("server_stop_s", list(_phases(trial, "stopping"))),
        ):
            both = [*taken, *windows]
            spent[name] += _covered(both) - _covered(taken)
            taken = both
    ours_s = max(0.0, all_s - sum(spent.values()))
    return TimesResult(**{name: round(seconds, 3) for name, seconds in spent.items()}, ours_s=round(ours_s, 3))


def _starts(trial: TrialResult) -> Iterator[Window]:
    for life in trial.lives:
        if life.started_at_s is not None and life.ready_at_s is not None:
            yield max(0.0, life.started_at_s), life.ready_at_s


def _phases(trial: TrialResult, name: str) -> Iterator[Window]:
    for phase in trial.phases:
        if phase.name == name:
            yield phase.at_s, phase.at_s + phase.seconds


def _covered(windows: Iterable[Window]) -> float:
    """Seconds that stand in at least one of them."""
    covered, until = 0.0, 0.0
    for begin, end in sorted(windows):
        covered += max(0.0, end - max(begin, until))
        until = max(until, end)
    return covered
