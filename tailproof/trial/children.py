"""The conversations that the agent of a trial starts: what the model plays in them, and what a reader is shown of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from tailproof.acts.beside import as_probe
from tailproof.history.record import SETTLED, Neutral
from tailproof.history.recorder import Recorder, Witness
from tailproof.history.server_records import Child
from tailproof.model.conversation import ChildScript, PlayedScript
from tailproof.protocol.adapter import Adapter, Answer
from tailproof.scenario.schema import Scenario
from tailproof.trial.observer import Observer
from tailproof.waiting import Budget

_LOOK_EVERY_S = 0.5
_SLACK_S = 1.0


def scripts(
    scenario: Scenario, adapter: Adapter, recorder: Recorder, scratch: Path, removal: ExitStack
) -> Mapping[str, ChildScript]:
    """What the model plays in them, by name. What it says there is written below `scratch`, where nobody reads it: it is no part of the
    conversation of the trial."""
    if not scenario.children:
        return {}
    witness = Witness("model", scratch / "children.jsonl", recorder.masker)
    removal.callback(witness.close)
    found = {}
    for name, plan in scenario.children.items():
        task = f"[{name}] Do the part of the work that goes by this name."
        tool, arguments = adapter.child_tool(task)
        played = PlayedScript(name=name, url="", script=plan.script, journal="", witness=witness)
        found[name] = ChildScript(task=task, tool=tool, arguments=dict(arguments), played=played)
    return found


class Children:
    """Reads their statuses, by the ids that the server names as children of the conversation and without loading any. One that was
    named once is looked for ever after."""

    def __init__(self, observer: Observer, adapter: Adapter, witness: Witness, conversation: Callable[[], str]) -> None:
        self._observer = observer
        self._adapter = adapter
        self._witness = witness
        self._conversation = conversation
        self._known: dict[str, Neutral] = {}

    def look(self, budget: Budget | None = None) -> bool:
        """Whether each of them has ended, or waits for somebody."""
        api, conversation = self._observer.api, self._conversation()
        answer, named = api.children(conversation, budget)
        self._note(answer)
        for child in dict.fromkeys((*self._known, *named)):
            answer, raw = api.status(child, budget)
            self._note(answer)
            self._known[child] = self._adapter.neutral(raw)
            self._witness.write(
                Child(
                    conversation=conversation,
                    child=child,
                    code=answer.code,
                    raw=raw,
                    neutral=self._known[child],
                    epoch=self._observer.epoch,
                    t_ns=answer.ended_ns,
                )
            )
        return all(neutral in SETTLED for neutral in self._known.values())

    def wait_ended(self, within_s: float, budget: Budget) -> None:
        """Look until each of them has ended, or had its time. Raises DeadlineMissed."""
        budget.wait_for(
            "every child to end",
            lambda: self.look(budget),
            within=within_s + _SLACK_S,
            saw=lambda: f"{', '.join(self._known.values()) or 'none'}",
            every=_LOOK_EVERY_S,
        )

    def _note(self, answer: Answer) -> None:
        said = as_probe(answer)
        said.epoch = self._observer.epoch
        self._witness.write(said)
