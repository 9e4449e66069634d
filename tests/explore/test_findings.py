"""What becomes of a violation that nobody knew, where trials are pretended."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tailproof.explore.cells import Cell
from tailproof.explore.compose import composed
from tailproof.explore.findings import CONFIRMATIONS, FOLDER, MOST_TRIALS, NECESSITY, Finding, Inquest, findings_of
from tailproof.explore.journal import Ended, Found, Journal, Needed, Smaller
from tailproof.explore.likeness import kinds_of
from tailproof.explore.playing import Played, Player, Stopped
from tests.explore.pretended import Plan, Violation, exploration, pretending

LOST = ("events.complete", "lost-in-disk")
OTHER = ("server.works", "send-fails")
BOTH = Cell("wire.delay/2s", "tool-running", "steps", "user.fork")


def plan_of(cell: Cell) -> dict[str, Any]:
    return composed([cell]).model_dump(mode="json", by_alias=True)


def looked_into(player: Player, journal: Journal, cell: Cell) -> Finding:
    plan = plan_of(cell)
    line = Found(finding=1, guarantee=LOST[0], signature=LOST[1], trial=plan["name"], scenario=plan)
    journal.write(line)
    finding = Finding.of(line)
    Inquest(finding, player=player, journal=journal, say=lambda text: None, meet=nothing_else).run()
    return finding


def nothing_else(played: Played, plan: dict[str, Any], place: str) -> bool:
    return False


def where(*kinds: str) -> Any:
    """Violated where all these are done."""
    return lambda plan, number: [LOST] if kinds_of(plan).issuperset(kinds) else []


def test_each_part_is_asked_for_in_trials_of_its_own(tmp_path: Path) -> None:
    player = pretending(tmp_path, where("wire.delay", "user.fork"))
    with closing(Journal(tmp_path)) as journal:
        finding = looked_into(player, journal, BOTH)
    assert [(one.without, one.hits, one.trials) for one in finding.needed] == [
        ("fault-1", 0, NECESSITY),
        ("act-1", 0, NECESSITY),
    ]
    without = [kinds_of(plan) for plan in player.plans[-2 * NECESSITY :]]
    assert without == [{"user.fork"}] * NECESSITY + [{"wire.delay"}] * NECESSITY


def test_a_part_that_is_not_needed_is_told_as_such(tmp_path: Path) -> None:
    """Of a violation that comes and goes: all candidates miss it, and the questions do not."""

    def shows(plan: Plan, number: int) -> Iterable[Violation]:
        return [LOST] if number <= CONFIRMATIONS or player.asked[-1][2] > MOST_TRIALS else []

    player = pretending(tmp_path, shows)
    with closing(Journal(tmp_path)) as journal:
        finding = looked_into(player, journal, BOTH)
    assert [(one.hits, one.trials) for one in finding.needed] == [(NECESSITY, NECESSITY)] * 2


def test_trials_that_failed_confirm_nothing_and_refute_nothing(tmp_path: Path) -> None:
    player = pretending(tmp_path, where("wire.delay"))
    player.fails = lambda plan, number: "no room" if number in (1, 3) else ""
    with closing(Journal(tmp_path)) as journal:
        finding = looked_into(player, journal, BOTH)
    assert finding.confirmed is not None
    assert (finding.confirmed.hits, finding.confirmed.trials) == (CONFIRMATIONS, CONFIRMATIONS)


def test_of_a_part_whose_trials_failed_nothing_is_said(tmp_path: Path) -> None:
    player = pretending(tmp_path, where("wire.delay", "user.fork"))
    player.fails = lambda plan, number: "no room" if kinds_of(plan) == {"user.fork"} and number > CONFIRMATIONS else ""
    with closing(Journal(tmp_path)) as journal:
        looked_into(player, journal, BOTH)
        needed = {one.without: (one.hits, one.trials) for one in journal.of(Needed)}
    assert needed == {"fault-1": (0, 0), "act-1": (0, NECESSITY)}


def test_a_violation_that_did_not_come_back_hides_no_other_one(tmp_path: Path) -> None:
    def shows(plan: Plan, number: int) -> Iterable[Violation]:
        return [LOST] if number == 1 or "process.kill" in kinds_of(plan) else []

    cells = [Cell("wire.delay/2s", "tool-running", "steps"), Cell("process.kill/in-place", "tool-running", "steps")]
    player = pretending(tmp_path, shows)
    with closing(Journal(tmp_path)) as journal:
        going = exploration(player, journal, cells)
        going.run(1)
        found = {tuple(kinds_of(one.original)): one.hits for one in going.findings}
    assert found[("process.kill",)] == CONFIRMATIONS


@pytest.mark.parametrize("resumed", [False, True])
def test_what_was_taken_for_a_finding_is_looked_into_when_that_turns_out_to_be_another(
    resumed: bool, tmp_path: Path
) -> None:
    kill, delay = Cell("process.kill/in-place", "tool-running", "steps"), Cell("wire.delay/2s", "created", "steps")
    player = pretending(tmp_path, where())
    with closing(Journal(tmp_path)) as journal:
        going = exploration(player, journal, [kill, delay])
        drawn = [going._drawn([cell]) for cell in (kill, delay)]
        plans = [plan_of(cell) for cell in (kill, delay)]
        going._find(LOST, drawn[0].trial, plans[0])
        for one in drawn:
            journal.write(Ended(number=one.number, proven=one.cells, violated=((*LOST, "finding 1"),)))
        player.shows = lambda plan, number: [LOST] if kinds_of(plan) else []
        if resumed:
            Inquest(going.findings[0], player=player, journal=journal, say=lambda text: None, meet=nothing_else).run()
            going = exploration(player, journal, [kill, delay])
        going.run(1)
        found = sorted(tuple(kinds_of(one.original)) for one in going.findings)
    assert found == [("process.kill",), ("wire.delay",)]


def test_what_a_smaller_scenario_breaks_besides_is_a_finding_too(tmp_path: Path) -> None:
    """With the act it loses an event; without it, something else."""

    def shows(plan: Plan, number: int) -> Iterable[Violation]:
        return [LOST if "user.fork" in kinds_of(plan) else OTHER] if "wire.delay" in kinds_of(plan) else []

    player = pretending(tmp_path, shows)
    with closing(Journal(tmp_path)) as journal:
        going = exploration(player, journal, [BOTH])
        going.run(1)
        found = {(one.guarantee, one.signature): (one.hits, kinds_of(one.plan)) for one in going.findings}
    assert found == {
        LOST: (CONFIRMATIONS, {"wire.delay", "user.fork"}),
        OTHER: (CONFIRMATIONS, {"wire.delay"}),
    }
    assert going.findings[1].seen_in.startswith("found/trials/")
    with closing(Journal(tmp_path)) as journal:
        again = exploration(player, journal, [BOTH])
        first, second = again.findings
        assert again._meet(Played(None, 0.1), {}, second.seen_in, first), "the history of what was seen besides is kept"
        assert not again._meet(Played(None, 0.1), {}, "found/trials/another", first)


def test_what_was_taken_for_another_finding_is_looked_into_when_that_does_not_come_back(tmp_path: Path) -> None:
    def shows(plan: Plan, number: int) -> Iterable[Violation]:
        return {1: [LOST, OTHER]}.get(number) or where("wire.delay")(plan, number) + (
            [OTHER] if kinds_of(plan) == {"wire.delay"} else []
        )

    player = pretending(tmp_path, shows)
    with closing(Journal(tmp_path)) as journal:
        going = exploration(player, journal, [BOTH])
        going.run(1)
        found = [(one.signature, one.hits, len(kinds_of(one.original))) for one in going.findings]
    assert found == [
        (LOST[1], CONFIRMATIONS, 2),
        (OTHER[1], 0, 2),
        (OTHER[1], CONFIRMATIONS, 1),
    ]


def test_trials_in_which_nothing_landed_confirm_nothing_and_refute_nothing(tmp_path: Path) -> None:
    player = pretending(tmp_path, lambda plan, number: [] if number in (1, 3) else where("wire.delay")(plan, number))
    player.misses = lambda plan, number: number in (1, 3)
    with closing(Journal(tmp_path)) as journal:
        finding = looked_into(player, journal, BOTH)
    assert finding.confirmed is not None
    assert (finding.confirmed.hits, finding.confirmed.trials) == (CONFIRMATIONS, CONFIRMATIONS)


def test_a_smaller_scenario_that_did_not_land_is_tried_once_more(tmp_path: Path) -> None:
    first = CONFIRMATIONS + 1

    def shows(plan: Plan, number: int) -> Iterable[Violation]:
        return [LOST] if "wire.delay" in kinds_of(plan) and number != first else []

    player = pretending(tmp_path, shows)
    player.misses = lambda plan, number: number == first
    with closing(Journal(tmp_path)) as journal:
        finding = looked_into(player, journal, BOTH)
    assert kinds_of(finding.plan) == {"wire.delay"}


def test_a_finding_whose_trials_all_failed_is_looked_into_by_whoever_goes_on(tmp_path: Path) -> None:
    player = pretending(tmp_path, where("wire.delay"))
    player.fails = lambda plan, number: "no room"
    with closing(Journal(tmp_path)) as journal:
        looked_into(player, journal, BOTH)
        (finding,) = findings_of(journal)
        assert (finding.confirmed, finding.settled) == (None, False)
        player = pretending(tmp_path, where("wire.delay"))
        Inquest(finding, player=player, journal=journal, say=lambda text: None, meet=nothing_else).run()
    assert (finding.hits, finding.settled) == (CONFIRMATIONS, True)


def test_what_is_seen_again_is_confirmed_by_other_trials(tmp_path: Path) -> None:
    """Alone, and once more alone: what was seen in the second of the two is asked of trials that were not played for the first."""
    player = pretending(tmp_path, lambda plan, number: [LOST] if number in (1, 7) else [])
    player.misses = lambda plan, number: True
    with closing(Journal(tmp_path)) as journal:
        going = exploration(player, journal, [Cell("wire.delay/2s", "tool-running", "steps")])
        going.run(1)
        first, second = (set(one.confirming) for one in going.findings)
    assert first & second == set()


def test_what_is_known_of_a_finding_stands_in_its_file_when_the_budget_ends(tmp_path: Path) -> None:
    player = pretending(tmp_path, where("wire.delay", "user.fork"), trials=CONFIRMATIONS + 1)
    with closing(Journal(tmp_path)) as journal:
        with pytest.raises(Stopped):
            looked_into(player, journal, BOTH)
        (finding,) = findings_of(journal)
    assert "confirmed in 3 of 3 trials" in (tmp_path / FOLDER / f"{finding.name}.md").read_text()


def test_all_threads_stay_while_one_of_them_may_find_more(tmp_path: Path) -> None:
    """The last cell shows something: what is done about it is no less for another thread that has nothing to draw."""
    player = pretending(tmp_path, where("process.kill"))
    with closing(Journal(tmp_path)) as journal:
        going = exploration(player, journal, [Cell("process.kill/in-place", "tool-running", "steps")])
        going.run(3)
        assert [(one.settled, one.hits) for one in going.findings] == [(True, CONFIRMATIONS)]
        assert len(journal.of(Needed)) == 1
        assert journal.of(Smaller)
    assert player.allowance.over == ""
