"""The steps of the GitHub action, run as a runner runs them: expressions put in, `GITHUB_*` set, outputs handed on."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
ACTION: dict[str, Any] = YAML(typ="safe").load((ROOT / "action.yml").read_text())
INSTALLED = Path(sys.executable).with_name("tailproof")
HOST = ("PATH", "HOME", "XDG_CACHE_HOME")
STEP_S = 1200
"""The first step fetches some sixty packages."""
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
AS_IT_IS = ('"src:$CHECKOUT"', '"$CHECKOUT"')
"""A reference server is no release, image, checkout or address: its name stands in for a checkout."""
BROKEN = "reference:never-closes"
UNDECIDED = "reference:refuses-after-the-crash"
KNOWN = """\
known:
  - target: reference*
    guarantee: status.crash
    scenario: kill-tool-running
    signature: not-usable
    reason: it was always so
    link: https://example.org/issues/7
"""
# A stand-in for GitHub itself, which nobody can start here: it keeps the comments in files.
GH = """\
#!/bin/sh
echo "$@" >> "$STORE/calls"
body=$(printf '%s\\n' "$@" | sed -n 's/^body=@//p')
case "$*" in
  *--paginate*) [ ! -e "$STORE/comment" ] || echo 41 ;;
  *PATCH*/comments/41*|*POST*) cp "$body" "$STORE/comment" ;;
  *) exit 1 ;;
esac
"""


@dataclass(slots=True)
class Runner:
    """One job with the action as its only step."""

    home: Path
    inputs: dict[str, str]
    context: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    log: str = ""
    used: list[dict[str, Any]] = field(default_factory=list)
    exit_code: int = 0
    tailproof: Path | None = INSTALLED
    """What the first step would install; with None it does (`bench/action.py`)."""

    def run(self) -> Runner:
        """All steps; one that fails leaves only those that always run."""
        values = {name: given.get("default", "") for name, given in ACTION["inputs"].items()} | self.inputs
        assert values.keys() == ACTION["inputs"].keys(), "an input that the action does not have"
        self.context |= {f"inputs.{name}": str(value) for name, value in values.items()}
        self.context |= {"github.action_path": str(ROOT), "runner.temp": str(self.home / "temp")}
        self.context["inputs.token"] = "t0ken"
        (self.home / "temp").mkdir()
        for step in ACTION["runs"]["steps"]:
            if step.get("id") == "install" and self.tailproof is not None:
                self.outputs["install"] = {"tailproof": str(self.tailproof)}
            elif self._holds(step.get("if", "success()")):
                self._step(step)
        return self

    @property
    def summary(self) -> str:
        """The step summary."""
        return (self.home / "summary").read_text() if (self.home / "summary").exists() else ""

    def output(self, name: str) -> str:
        """An output of the action."""
        return self._put_in(ACTION["outputs"][name]["value"])

    def _step(self, step: dict[str, Any]) -> None:
        if "uses" in step:
            self.used.append({name: self._put_in(str(value)) for name, value in step["with"].items()})
            return
        out = self.home / f"output-{step.get('id', 'none')}"
        out.touch()
        environment = {name: self._put_in(str(value)) for name, value in step.get("env", {}).items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", self._put_in(step["run"].replace(*AS_IT_IS))],
            cwd=self.home,
            env={
                **{name: said for name, said in os.environ.items() if name in HOST or name.startswith("PIP_")},
                "PATH": f"{self.home / 'bin'}:{os.environ['PATH']}",
                "STORE": str(self.home / "github"),
                "CI": "true",
                "GITHUB_ACTIONS": "true",
                "GITHUB_OUTPUT": str(out),
                "GITHUB_STEP_SUMMARY": str(self.home / "summary"),
                "RUNNER_TEMP": str(self.home / "temp"),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=STEP_S,
            check=False,
        )
        self.log += done.stdout + done.stderr
        if "id" in step:
            self.outputs[step["id"]] = dict(line.split("=", 1) for line in out.read_text().splitlines())
        self.exit_code = self.exit_code or done.returncode

    def _put_in(self, text: str) -> str:
        return EXPRESSION.sub(lambda found: self._value(found[1]), text)

    def _value(self, name: str) -> str:
        if name.startswith("steps."):
            _, step, _, output = name.split(".")
            return self.outputs.get(step, {}).get(output, "")
        return self.context.get(name, "")

    def _holds(self, condition: str) -> bool:
        return all(self._clause(clause.strip()) for clause in condition.strip("${} ").split("&&"))

    def _clause(self, clause: str) -> bool:
        if clause in ("always()", "success()"):
            return clause == "always()" or not self.exit_code
        name, compares, wanted = clause.partition(" == ") if " == " in clause else clause.partition(" != ")
        value = self._value(name.strip())
        if not compares:
            return bool(value)
        return (value == wanted.strip("' ")) is (compares == " == ")


def _run(home: Path, *, tailproof: Path | None = None, **inputs: str) -> Runner:
    home.mkdir(exist_ok=True)
    asked = {"tier": "quick", "client": "plain", "scenario": "calm", **inputs}
    runner = Runner(home, {name.replace("_", "-"): value for name, value in asked.items()})
    runner.tailproof = tailproof or runner.tailproof
    return runner.run()


@pytest.fixture(scope="module")
def gates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Runner]:
    """An open gate, a closed one, and one that nobody can tell."""
    home = tmp_path_factory.mktemp("gates")
    (home / "unknown").mkdir()
    (home / "unknown" / "known.yaml").write_text(KNOWN)
    undecided = {"scenario": "calm\nkill-tool-running\n", "baseline": "known.yaml"}
    return {
        "open": _run(home / "open", source="reference"),
        "closed": _run(home / "closed", source=BROKEN, name="broken"),
        "unknown": _run(home / "unknown", source=UNDECIDED, **undecided),
    }


@pytest.mark.parametrize(("state", "code"), [("open", 0), ("closed", 1), ("unknown", 2)])
def test_the_gate_is_the_exit_code_the_outputs_and_the_summary(gates: dict[str, Runner], state: str, code: int) -> None:
    runner = gates[state]
    assert runner.exit_code == code, runner.log
    assert (runner.output("state"), runner.output("exit-code")) == (state, str(code))
    assert (runner.output("violated") == "0") is (state != "closed")
    assert runner.summary.startswith(f"## GATE {state.upper()}")
    for name in ("report", "page", "result"):
        assert (runner.home / runner.output(name)).is_file()


def test_what_is_wrong_is_annotated(gates: dict[str, Runner]) -> None:
    told = {
        state: [line for line in runner.log.splitlines() if line.startswith("::")] for state, runner in gates.items()
    }
    assert [line.split(" ")[0] for line in told["open"]] == ["::notice"]
    (first, *_) = told["closed"]
    assert first.startswith("::error title=events.paired[calm] MUST is violated::Every action ends with exactly one ")
    assert first.endswith("%0Atailproof repro tailproof-results/trials/calm")
    assert {line.split(" ")[0] for line in told["unknown"]} == {"::warning", "::notice"}


def test_the_page_is_one_artifact_and_the_histories_another(gates: dict[str, Runner]) -> None:
    page, whole = gates["closed"].used
    assert (Path(page["path"]).name, page["archive"]) == ("broken.html", "False")
    assert Path(page["path"]).read_text().startswith("<!doctype html>")
    assert whole == {"name": "broken", "path": "tailproof-results"}
    assert list((gates["closed"].home / "tailproof-results" / "trials" / "calm").glob("*.jsonl.zst"))


def test_the_log_of_a_runner_is_short(gates: dict[str, Runner]) -> None:
    assert all(len(runner.log.splitlines()) < 200 for runner in gates.values())


STAND_INS = {
    "no-result": ("exit 0", "the check left no result: see its log"),
    "another-code": (
        '[ "$1" = github ] && exit 1; mkdir -p "$OUT"; echo "{}" > "$OUT/result.json"; exit 0',
        "the check ended with 0, and its result says 1",
    ),
}


@pytest.mark.parametrize(("script", "says"), STAND_INS.values(), ids=STAND_INS.keys())
def test_a_check_that_cannot_be_believed_opens_no_gate(tmp_path: Path, script: str, says: str) -> None:
    """What ends with 0 and leaves no result, or one that says otherwise, is stood in for: no tailproof does that."""
    stand_in = tmp_path / "tailproof"
    stand_in.write_text(f"#!/bin/sh\n{script}\n")
    stand_in.chmod(stat.S_IRWXU)
    runner = _run(tmp_path / "job", tailproof=stand_in, source="reference")
    assert runner.exit_code == 2, runner.log
    assert f"::error title=tailproof::{says}" in runner.log


@pytest.mark.parametrize("given", [{}, {"image": "a", "version": "1"}])
def test_one_thing_is_to_be_judged(tmp_path: Path, given: dict[str, str]) -> None:
    runner = _run(tmp_path / "job", **given)
    assert runner.exit_code == 64
    assert f"::error title=tailproof::name one of image, version, source and url; {len(given)} are given" in runner.log
    assert (runner.used, runner.summary) == ([], "")


def test_wrong_usage_ends_the_job_with_64(tmp_path: Path) -> None:
    runner = _run(tmp_path / "job", source="reference", scenario="nonsuch")
    assert (runner.exit_code, runner.output("exit-code"), runner.output("state")) == (64, "64", "")
    assert "no scenario matches nonsuch" in runner.log


@pytest.mark.long
def test_a_pull_request_has_one_comment_that_is_kept_up_to_date(tmp_path: Path) -> None:
    store, tools = tmp_path / "job" / "github", tmp_path / "job" / "bin"
    store.mkdir(parents=True)
    tools.mkdir()
    (tools / "gh").write_text(GH)
    (tools / "gh").chmod(stat.S_IRWXU)
    for times in (1, 2):
        runner = Runner(
            tmp_path / "job",
            {"tier": "quick", "client": "plain", "scenario": "calm", "source": "reference", "comment": "true"},
            {"github.event.pull_request": "{}", "github.event.pull_request.number": "7", "github.repository": "me/it"},
        )
        shutil.rmtree(tmp_path / "job" / "temp", ignore_errors=True)
        assert runner.run().exit_code == 0, runner.log
        wrote = [line for line in (store / "calls").read_text().splitlines() if "--paginate" not in line]
        assert len(wrote) == times
    assert wrote[0].startswith("api --method POST repos/me/it/issues/7/comments ")
    assert wrote[1].startswith("api --method PATCH repos/me/it/issues/comments/41 ")
    assert (store / "comment").read_text().startswith("<!-- tailproof: tailproof -->\n## GATE OPEN")
    assert "t0ken" not in runner.log


EXAMPLES = sorted((ROOT / "docs" / "ci").glob("*.yml"))


@pytest.mark.parametrize("example", [path for path in EXAMPLES if path.stem != "gitlab"], ids=lambda path: path.stem)
def test_an_example_gives_the_action_what_it_takes(example: Path) -> None:
    jobs = YAML(typ="safe").load(example.read_text())["jobs"].values()
    used = [step for job in jobs for step in job["steps"] if step.get("uses", "").startswith("tailproof/")]
    assert used
    for step in used:
        assert step["with"].keys() <= ACTION["inputs"].keys()
        assert sum(name in step["with"] for name in ("image", "version", "source", "url")) == 1
