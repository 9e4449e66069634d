"""Facts about the machine that a history carries, so that a stranger can weigh its times."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def facts() -> dict[str, str | int]:
    """System, processors, memory in bytes; no name of the host and no path."""
    found: dict[str, str | int] = {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "processors": os.cpu_count() or 0,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }
    cgroup = Path("/sys/fs/cgroup")
    if cgroup.is_dir():
        found["cgroup"] = 2 if (cgroup / "cgroup.controllers").exists() else 1
    return found


def waited_for_cpu_ns(pid: int) -> int:
    """How long one thread of a process, the one that waited longest, was ready to run and no processor was free for it: nanoseconds
    since its start. 0 where the kernel does not tell, and for a process that is gone."""
    waited = [0]
    for schedstat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            waited.append(int(schedstat.read_text().split()[1]))
        except (OSError, IndexError, ValueError):
            continue
    return max(waited)
