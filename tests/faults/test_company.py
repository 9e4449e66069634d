"""More users of the same server: who subscribes, who does not read, who asks often, who has a conversation of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fault_stage import GATED, play, steps

from tailproof.acts.catalogue import act_for
from tailproof.guarantees.catalogue import judge
from tailproof.guarantees.verdict import Outcome, Verdict
from tailproof.history.plan import IN_A_COPY
from tailproof.history.reader import History

LONGER: list[dict[str, Any]] = [
    {"tools": [{"token": "one"}]},
    {"tools": [{"token": "two", "gate": True}]},
    {"tools": [{"token": "three"}]},
    {"finish": "."},
]


def proof(history: History) -> dict[str, Any]:
    """Of an act that was done, proven and ended."""
    assert list(steps(history)) == ["intent", "done", "proven", "ended"]
    return dict(steps(history)["proven"].proof)


def judged(history: History, *guarantees: str) -> dict[str, Verdict]:
    found = judge(history, guarantees)
    return {identity: verdict for identity, verdict in found.items() if verdict.outcome is not Outcome.NOT_APPLICABLE}


def subscribing(**options: Any) -> dict[str, Any]:
    return {"act": "user.subscribe", "at": "tool-running:2", "until": "end", "with": options}


def listened(history: History) -> dict[str, list[str]]:
    """What each of the users got that is in the log."""
    names: dict[str, list[str]] = {}
    for event in history.events:
        if event.witness == "user" and event.durable:
            names.setdefault(event.reading, []).append(event.id)
    return names


def test_a_second_subscriber_gets_what_follows(tmp_path: Path) -> None:
    history = play(tmp_path, subscribing(), script=LONGER)
    assert proof(history) == {"accepted": 1, "of": 1}
    (got,) = listened(history).values()
    assert got
    assert judged(history, "events.delivered")["events.delivered"].outcome is Outcome.HOLDS


@pytest.mark.parametrize(
    ("options", "before"),
    [({"from": "all"}, 0), ({"from": "cursor", "behind": 3}, 3), ({"from": "time", "behind": 3}, 2)],
    ids=["all", "cursor", "time"],
)
def test_one_who_left_off_gets_all_that_follows(tmp_path: Path, options: dict[str, Any], before: int) -> None:
    history = play(tmp_path, subscribing(**options), script=LONGER)
    proof(history)
    (got,) = listened(history).values()
    log = next(
        [event.id for event in history.events if event.reading == reading.reading]
        for reading in history.readings
        if reading.final and reading.reader == "rest" and reading.stage == "end"
    )
    assert got == log[before:]


def test_many_come_and_go(tmp_path: Path) -> None:
    history = play(tmp_path, subscribing(count=3, rounds=2), script=LONGER)
    assert proof(history) == {"accepted": 6, "of": 6}
    assert len(listened(history)) >= 3


def test_one_who_reads_nothing_has_bytes_that_wait(tmp_path: Path) -> None:
    stall = {"act": "user.stall", "at": "created", "until": "end"}
    history = play(tmp_path, stall, script=GATED[1:])
    assert proof(history)["bytes that wait"] > 0
    assert [one.stage for one in history.streams if one.path == "unread"] == ["opened", "subscribed", "closed"]
    assert judged(history, "events.delivered")["events.delivered"].outcome is Outcome.HOLDS


def test_every_verb_twice_at_once(tmp_path: Path) -> None:
    verbs = ["status", "count", "page", "page-newest", "list", "run", "send"]
    asks = [
        {
            "id": verb,
            "act": "user.request",
            "at": "tool-running:1",
            "with": {"verb": verb, "times": 2, "at_once": True},
        }
        for verb in verbs
    ]
    history = play(tmp_path, *asks, script=GATED)
    for verb in verbs:
        expected = "answered 409" if verb == "run" else "answered 200"
        assert steps(history, verb)["proven"].proof == {expected: 2}, verb


def test_a_run_that_another_user_starts_is_seen(tmp_path: Path) -> None:
    pause = {"id": "pause", "act": "user.pause", "at": "tool-running:1", "until": "returned"}
    run = {"act": "user.run", "at": "returned", "until": "end"}
    assert proof(play(tmp_path, pause, run, script=GATED))["answer"] == 200


@pytest.mark.parametrize(
    ("act", "closer"), [("user.confirm", "ObservationEvent"), ("user.reject", "UserRejectObservation")]
)
def test_an_action_that_waits_is_answered_by_another_user(tmp_path: Path, act: str, closer: str) -> None:
    answer = {"act": act, "at": "returned", "until": "end"}
    history = play(tmp_path, answer, script=GATED[1:], confirmation="always")
    assert proof(history) == {"answer": 200, "closed by": closer}


@pytest.mark.parametrize(
    ("then", "closers"),
    [("confirm", ["ObservationEvent"] * 2), ("reject", ["ObservationEvent", "UserRejectObservation"])],
)
def test_what_waits_next_is_answered_too(tmp_path: Path, then: str, closers: list[str]) -> None:
    answers = {"act": "user.confirm", "at": "returned:1", "until": "returned:1", "with": {"then": then}}
    script = [{"tools": [{"token": token}]} for token in ("one", "two")] + [{"finish": "."}]
    messages = ["go"] if then == "confirm" else ["go", "go on"]
    told = proof(play(tmp_path, answers, script=script, messages=messages, confirmation="always"))
    assert [told["the first one closed by"], told["closed by"]] == closers
    assert (told["answer"], told["next answer"]) == (200, 200)


def test_an_agent_that_never_waits_again_proves_nothing(tmp_path: Path) -> None:
    answers = {"act": "user.confirm", "at": "returned:1", "until": "returned:1", "with": {"then": "reject"}}
    history = play(tmp_path, answers, script=GATED[1:], confirmation="always")
    assert steps(history)["unproven"].proof["closed by"] == "ObservationEvent"


def test_an_interrupted_run_is_shown_as_such(tmp_path: Path) -> None:
    interrupt = {"act": "user.interrupt", "at": "tool-running:1", "until": "returned"}
    assert proof(play(tmp_path, interrupt, script=GATED))["answer"] == 200


def test_a_fork_holds_events_and_is_removed(tmp_path: Path) -> None:
    history = play(tmp_path, {"act": "user.fork", "at": "returned", "until": "end"}, script=GATED[1:])
    assert proof(history)["events of the copy"] > 0
    assert proof(history)["the message into the copy"] == 200
    assert not [event for event in history.events if IN_A_COPY in event.text]
    assert not [verdict for verdict in judge(history).values() if verdict.outcome is Outcome.VIOLATED]


def test_other_conversations_come_and_go_beside_it(tmp_path: Path) -> None:
    others = {"count": 2, "rounds": 2}
    history = play(tmp_path, {"act": "user.conversation", "at": "tool-running:2", "with": others}, script=LONGER)
    assert proof(history) == {"run to their end": 4, "deleted": 4, "of": 4}
    assert {counter.name for counter in history.counters} >= {"server.descriptors", "server.processes"}
    assert not [verdict for verdict in judge(history).values() if verdict.outcome is Outcome.VIOLATED]


def test_others_stay_when_they_shall(tmp_path: Path) -> None:
    others = {"count": 2, "rounds": 2, "turns": 0, "stay": True}
    act = {"act": "user.conversation", "at": "created", "until": "end", "with": others}
    assert proof(play(tmp_path, act, script=LONGER[2:])) == {"run to their end": 4, "deleted": 0, "of": 4}


def test_the_list_of_conversations_is_read_in_every_way(tmp_path: Path) -> None:
    history = play(tmp_path, {"act": "user.list", "at": "tool-running:2"}, script=LONGER)
    # Whole twice, in pages twice, with its status, with one that nobody has, and by ids.
    assert proof(history) == {"readings": 7, "answered": 7, "conversations": 2}
    whole, *_, several, again = history.listings
    assert whole.conversations == again.conversations
    assert whole.statuses == ["running"]
    assert several.asked[:-1] == several.conversations[:-1] == whole.conversations
    assert several.conversations[-1] == ""
    assert judged(history, "server.lists")["server.lists"].outcome is Outcome.HOLDS


def test_what_another_user_has_left_is_found_again(tmp_path: Path) -> None:
    stays = {"act": "user.conversation", "at": "created", "until": "end", "with": {"count": 2, "stay": True}}
    listed = {"id": "list", "act": "user.list", "at": "tool-running:2"}
    history = play(tmp_path, {"id": "others", **stays}, listed, script=LONGER)
    left, found, heard = (
        {one.conversation: one for one in history.neighbours if one.when == when} for when in ("left", "found", "heard")
    )
    assert len(left) == 2
    assert left.keys() == found.keys() == heard.keys()
    for name, one in left.items():
        assert (one.raw, one.neutral, one.complete) == ("finished", "done", True)
        assert one.events
        assert set(one.events) <= set(found[name].events)
        assert set(heard[name].events) & set(one.events)
        assert set(heard[name].events) <= set(found[name].events)
    found_so = judged(history, "server.lists", "status.final", "events.complete")
    assert {verdict.outcome for verdict in found_so.values()} == {Outcome.HOLDS}


def test_a_conversation_that_is_not_to_stay_is_not_listened_to(tmp_path: Path) -> None:
    goes = {"id": "goes", "act": "user.conversation", "at": "tool-running:2", "until": "tool-running:2"}
    silent = {"id": "silent", "act": "user.conversation", "at": "created", "until": "end"}
    history = play(tmp_path, goes, {**silent, "with": {"turns": 0, "stay": True}}, script=LONGER)
    assert [one.when for one in history.neighbours] == ["left"]


def test_the_server_is_counted_behind_each_round(tmp_path: Path) -> None:
    others = {"count": 1, "rounds": 5}
    history = play(tmp_path, {"act": "user.conversation", "at": "tool-running:2", "with": others}, script=LONGER)
    assert sum(counter.name == "server.processes" for counter in history.counters) == 5
    assert judged(history, "server.leaves-nothing")["server.leaves-nothing"].outcome is Outcome.HOLDS


def test_reads_are_timed_beside_those_of_a_short_conversation(tmp_path: Path) -> None:
    act = {"act": "user.compare", "at": "tool-running:2", "until": "tool-running:2", "with": {"times": 5}}
    history = play(tmp_path, act, script=LONGER)
    assert proof(history) == {"answered": 40, "of": 40, "events of a page": 5}
    assert sum(counter.name == "read.page.long" for counter in history.counters) == 5


@pytest.mark.parametrize(
    ("act", "options"),
    [
        ("user.compare", {"times": 4}),
        ("user.compare", {"often": 5}),
        ("user.conversation", {"stay": "perhaps"}),
        ("user.conversation", {"count": 51}),
        ("user.say", {"frames": ["song"]}),
        ("user.confirm", {"then": "perhaps"}),
    ],
)
def test_options_that_make_no_sense_are_refused(act: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        act_for("it", act, options)


def test_frames_of_every_kind_are_read_or_end_the_stream_of_their_sender(tmp_path: Path) -> None:
    frames = ["auth", "no-json", "other-shape", "binary", "empty", "large", "ping"]
    history = play(tmp_path, {"act": "user.say", "at": "tool-running:2", "with": {"frames": frames}}, script=LONGER)
    told = proof(history)
    assert told.pop("of") == len(frames)
    assert told.keys() == set(frames)
    assert told["large"] in ("cut off", "closed with 1009")
    assert told["no-json"] == told["other-shape"] == "ServerErrorEvent"
    assert told["auth"] == told["ping"] == "read"
    assert judged(history, "stream.apart")["stream.apart"].outcome is Outcome.HOLDS


def test_a_message_that_is_said_on_a_stream_is_one(tmp_path: Path) -> None:
    say = {"act": "user.say", "at": "tool-running:2", "with": {"frames": ["message"], "text": "mind the tests"}}
    history = play(tmp_path, say, script=LONGER)
    assert proof(history) == {"message": "MessageEvent", "of": 1}
    (sent,) = [request for request in history.requests if request.method == "SAY"]
    assert sent.text == "mind the tests"
    assert sum(event.text == "mind the tests" and event.reading == "page:0" for event in history.events) == 1
    assert judged(history, "loop.answered")["loop.answered"].outcome is Outcome.HOLDS
