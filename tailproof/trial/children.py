"""The conversations and tasks that the agent of a trial starts: what the model plays in them, and what is seen of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from tailproof.acts.probes import as_probe
from tailproof.history.record import SETTLED, Neutral
from tailproof.history.recorder import Witness
from tailproof.history.records import ChildCall, ModelCall
from tailproof.history.server_records import Child
from tailproof.model.conversation import ChildScript, PlayedScript
from tailproof.outgoing.masking import Masker
from tailproof.protocol.adapter import Adapter, Answer
from tailproof.protocol.conversation import ChildKind
from tailproof.scenario.schema import Scenario
from tailproof.trial.observer import Observer
from tailproof.waiting import Budget, DeadlineMissed

_LOOK_EVERY_S = 0.5
_SLACK_S = 1.0


class _OfAChild:
    """Tells the witness of the model what it is asked in the name of a child, as that: it is no part of the conversation of the trial."""

    def __init__(self, witness: Witness, child: str) -> None:
        self._witness = witness
        self._child = child
        self.masker: Masker = witness.masker

    def write(self, record: ModelCall) -> None:
        if record.stage in ("asked", "answered") and record.turn >= 0:
            self._witness.write(ChildCall(child=self._child, stage=record.stage, turn=record.turn))


def scripts(scenario: Scenario, adapter: Adapter, witness: Witness) -> Mapping[str, ChildScript]:
    """What the model plays in them, by name; `witness` is that of the model."""
    found = {}
    for name, plan in scenario.children.items():
        task = f"[{name}] Do the part of the work that goes by this name."
        tool, arguments = adapter.child_tool(task, plan.kind)
        told = _OfAChild(witness, name)
        played = PlayedScript(name=name, url="", script=plan.script, journal="", witness=told)
        found[name] = ChildScript(task=task, tool=tool, arguments=dict(arguments), played=played)
    return found


class Children:
    """Reads the statuses of conversations, by the ids that the server names as children of that of the trial and without loading any: one
    that was named once is looked for ever after. Of tasks nothing is shown: they are heard at the model. `kinds` says what is which."""

    def __init__(
        self,
        observer: Observer,
        adapter: Adapter,
        witness: Witness,
        conversation: Callable[[], str],
        *,
        kinds: Mapping[str, ChildKind],
        started: Mapping[str, ChildScript],
    ) -> None:
        self._observer = observer
        self._adapter = adapter
        self._witness = witness
        self._conversation = conversation
        self._tasks = [started[name].played for name, kind in kinds.items() if kind == "task"]
        self._looks = "conversation" in kinds.values()
        self._known: dict[str, Neutral] = {}

    def look(self, budget: Budget | None = None) -> bool:
        """Whether each conversation has ended, or waits for somebody."""
        if not self._looks:
            return True
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

    def watch_tasks(self, limit_s: float, budget: Budget) -> None:
        """Hear what is asked in their name, until all is told or long after `limit_s`, in which none must ask any more."""
        with suppress(DeadlineMissed):  # whoever is quiet to the end of this does what was promised
            budget.wait_for(
                "every task to be told its last reply",
                lambda: all(played.answered(len(played.script) - 1) for played in self._tasks),
                within=2 * limit_s,
                every=_LOOK_EVERY_S,
            )

    def _note(self, answer: Answer) -> None:
        said = as_probe(answer)
        said.epoch = self._observer.epoch
        self._witness.write(said)
