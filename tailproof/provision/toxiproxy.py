"""The server of Toxiproxy: where it is found, and how it is built."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

from tailproof.ownership.marks import own_variables
from tailproof.ownership.scratch import workroom
from tailproof.provision.cache import cache
from tailproof.provision.errors import Unavailable
from tailproof.provision.run_to_end import BUILD

RELEASE = "v2.12.0"
MODULE = f"github.com/Shopify/toxiproxy/v2/cmd/server@{RELEASE}"
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
        Path.home() / "go" / "bin" / "server",
        cache_directory() / "server",
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


def build(*, seconds: float = 600.0) -> Path:
    """Build the server with the Go toolchain into our cache, unless it is there. Raises Unavailable."""
    place = cache_directory() / "server"
    if os.access(place, os.X_OK):
        return place
    go = shutil.which("go")
    if go is None:
        raise Unavailable(f"building Toxiproxy needs a Go toolchain; {available()}")
    place.parent.mkdir(parents=True, exist_ok=True)
    with workroom(beside=place.parent) as aside:
        try:
            built = subprocess.run(
                [go, "install", MODULE],
                env={
                    **os.environ,
                    **own_variables(BUILD),
                    "TMPDIR": str(aside),
                    "GOBIN": str(aside),
                    "GOFLAGS": "-mod=mod",
                },
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"`go install {MODULE}` took longer than {seconds:.0f} s") from error
        if built.returncode:
            said = built.stderr.strip().splitlines()
            raise Unavailable(f"`go install {MODULE}` failed: {said[-1] if said else built.returncode}")
        (aside / "server").replace(place)
    return place


@functools.cache
def _is_toxiproxy(place: Path) -> bool:
    """`~/go/bin/server` is a common name: ask it who it is."""
    try:
        said = subprocess.run([place, "-version"], capture_output=True, text=True, timeout=ASK_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return "toxiproxy" in (said.stdout + said.stderr).lower()
