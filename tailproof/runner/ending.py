"""How a command ends: with a documented exit code, one sentence where it could not do its work, and what it said really said.

1 is a verdict and nothing else. Python itself ends with 1 after an exception, with 120 when standard output cannot be flushed, and
pytest has codes of its own: none of them leaves this door.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from tailproof.incoming.files import from_here
from tailproof.outgoing.masking import Masker, secrets_of_environment
from tailproof.outgoing.say import SENTENCE_CHARS, say
from tailproof.reports.gate import EXIT, EXIT_USAGE
from tailproof.runner.interrupts import INTERRUPTS

CANNOT_TELL = EXIT["unknown"]
LOG = "harness.log"
"""Where the tracebacks of a check go, below its `--out`."""

_LATE_S = 1.0
"""How long an interrupted command waits for its threads."""
_SAYS_CHARS = 500


class Outlet(io.RawIOBase):
    """A standard stream. Where nothing can be written any more (a full disk, a pipe that nobody reads) it remembers why, and takes the
    rest without a word: whoever prints goes on, and the end of the command looks at it."""

    def __init__(self, descriptor: int, lost: OSError | None) -> None:
        super().__init__()
        self.lost = lost
        self._descriptor = descriptor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: object) -> int:
        view = memoryview(data)  # type: ignore[arg-type]
        while self.lost is None:
            try:
                return os.write(self._descriptor, view)
            except BlockingIOError:
                select.select([], [self._descriptor], [])
            except OSError as error:
                self.lost = error
        return len(view)


_OUTLETS: dict[str, tuple[Outlet, io.TextIOWrapper]] = {}
"""Those of this process, by the name of their stream."""


def outlets() -> None:
    """Make standard output and standard error outlets. A stream that is closed gets a place that takes everything: the next file that
    is opened must not be taken for it. Idempotent."""
    for descriptor in (0, 1, 2):
        lost = _reopened(descriptor)
        name = ("stdin", "stdout", "stderr")[descriptor]
        stream = getattr(sys, name)
        if descriptor == 0 or name in _OUTLETS:
            continue
        outlet = Outlet(descriptor, lost)
        wrapped = io.TextIOWrapper(
            io.BufferedWriter(outlet),
            encoding=getattr(stream, "encoding", None) or "utf-8",
            errors="backslashreplace" if descriptor == 2 else getattr(stream, "errors", None),
            line_buffering=descriptor == 2 or outlet.isatty(),
            write_through=descriptor == 2,
        )
        _OUTLETS[name] = outlet, wrapped
        setattr(sys, name, wrapped)


def unsaid() -> OSError | None:
    """Why what was printed on standard output reached nobody; None when it did. There must be `outlets`."""
    outlet, wrapped = _OUTLETS["stdout"]
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        outlet.lost = outlet.lost or error
    sys.stdout = wrapped  # what captures output has put back there what it found before us
    wrapped.flush()
    return outlet.lost


def unsaid_sentence(lost: OSError) -> str:
    """For whoever reads standard error."""
    return f"the report could not be written to standard output: {_reason(lost)}"


def complain(sentence: str) -> None:
    """One line on standard error, if there is one."""
    if sys.stderr is not None:
        say(f"Error: {sentence}", err=True, line_chars=SENTENCE_CHARS)


def masked(text: str) -> str:
    """Without the secrets that this process was given."""
    return Masker(secrets_of_environment()).text(text)


def sentence_of(error: BaseException, mask: Callable[[str], str] = masked) -> str:
    """What nobody expected, in one line: what the machine refuses, or a defect of ours. `mask` takes out what must not be told."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTS.says
    said = _reason(error) if isinstance(error, OSError) else mask(" ".join(str(error).split()))
    if isinstance(error, OSError):
        return f"{said}: {error.filename}" if error.filename else said
    return f"defect of the harness: {type(error).__name__}: {said[:_SAYS_CHARS]}"


def broke(error: BaseException, log: Path, mask: Callable[[str], str] = masked) -> str:
    """`sentence_of`, and the traceback in a file: the sentence says where. Never raises."""
    sentence = sentence_of(error, mask)
    if isinstance(error, KeyboardInterrupt):
        return sentence
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file:
            file.write(mask("".join(traceback.format_exception(error))))
    except OSError:
        return sentence
    return f"{sentence} (traceback in {from_here(log)})"


def leave(command: Callable[[], int], *, log: Path, tells_verdict: bool) -> NoReturn:
    """Run a command and end this process with the code that it means. `log` is for the traceback of what nobody expected.

    A reader who goes away (`| head`) has read what he wanted, but of a verdict nobody knows then.
    """
    outlets()
    INTERRUPTS.listen()
    code, why = CANNOT_TELL, ""
    try:
        code = command()
    except SystemExit as asked:
        code = asked.code if isinstance(asked.code, int) else CANNOT_TELL
        why = asked.code if isinstance(asked.code, str) else ""
    except KeyboardInterrupt:
        why = INTERRUPTS.says
    except Exception as error:  # noqa: BLE001 - the one place where it becomes a sentence
        why = broke(error, log)
    INTERRUPTS.hold()
    code = documented(code)
    lost = unsaid()
    if lost is not None and code in (EXIT["open"], EXIT["closed"]) and (lost.errno != errno.EPIPE or tells_verdict):
        code, why = CANNOT_TELL, unsaid_sentence(lost)
    if why:
        complain(why)
    if INTERRUPTS.by:
        end_now_if_held(code)
    sys.exit(code)


def documented(code: int) -> int:
    """`code`, if it is one of those that are documented."""
    return code if code in (*EXIT.values(), EXIT_USAGE) else CANNOT_TELL


def end_now_if_held(code: int) -> None:
    """After an interruption no thread may keep the process: one that waits for somebody else is left behind."""
    deadline = time.monotonic() + _LATE_S
    others = [one for one in threading.enumerate() if not one.daemon and one is not threading.main_thread()]
    for one in others:
        one.join(max(0.0, deadline - time.monotonic()))
    if any(one.is_alive() for one in others):
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(code)


def _reopened(descriptor: int) -> OSError | None:
    """Give a closed standard descriptor a file; why it was none."""
    try:
        os.fstat(descriptor)
    except OSError as closed:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != descriptor:
            os.dup2(opened, descriptor)
            os.close(opened)
        return closed
    return None


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)
