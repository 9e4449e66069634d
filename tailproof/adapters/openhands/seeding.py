"""Lets the log of a stopped OpenHands agent-server be long: its own action and observation, over and over again.

Nothing is invented that the release did not write itself: every event is a clone of one that is in the conversation, with
ids, tool call ids, time stamps and a text of its own. What the release keeps beside the events is kept, too, where it is found: the
chain of `parent_id` and `leaf_event_id` (from 1.31), the marker of the length (from 1.45). Files that the server wrote stay as they
are; clones follow behind them, as one more run: its message, its actions with their observations, its end.

A server sends every action and every observation to the model, again in each step. A conversation of 60,000 events exists only
because it was condensed on its way, and so is this one: every so often a `Condensation` (the one kind that is not cloned) makes the
model forget what stands before it, as the condenser of the SDK does, and the last one leaves it nothing but the system prompt,
the messages of the user and a summary. A run on top of the history then starts from a small prompt, on every release.
"""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from tailproof.adapters.openhands.disk import content, event_files
from tailproof.incoming.json import decode
from tailproof.incoming.limits import Unsound
from tailproof.protocol.adapter import SeededHistory, SeedingError

Body = dict[str, Any]

STEP = timedelta(microseconds=20)
"""Between two clones: they all lie between the end of the real run and now, since writing one takes longer."""
FORGOTTEN_AT_ONCE = 120
"""How many events one condensation forgets at most; the SDK's own condenser forgets half of 240."""
_MARKER = re.compile(r"^\.eventlog-len-\d+\.marker$")
_STATE_UPDATE = "ConversationStateUpdateEvent"
_TEXT_BYTES = 1 << 19
_WORDS = (
    *("the", "of", "a", "log", "line", "file", "test", "error", "passed", "failed"),
    *("value", "returns", "none", "total", "found", "step", "build", "cache", "server"),
)


def seed(conversations: Path, conversation: str, history: SeededHistory) -> None:
    """Let the log of `conversation` hold `history.events` events. The server must be stopped.

    Raises:
        SeedingError: the conversation holds no finished run with an action, or is longer than what was asked for.
        OSError: its files cannot be read or written.
    """
    directory = conversations / uuid.UUID(conversation).hex
    try:
        _seed(directory, history)
    except Unsound as unsound:
        raise SeedingError(f"what the release wrote cannot be read: {unsound}") from unsound
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise SeedingError(f"what the release wrote cannot be cloned: {type(error).__name__}: {error}"[:300]) from error


def _seed(directory: Path, history: SeededHistory) -> None:
    template = [decode(content(path), Body) for path in event_files(directory / "events")]
    first = last = ""
    for number, (identity, raw) in enumerate(_Seeder(template, history).run(), len(template)):
        (directory / "events" / f"event-{number:05d}-{identity}.json").write_bytes(raw)
        first, last = first or identity, identity
    _tell_state(directory / "base_state.json", leaf=last, message=first)
    for marker in [path for path in (directory / "events").iterdir() if _MARKER.match(path.name)]:
        marker.with_name(f".eventlog-len-{history.events}.marker").touch()
        marker.unlink()


@dataclass(slots=True)
class _Run:
    """The run of the template, taken apart."""

    before: list[Body]
    """From the message to the last event before the action."""
    action: Body
    observation: Body
    after: list[Body]

    @classmethod
    def of(cls, template: Sequence[Body]) -> _Run:
        """Raises SeedingError."""
        message = next((at for at, event in enumerate(template) if event.get("source") == "user"), None)
        action = next((at for at, event in enumerate(template) if event["kind"] == "ActionEvent"), None)
        if message is None or action is None:
            raise SeedingError("the conversation holds no run with an action to clone")
        closes = [at for at in range(action, len(template)) if template[at].get("action_id") == template[action]["id"]]
        if not closes or not template[action].get("thought"):
            raise SeedingError(
                "the first action of the conversation has no thought or no observation: it cannot be cloned"
            )
        return cls(
            before=list(template[message:action]),
            action=template[action],
            observation=template[closes[0]],
            after=list(template[closes[0] + 1 :]),
        )


@dataclass(slots=True)
class _Seeder:
    """Writes the clones, one after the other: all that is random comes from one seed, in one order."""

    template: Sequence[Body]
    history: SeededHistory
    _random: random.Random = field(init=False)
    _text: str = field(init=False)
    _time: datetime = field(init=False)
    _parent: str = field(init=False)
    _known: list[str] = field(init=False)
    """What the model was told and has not forgotten: ids of actions and observations, in pairs."""
    _summary: str = ""
    """The id under which the server shows the summary of the last condensation to the model."""
    _pairs: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.history.seed)
        words = self._random.choices(_WORDS, k=_TEXT_BYTES // 4)
        self._text = " ".join(words)
        self._time = max(datetime.fromisoformat(event["timestamp"]) for event in self.template)
        chained = any("parent_id" in event for event in self.template)
        tree = [event["id"] for event in self.template if event["kind"] != _STATE_UPDATE]
        self._parent = tree[-1] if chained and tree else ""
        self._known = [event["id"] for event in self.template if _told_by_agent(event)]

    def run(self) -> Iterator[tuple[str, bytes]]:
        """(id, content) of each clone, in log order."""
        run = _Run.of(self.template)
        rest = self.history.events - len(self.template) - len(run.before) - len(run.after) - 1
        if rest < 0:
            least = self.history.events - rest
            raise SeedingError(
                f"a history of {self.history.events} events is too short to be seeded: {least} is the least"
            )
        names: dict[str, str] = {}
        yield from (self._frame(event, names) for event in run.before)
        yield from self._middle(run, [self._size() for _ in range(rest)])
        yield from (self._frame(event, names) for event in run.after)
        self._known += [names[event["id"]] for event in run.after if _told_by_agent(event)]
        yield self._condensation(len(self._known), 0)

    def _middle(self, run: _Run, sizes: Sequence[int]) -> Iterator[tuple[str, bytes]]:
        """One event of each size: a condensation as soon as it can forget as much as fits into it, else an action with its
        observation, and where these do not fit, an update of the state, the smallest event there is."""
        least = self._least(run)
        at = 0
        while at < len(sizes):
            fits = _fits_into_condensation(sizes[at])
            if 2 <= fits <= len(self._known):
                yield self._condensation(fits, sizes[at])
            elif at + 1 < len(sizes) and sizes[at] >= least[0] and sizes[at + 1] >= least[1]:
                yield from self._pair(run, sizes[at], sizes[at + 1])
                at += 1
            else:
                yield self._update(sizes[at])
            at += 1

    def _size(self) -> int:
        return self._random.randint(self.history.least, self.history.most)

    # -- kinds of events ----------------------------------------------------------------------------------------------

    def _frame(self, event: Body, names: dict[str, str]) -> tuple[str, bytes]:
        """A clone of an event at the beginning or the end of the run, as large as it is."""
        if event["kind"] == "ActionEvent":
            names[event["tool_call_id"]] = f"seeded-end-{len(names)}"
            names[event["llm_response_id"]] = f"seeded-reply-end-{len(names)}"
        identity = self._identity()
        names[event["id"]] = identity
        clone = _renamed(event, names)
        return self._placed(clone, identity)

    def _pair(self, run: _Run, action_bytes: int, observation_bytes: int) -> Iterator[tuple[str, bytes]]:
        first, second = self._identity(), self._identity()
        names = {
            run.action["id"]: first,
            run.observation["id"]: second,
            run.action["tool_call_id"]: f"seeded-{self._pairs:06d}",
            run.action["llm_response_id"]: f"seeded-reply-{self._pairs:06d}",
        }
        self._pairs += 1
        action = _renamed(run.action, names)
        text = action["thought"][0]
        yield self._padded(action, first, text, action_bytes)
        observation = _renamed(run.observation, names)
        text = observation["observation"]["content"][0]
        yield self._padded(observation, second, text, observation_bytes)
        self._known += [first, second]

    def _update(self, size: int) -> tuple[str, bytes]:
        """Not sent to the model, and no node of the tree: where `parent_id` does not fit it may be missing."""
        identity = self._identity()
        update: Body = {"id": identity, "timestamp": "", "source": "environment"}
        update |= {"key": "activated_knowledge_skills", "value": [""], "kind": _STATE_UPDATE}
        _, raw = self._placed(update, identity)
        if len(raw) > size:
            update.pop("parent_id", None)
        raw = msgspec.json.encode(update)
        update["value"] = [self._words(size - len(raw))]
        return identity, msgspec.json.encode(update)

    def _condensation(self, forgotten: int, size: int) -> tuple[str, bytes]:
        """Forgets the first so many of what the model knows, and the summary before. `size` 0: the last one, whose summary stays in
        every later request; it is short, so that what the user says behind it is within what the history keeps of a message."""
        ids, self._known = self._known[:forgotten], self._known[forgotten:]
        identity = self._identity()
        event: Body = {
            "id": identity,
            "timestamp": "",
            "source": "environment",
            "forgotten_event_ids": [*ids, self._summary] if self._summary else ids,
            "summary": "",
            "summary_offset": 2,
            "llm_response_id": f"seeded-summary-{identity}",
            "kind": "Condensation",
        }
        self._summary = f"{identity}-summary"
        if not size:
            event["summary"] = self._words(_LAST_CHARS)
            return self._placed(event, identity)
        return self._padded(event, identity, event, size, key="summary")

    # -- what every event has -------------------------------------------------------------------------------------------

    def _placed(self, event: Body, identity: str) -> tuple[str, bytes]:
        """With its identity, a later time than the one before, and its place in the tree."""
        event["id"] = identity
        self._time += STEP
        event["timestamp"] = self._time.isoformat(timespec="microseconds")
        if self._parent:
            event["parent_id"] = self._parent
            if event["kind"] != _STATE_UPDATE:
                self._parent = identity
        return identity, msgspec.json.encode(event)

    def _padded(self, event: Body, identity: str, holder: Body, size: int, *, key: str = "text") -> tuple[str, bytes]:
        holder[key] = ""
        _, raw = self._placed(event, identity)
        holder[key] = self._words(size - len(raw))
        return identity, msgspec.json.encode(event)

    def _least(self, run: _Run) -> tuple[int, int]:
        """The sizes of an action and an observation without a text."""
        parent = {"parent_id": self._parent} if self._parent else {}
        action, observation = _renamed({**run.action, **parent}, {}), _renamed({**run.observation, **parent}, {})
        action["thought"][0]["text"] = observation["observation"]["content"][0]["text"] = ""
        spare = 2 * len("seeded-reply-000000")
        return len(msgspec.json.encode(action)) + spare, len(msgspec.json.encode(observation)) + spare

    def _identity(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _words(self, length: int) -> str:
        if length <= 0:
            return ""
        start = self._random.randrange(len(self._text) - length)
        return self._text[start : start + length]


_CONDENSATION_BYTES = 520
_LAST_CHARS = 24
_ID_BYTES = len(f'"{uuid.UUID(int=0)}",')


def _fits_into_condensation(size: int) -> int:
    """How many ids fit into a condensation of this size, in pairs."""
    return min(FORGOTTEN_AT_ONCE, max(0, size - _CONDENSATION_BYTES) // _ID_BYTES) // 2 * 2


def _told_by_agent(event: Body) -> bool:
    """The model sees it as its own call, or as the result of one."""
    return event["kind"] in ("ActionEvent", "ObservationEvent")


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """A copy in which every string that is an old name is the new one."""
    if isinstance(value, dict):
        return {key: _renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


def _tell_state(path: Path, *, leaf: str, message: str) -> None:
    """The newest event of the tree, and the newest message of the user, where the release keeps them in its state."""
    state = decode(content(path), Body)
    told = {"leaf_event_id": leaf, "last_user_message_id": message}
    known = {name: identity for name, identity in told.items() if state.get(name)}
    if known:
        path.write_bytes(msgspec.json.encode({**state, **known}))
