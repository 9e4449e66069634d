"""What an older history says in other words is read in today's."""

from __future__ import annotations

import pytest

from tailproof.history.header import Header
from tailproof.history.older import acts_among, translate_plan
from tailproof.history.records import Fault


def header(schema: int, **plan: object) -> Header:
    return Header(schema=schema, trial="t", scenario="s", seed=1, target="reference", client="plain", plan=plan)


def test_what_users_did_was_a_fault_up_to_schema_4() -> None:
    pause = {"id": "p", "fault": "user.pause", "at": "created", "hold_until": None, "with": {}}
    cut = {"id": "c", "fault": "wire.cut", "at": "created"}
    old = header(4, faults=[pause, cut])
    translate_plan(old)
    assert old.plan == {"faults": [cut], "acts": [{"act": "user.pause", "id": "p", "at": "created", "with": {}}]}


def test_a_plan_of_today_is_left_alone() -> None:
    today = header(5, faults=[{"id": "p", "fault": "user.pause"}])
    translate_plan(today)
    assert "acts" not in today.plan


def test_a_new_host_was_always_a_new_container() -> None:
    kill = {"id": "k", "fault": "process.kill", "at": "returned:1", "with": {"restart": "new-container"}}
    old = header(5, faults=[kill])
    translate_plan(old)
    assert old.plan["faults"][0]["with"] == {"restart": "new-host"}


@pytest.mark.parametrize("faults", [None, 7, "x", [3], [{"fault": 3}], [{"fault": 3, "with": [4]}]])
def test_what_is_no_plan_is_left_for_whoever_checks_it(faults: object) -> None:
    odd = header(1, faults=faults)
    translate_plan(odd)
    assert odd.plan == {"faults": faults}


def test_records_of_acts_leave_the_faults() -> None:
    faults = [Fault("p", "user.pause", stage, seq=seq) for seq, stage in enumerate(("intent", "injected", "proven"))]
    faults.append(Fault("c", "wire.cut", "injected", seq=3))
    acts = acts_among(faults)
    assert [fault.fault for fault in faults] == ["c"]
    assert [(act.act, act.stage, act.seq) for act in acts] == [("p", "intent", 0), ("p", "done", 1), ("p", "proven", 2)]
