"""What stands between source and sink: the wire, and the proxies that it is measured against. Each is a process of ours."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tailproof.provision import toxiproxy
from tailproof.waiting import Budget
from tailproof.wire.toxiproxy import Toxiproxy

START_S = 60.0
BUILD_S = 600.0
PYTHONS = ("python3.13", "python3.12", "python3.14")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tailproof"

ADDON = """
class Touch:
    def websocket_message(self, flow):
        self.seen = flow.websocket.messages[-1].content[:128]
addons = [Touch()]
"""

HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
frontend f
  bind 127.0.0.1:{listen}
  default_backend b
backend b
  server s 127.0.0.1:{upstream}
"""


@dataclass(frozen=True, slots=True)
class Running:
    """A way from the sink to the source. `pid` 0: nobody in between."""

    port: int
    pid: int = 0

    def cpu_s(self) -> float:
        """CPU seconds of all threads so far."""
        if not self.pid:
            return 0.0
        total = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with contextlib.suppress(OSError):  # a thread may end while we look
                total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def memory(self, name: str) -> float:
        """`VmRSS` or `VmHWM`, in MB."""
        if not self.pid:
            return 0.0
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


@contextlib.contextmanager
def direct(upstream: int, scratch: Path) -> Iterator[Running]:
    """Nothing in between."""
    yield Running(upstream)


@contextlib.contextmanager
def wire(upstream: int, scratch: Path) -> Iterator[Running]:
    """The wire with its journal on."""
    port = free_port()
    command = [sys.executable, "-m", "tailproof.wire", "--upstream", f"127.0.0.1:{upstream}"]
    command += ["--listen", f"127.0.0.1:{port}", "--journal", str(scratch / "wire.jsonl")]
    with _process(command, port) as running:
        yield running


@contextlib.contextmanager
def haproxy(upstream: int, scratch: Path) -> Iterator[Running]:
    """HAProxy in the foreground with its default buffers."""
    port = free_port()
    config = scratch / "haproxy.cfg"
    config.write_text(HAPROXY.format(listen=port, upstream=upstream))
    with _process([str(shutil.which("haproxy")), "-db", "-f", str(config)], port) as running:
        yield running


@contextlib.contextmanager
def toxi(upstream: int, scratch: Path) -> Iterator[Running]:
    """Toxiproxy without a toxic."""
    with Toxiproxy.start(Budget(START_S)) as server:
        yield Running(server.proxy("bench", f"127.0.0.1:{upstream}"), server.pid)


@contextlib.contextmanager
def mitmproxy(upstream: int, scratch: Path) -> Iterator[Running]:
    """mitmdump as a reverse proxy with an addon that looks at every WebSocket message."""
    port = free_port()
    addon = scratch / "touch.py"
    addon.write_text(ADDON)
    command = [str(mitmdump()), "-q", "--mode", f"reverse:http://127.0.0.1:{upstream}"]
    command += ["--listen-host", "127.0.0.1", "-p", str(port), "-s", str(addon), "--set", f"confdir={scratch}/mitm"]
    with _process(command, port) as running:
        yield running


Way = Callable[[int, Path], contextlib.AbstractContextManager[Running]]
WAYS: dict[str, Way] = {"direct": direct, "wire": wire, "haproxy": haproxy, "toxiproxy": toxi, "mitmproxy": mitmproxy}


def mitmdump() -> Path | None:
    """The program, from PATH or from the cache."""
    found = shutil.which("mitmdump")
    cached = CACHE / "mitmproxy" / "bin" / "mitmdump"
    return Path(found) if found else cached if cached.exists() else None


def missing(name: str) -> str | None:
    """None, or one sentence: why this rival does not run, and how to get it."""
    if name == "haproxy" and shutil.which("haproxy") is None:
        return "haproxy is not installed (Debian package haproxy)"
    if name == "toxiproxy":
        return toxiproxy.available()
    if name == "mitmproxy" and mitmdump() is None:
        return "mitmproxy is not installed (--install puts it into a virtual environment of its own in the cache)"
    return None


def install() -> None:
    """Build Toxiproxy and install mitmproxy into the cache, where they are missing."""
    if toxiproxy.available() is not None:
        toxiproxy.build(Budget(BUILD_S))
    if mitmdump() is None:
        place = CACHE / "mitmproxy"
        uv = [sys.executable, "-m", "uv"]
        python = next((found for name in PYTHONS if (found := _python(name))), "3.13")
        subprocess.run([*uv, "venv", "-q", "--clear", "--python", python, str(place)], check=True)
        subprocess.run(
            [*uv, "pip", "install", "-q", "--python", str(place / "bin" / "python"), "mitmproxy"], check=True
        )


def _python(name: str) -> str | None:
    places = [shutil.which(name), *sorted(map(str, Path.home().glob(f".pyenv/versions/*/bin/{name}")))]
    return next(
        (p for p in places if p and subprocess.run([p, "-c", ""], capture_output=True, check=False).returncode == 0),
        None,
    )


@contextlib.contextmanager
def _process(command: list[str], port: int) -> Iterator[Running]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        Budget(START_S).wait_for(f"{command[0]} to listen", lambda: process.poll() is not None or _answers(port))
        if process.poll() is not None:
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
        yield Running(port, process.pid)
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as knock:
        return knock.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port of loopback that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
