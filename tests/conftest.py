"""Tests that need what a machine may not have: not run where it is missing, and said once at the end with what brings it."""

from __future__ import annotations

import functools
import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tailproof.doctor import Finding, look
from tailproof.provision.base_image import NoMmdebstrap

# Time is never asserted: a machine that is busy is not a failure.
settings.register_profile("tailproof", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tailproof")

NEEDS = {
    "engine": ("engine", "a Docker engine"),
    "node": ("node", "Node.js with npm"),
    "chromium": ("chromium", "Chromium"),
    "release": ("server-python", "a real release of an agent server in its own environment"),
    "tmux": ("tmux", "tmux"),
    "git": ("git", "git"),
    "mmdebstrap": ("mmdebstrap", "mmdebstrap"),
    "toxiproxy": ("toxiproxy", "a Toxiproxy server"),
    "cluster": ("cluster", "a Kubernetes cluster on this machine"),
}
"""Mark -> what the doctor calls it, what it is."""

NO_SKIPS = "TAILPROOF_NO_SKIPS"
"""Set where everything has to be there, as in CI: what is missing then is a failure."""

_PROPERTY = "tailproof-lacks"

MADE_ONCE = (
    *("browser", "reference_check", "matrix", "woken", "violated", "hostile_checks"),
    *("allure_results", "compared", "explored", "gates", "lagging", "shards"),
)
"""Fixtures that many tests share: with pytest-xdist all tests of one of them go to one process, where it is made once."""

PLAY_CHECKS = frozenset(
    {
        "allure_results",
        "compared",
        "explored",
        "gates",
        "hostile_checks",
        "lagging",
        "matrix",
        "reference_check",
        "shards",
    }
)
"""Fixtures that play whole checks: whoever asks for one of them is `long`, and so is whoever needs a cluster."""

_OBITUARIES = pytest.StashKey[list[str]]()
_LAST_WORDS_S = 10.0


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_OBITUARIES] = []
    for mark, (_, what) in NEEDS.items():
        config.addinivalue_line("markers", f"{mark}: needs {what}")
    config.addinivalue_line("markers", "long: plays whole checks, for minutes; `make test` leaves it to `.ci/run`")
    # Tests that run behind `nohup` or a shell's `&` ignore these, and so would the checks that they start and signal.
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        for fixture in MADE_ONCE:
            if fixture in fixtures:
                item.add_marker(pytest.mark.xdist_group(fixture))
        if PLAY_CHECKS.intersection(fixtures) or item.get_closest_marker("cluster"):
            item.add_marker(pytest.mark.long)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    # Before the fixtures of the test, which would fail for want of it.
    for mark, (name, _) in NEEDS.items():
        if item.get_closest_marker(mark) is not None and not (finding := _look(name)).ok:
            _not_run(item, name, finding.says, finding.remedy)
    try:
        return (yield)
    except NoMmdebstrap as lack:
        _not_run(item, "mmdebstrap", str(lack), lack.remedy)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    try:
        return (yield)
    except NoMmdebstrap as lack:
        _not_run(item, "mmdebstrap", str(lack), lack.remedy)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """The last thing that is said before the counts: pytest's own list of skips is long."""
    yield
    if obituaries := terminalreporter.config.stash[_OBITUARIES]:
        terminalreporter.section("processes of pytest-xdist that died")
        for line in obituaries:
            terminalreporter.line(line)
    lacks = Counter(
        tuple(lack)
        for report in terminalreporter.getreports("skipped")
        for name, lack in getattr(report, "user_properties", ())
        if name == _PROPERTY
    )
    if lacks:
        terminalreporter.section("not run here, and what would bring it")
        for (name, remedy), count in lacks.items():
            terminalreporter.line(f"{count:>4} for want of {name}: {remedy}")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """pytest-xdist says only that a worker crashed; what it died of, and whether memory was short, is known here and now."""
    if error:
        node.config.stash[_OBITUARIES].append(f"{node.gateway.id} {_died_of(node.gateway)}; {_memory()}")


def _died_of(gateway: Any) -> str:
    """A worker that lost its pipe to us, and not its life, has still to notice."""
    try:
        code = gateway._io.popen.wait(_LAST_WORDS_S)
    except subprocess.TimeoutExpired:
        return f"(pid {gateway._io.popen.pid}) lives: it has lost its pipe to the controller"
    return f"ended with {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"


def _memory() -> str:
    free = re.search(r"^MemAvailable:.*$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    killed = re.search(r"^oom_kill \d+$", Path("/proc/vmstat").read_text(), re.MULTILINE)
    return ", ".join(" ".join(found[0].split()) for found in (free, killed) if found)


@functools.cache
def _look(name: str) -> Finding:
    return look(name)


def _not_run(item: pytest.Item, name: str, why: str, remedy: str) -> None:
    if os.environ.get(NO_SKIPS):
        pytest.fail(f"{NO_SKIPS} is set and {name} is missing: {why}; {remedy}", pytrace=False)
    # The reports of another process of pytest-xdist bring no more than this.
    item.user_properties.append((_PROPERTY, (name, remedy)))
    pytest.skip(f"no {name}: {why}")
