"""Every broken server shows its defect, and the reference shows none of them."""

from __future__ import annotations

import contextlib
import itertools
import signal
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import CALM, GATED, KEY, Stage

from fixtures.broken.servers import PARTS, SERVERS
from tailproof.waiting import DeadlineMissed

SHORT_S = 3.0


def calm(stage: Stage, broken: str) -> SimpleNamespace:
    """A run without any fault, as all readers see it."""
    stage.start(broken=broken)
    words, _ = stage.api.vocabulary()
    conversation, played = stage.create(*CALM)
    first_reads = [stage.api.status(conversation)[0].code for _ in range(2)]
    listener = stage.listen(conversation)
    said = stage.api.send(conversation, "go", run=True)
    with contextlib.suppress(DeadlineMissed):
        stage.budget.wait_for("the end", lambda: len(listener.snapshots()) == 2, within=SHORT_S)
    rest_status = stage.api.status(conversation)[1]
    with contextlib.suppress(DeadlineMissed):
        stage.budget.wait_for("one question too many", lambda: played.asked(4), within=1.0)
    log = stage.log(conversation)
    disk_status, disk = stage.disk(conversation)
    return SimpleNamespace(
        words=words,
        first_reads=first_reads,
        said=said.code,
        rest_status=rest_status,
        status_after_reading=stage.api.status(conversation)[1],
        asked_too_often=played.asked(4) > 0,
        stream=listener.log(),
        stream_statuses=listener.statuses(),
        snapshots=listener.snapshots(),
        log=log,
        paged=stage.log(conversation, size=2),
        backwards=stage.log(conversation, size=2, ascending=False),
        count=stage.api.count(conversation)[1],
        disk=disk,
        disk_status=disk_status,
        unpaired=[sentence for call in stage.asked() for sentence in call.unpaired],
        said_in_log=kinds(log).count("MessageEvent"),
    )


def crash(stage: Stage, broken: str) -> SimpleNamespace:
    """A SIGKILL while a tool runs, a restart, and a push."""
    stage.start(broken=broken)
    conversation, _ = stage.create(*GATED)
    assert stage.api.send(conversation, "go", run=True).ok
    stage.tools.wait_token("two", "begin", stage.budget)
    before = stage.log(conversation)
    stage.end(signal.SIGKILL)
    stage.restart()
    status = stage.api.status(conversation)[1]
    after = stage.log(conversation)
    stage.tools.open_gate("two")
    pushed = stage.api.run(conversation).code
    with contextlib.suppress(DeadlineMissed):
        stage.budget.wait_for("the end", lambda: stage.api.status(conversation)[1] == "finished", within=SHORT_S)
    return SimpleNamespace(
        before=before,
        status=status,
        after=after,
        pushed=pushed,
        status_at_end=stage.api.status(conversation)[1],
        two=stage.tools.seen("two"),
        told=stage.asked()[-1].results.get("call-1-0", ""),
    )


def dormant(stage: Stage, broken: str) -> SimpleNamespace:
    """What a server answers that waits for its initialisation."""
    stage.start(broken=broken, OH_DEFERRED_INIT="true", OH_SESSION_API_KEYS_0="")
    unknown = "00000000-0000-4000-8000-000000000000"
    codes = {path: stage.api.probe(method, path).code for method, path in stage.api.probes(unknown)}
    assert stage.api.init(key=KEY).ok
    woken = {stage.api.probe(method, path).code for method, path in stage.api.probes(unknown)}
    return SimpleNamespace(codes=codes, woken=woken)


def paused(stage: Stage, broken: str) -> SimpleNamespace:
    """A pause while the model is asked for a tool call."""
    stage.start(broken=broken)
    words, _ = stage.api.vocabulary()
    conversation, played = stage.create({"tools": [{"token": "one"}], "hold": True}, {"finish": "Done."})
    listener = stage.listen(conversation)
    assert stage.api.send(conversation, "go", run=True).ok
    played.wait_called(0, stage.budget)
    assert stage.api.pause(conversation).ok
    status = stage.api.status(conversation)[1]
    played.release(0)
    with contextlib.suppress(DeadlineMissed):
        stage.tools.wait_token("one", "begin", stage.budget.part(1.0))
    return SimpleNamespace(
        status=status,
        effects=stage.tools.seen("one"),
        strange=sorted({*listener.statuses(), status} - set(words)),
    )


def opened(stage: Stage, broken: str) -> SimpleNamespace:
    """Somebody subscribes to a finished conversation."""
    stage.start(broken=broken)
    conversation, _ = stage.create({"finish": "Done."})
    assert stage.run_to(conversation, "finished") == "finished"
    stage.listen(conversation)
    return SimpleNamespace(status=stage.api.status(conversation)[1])


def late(stage: Stage, broken: str) -> SimpleNamespace:
    """A message while the model writes its last reply."""
    stage.start(broken=broken)
    conversation, played = stage.create({"finish": "Done.", "hold": True}, {"finish": "That, too."})
    assert stage.api.send(conversation, "go", run=True).ok
    played.wait_called(0, stage.budget)
    assert stage.api.send(conversation, "one more thing", run=True).ok
    played.release(0)
    status = stage.wait_status(conversation, "finished")
    return SimpleNamespace(status=status, heard=any("one more thing" in call.said for call in stage.asked()))


def waiting(stage: Stage, broken: str) -> SimpleNamespace:
    """An action waits for a confirmation, first in silence, then somebody posts a message."""
    stage.start(broken=broken)
    conversation, played = stage.create({"tools": [{"token": "one"}]}, {"finish": "Then not."}, confirm=True)
    assert stage.run_to(conversation, "waiting_for_confirmation")
    with contextlib.suppress(DeadlineMissed):
        stage.tools.wait_token("one", "begin", stage.budget.part(1.0))
    unasked = stage.tools.seen("one")
    assert stage.api.send(conversation, "wait", run=True).ok
    played.wait_answered(1, stage.budget)
    return SimpleNamespace(unasked=unasked, ran=stage.tools.seen("one"))


def ids(events: list[dict[str, Any]]) -> list[str]:
    return [event["id"] for event in events]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["kind"] for event in events]


def closings(events: list[dict[str, Any]]) -> dict[str, int]:
    """How often each call was closed."""
    closed = [event["tool_call_id"] for event in events if "tool_call_id" in event and event["kind"] != "ActionEvent"]
    calls = [event["tool_call_id"] for event in events if event["kind"] == "ActionEvent"]
    return {call: closed.count(call) for call in calls}


def backward_steps(events: list[dict[str, Any]]) -> int:
    times = [event["timestamp"] for event in events]
    return sum(later < earlier for earlier, later in itertools.pairwise(times))


Session = Callable[[Stage, str], SimpleNamespace]
Shows = Callable[[SimpleNamespace], bool]
DEFECTS: dict[str, tuple[Session, Shows]] = {
    "drops-messages": (calm, lambda saw: saw.said == 200 and "MessageEvent" not in kinds(saw.log)),
    "publishes-only": (calm, lambda saw: not set(ids(saw.stream)) <= set(ids(saw.log))),
    "loses-at-crash": (crash, lambda saw: not set(ids(saw.before)) <= set(ids(saw.after))),
    "skips-every-third": (calm, lambda saw: not set(ids(saw.log)) <= set(ids(saw.stream))),
    "appends-twice": (calm, lambda saw: len(set(ids(saw.log))) < len(saw.log)),
    "clock-goes-back": (calm, lambda saw: backward_steps(saw.log) > 0),
    "swaps-on-stream": (calm, lambda saw: sorted(ids(saw.stream)) == sorted(ids(saw.log)) and saw.stream != saw.log),
    "rewrites-at-end": (calm, lambda saw: ids(saw.stream) == ids(saw.log) and saw.stream != saw.log == saw.disk),
    "rewrites-at-start": (crash, lambda saw: saw.before != saw.after[: len(saw.before)]),
    "forgets-the-first": (crash, lambda saw: saw.before[0] not in saw.after),
    "skips-at-page-border": (calm, lambda saw: saw.paged != saw.log and saw.backwards != saw.log[::-1]),
    "counts-one-less": (calm, lambda saw: saw.count == len(saw.log) - 1),
    "answers-twice": (calm, lambda saw: 2 in closings(saw.log).values()),
    "never-closes": (calm, lambda saw: 0 in closings(saw.log).values()),
    "says-starting": (calm, lambda saw: not set(saw.stream_statuses) <= set(saw.words)),
    "hides-finished": (calm, lambda saw: "finished" not in saw.words),
    "rest-lags": (calm, lambda saw: (saw.rest_status, saw.disk_status) == ("running", "finished")),
    "disk-lags": (calm, lambda saw: (saw.rest_status, saw.disk_status) == ("finished", "running")),
    "falls-back-to-idle": (calm, lambda saw: (saw.rest_status, saw.status_after_reading) == ("finished", "idle")),
    "leaves-running": (crash, lambda saw: (saw.status, saw.pushed) == ("running", 409)),
    "open-route": (dormant, lambda saw: set(saw.codes.values()) != {503}),
    "not-ready-yet": (calm, lambda saw: 500 in saw.first_reads),
    "hangs-at-third-action": (calm, lambda saw: (saw.rest_status, saw.snapshots) == ("running", ["idle"])),
    "accepts-and-does-nothing": (crash, lambda saw: (saw.pushed, saw.status_at_end) == (200, "running")),
    "runs-again": (crash, lambda saw: saw.two == 2),
    "asks-once-more": (calm, lambda saw: saw.asked_too_often),
    "goes-on-after-pause": (paused, lambda saw: saw.status == "paused" and saw.effects == 1),
    "closes-as-if-done": (crash, lambda saw: "AgentErrorEvent" not in kinds(saw.after)),
    "hides-errors": (crash, lambda saw: saw.told == ""),
    "misses-the-last-message": (late, lambda saw: (saw.status, saw.heard) == ("finished", False)),
    "stores-twice": (calm, lambda saw: saw.said_in_log == 2),
    "tells-results-twice": (calm, lambda saw: "the result of call-0-0 stands there twice" in saw.unpaired),
    "forgets-the-first-call": (
        calm,
        lambda saw: "the result of call-0-0 stands there without its call" in saw.unpaired,
    ),
    "does-not-wait-long": (waiting, lambda saw: saw.unasked == 1),
    "takes-a-message-for-consent": (waiting, lambda saw: (saw.unasked, saw.ran) == (0, 1)),
    "says-halted": (paused, lambda saw: saw.status == "halted"),
    "says-pausing": (paused, lambda saw: saw.strange == ["pausing"]),
    "busy-after-init": (dormant, lambda saw: 503 in saw.woken),
    "fails-after-init": (dormant, lambda saw: 500 in saw.woken),
    "idle-when-opened": (opened, lambda saw: saw.status == "idle"),
}


def test_every_variant_has_its_proof_here() -> None:
    assert set(DEFECTS) == set(PARTS)
    assert len(PARTS) == len(SERVERS)


@pytest.mark.parametrize("name", sorted(DEFECTS))
def test_the_defect_is_there(stage: Stage, name: str) -> None:
    session, shows = DEFECTS[name]
    assert shows(session(stage, name))


@pytest.mark.parametrize("session", [calm, crash, dormant, paused, opened, late, waiting])
def test_the_reference_shows_no_defect(stage: Stage, session: Session) -> None:
    saw = session(stage, "")
    assert [name for name, (other, shows) in DEFECTS.items() if other is session and shows(saw)] == []
