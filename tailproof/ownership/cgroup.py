"""The kernel's own counters of a container: control groups of version 1 and 2."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

Read = Callable[[str], str]
"""A file of the control group by its name -> its text, empty when there is none."""

ROOT = Path("/sys/fs/cgroup")

_FILES: tuple[tuple[str, str, str], ...] = (
    # file, key within it ("" when it is one number), our name
    ("memory.oom_control", "oom_kill", "memory.oom_kill"),
    ("memory.events", "oom_kill", "memory.oom_kill"),
    ("memory.failcnt", "", "memory.failcnt"),
    ("memory.events", "max", "memory.failcnt"),
    ("memory.max_usage_in_bytes", "", "memory.peak_bytes"),
    ("memory.peak", "", "memory.peak_bytes"),
    ("memory.usage_in_bytes", "", "memory.used_bytes"),
    ("memory.current", "", "memory.used_bytes"),
    ("memory.limit_in_bytes", "", "memory.limit_bytes"),
    ("memory.max", "", "memory.limit_bytes"),
)
"""Version 1 first, then the file of version 2 that says the same."""


def counters(read: Read) -> Mapping[str, float]:
    """`memory.oom_kill` (processes killed), `memory.failcnt` (how often the limit was met), `memory.peak_bytes`,
    `memory.used_bytes`, `memory.limit_bytes`: what this kernel tells."""
    found: dict[str, float] = {}
    for file, key, name in _FILES:
        if name in found:
            continue
        text = read(file)
        words = dict(line.split(None, 1) for line in text.splitlines() if " " in line) if key else {"": text}
        number = words.get(key, "").strip()
        if number.isdigit():
            found[name] = float(number)
    return found


def on_host(pid: int) -> Read | None:
    """Reads the control group of a process of this host; None when its files cannot be seen from here."""
    place = memory_group(pid)
    return None if place is None else lambda name: _text(place / name)


def processes(pid: int) -> Mapping[str, float]:
    """`processes.limit`, `processes.now` (threads are counted, too) and `processes.refused` (how often the limit was met) of the group
    of a process of this host; nothing where that cannot be seen from here, and no limit where there is none."""
    place = _group(pid, "pids")
    if place is None:
        return {}
    met = dict(line.split(None, 1) for line in _text(place / "pids.events").splitlines() if " " in line)
    said = {
        "processes.limit": _text(place / "pids.max"),
        "processes.now": _text(place / "pids.current"),
        "processes.refused": met.get("max", ""),
    }
    return {name: float(text) for name, text in said.items() if text.strip().isdigit()}


def memory_group(pid: int) -> Path | None:
    """Where the memory of a process of this host is counted; None when that cannot be seen from here, or is the whole host."""
    return _group(pid, "memory")


def _group(pid: int, controller: str) -> Path | None:
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    groups = {line.split(":", 2)[1]: line.split(":", 2)[2].lstrip("/") for line in lines}
    for controllers, path in groups.items():
        if controller in controllers.split(","):
            place = ROOT / controller / path
            break
    else:
        place = ROOT / groups.get("", "")
    if not (place / "cgroup.procs").exists() or place in (ROOT, ROOT / controller):
        return None
    return place


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
