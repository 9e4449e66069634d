"""What this machine can and cannot run, why, and what would help."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uv

from tailproof.clients.recipes import images, recipes
from tailproof.outgoing.say import say
from tailproof.provision.cache import cache
from tailproof.provision.engine import HOW_TO_GET_ONE, connect, engine_does
from tailproof.provision.errors import EngineError, Unavailable
from tailproof.provision.faketime import HOW_TO_GET_IT as HOW_TO_GET_FAKETIME
from tailproof.provision.faketime import faketime
from tailproof.provision.locks import known_releases
from tailproof.provision.npm import HOW_TO_GET_IT, find_node, find_npm
from tailproof.provision.pythons import find_python
from tailproof.provision.recipe import ImageRecipe, PythonRecipe
from tailproof.provision.toxiproxy import available

HOW_TO_GET_TOXIPROXY = (
    "install Go 1.23 or newer (apt-get install golang-go), then `make test` or `make check` builds it"
)
_GIB = 1 << 30
_ENVIRONMENT_BYTES = 600 << 20
_IMAGE_BYTES = 900 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    ok: bool
    name: str
    says: str
    needed_for: str
    remedy: str
    """How to get it, when it is missing."""
    required: bool = False
    """Nothing at all runs without it; the others only keep some targets or scenarios from running."""


def examine() -> list[Finding]:
    """Look at everything, also when something is missing. Takes a few seconds; starts, changes and downloads nothing."""
    return [*(look(name) for name in _LOOKS), *_engine(), _cluster()]


def look(name: str) -> Finding:
    """At one thing: a key of `_LOOKS` or `_LOOKS_FOR_TESTS`, `engine` or `cluster`. Raises KeyError."""
    return next(_engine()) if name == "engine" else {**_LOOKS, **_LOOKS_FOR_TESTS, "cluster": _cluster}[name]()


def main(names: Sequence[str]) -> None:
    """Write a line for each of the named things that is missing: NAME|what it is needed for|what brings it.

    `docker/needs.sh` reads it: what is missing is known here alone, how to install it there.
    """
    for name in names:
        finding = look(name)
        if not finding.ok:
            say(f"{name}|{finding.needed_for}|{finding.remedy}")


def _harness() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(
        ok=sys.version_info >= (3, 11),
        name="python",
        says=f"Python {version} runs the harness",
        needed_for="the harness",
        remedy="install Python 3.11 or newer",
        required=True,
    )


def _uv() -> Finding:
    try:
        says, ok = _first_line(uv.find_uv_bin(), "--version"), True
    except FileNotFoundError:
        says, ok = "uv is not installed beside the harness", False
    return Finding(
        ok=ok,
        name="uv",
        says=says,
        needed_for="environments of released servers and clients",
        remedy="pip install uv, into the environment of the harness",
        required=True,
    )


def _target_python() -> Finding:
    try:
        found = {find_python(recipe): None for recipe in _python_recipes()}
        says, ok = f"releases run on {', '.join(f'Python {one.release} ({one.path})' for one in found)}", True
    except Unavailable as error:
        says, ok = str(error), False
    return Finding(
        ok=ok,
        name="python for targets",
        says=says,
        needed_for="servers and clients that are Python packages",
        remedy="install Python 3.13 (a package, pyenv, or `uv python install 3.13`)",
    )


def _releases() -> Finding:
    known = [recipe.spec(version) for recipe in _python_recipes() for version in known_releases(recipe)]
    built = sorted({place.name.split("-py")[0] for place in (cache() / "environments").glob("*-py*") if place.is_dir()})
    return Finding(
        ok=bool(known),
        name="releases",
        says=f"lock files for {', '.join(known) or 'none'}; environments built: {', '.join(built) or 'none yet'}",
        needed_for="installing releases with the dependencies they had when they came out",
        remedy="install tailproof again: its lock files are missing",
        required=True,
    )


def _python_recipes() -> list[PythonRecipe]:
    return [recipe for recipe in recipes().values() if isinstance(recipe, PythonRecipe)]


def _tool(name: str, version: str, needed_for: str) -> Finding:
    place = shutil.which(name)
    return Finding(
        ok=place is not None,
        name=name,
        says=_first_line(place, version) if place else f"{name} is not on PATH",
        needed_for=needed_for,
        remedy=f"apt-get install {name}",
    )


def _node() -> Finding:
    try:
        node, npm = (_first_line(str(find()), "--version") for find in (find_node, find_npm))
        says, ok = f"Node.js {node}, npm {npm}", True
    except Unavailable as error:
        says, ok = str(error).partition(":")[0], False
    return Finding(
        ok=ok,
        name="node",
        says=says,
        needed_for="ts: clients",
        remedy=HOW_TO_GET_IT,
    )


def _tmux() -> Finding:
    return _tool(
        "tmux", "-V", "the terminals of a server that runs as a process (without tmux, its tools get plain shells)"
    )


def _faketime() -> Finding:
    found = faketime()
    return Finding(
        ok=found is not None,
        name="faketime",
        says=str(found) if found else "libfaketime is not installed",
        needed_for="scenarios that set the server's clock",
        remedy=HOW_TO_GET_FAKETIME,
    )


def _git() -> Finding:
    return _tool("git", "--version", "workspaces of a server that runs as a process (pypi:, src:)")


def _mmdebstrap() -> Finding:
    return _tool("mmdebstrap", "--version", "building images on a machine that cannot reach a registry")


def _chromium() -> Finding:
    return _tool("chromium", "--version", "tests of the report's page in a browser")


def _space() -> Finding:
    place = next(parent for parent in (cache(), *cache().parents) if parent.exists())
    free = shutil.disk_usage(place).free
    return Finding(
        ok=free > 2 * _ENVIRONMENT_BYTES,
        name="disk",
        says=f"{free / _GIB:.1f} GiB free where environments are kept ({cache()})",
        needed_for="environments, 0.5 GiB for each release",
        remedy="make room, or set TAILPROOF_CACHE to a directory on another disk",
    )


def _shared_memory() -> Finding:
    place = Path("/dev/shm")
    free = shutil.disk_usage(place).free if place.is_dir() else 0
    return Finding(
        ok=free >= 64 << 20 and os.access(place, os.W_OK),
        name="shared memory",
        says=f"{free / (1 << 20):.0f} MiB free in {place}" if free else f"{place} is not there",
        needed_for="locks and semaphores of Python programs under test",
        remedy="mount a tmpfs of at least 64 MiB on /dev/shm",
    )


def _engine() -> Iterator[Finding]:
    needed = "docker: targets, kernel OOM kills, containers as new hosts"
    try:
        with closing(connect()) as engine, engine_does("looking at the engine"):
            info = engine.info()
            built = {
                recipe: sorted(tag for image in engine.images.list(name=recipe.repository) for tag in image.tags)
                for recipe in images().values()
            }
    except EngineError as error:
        yield Finding(
            ok=False, name="engine", says=str(error).partition(": ")[0], needed_for=needed, remedy=HOW_TO_GET_ONE
        )
        return
    yield Finding(
        ok=True,
        name="engine",
        says=f"Docker {info['ServerVersion']}, cgroup version {info.get('CgroupVersion', '1')}",
        needed_for=needed,
        remedy="",
    )
    yield _memory_limit(info)
    yield _engine_space(info)
    yield from (_images(recipe, tags) for recipe, tags in built.items())


def _cluster() -> Finding:
    # Its library takes longer to load than all the other looks together.
    from tailproof.cluster.reach import (
        GLANCE_S,
        HOW_TO_GET_ONE,
        check_nodes,
        check_rights,
        connect,
        release,
        second_witness,
    )
    from tailproof.cluster.refusals import ClusterError

    built = any((cache() / "cluster").glob("v*/kube-apiserver"))
    remedy = HOW_TO_GET_ONE if built else f"{HOW_TO_GET_ONE} (with Go 1.24 or newer; 11 minutes the first time)"
    try:
        with closing(connect(timeout_s=GLANCE_S)) as cluster:
            check_rights(cluster)
            check_nodes(cluster)
            says = f"Kubernetes {release(cluster)} at {cluster.address} ({cluster.kubeconfig})"
            says, ok = f"{says}; besides it, deaths are told by {second_witness(cluster)}", True
    except ClusterError as error:
        says, ok = str(error).partition(f": {HOW_TO_GET_ONE}")[0], False
    return Finding(ok=ok, name="cluster", says=says, needed_for="k8s: targets, executors on real pods", remedy=remedy)


def _images(recipe: ImageRecipe, tags: Sequence[str]) -> Finding:
    newest = next(reversed(known_releases(recipe.releases)), "VERSION")
    return Finding(
        ok=bool(tags),
        name="images",
        says=", ".join(tags) or f"no {recipe.repository} image is built",
        needed_for=f"targets that are the image {recipe.repository}:VERSION",
        remedy=f"tailproof image build {recipe.releases.spec(newest)}",
    )


def _memory_limit(info: dict[str, Any]) -> Finding:
    lacks = [name for name in ("MemoryLimit", "SwapLimit") if not info.get(name)]
    swap = _swap_total()
    fits = "MemoryLimit" not in lacks and not (lacks and swap)
    return Finding(
        ok=fits,
        name="memory limits",
        says="the engine can limit memory"
        if not lacks
        else f"the engine lacks {' and '.join(lacks)}; swap is {swap} kB",
        needed_for="the scenarios with kernel OOM kills",
        remedy="boot with cgroup_enable=memory swapaccount=1, or turn swap off",
    )


def _engine_space(info: dict[str, Any]) -> Finding:
    place = Path(info.get("DockerRootDir", "/var/lib/docker"))
    here = next(
        (parent for parent in (place, *place.parents) if os.access(parent, os.X_OK) and parent.exists()), Path("/")
    )
    free = shutil.disk_usage(here).free
    return Finding(
        ok=free > 2 * _IMAGE_BYTES,
        name="disk of the engine",
        says=f"{free / _GIB:.1f} GiB free for images",
        needed_for="images, about 1 GiB for each release",
        remedy="remove images that nobody needs: docker image prune",
    )


def _toxiproxy() -> Finding:
    missing = available()
    return Finding(
        ok=missing is None,
        name="toxiproxy",
        says=missing or "a Toxiproxy server can be started",
        needed_for="faults at the level of bytes (network.*): bandwidth, slicing, half-open connections",
        remedy=HOW_TO_GET_TOXIPROXY,
    )


def _swap_total() -> int:
    found = re.search(r"^SwapTotal:\s+(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(found.group(1)) if found else 0


def _first_line(*command: str) -> str:
    """What a program says of itself, or why it does not."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError) as error:
        return f"{command[0]} does not run: {error}"
    return (done.stdout or done.stderr).strip().partition("\n")[0]


_LOOKS: Mapping[str, Callable[[], Finding]] = {
    "harness": _harness,
    "uv": _uv,
    "server-python": _target_python,
    "releases": _releases,
    "node": _node,
    "tmux": _tmux,
    "git": _git,
    "faketime": _faketime,
    "mmdebstrap": _mmdebstrap,
    "disk": _space,
    "shared-memory": _shared_memory,
    "toxiproxy": _toxiproxy,
}

_LOOKS_FOR_TESTS: Mapping[str, Callable[[], Finding]] = {"chromium": _chromium}
"""What no user of tailproof needs: `examine` leaves it out."""

if __name__ == "__main__":
    main(sys.argv[1:])
