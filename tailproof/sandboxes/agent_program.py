"""The scripted agent, and its sidecars: a program for a pod, given to Python with -c. It needs the standard library only.

The agent reads turns on standard input, one JSON object a line, and does what stands in `script`. Its lines go to standard output,
what it tells of itself to standard error, as `journal {...}`: both stand in the log of its container. A gate is a file: it stands
still until the file is there, and then does what the file says.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

NUMBERS = itertools.count(1)
GATES = Path("/tmp/tailproof-gates")


def tell(stage: str, turn: str = "", line: int = 0, says: str = "") -> None:
    """One line of the journal, whole."""
    record = json.dumps({"n": next(NUMBERS), "stage": stage, "turn": turn, "line": line, "says": says})
    os.write(2, f"journal {record}\n".encode())


def put(raw: bytes) -> None:
    """All of it, however slowly it is taken."""
    while raw:
        raw = raw[os.write(1, raw) :]


class Turn:
    """One turn while it is done."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.line = 0

    def do(self, command: str) -> None:
        """One line of the script. Raises ValueError: there is no such command."""
        word, _, what = command.partition(" ")
        match word:
            case "EMIT" | "SLOWLY":
                for _ in range(int(what)):
                    self.emit()
                    time.sleep(0.3 if word == "SLOWLY" else 0)
            case "LONG":
                self.emit("x" * int(what))
            case "SPLIT":
                self.emit("\u00e9\u20ac", parted_at="\u20ac".encode())
            case "HALF":
                put(self.raw("half a li")[: -len(b'"}\n')])
            case "TERMINAL":
                self.terminal(what)
            case "GATE":
                gate(what, self)
            case _:
                harm(word, what, self.key)

    def raw(self, more: str) -> bytes:
        """The next line."""
        self.line += 1
        said = {"seq": self.line, "type": "output", "text": f"line {self.key} {self.line} {more}"}
        return json.dumps(said, ensure_ascii=False).encode() + b"\n"

    def emit(self, more: str = ".....", parted_at: bytes = b"") -> None:
        """A whole line; `parted_at` is a character that stands in two writes."""
        raw = self.raw(more)
        middle = raw.index(parted_at) + 1 if parted_at else 0
        put(raw[:middle])
        time.sleep(0.3 if middle else 0)
        put(raw[middle:])
        tell("printed", self.key, self.line)

    def terminal(self, how: str) -> None:
        """The last line of the turn."""
        self.line += 1
        said = {"seq": self.line, "type": "terminal", "ok": how == "ok", "text": how}
        put(json.dumps(said).encode() + b"\n")
        tell("terminal", self.key, self.line, how)


def harm(word: str, what: str, key: str = "") -> None:
    """What ends a process, or keeps it."""
    if word not in ("SLEEP", "WORKER"):
        tell("did", key, says=f"{word} {what}")
    match word:
        case "SLEEP":
            time.sleep(float(what))
        case "HOG":
            hog()
        case "KILL":
            os.kill(os.getpid(), int(what))
        case "EXIT":
            os._exit(int(what))
        case "WORKER":
            worker(key)
        case _:
            raise ValueError(f"there is no command {word}")


def hog() -> None:
    """Until the kernel ends it."""
    held = []
    while True:
        held.append(os.urandom(1 << 20) * 8)


def worker(key: str) -> None:
    """A child takes all memory: it is killed, and its parent is not."""
    child = os.fork()
    if not child:
        Path("/proc/self/oom_score_adj").write_text("1000")
        hog()
    status = os.waitpid(child, 0)[1]
    tell("did", key, says=f"worker ended by signal {os.WTERMSIG(status)}")
    for name in ("memory/memory.oom_control", "memory.events"):
        with suppress(OSError):
            for line in Path("/sys/fs/cgroup", name).read_text().splitlines():
                if line.startswith("oom_kill "):
                    tell("counted", key, says=line)


def gate(name: str, turn: Turn | None = None) -> None:
    """Stand still until the file is there, then do what it says."""
    tell("held", turn.key if turn else "", turn.line if turn else 0, name)
    file = GATES / name
    while not file.exists():
        time.sleep(0.02)
    for command in file.read_text().splitlines():
        if turn is not None:
            turn.do(command)
        else:
            word, _, what = command.partition(" ")
            harm(word, what)


def hold_stdout() -> int:
    """Keep the agent's standard output open, whatever becomes of the agent."""
    while True:
        for process in Path("/proc").iterdir():
            with suppress(OSError):
                if process.name.isdigit() and (process / "cmdline").read_bytes().endswith(b"\0agent\0"):
                    return os.open(process / "fd" / "1", os.O_WRONLY)
        time.sleep(0.1)


def agent() -> None:
    """Turn after turn."""
    tell("began")
    for raw in sys.stdin.buffer:
        try:
            asked = json.loads(raw)
            turn = Turn(str(asked["turn"]))
            tell("got", turn.key)
            for command in asked["script"]:
                turn.do(command)
        except (ValueError, KeyError) as error:
            tell("did", says=f"refused a turn: {error}")
    while True:  # nobody is attached any more
        time.sleep(3600)


def main() -> int:
    """`agent`, or `sidecar` and what it does."""
    GATES.mkdir(exist_ok=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(143))
    if sys.argv[1] == "agent":
        agent()
    elif sys.argv[2] == "holds-stdout":
        hold_stdout()
    if sys.argv[2:] != ["ends"]:
        gate("harm")
    return 0


if __name__ == "__main__":
    sys.exit(main())
