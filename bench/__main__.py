"""`make bench`: every table, one after the other. `python -m bench.wire`, `bench.judge` and `bench.share` print one each."""

from __future__ import annotations

import subprocess
import sys

for part in ("bench.wire", "bench.judge", "bench.share"):
    print(f"\n== python -m {part}\n", flush=True)
    subprocess.run([sys.executable, "-m", part], check=True)
