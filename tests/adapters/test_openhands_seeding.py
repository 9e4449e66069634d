"""A long history, cloned from a conversation that a release wrote itself (recorded in `conversations/`)."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from tailproof.adapters.openhands.adapter import OpenHands
from tailproof.protocol.adapter import SeededHistory, SeedingError

HERE = Path(__file__).resolve().parent / "conversations"
RELEASES = ("1.11.1", "1.35.0", "1.58.0")


def sized(release: str, events: list[Any]) -> list[Any]:
    """Those events of a seeded history whose size was asked for: not the real run, its clone around them, the last one."""
    kinds = [event["kind"] for event in json.loads((HERE / f"{release}.json").read_text())["events"]]
    action, observation = kinds.index("ActionEvent"), kinds.index("ObservationEvent")
    return events[len(kinds) + action - 1 : -(len(kinds) - observation)]


def recorded(release: str, place: Path) -> str:
    """Puts a recorded conversation on the disk; its id."""
    kept = json.loads((HERE / f"{release}.json").read_text())
    conversation = str(uuid.UUID(kept["base_state"]["id"]))
    directory = place / uuid.UUID(conversation).hex
    (directory / "events").mkdir(parents=True)
    (directory / "base_state.json").write_text(json.dumps(kept["base_state"]))
    for number, event in enumerate(kept["events"]):
        (directory / "events" / f"event-{number:05d}-{event['id']}.json").write_text(json.dumps(event))
    for name in kept["beside"]:
        (directory / "events" / name).touch()
    return conversation


def log(place: Path, conversation: str) -> list[tuple[str, int, dict[str, Any]]]:
    """(file name, size, event), by file name."""
    directory = place / uuid.UUID(conversation).hex / "events"
    files = sorted(path for path in directory.iterdir() if path.suffix == ".json")
    return [(path.name, path.stat().st_size, json.loads(path.read_text())) for path in files]


def seeded(release: str, place: Path, **wanted: Any) -> list[tuple[str, int, dict[str, Any]]]:
    conversation = recorded(release, place)
    OpenHands().seed(
        place, conversation, SeededHistory(**{"events": 300, "least": 2000, "most": 2000, "seed": 1, **wanted})
    )
    return log(place, conversation)


def told(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a server would send to the model: as `View.from_events` of the SDK does it."""
    view: list[dict[str, Any]] = []
    for event in events:
        if event["kind"] == "Condensation":
            view = [one for one in view if one["id"] not in event["forgotten_event_ids"]]
            view.insert(event["summary_offset"], {"id": f"{event['id']}-summary", "kind": "summary"})
        elif event["kind"] != "ConversationStateUpdateEvent":
            view.append(event)
    return view


@pytest.mark.parametrize("release", RELEASES)
def test_the_log_has_as_many_events_as_were_asked_for_and_begins_as_the_server_wrote_it(
    release: str, tmp_path: Path
) -> None:
    before = log(tmp_path / "before", recorded(release, tmp_path / "before"))
    after = seeded(release, tmp_path)
    assert len(after) == 300
    assert after[: len(before)] == before
    assert [name.split("-")[1] for name, _, _ in after] == [f"{number:05d}" for number in range(300)]
    assert all(name == f"event-{number:05d}-{event['id']}.json" for number, (name, _, event) in enumerate(after))
    assert len({event["id"] for _, _, event in after}) == 300
    stamps = [event["timestamp"] for _, _, event in after[len(before) :]]
    assert stamps == sorted(set(stamps))
    assert min(stamps) > max(event["timestamp"] for _, _, event in before)


@pytest.mark.parametrize("release", RELEASES)
def test_every_action_has_its_own_observation(release: str, tmp_path: Path) -> None:
    events = [event for _, _, event in seeded(release, tmp_path)]
    actions = [event for event in events if event["kind"] == "ActionEvent"]
    closed = {event["action_id"]: event for event in events if event["kind"] == "ObservationEvent"}
    assert len(actions) > 100
    assert [closed[action["id"]]["tool_call_id"] for action in actions] == [
        action["tool_call_id"] for action in actions
    ]
    assert len({action["tool_call_id"] for action in actions}) == len(actions)
    assert len({action["llm_response_id"] for action in actions}) == len(actions)
    assert all(action["tool_call"]["id"] == action["tool_call_id"] for action in actions)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("most", [2000, 30_000])
def test_the_model_is_told_nothing_that_an_agent_did(release: str, most: int, tmp_path: Path) -> None:
    events = [event for _, _, event in seeded(release, tmp_path, events=1000, least=200, most=most)]
    kinds = [event["kind"] for event in told(events)]
    assert kinds == ["SystemPromptEvent", "MessageEvent", "summary", "MessageEvent"]
    assert max(len(told(events[:end])) for end in range(0, 1000, 50)) < 300


@pytest.mark.parametrize("release", RELEASES)
def test_what_stands_beside_the_log_agrees_with_it(release: str, tmp_path: Path) -> None:
    events = [event for _, _, event in seeded(release, tmp_path)]
    directory = next(path for path in tmp_path.iterdir())
    state = json.loads((directory / "base_state.json").read_text())
    markers = [path.name for path in (directory / "events").glob(".eventlog-len-*")]
    if release == "1.11.1":
        assert "leaf_event_id" not in state
        assert not any("parent_id" in event for event in events)
        assert markers == []
        return
    assert markers == ([".eventlog-len-300.marker"] if release == "1.58.0" else [])
    chain, parents = [state["leaf_event_id"]], {event["id"]: event.get("parent_id") for event in events}
    while parent := parents[chain[-1]]:
        chain.append(parent)
    nodes = [event["id"] for event in events if event["kind"] != "ConversationStateUpdateEvent"]
    assert chain[::-1] == nodes


def test_a_history_that_is_shorter_than_the_real_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SeedingError, match="too short to be seeded: 20 is the least"):
        seeded("1.58.0", tmp_path, events=10)


def test_a_conversation_without_an_action_cannot_be_seeded(tmp_path: Path) -> None:
    conversation = recorded("1.58.0", tmp_path)
    for path in (tmp_path / uuid.UUID(conversation).hex / "events").glob("event-0000[5-9]*"):
        path.unlink()
    with pytest.raises(SeedingError, match="no run with an action"):
        OpenHands().seed(tmp_path, conversation, SeededHistory(events=300, least=2000, most=2000, seed=1))


@settings(max_examples=30)
@given(
    release=some.sampled_from(RELEASES),
    seed=some.integers(0, 2**32),
    sizes=some.tuples(some.integers(200, 120_000), some.integers(200, 120_000)).map(sorted),
)
def test_every_event_has_a_size_that_was_asked_for_and_the_seed_decides_all(
    release: str, seed: int, sizes: list[int]
) -> None:
    wanted = {"events": 60, "least": sizes[0], "most": sizes[1], "seed": seed}
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        first = seeded(release, Path(one), **wanted)
        assert len(first) == 60
        assert all(sizes[0] <= size <= sizes[1] for _, size, _ in sized(release, first))
        assert first == seeded(release, Path(other), **wanted)
