"""A check from the command line, on the honest server: one trial per scenario, one verdict line, one exit code."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from checks import ASKED_FOR, CHECK_S, Checked, tailproof

from tailproof import resources
from tailproof.history.reader import History
from tailproof.provision.toxiproxy import available
from tailproof.runner.check import catalogue
from tailproof.runner.rejudge import judge_again
from tailproof.targets.own_host import CAPABILITY

FEW = ("calm", "kill-tool-running", "deferred-init")
NEEDS_A_CONTAINER = {"oom-server", "oom-child", "oom-helper"} | (set() if CAPABILITY else {"restart-new-host"})
NEEDS_A_POD = {"restart-pod-delete", "restart-pod-evict", "restart-pod-drain"}
NEEDS_TOXIPROXY = {"stream-sliced"} if available() else set[str]()
PLAYED = {scenario.name for scenario in catalogue(ASKED_FOR)} - NEEDS_A_CONTAINER - NEEDS_A_POD - NEEDS_TOXIPROXY


def test_the_honest_server_opens_the_gate(reference_check: Checked) -> None:
    assert reference_check.stdout.splitlines()[0].startswith("GATE OPEN  0 violated")
    assert reference_check.code == 0, reference_check.stderr


def test_every_scenario_is_run_once_or_named_as_not_run(reference_check: Checked) -> None:
    begun = Counter(reference_check.trials_begun())
    assert begun == dict.fromkeys(PLAYED, 1)
    not_run = {row.scenario: row.reason for row in reference_check.result.not_run}
    assert not_run.keys() == NEEDS_A_CONTAINER | NEEDS_A_POD | NEEDS_TOXIPROXY
    assert not_run.keys() >= NEEDS_A_POD
    assert all("docker:IMAGE" in not_run[name] for name in NEEDS_A_CONTAINER)
    assert all("go install" in not_run[name] for name in NEEDS_TOXIPROXY)


def test_every_fault_of_the_check_is_proven(reference_check: Checked) -> None:
    faults = [fault for trial in reference_check.result.trials for fault in trial.faults]
    assert faults
    assert all(fault.proven and fault.proof for fault in faults)


def test_a_trial_ends_in_the_one_order(reference_check: Checked) -> None:
    for trial in reference_check.result.trials:
        names = [phase.name for phase in trial.phases]
        end = [
            "healing",
            "recovering",
            "reading",
            "delivering",
            "stopping",
            "reading the disk",
            "clearing",
            "removing",
            "ended",
        ]
        assert names[-len(end) :] == end


def test_no_secret_of_a_trial_reaches_its_history(reference_check: Checked) -> None:
    for path in reference_check.out.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"session_api_key=" not in content.replace("session_api_key=…".encode(), b"")
            assert b"OH_SESSION_API_KEYS_0" not in content


def test_the_page_beside_the_result_holds_every_trial(reference_check: Checked) -> None:
    page = (reference_check.out / "report.html").read_text()
    told = re.search(r'id="tp-index">(.*?)</script>', page)
    assert told is not None
    shown = {trial["key"]: trial["data"] for trial in msgspec.json.decode(told[1])["trials"]}
    assert shown == {Path(trial.history).name: "whole" for trial in reference_check.result.trials}
    assert f"  page    {reference_check.out / 'report.html'}" in reference_check.stdout


def test_the_page_is_written_where_it_was_asked_for_too(tmp_path: Path) -> None:
    asked = ("--scenario", "calm", "--html", "deep/page.html", "--out", "out")
    done = tailproof("check", "reference", "--client", "plain", *asked, cwd=tmp_path)
    assert done.code == 0, done.stderr
    assert (tmp_path / "deep/page.html").read_bytes() == (tmp_path / "out/report.html").read_bytes()
    assert "  page    deep/page.html\n" in done.stdout


@pytest.mark.long
@pytest.mark.parametrize(("scheduler", "scenarios"), [("load", FEW), ("worksteal", FEW[:1])])
def test_under_xdist_every_trial_is_run_once_and_the_verdicts_are_the_same(
    reference_check: Checked, tmp_path: Path, scheduler: str, scenarios: tuple[str, ...]
) -> None:
    """Whatever the scheduler, workers only ask for histories: a few scenarios show it as well as all."""
    out = tmp_path / "out"
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "pytest",
                str(resources.folder("suites")),
                "-n",
                "2",
                "--dist",
                scheduler,
                "--progress=plain",
                "-s",
            ),
            *("--target", "reference", "--client", "plain", "--out", str(out), "-p", "no:cacheprovider"),
            *(f"--scenario={name}" for name in scenarios),
            *("--alluredir", str(tmp_path / "allure"), "--junit-xml", str(tmp_path / "junit.xml")),
        ],
        capture_output=True,
        text=True,
        timeout=CHECK_S,
        check=False,
    )
    checked = Checked(done.returncode, done.stdout, done.stderr, out)
    assert Counter(checked.trials_begun()) == dict.fromkeys(scenarios, 1)
    alone = {
        name: outcome
        for name, outcome in reference_check.outcomes().items()
        if name.partition("[")[2][:-1] in scenarios
    }
    assert checked.outcomes() == alone
    assert checked.code == reference_check.code
    names = {case.get("name") for case in ElementTree.parse(tmp_path / "junit.xml").getroot().iter("testcase")}
    assert names >= checked.outcomes().keys()
    assert len(list((tmp_path / "allure").glob("*-result.json"))) >= len(checked.outcomes())


def test_a_saved_history_is_judged_the_same_again(reference_check: Checked) -> None:
    for trial in reference_check.result.trials:
        again, code = judge_again(reference_check.out / trial.history, globs=(), baseline=None)
        assert code == 0
        said = dict(line.split()[1::-1] for line in again.splitlines() if line.startswith(("holds ", "not-appl")))
        assert said == {verdict.guarantee: str(verdict.outcome) for verdict in trial.verdicts}
    assert tailproof("judge", str(reference_check.out / trial.history)).stdout.splitlines() == again.splitlines()


def test_a_history_cut_off_in_a_line_is_judged_all_the_same(reference_check: Checked, tmp_path: Path) -> None:
    history = tmp_path / "calm"
    shutil.copytree(reference_check.out / "trials" / "calm", history)
    for path in history.glob("*.jsonl"):
        path.write_bytes(path.read_bytes()[:-7])
    assert len(History.load(history).damaged) == len(list(history.glob("*.jsonl")))
    assert tailproof("judge", str(history)).code in (0, 2)


def test_repro_says_how_often_a_violation_comes_back(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = tailproof("check", "reference:never-closes", "--client", "plain", "--scenario", "calm", "--out", str(out))
    assert first.code == 1
    again = tailproof("repro", str(out / "result.json"), "--trials", "2", "--out", str(tmp_path / "again"))
    assert "2/2  events.paired[calm]" in again.stdout
    assert again.code == 1


def test_a_violation_in_the_baseline_is_known_and_a_stale_entry_closes_the_gate(tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = ("check", "reference:never-closes", "--client", "plain", "--scenario", "calm", "--out", str(out))
    violated = [verdict for _, verdict in tailproof(*asked).result.judged() if verdict.violated]
    entry = "  - {{target: 'reference*', guarantee: {}, scenario: calm, signature: {}, reason: r, link: l}}\n"
    baseline = tmp_path / "baseline.yaml"
    baseline.write_text("known:\n" + "".join(entry.format(v.guarantee, v.signature) for v in violated))
    assert tailproof(*asked, "--baseline", str(baseline)).code == 0
    honest = tailproof("check", "reference", *asked[2:], "--baseline", str(baseline))
    assert honest.code == 1
    assert "remove the entry" in honest.stdout
