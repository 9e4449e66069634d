"""The end of a check under pytest, whatever it ends by: one of the four exit codes, and the same one in `result.json`.

pytest has codes of its own (2 interrupted, 3 an error of its own, 4 usage, 5 no tests), prints tracebacks and lets exceptions of a
session's end pass. All of a check happens inside `to_the_end`, and what leaves it is documented.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from tailproof.reports.gate import EXIT_USAGE
from tailproof.runner import ending
from tailproof.runner.interrupts import INTERRUPTS
from tailproof.runner.session import CheckSession

SESSION = pytest.StashKey[CheckSession]()
MISUSED = pytest.StashKey[str]()
"""What a file says wrong, where pytest would call it an error of the collection."""


class Error(pytest.exit.Exception):  # type: ignore[misc, name-defined]
    """Ends pytest at once; it prints the name of this class and the sentence."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, returncode=ending.CANNOT_TELL)


class OneSentence:
    """An error of pytest, of another plugin or of ours is one sentence, and so is a signal; a traceback goes into a file."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Before anybody prints it."""
        why = ending.broke(excinfo.value, log_of(self._config))
        running = self._config.stash.get(SESSION, None)
        if running is not None:
            running.cut(why)
        raise Error(why) from excinfo.value

    def pytest_keyboard_interrupt(self) -> None:
        """The terminal would show where in our code the signal met us."""
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            terminal._report_keyboardinterrupt = lambda: None


def to_the_end(config: pytest.Config) -> Generator[None, object, object]:
    """Whatever happens while this yields, `--out` is free and no trial is under way when it returns the exit code."""
    ending.outlets()
    INTERRUPTS.listen()
    code, why = ending.CANNOT_TELL, ""
    try:
        ended = yield
        code = int(ended) if isinstance(ended, int) else code
    except pytest.UsageError as error:
        code = pytest.ExitCode.USAGE_ERROR
        ending.complain(str(error))
    except KeyboardInterrupt:
        why = INTERRUPTS.says
    except Exception as error:  # noqa: BLE001 - the one place where it becomes a sentence
        why = ending.broke(error, log_of(config))
    with INTERRUPTS.held():
        code = _settled(config, code, why)
    if INTERRUPTS.by:
        ending.end_now_if_held(code)
    return code


def log_of(config: pytest.Config) -> Path:
    """Where the tracebacks of this check go."""
    return Path(config.option.out) / ending.LOG


def _settled(config: pytest.Config, code: int, why: str) -> int:
    running = config.stash.get(SESSION, None)
    if why:
        ending.complain(why)
    if code == pytest.ExitCode.USAGE_ERROR or MISUSED in config.stash:
        return _of_files(running, CheckSession.abandon) or EXIT_USAGE
    if running is None:
        # Nothing was judged: only a listing of tests can have come to a good end.
        listed = config.option.collectonly and code == pytest.ExitCode.OK
        if INTERRUPTS.by and not why:
            ending.complain(INTERRUPTS.says)
        return 0 if listed and not ending.unsaid() else ending.CANNOT_TELL
    if why:
        running.cut(why)
    lost = ending.unsaid()
    if lost is not None:
        running.cut(ending.unsaid_sentence(lost))
        ending.complain(ending.unsaid_sentence(lost))
    shown = running.result is not None
    code = _of_files(running, CheckSession.end)
    if not shown and running.result is not None and not why and lost is None:
        ending.complain(running.cut_off)
    return code


def _of_files(running: CheckSession | None, end: Callable[[CheckSession], int | None]) -> int:
    """What `end` says; when the files cannot be written, that nobody can tell."""
    if running is None:
        return 0
    try:
        return end(running) or 0
    except Exception as error:  # noqa: BLE001 - the one place where it becomes a sentence
        known = isinstance(error, OSError)
        says = ending.sentence_of(error) if known else ending.broke(error, running.out / ending.LOG)
        ending.complain(f"the reports below {running.out} cannot be written: {says}")
        return ending.CANNOT_TELL
