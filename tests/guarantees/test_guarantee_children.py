"""What is promised of the conversations that an agent has started, row by row."""

from __future__ import annotations

import pytest
from guarantee_histories import HOLDS, INCONCLUSIVE, NEUTRAL, NOT_APPLICABLE, VIOLATED, Built, Row, calm, crashed

from tailproof.guarantees.catalogue import judge
from tailproof.history.record import Neutral
from tailproof.history.records import ChildCall
from tailproof.history.server_records import Child, Status

STARTED = {"children": {"helper": {"script": [{"finish": "Done."}]}}}
TASK = {"children": {"helper": {"kind": "task", "script": [{"tools": [{}]}, {"finish": "Done."}]}}}


def shown(built: Built, *looks: tuple[float, str], child: str = "k1", epoch: int = 0) -> Built:
    """What a reader was shown of a child; `404` for one that is not there, nothing for a server that does not answer."""
    built.plan(**STARTED)
    for at, raw in looks:
        code = int(raw) if raw.isdecimal() else 200 if raw else 0
        neutral: Neutral = NEUTRAL.get(raw, "unknown") if code == 200 else "none"
        look = Child(
            conversation="c1", child=child, code=code, raw=raw if code == 200 else "", neutral=neutral, epoch=epoch
        )
        built.put(at, look)
    return built


def alone(*looks: tuple[float, str], child: str = "k1") -> Built:
    """The parent has finished soon after 3, and T is over at about 63."""
    return shown(calm(), *looks, child=child)


def killed(*looks: tuple[float, str], before: str = "running") -> Built:
    """The server died at 4 and is ready again at 10; the parent is pushed, and has finished at 18: T is over at 78."""
    return shown(shown(crashed(), (3.0, before)), *looks, epoch=1)


def asks(*at: float, told: bool = True, built: Built | None = None) -> Built:
    """The model is asked for the turns of a task at these times; its parent has finished soon after 3, and the trial ends at 8."""
    built = (built or calm()).plan(**TASK)
    for turn, moment in enumerate(at):
        built.put(moment, ChildCall(child="helper", stage="asked", turn=turn))
        if told:
            built.put(moment + 0.01, ChildCall(child="helper", stage="answered", turn=turn))
    return built


def interrupted(*at: float, until: float = 20.0) -> Built:
    """Somebody interrupts the run at 2.7, and the parent is shown as paused from 2.8 on."""
    built = asks(*at).ask(2.7, "interrupt", witness="observer").without(Status, raw="finished")
    return built.show(2.8, "paused").show(until, "paused")


def one_of_two() -> Built:
    """Two are to be started, and readers are shown one of them."""
    child = {"script": [{"finish": "All done."}]}
    return alone((2.5, "running"), (9.0, "finished")).plan(children={"k1": child, "k2": child})


ROWS = [
    Row("status.children", "no agent starts one", NOT_APPLICABLE, calm),
    Row("status.children", "it ends before its parent", HOLDS, lambda: alone((2.5, "running"), (2.9, "finished"))),
    Row("status.children", "it ends after its parent", HOLDS, lambda: alone((2.5, "running"), (9.0, "finished"))),
    Row("status.children", "one of two is shown", INCONCLUSIVE, one_of_two),
    Row("status.children", "it ends in an error", HOLDS, lambda: alone((2.5, "running"), (9.0, "error"))),
    Row("status.children", "it waits for somebody", HOLDS, lambda: alone((9.0, "paused"))),
    Row("status.children", "nobody answered for a moment", HOLDS, lambda: alone((5.0, ""), (9.0, "finished"))),
    Row(
        "status.children",
        "of two, one is left running",
        VIOLATED,
        lambda: shown(alone((9.0, "finished")), (9.0, "running"), (64.0, "running"), child="k2"),
        "left-running",
    ),
    Row(
        "status.children",
        "it is left running",
        VIOLATED,
        lambda: alone((2.5, "running"), (64.0, "running")),
        "left-running",
    ),
    Row("status.children", "it never began", VIOLATED, lambda: alone((2.5, "idle"), (64.0, "idle")), "never-ran"),
    Row(
        "status.children",
        "a word of its own",
        VIOLATED,
        lambda: alone((2.5, "delegated"), (9.0, "finished")),
        "unknown-status",
    ),
    Row("status.children", "it vanishes", VIOLATED, lambda: alone((2.5, "running"), (9.0, "404")), "gone"),
    Row(
        "status.children",
        "nobody waited for long enough",
        INCONCLUSIVE,
        lambda: alone((2.5, "running"), (62.0, "running")),
    ),
    Row("status.children", "none was shown", INCONCLUSIVE, alone),
    Row("status.children", "its status was never answered", INCONCLUSIVE, lambda: alone((2.5, ""), (9.0, ""))),
    Row(
        "status.children",
        "its parent never ends",
        INCONCLUSIVE,
        lambda: alone((9.0, "finished")).without(Status, raw="finished"),
    ),
    Row(
        "status.children",
        "broken off by a crash and told so",
        HOLDS,
        lambda: killed((12.0, "running"), (20.0, "error")),
    ),
    Row(
        "status.children",
        "left by a crash",
        VIOLATED,
        lambda: killed((12.0, "running"), (79.0, "running")),
        "left-running",
    ),
    Row(
        "status.children",
        "left by a crash, and not watched for long enough",
        INCONCLUSIVE,
        lambda: killed((12.0, "running"), (77.0, "running")),
    ),
    Row(
        "status.children", "over before the crash", INCONCLUSIVE, lambda: killed((20.0, "finished"), before="finished")
    ),
    Row("status.children", "a task ends before its parent", HOLDS, lambda: asks(2.5, 2.7)),
    Row("status.children", "a task stops with its parent", HOLDS, lambda: interrupted(2.5)),
    Row("status.children", "a task is told one more thing", HOLDS, lambda: interrupted(2.5, 4.0)),
    Row("status.children", "a task works on", VIOLATED, lambda: interrupted(2.5, 4.0, 9.0), "works-on"),
    Row("status.children", "a task works on in secret", VIOLATED, lambda: asks(2.5, 12.0), "works-on"),
    Row("status.children", "a task asked for nothing", INCONCLUSIVE, asks),
    Row(
        "status.children",
        "nobody waited for what a task does",
        INCONCLUSIVE,
        lambda: interrupted(2.5, until=6.0).until(6.0),
    ),
    Row(
        "status.children",
        "the observer's record breaks off",
        INCONCLUSIVE,
        lambda: alone((9.0, "finished")).blind("observer"),
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_guarantee_says_what_it_must(row: Row) -> None:
    verdict = judge(row.make().build(), [row.guarantee])[row.guarantee]
    assert (verdict.outcome, verdict.signature) == (row.outcome, row.signature), verdict.says
