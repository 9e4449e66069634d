"""What a server persisted, read without it."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from tailproof.adapters.openhands.adapter import OpenHands

CONVERSATION = uuid.UUID("e02af5c2-69d6-4440-b192-7b37dd4c6608")


def write(conversations: Path, events: dict[str, str], state: str = '{"execution_status": "finished"}') -> None:
    directory = conversations / CONVERSATION.hex
    (directory / "events").mkdir(parents=True)
    (directory / "base_state.json").write_text(state)
    (directory / "meta.json").write_text("{}")
    for name, text in events.items():
        (directory / "events" / name).write_text(text)


def event(identity: str) -> str:
    return json.dumps({"id": identity, "kind": "MessageEvent"})


def test_events_come_by_index_also_behind_the_fifth_digit(tmp_path: Path) -> None:
    write(tmp_path, {f"event-{n:05d}-{n}.json": event(str(n)) for n in (2, 100000, 0, 99999)})
    [(conversation, status, events, unreadable)] = OpenHands().disk(tmp_path)
    assert [seen.id for seen in events] == ["0", "2", "99999", "100000"]
    assert (conversation, status, list(unreadable)) == (str(CONVERSATION), "finished", [])


def test_a_damaged_event_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    write(tmp_path, {"event-00000-a.json": event("a"), "event-00001-b.json": event("b")[:-4], ".eventlog.lock": ""})
    [(_, _, events, unreadable)] = OpenHands().disk(tmp_path)
    assert [seen.id for seen in events] == ["a"]
    assert [name.split(":")[0] for name in unreadable] == ["event-00001-b.json"]


def test_a_damaged_state_is_named_and_shows_no_status(tmp_path: Path) -> None:
    write(tmp_path, {"event-00000-a.json": event("a")}, state="")
    [(_, status, events, unreadable)] = OpenHands().disk(tmp_path)
    assert (status, len(list(events))) == ("", 1)
    assert [name.split(":")[0] for name in unreadable] == ["base_state.json"]


def test_what_is_no_conversation_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "note.txt").write_text("")
    assert list(OpenHands().disk(tmp_path)) == []
