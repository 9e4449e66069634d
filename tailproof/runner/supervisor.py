"""The process that owns trials: it runs each one once, and takes everything down again.

It lives outside the test runner (own session), because a runner's worker is cut off seconds after Ctrl-C and a trial needs
longer to heal and remove. It ends when its standard input ends, that is, when whoever started it is gone, at a signal, and when a
disk that trials write to is full. Whatever a trial waits for then, what plays in it is killed, and the trial ends in seconds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socketserver
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import reduce
from pathlib import Path
from typing import IO

import msgspec

from tailproof.incoming.files import from_here
from tailproof.incoming.json import decoder
from tailproof.outgoing.masking import Masker, secrets_of_environment
from tailproof.outgoing.say import say
from tailproof.runner import ending, room
from tailproof.runner.admission import Admission
from tailproof.runner.orders import GAVE_UP, NOT_ENDED, QUEUED, Ask, Done, Progress
from tailproof.runner.out_dir import LOG
from tailproof.trial.order import Order
from tailproof.trial.play import plays_alone, trial_of
from tailproof.trial.recorded import HistoryLost, RecordedTrial, TrialFailed
from tailproof.trial.server_pool import ServerPool
from tailproof.waiting import Cancelled

STALL_S = 1.0
"""A supervisor that is late by more than this says so in the histories of the trials under way."""
CUT_OFF_S = 4.0
"""How long trials that were cut off may take to heal and remove by themselves."""

_CUT_EVERY_S = 0.25
_LOOK_FOR_ROOM_S = 0.1


class Supervisor:
    """Runs orders on `parallel` threads, in the order in which they came."""

    def __init__(self, *, parallel: int, report: IO[bytes]) -> None:
        self.cancel = threading.Event()
        self.stop = threading.Event()
        """Set when it is time to take down."""
        self._report = report
        self._lock = threading.RLock()
        self._ended = threading.Condition(self._lock)
        self._done: dict[str, threading.Event] = {}
        self._results: dict[str, Done] = {}
        self._trials: dict[str, RecordedTrial] = {}
        self._servers = ServerPool(most=parallel)
        self._admission = Admission(self.cancel)
        self._masker = Masker(secrets_of_environment())
        self._pool = ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="trial")

    def submit(self, order: Order) -> None:
        """Queue an order unless a trial of its key was queued before."""
        with self._lock:
            if order.key in self._done or self.cancel.is_set():
                return
            self._done[order.key] = threading.Event()
        # Before it can be run: an order whose supervisor dies is known to whoever started that.
        self._tell(order, QUEUED, time.monotonic(), "")
        with suppress(RuntimeError):  # taken down meanwhile: whoever waits is told
            self._pool.submit(self._run, order)

    def wait(self, key: str) -> Done:
        """Until that trial has ended. An unknown key, or one that was never begun, gives an error at once."""
        with self._lock:
            done = self._done.get(key)
        if done is None:
            return Done(directory=key, error="cancelled before it began")
        done.wait()
        return self._results[key]

    def witness_stalls(self) -> None:
        """Measure how late this process is, until cancelled; write it into every history under way."""
        while not self.cancel.is_set():
            due = time.monotonic() + 0.1
            self.cancel.wait(0.1)
            late = time.monotonic() - due
            if late > STALL_S:
                for trial in self._under_way():
                    trial.stalled(int(late * 1e9))

    def watch_room(self) -> None:
        """Until cancelled: a disk that is full while trials write to it ends them all. What a server then loses is not its doing."""
        while not self.cancel.wait(_LOOK_FOR_ROOM_S):
            self._look_for_room({Path(trial.order.out) for trial in self._under_way()})

    def take_down(self) -> bool:
        """Cut off what runs, drop what waits, and return when every trial has cleaned up; False when some trial does not come to its
        end: what it left was removed all the same, as far as that can be."""
        self.cancel.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        deadline = time.monotonic() + CUT_OFF_S
        while (trials := self._under_way()) and time.monotonic() < deadline:
            for trial in trials:
                trial.cut_off(spare_wire=time.monotonic() < deadline - CUT_OFF_S / 2)
            with self._ended:
                self._ended.wait_for(lambda: not self._trials, _CUT_EVERY_S)
        for trial in trials:
            trial.remove_all()
        self._servers.close()
        with self._lock:
            for key, done in self._done.items():
                self._results.setdefault(key, Done(directory=key, error="cancelled before it began"))
                done.set()
        return not trials

    def _under_way(self) -> list[RecordedTrial]:
        with self._lock:
            return list(self._trials.values())

    def _look_for_room(self, outs: set[Path]) -> None:
        if outs and (why := room.lacking([*outs, room.temporary()])):
            self._give_up(why)

    def _give_up(self, why: str) -> None:
        self.cancel.set()
        self._say(Progress(trial="", phase=GAVE_UP, seconds=0.0, detail=why))
        self.stop.set()

    def _run(self, order: Order) -> None:
        began = time.monotonic()
        error = ""
        try:
            if self.cancel.is_set():
                raise Cancelled(order.name)
            trial = trial_of(
                order,
                cancel=self.cancel,
                tell=lambda phase, detail: self._tell(order, phase, began, detail),
                pool=self._servers,
            )
            with self._admission.entered(alone=plays_alone(trial.scenario)):
                began = time.monotonic()  # whoever waited for others took no longer for it
                with self._lock:
                    self._trials[order.key] = trial
                trial.run()
            self._look_for_room({Path(order.out)})
        except Cancelled:
            error = "cancelled"
        except HistoryLost as failure:
            error = str(failure)
            self._give_up(self._masked(f"{order.name}: {failure}"))
        except TrialFailed as failure:
            error = str(failure)
        except Exception as failure:  # noqa: BLE001 - a defect of ours must reach the report, not kill the thread
            error = f"{ending.broke(failure, Path(order.out) / LOG, self._masked)}, its history: {from_here(order.directory)}"
        error = self._masked(error)
        seconds = time.monotonic() - began
        with self._ended:
            self._trials.pop(order.key, None)
            self._ended.notify_all()
            self._results[order.key] = Done(directory=str(order.directory), error=error, seconds=seconds)
        self._tell(order, "failed" if error else "done", began, error)
        self._done[order.key].set()

    def complain(self, error: BaseException) -> None:
        """Into the log, with everything that leads to it."""
        say(self._masked("".join(traceback.format_exception(error))), err=True)

    def _masked(self, text: str) -> str:
        """Text of ours without the secrets of any trial under way: in an error may stand what another one's server said."""
        with self._lock:
            maskers = [self._masker, *(trial.masker for trial in self._trials.values())]
        return reduce(lambda said, masker: masker.text(said), maskers, text)

    def _tell(self, order: Order, phase: str, began: float, detail: str) -> None:
        seconds = time.monotonic() - began
        self._say(Progress(trial=order.name, phase=phase, seconds=seconds, detail=self._masked(detail)))

    def _say(self, line: Progress) -> None:
        with self._lock:
            try:
                self._report.write(msgspec.json.encode(line) + b"\n")
                self._report.flush()
            except (BrokenPipeError, ValueError):
                self.cancel.set()


_ASK = decoder(Ask)
"""Made before there are threads: msgspec crashes when two of them work out one shape at once."""


class _Talk(socketserver.StreamRequestHandler):
    """One connection: one question, one answer."""

    def handle(self) -> None:
        supervisor: Supervisor = self.server.supervisor  # type: ignore[attr-defined]
        question = _ASK.decode(self.rfile.readline())
        for order in question.submit:
            supervisor.submit(order)
        answer = supervisor.wait(question.wait) if question.wait else None
        try:
            self.wfile.write(msgspec.json.encode(answer) + b"\n")
        except BrokenPipeError:
            return


class _Listener(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def __init__(self, address: str, supervisor: Supervisor) -> None:
        self.supervisor = supervisor
        super().__init__(address, _Talk)


def main() -> None:
    """The supervisor process: serve until standard input ends, then take down."""
    parser = argparse.ArgumentParser(prog="tailproof.runner.supervisor")
    parser.add_argument("--address", required=True)
    parser.add_argument("--parallel", type=int, required=True)
    arguments = parser.parse_args()
    # Ctrl-C is for the one that started us: it says when it wants us to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    supervisor = Supervisor(parallel=arguments.parallel, report=sys.stdout.buffer)
    sys.excepthook = lambda kind, error, trace: supervisor.complain(error)
    threading.excepthook = lambda caught: supervisor.complain(caught.exc_value or caught.exc_type())
    listener = _Listener(arguments.address, supervisor)
    threading.Thread(target=listener.serve_forever, name="listener", daemon=True).start()
    threading.Thread(target=supervisor.witness_stalls, name="stalls", daemon=True).start()
    threading.Thread(target=supervisor.watch_room, name="room", daemon=True).start()
    stop = supervisor.stop
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Not in the handler itself: it may stand on the lock of the event.
        signal.signal(number, lambda *_: threading.Thread(target=stop.set).start())
    threading.Thread(target=_watch_owner, args=(stop,), name="owner", daemon=True).start()
    sys.stdout.buffer.write(b"ready\n")
    sys.stdout.buffer.flush()
    stop.wait()
    if not supervisor.take_down():
        os._exit(NOT_ENDED)  # the threads that hang would hold us
    listener.shutdown()
    # Whoever started us may be gone.
    shutil.rmtree(Path(arguments.address).parent, ignore_errors=True)


def _watch_owner(stop: threading.Event) -> None:
    while os.read(0, 4096):
        continue
    stop.set()


if __name__ == "__main__":
    main()
