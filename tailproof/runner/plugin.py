"""The pytest plugin's options. What judges servers (`pytest_checks`) is loaded only when a target is given."""

from __future__ import annotations

import random
from collections.abc import Generator
from pathlib import Path

import pytest

from tailproof.history.header import SEEDS
from tailproof.reports.gate import MOST_ALLOWED
from tailproof.runner.outputs import BadOutput, check_directory
from tailproof.runner.pytest_names import DECIDED, SUITE_SUFFIX

DEFAULT_OUT = "tailproof-results"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of `pytest suites/`; `tailproof check` passes the same ones."""
    group = parser.getgroup("tailproof", "conformance and chaos tests of an agent server")
    group.addoption(
        "--target",
        action="append",
        default=[],
        metavar="SPEC",
        help="pypi:VERSION, docker:IMAGE, src:DIR or url:URL (repeatable)",
    )
    group.addoption(
        "--client",
        action="append",
        default=[],
        metavar="SPEC",
        help="sdk (the release of each target, the default), sdk:VERSION, src:DIR, ts:VERSION, script:FILE, program:FILE or plain "
        "(repeatable: every target meets every client)",
    )
    group.addoption("--scenario", action="append", default=[], metavar="GLOB", help="only these scenarios (repeatable)")
    group.addoption("--tier", choices=("quick", "gate", "deep"), default="gate", help="how much is run (default: gate)")
    group.addoption("--shard", default="", metavar="K/N", help="only part K of N (default: all)")
    group.addoption("--deal", default="", metavar="FILE", help="the scenarios of all parts; set by who dealt them out")
    group.addoption("--out", default=DEFAULT_OUT, metavar="DIR", help=f"histories and reports (default: {DEFAULT_OUT})")
    group.addoption("--baseline", default="", metavar="FILE", help="known violations (default: the shipped list)")
    group.addoption("--seed", type=_seed, default=None, help="decides all random choices (default: drawn, and printed)")
    group.addoption("--model-url", default="", metavar="URL", help="for url: the model as the server reaches it")
    group.addoption("--repetitions", type=int, default=1, metavar="N", help="trials per scenario (default: 1)")
    group.addoption("--parallel", type=int, default=0, metavar="N", help="trials side by side (default: as many as -n)")
    group.addoption(
        "--fail-on", choices=("must", "should"), default="must", help="what closes the gate (default: must)"
    )
    group.addoption(
        "--allow-inconclusive",
        type=_number,
        default=0,
        metavar="N",
        help="so many inconclusive verdicts do not leave the gate unknown (default: 0)",
    )
    group.addoption(
        "--html-page", default="", metavar="FILE", help="the report as one HTML file, besides that in --out"
    )
    group.addoption("--keep", action="store_true", help="compress the histories once they are judged")
    group.addoption(
        "--progress",
        choices=("plain", "rich", "json"),
        default="",
        help="show trials, not a letter per test (with -s): a line for each, a picture that moves, or run events",
    )
    group.addoption("--whole", action="store_true", help="every trial must be asked for; set by `tailproof check`")
    group.addoption("--supervisor", default="", help="address of the supervisor; set by the session itself")
    group.addoption("--matrix", default="", help="targets and clients as they were found; set by the session itself")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Decide once, in the controller, what all workers must agree on."""
    if not config.option.target:
        return
    from tailproof.runner import pytest_checks
    from tailproof.runner.pytest_end import OneSentence

    config.pluginmanager.register(OneSentence(config), "tailproof-one-sentence")
    for name, value in getattr(config, "workerinput", {}).get(DECIDED, {}).items():
        setattr(config.option, name, value)
    if config.option.seed is None:
        config.option.seed = random.SystemRandom().randrange(1 << 32)
    if not config.option.out:
        raise pytest.UsageError("--out is empty: name a directory, or leave it out")
    try:
        config.option.out = str(Path(config.option.out).resolve())
        # Allure makes its directory at once, right behind this.
        if results := getattr(config.option, "allure_report_dir", None):
            check_directory(Path(results), "the directory of Allure results")
    except (BadOutput, RuntimeError) as error:
        raise pytest.UsageError(str(error)) from error
    config.pluginmanager.register(pytest_checks, "tailproof-checks")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """A check ends as it is documented, whatever pytest makes of it."""
    if not config.option.target or hasattr(config, "workerinput"):
        return (yield)
    from tailproof.runner.pytest_end import to_the_end

    return (yield from to_the_end(config))


def _number(text: str) -> int:
    number = int(text)
    if not 0 <= number <= MOST_ALLOWED:
        raise ValueError("out of range")
    return number


def _seed(text: str) -> int:
    seed = int(text)
    if not SEEDS[0] <= seed <= SEEDS[1]:
        raise ValueError("out of range")
    return seed


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Suite files cannot be judged without a server."""
    if file_path.name.endswith(SUITE_SUFFIX) and not parent.config.option.target:
        raise pytest.UsageError(f"{file_path.name} needs a server to judge: --target pypi:VERSION or docker:IMAGE")
    return None
