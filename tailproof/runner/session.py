"""A check while it runs, seen from the process that started it: its supervisor, its progress, its reports."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path

from tailproof.history.lines import HistoryError
from tailproof.history.reader import read_header
from tailproof.outgoing.say import say
from tailproof.reports import json, markdown, terminal
from tailproof.reports.assemble import check_result, environment_of
from tailproof.reports.page import render as page
from tailproof.reports.result import Result, TrialResult
from tailproof.runner import out_dir, room
from tailproof.runner.check import Check
from tailproof.runner.interrupts import INTERRUPTS
from tailproof.runner.judging import VERDICTS, judged_once
from tailproof.runner.orders import QUEUED, Progress
from tailproof.runner.out_lock import OutLock
from tailproof.runner.supervisor_process import TAKE_DOWN_S, SupervisorProcess
from tailproof.targets.resolve import kind_of


class CheckSession:
    """Started once per check; `finish` gives the result, `take_down` is idempotent."""

    def __init__(self, check: Check, lock: OutLock, *, parallel: int, live: bool) -> None:
        self.check = check
        self.out = Path(check.options.out)
        self.result: Result | None = None
        self.cut_off = ""
        """Why the check does not come to its end, once that is so; the first reason counts."""
        self._live = live
        self._started = time.time()
        self._began = time.monotonic()
        self._ordered: set[str] = set()
        self._failures: dict[str, str] = {}
        self._done = 0
        self._lock = lock
        self._supervisor = SupervisorProcess(
            parallel=parallel,
            log=self.out / out_dir.LOG,
            on_progress=self._follow,
            keeps=[lock.descriptor],
        )

    @classmethod
    def start(cls, check: Check, *, parallel: int, live: bool) -> CheckSession:
        """Make room below `--out` and start the supervisor. Histories of an earlier check in the same place are removed; those of one
        that still runs, and what is not ours, are not touched. Raises OutRefused, NoRoom."""
        out = Path(check.options.out)
        room.check(out)
        lock = OutLock(out, patience_s=TAKE_DOWN_S)
        try:
            out_dir.clear(out)
        except out_dir.OutForeign:
            lock.close()
            raise
        # A running server has one address for its model, and that address takes one trial at a time.
        alone = any(kind_of(pair.target)[0].runs_already for pair in check.matrix.pairs)
        return cls(check, lock, parallel=1 if alone else parallel, live=live)

    @property
    def address(self) -> str:
        """Where workers ask for histories."""
        return self._supervisor.address

    def cut(self, why: str) -> None:
        """The check does not come to its end."""
        self.cut_off = self.cut_off or why

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
            not_run=self.check.not_run,
            baseline=self.check.baseline,
            errors=[*self.check.failures, *errors],
            strict=options.strict,
            cut_off=self.cut_off,
            shard=self.check.shard,
        )
        try:
            markdown.write(result, self.out / out_dir.REPORT)
            page.write(result, self._pages(), root=self.out, hurry=lambda: bool(self.cut_off or INTERRUPTS.by))
            json.write(result, self.out / out_dir.RESULT)
        except OSError:
            self._withdraw()
            raise
        self.result = result
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
        self._lock.close()

    def summary(self, *, width: int, color: bool) -> str:
        """The end of a check, for a person: the verdict line first."""
        assert self.result is not None, "a summary follows a result"
        files = {
            "page": str(self._pages()[-1]),
            "report": str(self.out / out_dir.REPORT),
            "result": str(self.out / out_dir.RESULT),
        }
        return terminal.render(self.result, files=files, width=width, color=color)

    def _withdraw(self) -> None:
        self.result = None
        for place in (*(self.out / name for name in out_dir.WRITTEN), *self._pages()):
            with suppress(OSError):  # a disk that lets nothing be removed lets nothing be written either
                place.unlink(missing_ok=True)

    def _pages(self) -> list[Path]:
        asked = self.check.options.html
        return [self.out / out_dir.PAGE, *([Path(asked)] if asked else [])]

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
                continue
            try:
                trials.append(
                    judged_once(
                        order.directory,
                        baseline=self.check.baseline,
                        out=self.out,
                        error=failure,
                        pair=order.pair,
                    )
                )
            except HistoryError:
                errors.append(f"{order.name}: {failure}")
            except OSError as error:
                self.cut(f"the verdicts of {order.name} cannot be kept: {error.strerror or error}")
        return trials, errors

    def _follow(self, progress: Progress) -> None:
        if progress.phase == QUEUED:
            self._ordered.add(progress.trial)
            return
        self._done += progress.phase in ("done", "failed")
        if progress.phase == "failed":
            self._failures[progress.trial] = progress.detail
        if self._live:
            said = terminal.live_line(
                done=self._done,
                total=len(self.check.orders),
                scenario=progress.trial,
                phase=progress.phase,
                seconds=progress.seconds,
                detail=progress.detail,
                width=shutil.get_terminal_size().columns,
            )
            say(said, err=True)
