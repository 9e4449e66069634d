"""The supervisor: each order once, and nobody ever waits because nobody reads."""

from __future__ import annotations

from pathlib import Path

from tailproof.runner.check import catalogue
from tailproof.runner.orders import Ask, Done, Progress, ask
from tailproof.runner.supervisor_process import SupervisorProcess
from tailproof.trial.order import Order

PIPE_BYTES = 1 << 16


def orders(tmp_path: Path, number: int) -> list[Order]:
    calm = next(scenario for scenario in catalogue() if scenario.name == "calm")
    plan = calm.model_dump(mode="json", by_alias=True)
    make = {"scenario": plan, "target": "src:/does/not/exist", "client": "plain", "seed": 1, "out": str(tmp_path)}
    return [Order(repetition=repetition, **make) for repetition in range(number)]


def test_trials_go_on_though_nobody_looks_at_their_progress(tmp_path: Path) -> None:
    heard = 0

    def listen(progress: Progress) -> None:
        nonlocal heard
        heard += len(progress.detail)

    asked = orders(tmp_path, 700)
    with SupervisorProcess(parallel=2, log=tmp_path / "log", on_progress=listen) as supervisor:
        ask(supervisor.address, Ask(submit=asked))
        ends = [ask(supervisor.address, Ask(wait=order.key)) for order in asked]
    assert heard > PIPE_BYTES
    assert all(isinstance(end, Done) and "is not a directory" in end.error for end in ends)


def test_the_same_order_is_one_trial_whoever_asks(tmp_path: Path) -> None:
    begun: list[str] = []

    def listen(progress: Progress) -> None:
        if progress.phase == "preparing":
            begun.append(progress.trial)

    (order,) = orders(tmp_path, 1)
    with SupervisorProcess(parallel=2, log=tmp_path / "log", on_progress=listen) as supervisor:
        for _ in range(5):
            ask(supervisor.address, Ask(submit=[order, order], wait=order.key))
    assert begun == ["calm"]


def test_an_unknown_trial_is_an_answer_not_a_wait(tmp_path: Path) -> None:
    with SupervisorProcess(parallel=1, log=tmp_path / "log") as supervisor:
        done = ask(supervisor.address, Ask(wait="nowhere"))
    assert done is not None
    assert done.error


def test_an_order_that_is_no_scenario_is_an_error_not_a_wait(tmp_path: Path) -> None:
    (order,) = orders(tmp_path, 1)
    bad = Order(scenario={"name": "bad"}, target=order.target, client="plain", seed=1, out=order.out)
    with SupervisorProcess(parallel=1, log=tmp_path / "log") as supervisor:
        done = ask(supervisor.address, Ask(submit=[bad], wait=bad.key))
    assert done is not None
    assert done.error.startswith("defect of the harness: ValidationError")
