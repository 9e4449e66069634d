"""Parts of a check are killed at some moment: no gate opens or closes on it, histories stay readable, and the next command of any kind
finds and removes what was left. `python -m bench.kills` does it a hundred times."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # `fixtures` is not installed under this name

from fixtures.sabotage.in_cluster import InCluster  # noqa: E402
from fixtures.sabotage.killing import CLEAN, Plan, play  # noqa: E402
from tailproof.cluster.namespaces import make_namespace, owned_namespaces, remove_namespace  # noqa: E402
from tailproof.cluster.reach import connect  # noqa: E402
from tailproof.ownership.owners import Owner, owner_id  # noqa: E402
from tailproof.ownership.scratch import workroom  # noqa: E402
from tailproof.waiting import Budget  # noqa: E402


@pytest.fixture
def place() -> Iterator[Path]:
    """Short, because the path of a socket is."""
    with workroom() as room:
        yield room / "0"


PLAN = Plan(target="reference", client="reference", scenarios=("calm",), parallel=1)


@pytest.mark.long
@pytest.mark.parametrize(
    ("victim", "moment_s", "then"),
    [
        ("check", 2.0, "list"),
        ("check", 4.0, "check"),
        ("supervisor", 0.0, "list"),
        ("supervisor", 4.0, "list"),
        ("wire", 0.0, "list"),
        ("client", 0.0, "list"),
        ("all", 4.0, "list"),
    ],
)
def test_a_kill_decides_nothing_and_leaves_nothing(
    tmp_path: Path, place: Path, victim: str, moment_s: float, then: str
) -> None:
    command = (
        ["list"] if then == "list" else ["check", "reference", "--client=plain", "--scenario=calm", f"--out={tmp_path}"]
    )
    ended = play(PLAN, place, victim=victim, moment_s=moment_s, then=command)
    assert ended.killed, "it was never there to be killed"
    assert ended.wrong(victim) == []
    if victim not in ("check", "all"):
        assert ended.code == 2


@pytest.mark.cluster
def test_what_a_killed_harness_left_of_an_executor_is_cleaned_and_nothing_else(place: Path) -> None:
    plan = Plan(target="executor:reference", client="plain", scenarios=("executor-oom",), parallel=1)
    somebody = Owner(trial=uuid4().hex[:12], owner=owner_id())
    name = f"tailproof-{somebody.trial}"
    with closing(connect()) as cluster:
        make_namespace(cluster, name, somebody, Budget(60))
        try:
            ended = play(
                plan, place, victim="all", moment_s=0, then=CLEAN, once=lambda owners: InCluster(owners).pods > 0
            )
            assert {"check", "supervisor"} <= set(ended.killed)
            assert ended.wrong("all") == []
            # Whatever command looks first removes it: that of another test may have been faster.
            assert not ended.stood.startswith("0 namespaces")
            assert [one for one in owned_namespaces(cluster) if one.name == name and not one.ending]
        finally:
            remove_namespace(cluster, name)
