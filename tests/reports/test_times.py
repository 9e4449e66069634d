"""Where the time of trials went: every second is counted once."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from small_check import trial

from tailproof.reports.result import LifeResult, PhaseResult, TimesResult, TrialResult
from tailproof.reports.times import times_of

NAMES = ("preparing", "starting", "connecting", "driving", "stopping", "ended")


def played(lives: list[tuple[float, float]], begins: list[float], duration_s: float) -> TrialResult:
    ends = [*begins[1:], duration_s]
    return msgspec.structs.replace(
        trial(),
        duration_s=duration_s,
        phases=tuple(
            PhaseResult(name=name, at_s=begin, seconds=end - begin)
            for name, begin, end in zip(NAMES, begins, ends, strict=False)
        ),
        lives=tuple(
            LifeResult(epoch=epoch, started_at_s=started, ready_at_s=ready)
            for epoch, (started, ready) in enumerate(lives)
        ),
    )


def test_a_start_in_the_middle_of_a_run_is_no_part_of_the_run() -> None:
    one = played([(0.5, 3), (8, 10)], [0, 0.2, 4, 6, 12, 13], 13.5)
    assert times_of([one]) == TimesResult(server_start_s=4.5, client_start_s=2, runs_s=4, server_stop_s=1, ours_s=2)
    assert times_of([one, one]).ours_s == 4


def test_a_server_that_was_kept_from_an_earlier_trial_or_never_got_ready_started_in_no_time() -> None:
    kept = played([(-20, 0.4)], [0, 0.2, 1, 2, 4, 5], 6)
    assert times_of([kept]).server_start_s == 0.4
    never = msgspec.structs.replace(kept, lives=(LifeResult(epoch=0, started_at_s=1.0),))
    assert times_of([never]).server_start_s == 0


@given(
    lives=st.lists(st.tuples(st.floats(0, 50), st.floats(0, 50)).map(sorted).map(tuple), max_size=4),
    begins=st.lists(st.floats(0, 50), max_size=6).map(sorted),
)
def test_no_second_is_counted_twice_and_none_is_lost(lives: list[tuple[float, float]], begins: list[float]) -> None:
    times = times_of([played(lives, begins, 50)])
    parts = msgspec.structs.astuple(times)
    assert min(parts) >= 0
    assert abs(sum(parts) - 50) < 0.01
