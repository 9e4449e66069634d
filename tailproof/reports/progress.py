"""A check while it runs: a line for each trial that ended, a picture that moves, or the events themselves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tailproof.outgoing.masking import Masker, secrets_of_environment
from tailproof.outgoing.say import shown
from tailproof.outgoing.visible import clip, visible_json
from tailproof.reports.run_events import CheckBegan, Follows, RunEvent, ShardTold, TrialEnded, TrialEntered, TrialJudged
from tailproof.reports.words import count, roughly, span

_LINES = 100
"""A log of CI is read from its end: of many trials that gave nothing special only some have a line."""
_LOUD_LINES = 50


class Lines:
    """For a log: one line for each trial, of very many only for some, and for those that were violated or failed."""

    def __init__(self, say: Callable[[str], object], *, width: int) -> None:
        self._say = say
        self._width = width
        self._trials = 0
        self._ended: dict[str, TrialEnded] = {}
        self._judged: dict[str, TrialJudged] = {}
        """Of a trial one of the two, until the other is there: they come from different threads."""
        self._told = 0
        self._loud = 0

    def tell(self, event: RunEvent) -> None:
        """A line, or none."""
        match event:
            case CheckBegan():
                self._trials = event.trials
                self._line(
                    f"{count(event.trials, 'trial')}, {event.parallel} side by side: about {roughly(event.expected_s)}"
                )
            case TrialEnded() if event.error:
                self._row(event, f"failed: {event.error}", loud=True)
            case TrialEnded():
                self._ended[event.trial] = event
                self._both(event.trial)
            case TrialJudged():
                self._judged[event.trial] = event
                self._both(event.trial)
            case ShardTold():
                self._told -= event.undone
                self._line(shard_line(event))
            case _:
                pass

    def close(self) -> None:
        """Nothing is open."""

    def _both(self, trial: str) -> None:
        if trial in self._ended and trial in self._judged:
            judged = self._judged.pop(trial)
            self._row(self._ended.pop(trial), judged.says, loud=bool(judged.violated))

    def _row(self, ended: TrialEnded, says: str, *, loud: bool) -> None:
        self._loud += loud
        self._told += 1
        every = -(-self._trials // _LINES) or 1
        if (loud and self._loud <= _LOUD_LINES) or self._told % every == 0:
            left = f"  about {roughly(ended.left_s)} left" if ended.left_s else ""
            place = f"[{self._told:>{len(str(self._trials))}}/{self._trials}]"
            self._line(f"{place} {ended.trial}  {span(ended.seconds)}  {says}{left}")

    def _line(self, text: str) -> None:
        self._say(clip(text, self._width))


class Picture:
    """For a person at a terminal: how much is done, what is left, and what each trial under way does. Violations scroll by above."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began: CheckBegan | None = None
        self._under_way: dict[str, tuple[TrialEntered, float]] = {}
        self._done = 0
        self._violated = 0
        self._failed = 0
        self._until = 0.0
        self._live = Live(console=console, get_renderable=self._drawn, refresh_per_second=4, transient=True)

    def tell(self, event: RunEvent) -> None:
        """Drawn at the next tick."""
        match event:
            case CheckBegan():
                self._began = event
                self._until = time.monotonic() + event.expected_s
                self._live.start()
            case TrialEntered():
                self._under_way[event.trial] = event, time.monotonic() - event.seconds
            case TrialEnded():
                self._under_way.pop(event.trial, None)
                self._done, self._until = event.done, time.monotonic() + event.left_s
                self._failed += bool(event.error)
                if event.error:
                    self._scroll(f"{event.trial}  failed: {event.error}", "yellow")
            case TrialJudged():
                self._violated += len(event.violated)
                if event.violated:
                    self._scroll(f"{event.trial}  {event.says}", "red")
            case ShardTold():
                self._done -= event.undone
                if event.state == "lost":
                    self._under_way.clear()
                    self._scroll(shard_line(event), "yellow")
            case _:
                self.close()

    def close(self) -> None:
        """The picture goes; what scrolled by stays."""
        self._live.stop()

    def _scroll(self, text: str, style: str) -> None:
        self._live.console.print(Text(shown(clip(text, self._console.width - 1)), style=style, no_wrap=True))

    def _drawn(self) -> RenderableType:
        now = time.monotonic()
        rows = Table.grid(padding=(0, 2))
        if self._began is None:
            return rows
        told = [f"{self._done} of {self._began.trials} trials"]
        told += [f"{self._violated} violated"] if self._violated else []
        told += [f"{self._failed} failed"] if self._failed else []
        told += [f"about {roughly(self._until - now)} left"] if self._until > now else []
        rows.add_row(Text(" · ".join(told), style="bold"))
        for entered, since in list(self._under_way.values()):
            line = f"  {entered.trial}  {entered.phase}  {span(now - since)}  {entered.detail}".rstrip()
            rows.add_row(Text(shown(clip(line, self._console.width - 1)), no_wrap=True))
        return rows


class Events:
    """For programs: each event is one line of JSON."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._masker = Masker(secrets_of_environment())

    def tell(self, event: RunEvent) -> None:
        """Its line."""
        self._write(visible_json(self._masker.raw(msgspec.json.encode(event))).decode())

    def close(self) -> None:
        """Nothing is open."""


class Kept:
    """The events in a file, each written when it is told."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", buffering=1)
        self._events = Events(lambda line: self._file.write(f"{line}\n"))

    def tell(self, event: RunEvent) -> None:
        """Its line."""
        if not self._file.closed:
            self._events.tell(event)

    def close(self) -> None:
        """The file is whole."""
        self._file.close()


class Together:
    """Several followers as one, whichever thread tells. What they cannot write down is found out where it counts: at the result."""

    def __init__(self, follows: Sequence[Follows]) -> None:
        self._follows = follows
        self._telling = threading.Lock()

    def tell(self, event: RunEvent) -> None:
        """To each of them."""
        with self._telling:
            for follows in self._follows:
                with suppress(OSError):
                    follows.tell(event)

    def close(self) -> None:
        """Each of them."""
        for follows in self._follows:
            with suppress(OSError):
                follows.close()


def shard_line(event: ShardTold) -> str:
    """`shard 2 of 4 was lost: the pod was deleted`."""
    told = {"running": "runs in", "lost": "was lost:", "collected": "is here"}[event.state]
    return f"shard {event.number} of {event.of} {told} {event.says}".rstrip()


def follower(form: str, *, say: Callable[[str], object], console: Console) -> Follows:
    """Who shows a check in the form that was asked for (`plain`, `rich`, `json`); `say` takes a line."""
    if form == "json":
        return Events(say)
    return Picture(console) if form == "rich" else Lines(say, width=console.width)
