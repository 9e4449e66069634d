"""The server of Toxiproxy: where it is found, and how it is built."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

from tailproof.provision.cache import cache, published
from tailproof.provision.errors import Unavailable
from tailproof.provision.run_to_end import run_to_end
from tailproof.waiting import Budget

RELEASE = "v2.12.0"
MODULE = f"github.com/Shopify/toxiproxy/v2/cmd/server@{RELEASE}"
SERVER = "server"
"""What `go install` calls the program."""
VARIABLE = "TAILPROOF_TOXIPROXY"
ASK_S = 10.0


def cache_directory() -> Path:
    """Where a built server is kept."""
    return cache() / "toxiproxy" / RELEASE


def find() -> Path | None:
    """The server's binary: `TAILPROOF_TOXIPROXY`, PATH, `~/go/bin`, our cache; None when there is none."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named) if os.access(named, os.X_OK) else None
    for name in ("toxiproxy-server", "toxiproxy"):
        if found := shutil.which(name):
            return Path(found)
    places = (
        Path.home() / "go" / "bin" / "toxiproxy-server",
        Path.home() / "go" / "bin" / SERVER,
        cache_directory() / SERVER,
    )
    return next((place for place in places if os.access(place, os.X_OK) and _is_toxiproxy(place)), None)


def available() -> str | None:
    """None when Toxiproxy can be used, else one sentence: what is missing and how to get it."""
    named = os.environ.get(VARIABLE)
    if find() is not None:
        return None
    if named:
        return f"{VARIABLE} names {named}, which cannot be executed"
    how = f"`go install {MODULE}` builds it (as ~/go/bin/server)"
    if shutil.which("go") is None:
        how += ", which needs a Go toolchain; or put a release's toxiproxy-server into the PATH"
    return f"no Toxiproxy server was found: {how}, or name one with {VARIABLE}"


def build(budget: Budget) -> Path:
    """The server in our cache; built with the Go toolchain when it is not there. Raises Unavailable."""
    place = cache_directory()
    published(place, mark=SERVER, build=lambda aside: _build(aside, budget), what="Toxiproxy", budget=budget)
    return place / SERVER


def _build(aside: Path, budget: Budget) -> None:
    go = shutil.which("go")
    if go is None:
        raise Unavailable(f"building Toxiproxy needs a Go toolchain; {available()}")
    aside.mkdir()
    ended = run_to_end(
        [go, "install", MODULE],
        doing=f"`go install {MODULE}`",
        budget=budget,
        environment={**os.environ, "GOBIN": str(aside), "GOFLAGS": "-mod=mod"},
    )
    if ended.code:
        said = ended.err.strip().splitlines()
        raise Unavailable(f"`go install {MODULE}` failed: {said[-1] if said else ended.code}")


@functools.cache
def _is_toxiproxy(place: Path) -> bool:
    """`~/go/bin/server` is a common name: ask it who it is."""
    try:
        said = subprocess.run([place, "-version"], capture_output=True, text=True, timeout=ASK_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return "toxiproxy" in (said.stdout + said.stderr).lower()
