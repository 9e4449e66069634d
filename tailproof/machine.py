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
