"""A check while it runs, seen from the process that started it: its supervisor, its progress, its reports."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from tailproof.history.archive import archive
from tailproof.history.lines import HistoryError
from tailproof.history.reader import read_header
from tailproof.incoming.files import from_here
from tailproof.outgoing.visible import clip
from tailproof.reports import run_events, terminal
from tailproof.reports.assemble import check_result, environment_of
from tailproof.reports.progress import Kept, Together
from tailproof.reports.result import NotRunResult, Result, TrialResult
from tailproof.reports.run_events import CheckEnded, Follows, TrialEnded, TrialEntered
from tailproof.reports.words import gave
from tailproof.runner import out_dir, room
from tailproof.runner.check import Check
from tailproof.runner.estimate import began, costs_of, left_s
from tailproof.runner.interrupts import INTERRUPTS
from tailproof.runner.judging import VERDICTS, judged_once
from tailproof.runner.orders import QUEUED, Progress
from tailproof.runner.out_lock import OutLock
from tailproof.runner.supervisor_process import TAKE_DOWN_S, SupervisorProcess
from tailproof.runner.written import withdraw_reports, write_reports
from tailproof.targets.resolve import kind_of

_DETAIL_CHARS = 1_000
"""Of what an event tells: a line of it must stay whole wherever it is printed. The result has all of it."""


class CheckSession:
    """Started once per check; `finish` gives the result, `take_down` is idempotent."""

    def __init__(
        self, check: Check, lock: OutLock, *, parallel: int, follows: Sequence[Follows], whole: bool = False
    ) -> None:
        self.check = check
        self.out = Path(check.options.out)
        self.result: Result | None = None
        self.cut_off = ""
        """Why the check does not come to its end, once that is so; the first reason counts."""
        self._follows = Together(follows)
        self._started = time.time()
        self._began = time.monotonic()
        self._parallel = parallel
        self._costs = costs_of(check)
        self._ordered: set[str] = set()
        self._failures: dict[str, str] = {}
        self._ended: set[str] = set()
        self._judged: set[str] = set()
        self._lock = lock
        self._whole = whole
        self._supervisor = SupervisorProcess(
            parallel=parallel,
            log=self.out / out_dir.LOG,
            on_progress=self._follow,
            keeps=[lock.descriptor],
        )

        self._follows.tell(began(check, self._costs, parallel=parallel, started=self._started))

    @classmethod
    def start(
        cls, check: Check, *, parallel: int, follower: Follows | None = None, whole: bool = False
    ) -> CheckSession:
        """Make room below `--out` and start the supervisor; `follower` shows what happens. In a `whole` check it is an error that no test
        asks for a trial; else it was not chosen. Histories of an earlier check in the same
        place are removed; those of one that still runs, and what is not ours, are not touched. Raises OutRefused, NoRoom."""
        out = Path(check.options.out)
        room.check(out)
        lock = OutLock(out, patience_s=TAKE_DOWN_S)
        try:
            out_dir.clear(out)
            kept = Kept(out / out_dir.EVENTS)
        except (out_dir.OutForeign, OSError):
            lock.close()
            raise
        # A running server has one address for its model, and that address takes one trial at a time.
        alone = any(kind_of(pair.target)[0].runs_already for pair in check.matrix.pairs)
        follows = [kept, *([follower] if follower else [])]
        return cls(check, lock, parallel=1 if alone else parallel, follows=follows, whole=whole)

    @property
    def address(self) -> str:
        """Where workers ask for histories."""
        return self._supervisor.address

    def cut(self, why: str) -> None:
        """The check does not come to its end."""
        self.cut_off = self.cut_off or why

    def judged(self, name: str, trial: TrialResult) -> None:
        """Tell what a trial gave, once, whoever judged it."""
        if name not in self._judged:
            self._judged.add(name)
            says = gave(trial, fail_on=self.check.options.fail_on)
            self._follows.tell(run_events.judged(trial, name, t_s=self._elapsed(), says=says))

    def finish(self) -> Result:
        """Take the trials down, gather the verdicts, write `report.md`, `report.html` and at last `result.json`. Raises OSError: then
        none of them is there."""
        self.take_down()
        self.cut(self._supervisor.gave_up)
        trials, errors = self._gather()
        errors += filter(None, (self._supervisor.died, self._supervisor.removed))
        options = self.check.options
        result = check_result(
            trials,
            pairs=self.check.pairs,
            seed=options.seed,
            started=self._started,
            duration_s=time.monotonic() - self._began,
            environment=environment_of(read_header(self.out / trial.history) for trial in trials),
            not_run=[*self.check.not_run, *self._not_chosen()],
            baseline=self.check.baseline,
            errors=[*self.check.failures, *errors],
            fail_on=options.fail_on,
            allow_inconclusive=options.allow_inconclusive,
            cut_off=self.cut_off,
            shard=self.check.shard,
        )
        self.result = None
        try:
            if options.keep and not self._hurries():
                for trial in trials:
                    archive(self.out / trial.history)
            write_reports(result, self.out, page=self._page, hurry=self._hurries)
        except OSError:
            self._withdraw()
            raise
        self.result = result
        gate = result.gate
        self._follows.tell(CheckEnded(t_s=self._elapsed(), state=gate.state, exit_code=gate.exit_code, says=gate.says))
        return result

    def end(self) -> int:
        """The exit code, which is that of `result.json`: written anew when the check was cut off behind it. `--out` is free then. Raises
        OSError: no result is there then."""
        try:
            if self.result is None:
                self.cut("the check did not come to its end")
            if self.result is None or (self.cut_off and self.cut_off not in self.result.gate.doubts):
                return self.finish().gate.exit_code
            return self.result.gate.exit_code
        except BaseException:
            self._withdraw()
            raise
        finally:
            self.close()

    def abandon(self) -> None:
        """Wrong usage, found when the check had begun: nothing is judged, and no result is left."""
        self.close()
        self._withdraw()

    def hurry(self) -> None:
        """Begin to take the trials down, and wait for nothing."""
        self._supervisor.hurry()

    def take_down(self) -> None:
        """No trial is under way when this returns."""
        self._supervisor.end()

    def close(self) -> None:
        """The end of the session: no trial is under way, and `--out` is free for the next check. Idempotent."""
        self.take_down()
        self._follows.close()
        self._lock.close()

    def summary(self, *, width: int, color: bool) -> str:
        """The end of a check, for a person: the verdict line first."""
        assert self.result is not None, "a summary follows a result"
        here = from_here(self.out)
        files = {
            "page": from_here(self._page or self.out / out_dir.PAGE),
            "report": f"{here}/{out_dir.REPORT}",
            "result": f"{here}/{out_dir.RESULT}",
        }
        return terminal.render(self.result, folder=here, files=files, width=width, color=color)

    def _hurries(self) -> bool:
        """Nobody waits for what takes long."""
        return bool(self.cut_off or INTERRUPTS.by)

    def _withdraw(self) -> None:
        self.result = None
        withdraw_reports(self.out, page=self._page)

    @property
    def _page(self) -> Path | None:
        """Where else the page goes."""
        return Path(self.check.options.html) if self.check.options.html else None

    def _gather(self) -> tuple[list[TrialResult], list[str]]:
        """The judged trials, and a sentence for each that was ordered and left no verdicts. A check that was cut off judges nothing
        any more: it has to end, and why speaks for itself."""
        trials: list[TrialResult] = []
        errors: list[str] = []
        for order in self.check.orders:
            failure = self._failures.get(order.name, "")
            if not (order.directory / VERDICTS).exists() and (self.cut_off or not failure):
                if order.name in self._ordered and not self.cut_off:
                    why = self._supervisor.died or "its tests did not come to their end"
                    errors.append(f"{order.name}: ordered, and no verdict came: {why}")
                elif self._whole and not self.cut_off:
                    errors.append(f"{order.name}: planned, and no suite asked for it")
                continue
            try:
                trial = judged_once(
                    order.directory,
                    baseline=self.check.baseline,
                    out=self.out,
                    error=failure,
                    pair=order.pair,
                )
                self.judged(order.name, trial)
                trials.append(trial)
            except HistoryError:
                errors.append(f"{order.name}: {failure}")
            except OSError as error:
                self.cut(f"the verdicts of {order.name} cannot be kept: {error.strerror or error}")
        return trials, errors

    def _not_chosen(self) -> list[NotRunResult]:
        """The scenarios of which no test was chosen, where that is up to the user."""
        if self._whole or self.cut_off:
            return []
        left = (cell for cell in self.check.cells if cell.order is not None and cell.order.name not in self._ordered)
        rows = (
            NotRunResult(
                scenario=cell.scenario.name,
                guarantee=None,
                reason="no test of it was chosen",
                target=cell.pair.target,
                client=cell.pair.client,
            )
            for cell in left
        )
        return list(dict.fromkeys(rows))

    def _follow(self, progress: Progress) -> None:
        """From the thread that reads the supervisor."""
        if progress.phase == QUEUED:
            self._ordered.add(progress.trial)
            return
        if progress.phase not in ("done", "failed"):
            entered = TrialEntered(
                t_s=self._elapsed(),
                trial=progress.trial,
                phase=progress.phase,
                seconds=round(progress.seconds, 3),
                detail=clip(progress.detail, _DETAIL_CHARS),
            )
            self._follows.tell(entered)
            return
        if progress.phase == "failed":
            self._failures[progress.trial] = progress.detail
        self._ended.add(progress.trial)
        elapsed = self._elapsed()
        left = left_s(self._costs, frozenset(self._ended), elapsed_s=elapsed, parallel=self._parallel)
        ended = TrialEnded(
            t_s=elapsed,
            trial=progress.trial,
            seconds=round(progress.seconds, 3),
            done=len(self._ended),
            left_s=round(left),
            error=clip(progress.detail, _DETAIL_CHARS) if progress.phase == "failed" else "",
        )
        self._follows.tell(ended)

    def _elapsed(self) -> float:
        return round(time.monotonic() - self._began, 3)
