"""One test per guarantee and scenario, one trial per scenario, one report per session.

Tests only judge. Trials are run by a supervisor process that the session's controller starts; a test, in whatever worker it
runs, asks it for a history. So a trial runs once under any scheduler.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Generator, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from tailproof.guarantees.verdict import Outcome
from tailproof.history.lines import HistoryError
from tailproof.incoming import BadInput
from tailproof.incoming.files import from_here, place_of
from tailproof.incoming.json import decoder
from tailproof.outgoing.masking import without_user_info
from tailproof.outgoing.say import say, shown
from tailproof.outgoing.visible import clip
from tailproof.provision.errors import Unavailable
from tailproof.reports.progress import follower
from tailproof.reports.result import TrialResult, VerdictResult
from tailproof.reports.run_events import Follows
from tailproof.reports.terminal import violation_card
from tailproof.runner import allure_details, ending, leftovers, out_dir
from tailproof.runner.check import Cell, Check, CheckOptions
from tailproof.runner.interrupts import INTERRUPTS
from tailproof.runner.judging import judged_once
from tailproof.runner.orders import Ask, SupervisorGone, ask
from tailproof.runner.out_lock import OutRefused
from tailproof.runner.outputs import NoScratch, check_directory, check_file, check_scratch
from tailproof.runner.pairs import Matrix, meet
from tailproof.runner.pytest_end import MISUSED, SESSION, Error, log_of
from tailproof.runner.pytest_names import DECIDED, SUITE_SUFFIX
from tailproof.runner.room import NoRoom
from tailproof.runner.session import CheckSession
from tailproof.runner.shard import read_deal
from tailproof.runner.suite import Suite
from tailproof.yamlfile import BadFile

LOG_WIDTH = 120
_CHECK = pytest.StashKey[Check]()
_DEFECT = "tailproof-defect"
_DEFECTS: list[str] = []


class _Told(Exception):
    """Its text goes to a terminal, to JUnit and to Allure as it is."""

    def __init__(self, text: str) -> None:
        super().__init__(shown(text))


class Violated(_Told, AssertionError):
    """A guarantee is violated; the text is the evidence. Allure calls failed what an assertion ended, and everything else broken."""


class CouldNotTell(_Told):
    """The trial failed or its history does not decide the question."""


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Plan the check and start its supervisor, once, before xdist starts its workers."""
    config = session.config
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    _begin(config.option)
    check = _plan(config, build=True)
    config.option.matrix = msgspec.json.encode(check.matrix).decode()
    parallel = config.option.parallel or getattr(config.option, "numprocesses", None) or 1
    try:
        config.stash[SESSION] = CheckSession.start(
            check, parallel=parallel, follower=_follower(config.option.progress), whole=config.option.whole
        )
    except OutRefused as error:
        raise pytest.UsageError(shown(str(error))) from error
    except NoRoom as error:
        raise Error(shown(str(error))) from error
    config.option.supervisor = config.stash[SESSION].address
    INTERRUPTS.tell(config.stash[SESSION].hurry)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand to a worker of xdist what was decided here."""
    option = node.config.option
    node.workerinput[DECIDED] = {name: getattr(option, name) for name in ("seed", "out", "supervisor", "matrix")}


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Suite files hold tests."""
    if file_path.name.endswith(SUITE_SUFFIX):
        return SuiteFile.from_parent(parent, path=file_path)
    return None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The checks of one trial stand together, in the order in which trials are begun."""
    judging = [item for item in items if isinstance(item, GuaranteeItem)]
    if judging:
        places = {trial: place for place, trial in enumerate(dict.fromkeys(cell.trial for cell in _plan(config).cells))}
        items.sort(key=lambda item: places[item.cell.trial] if isinstance(item, GuaranteeItem) else -1)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Queue every trial that a test will ask for, so that the next one starts while the last one is judged."""
    address = session.config.option.supervisor
    orders = {
        item.cell.order.key: item.cell.order
        for item in session.items
        if isinstance(item, GuaranteeItem) and item.cell.order is not None
    }
    if address and orders:
        with suppress(SupervisorGone):  # each of the tests says so, and so does the session
            ask(address, Ask(submit=list(orders.values())))


def pytest_report_teststatus(report: pytest.TestReport, config: pytest.Config) -> tuple[str, str, str] | None:
    """With `--progress` trials are shown, and no letter per test."""
    if not config.option.progress:
        return None
    return (report.outcome if report.when == "call" or not report.passed else "", "", "")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_newgateway(gateway: Any) -> None:
    """A worker of xdist holds nothing: at a signal nobody waits for what it judges."""
    INTERRUPTS.tell(partial(os.kill, gateway._rinfo().pid, signal.SIGKILL))


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What is skipped stands in its suite, and not in a file of this installation."""
    report = yield
    if isinstance(item, GuaranteeItem) and isinstance(report.longrepr, tuple):
        report.longrepr = (item.path.name, 0, report.longrepr[2])
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A defect that a test met, in whatever process: the check cannot be believed to its end."""
    _DEFECTS.extend(str(says) for name, says in report.user_properties if name == _DEFECT)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Take the trials down, write the reports and decide the exit code."""
    running = session.config.stash.get(SESSION, None)
    if running is None or exitstatus == pytest.ExitCode.USAGE_ERROR or MISUSED in session.config.stash:
        return
    with INTERRUPTS.held():
        for why in (*_DEFECTS, INTERRUPTS.by and INTERRUPTS.says):
            running.cut(why)
        if exitstatus in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR):
            running.cut("pytest ended before all tests were run")
        try:
            session.exitstatus = running.finish().gate.exit_code
        except OSError as error:  # the end of the session tries once more, and says so
            running.cut(ending.sentence_of(error))
    form = session.config.option.progress
    if running.result is not None and form == "json":
        say(running.summary(width=LOG_WIDTH, color=False).rstrip(), err=True)
    elif running.result is not None and form:
        writer = session.config.get_terminal_writer()
        writer.write(running.summary(width=max(80, writer.fullwidth), color=writer.hasmarkup))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The verdict line first, then what a person needs to believe it."""
    running = config.stash.get(SESSION, None)
    if running is None or running.result is None or config.option.progress:
        return
    writer = config.get_terminal_writer()
    terminalreporter.section("tailproof")
    terminalreporter.write(running.summary(width=max(80, writer.fullwidth), color=writer.hasmarkup))


class SuiteFile(pytest.File):
    """A suite file as a collector."""

    def collect(self) -> Iterator[pytest.Item]:
        """One item per cell. Starts no target."""
        try:
            suite = Suite.read(self.path)
            beside = Suite.beside(self.path) if suite.unclaimed else []
        except BadFile as error:
            self.config.stash[MISUSED] = str(error)
            raise self.CollectError(shown(str(error))) from error
        for cell in suite.cells(_plan(self.config).cells, beside):
            yield GuaranteeItem.from_parent(self, name=cell.name, cell=cell)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> str:  # type: ignore[override]
        """What a file says wrong, or a defect of ours: then the check cannot be believed."""
        if isinstance(excinfo.value, self.CollectError):
            return str(excinfo.value)
        says = ending.broke(excinfo.value, log_of(self.config))
        running = self.config.stash.get(SESSION, None)
        if running is not None:
            running.cut(says)
        return says


class GuaranteeItem(pytest.Item):
    """One guarantee on one trial: violated fails, inconclusive is an error, known is an expected failure."""

    def __init__(self, *, cell: Cell, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.cell = cell
        self._judged: tuple[TrialResult, VerdictResult] | None = None

    def setup(self) -> None:
        """Obtain the verdict; what cannot be told is an error of the setup."""
        order = self.cell.order
        allure_details.name_case(self.cell.trial)
        if order is None and self.cell.not_run:
            pytest.skip(shown(f"not run: {self.cell.not_run}"))
        if order is None:
            raise CouldNotTell(self.cell.pair.failure)
        try:
            done = ask(self.config.option.supervisor, Ask(wait=order.key))
        except SupervisorGone as error:
            raise CouldNotTell(str(error)) from None
        error_text = done.error if done else "the supervisor does not know this trial"
        check = _plan(self.config)
        try:
            trial = judged_once(
                order.directory, baseline=check.baseline, out=Path(order.out), error=error_text, pair=order.pair
            )
        except HistoryError as error:
            raise CouldNotTell(error_text or str(error)) from None
        if running := self.config.stash.get(SESSION, None):
            running.judged(order.name, trial)
        if trial.error:
            raise CouldNotTell(trial.error)
        verdict = next(verdict for verdict in trial.verdicts if verdict.guarantee == self.cell.guarantee)
        self._judged = trial, verdict
        allure_details.describe(self, verdict, trial)
        if verdict.outcome is Outcome.INCONCLUSIVE:
            raise CouldNotTell(verdict.says)

    def runtest(self) -> None:
        """Fail with the evidence."""
        assert self._judged is not None, "setup obtains the verdict"
        trial, verdict = self._judged
        if verdict.known is not None:
            pytest.xfail(shown(f"known: {verdict.known.reason}{verdict.known.extension} ({verdict.known.link})"))
        if verdict.outcome is Outcome.VIOLATED:
            raise Violated(violation_card(verdict, trial, folder=from_here(Path(self.config.option.out))))
        if verdict.outcome is Outcome.NOT_APPLICABLE:
            pytest.skip(shown(f"not applicable: {verdict.says}"))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        """The evidence, not a traceback of ours."""
        if isinstance(excinfo.value, Violated | CouldNotTell | pytest.xfail.Exception):
            return str(excinfo.value)
        says = f"{self.cell.trial}: {ending.broke(excinfo.value, log_of(self.config))}"
        self.user_properties.append((_DEFECT, says))
        return says

    def _repr_failure_py(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        # What the setup raises never comes to `repr_failure`; drawing its frames takes longer than judging the trial.
        return super()._repr_failure_py(excinfo, "value" if isinstance(excinfo.value, CouldNotTell) else style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the item stands."""
        return self.path, 0, self.name


def _begin(option: Any) -> None:
    """What is refused is refused before anything is built; what a dead check left is removed before anything is started."""
    try:
        check_scratch()
        check_directory(Path(option.out), "the directory of histories and reports")
        if option.xmlpath:
            check_file(place_of(option.xmlpath), "the JUnit file")
        if option.html_page:
            check_file(place_of(option.html_page), "the HTML file")
        out_dir.check(Path(option.out))
    except BadInput as error:
        raise pytest.UsageError(shown(str(error))) from error
    except NoScratch as error:
        raise Error(shown(str(error))) from error
    if removed := leftovers.sweep(engine=True):
        say(removed, err=True)


def _plan(config: pytest.Config, *, build: bool = False) -> Check:
    if _CHECK not in config.stash:
        option = config.option
        options = CheckOptions(
            scenarios=tuple(option.scenario),
            tier=option.tier,
            out=option.out,
            baseline=option.baseline,
            seed=option.seed,
            model_url=option.model_url,
            repetitions=option.repetitions,
            fail_on=option.fail_on,
            allow_inconclusive=option.allow_inconclusive,
            shard=option.shard,
            dealt=read_deal(Path(option.deal), option.shard) if option.deal else None,
            keep=option.keep,
            html=str(place_of(option.html_page)) if option.html_page else "",
        )
        try:
            config.stash[_CHECK] = Check.plan(options, lambda: _matrix(option, build=build))
        except (BadInput, Unavailable) as error:
            raise pytest.UsageError(shown(str(error))) from error
    return config.stash[_CHECK]


def _follower(form: str) -> Follows | None:
    if not form:
        return None

    def line(text: str) -> None:
        say(text, err=form != "json")

    return follower(form, say=line, console=Console(stderr=True, width=_width()))


def _width() -> int:
    """A log has no width of its own."""
    return shutil.get_terminal_size((LOG_WIDTH, 24)).columns


def _matrix(option: Any, *, build: bool) -> Matrix:
    if option.matrix:
        return decoder(Matrix).decode(option.matrix)

    def tell(line: str) -> None:
        if build and option.progress:
            say(clip(line, _width()), err=True)

    tell(" ".join(("getting ready:", *map(without_user_info, option.target), *option.client)))
    return meet(option.target, option.client, model_url=option.model_url, build=build, say=tell)
