"""What a check would do is said without doing it."""

from __future__ import annotations

from pathlib import Path

from checks import ASKED_FOR, Checked, tailproof

FEW = ("--scenario", "calm", "--scenario", "kill-tool-running", "--scenario", "oom-*")


def test_it_foretells_what_the_check_then_does(reference_check: Checked) -> None:
    scenarios = [word for name in ASKED_FOR for word in ("--scenario", name)]
    told = tailproof("check", "reference", "--client", "plain", *scenarios, "--dry-run").stdout
    done = reference_check.result
    verdicts = sum(len(trial.verdicts) for trial in done.trials)
    assert told.startswith(f"{len(done.trials)} trials of {len(done.trials)} scenarios: {verdicts:,} verdicts, ")
    assert f" {done.gate.counts.faults} faults, {done.gate.counts.acts} acts\n" in told
    head, _, tail = told.partition("NOT RUN")
    assert {line.split()[0] for line in tail.splitlines() if line.startswith("  ") and not line.startswith("   ")} == {
        row.scenario for row in done.not_run
    }
    assert all(f"\n  {trial.scenario} " in head for trial in done.trials)


def test_it_starts_and_writes_nothing(tmp_path: Path) -> None:
    done = tailproof("check", "reference", *FEW, "--dry-run", "--out", str(tmp_path / "out"), cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []
    assert "docker:IMAGE" in " ".join(done.stdout.split())


def test_repetitions_and_workers_count() -> None:
    asked = ("check", "reference", "--scenario", "calm", "--repetitions", "12", "--dry-run", "-n")
    one, four = tailproof(*asked, "1").stdout, tailproof(*asked, "4").stdout
    assert "  calm                               about 2 min in 12 trials" in one
    assert ("about 2 min with 1 side by side" in one, "about 27 s with 4 side by side" in four) == (True, True)


def test_a_check_that_would_run_nothing_is_no_good_news() -> None:
    done = tailproof("check", "reference", "--scenario", "oom-server", "--dry-run")
    assert done.code == 2
    assert done.stdout.startswith("0 trials of 0 scenarios")


def test_what_a_check_refuses_it_refuses_too() -> None:
    assert tailproof("check", "reference", "--scenario", "nonsuch", "--dry-run").code == 64
    assert tailproof("check", "nonsuch:1", "--dry-run").code == 64
