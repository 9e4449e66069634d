"""The executions of a trial, and what really became of their sandboxes: what every promise about an executor is judged on.

The cluster (witness `pod`) and the agent itself (witness `agent`) say what is true; the executor's own words are what is judged.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tailproof.guarantees.verdict import Verdict, all_of, inconclusive
from tailproof.guarantees.witnesses import EDGE, POD
from tailproof.history.execution_records import AgentSaid, Turn
from tailproof.history.header import Header
from tailproof.history.pod_records import ContainerSeen, PodSeen
from tailproof.history.reader import History, derived
from tailproof.history.records import Exchange
from tailproof.history.server_records import Event, Status
from tailproof.history.views import EventList, lists

ENDED = frozenset({"done", "failed", "interrupted"})
"""Neutral statuses of an execution that has ended: completed, failed or cancelled."""
GAP = "gap"
"""The name of an event that says that output was lost."""
AGENT_NAME = "agent"
"""The name of the agent's container; every other one is a sidecar."""
LINE = re.compile(r"line (\S+) (\d+)\b")
"""How the scripted agent begins each line: the key of its turn, and the number of the line within it."""


@dataclass(slots=True, kw_only=True, eq=False)
class Execution:
    """One execution that the executor acknowledged."""

    id: str
    session: str
    turn: Turn
    """The first answer that named it."""
    statuses: list[Status]
    """What GET said of it, in the order of the clock; only changes are there."""
    log: list[Event]
    """Its events in the final log."""
    words: dict[str, str]
    """Raw status -> neutral word."""

    @property
    def ended(self) -> Status | None:
        """When it was first seen to have ended."""
        return next((status for status in self.statuses if status.neutral in ENDED), None)

    @property
    def ends(self) -> list[Event]:
        """The terminal events of it in the log."""
        return [event for event in self.log if event.role == "status" and self.words.get(event.status) in ENDED]

    @property
    def cause(self) -> str:
        """What its terminal event says about why."""
        return self.ends[0].text if self.ends else ""

    @property
    def lines(self) -> set[int]:
        """The numbers of the agent's lines that are in the log."""
        found = (LINE.match(event.text) for event in self.log if event.role == "message")
        return {int(match[2]) for match in found if match}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A container that ended, as the cluster tells it."""

    t_ns: int
    pod: str
    name: str
    role: Literal["agent", "sidecar"]
    exit_code: int | None
    reason: str
    restarts: int
    record: PodSeen


def is_of_an_executor(header: Header) -> bool:
    """The target is an executor: what is judged are executions and their sandboxes."""
    return bool(header.facts.get("executor"))


def only_executors(header: Header) -> str:
    """Why a promise about sandboxes is not about this trial."""
    return "" if is_of_an_executor(header) else "the target runs its agent itself, without a sandbox"


def either(
    of_a_server: Callable[[History], Verdict], of_an_executor: Callable[[History], Verdict]
) -> Callable[[History], Verdict]:
    """One promise that two kinds of systems make: which of them is on trial stands in the header."""

    def judge(history: History) -> Verdict:
        return of_an_executor(history) if is_of_an_executor(history.header) else of_a_server(history)

    judge.__doc__ = of_a_server.__doc__
    return judge


def of_servers(reason: Callable[[Header], str]) -> Callable[[Header], str]:
    """`reason` keeps a promise from servers; executors make it in every trial."""
    return lambda header: "" if is_of_an_executor(header) else reason(header)


def per_execution(judge: Callable[[History, Execution], Verdict]) -> Callable[[History], Verdict]:
    """The worst of what is said of each execution."""

    def every(history: History) -> Verdict:
        if final_log(history) is None:
            return inconclusive("the log of the session was not read at the end of the trial")
        return all_of((judge(history, one) for one in executions(history)), nothing="the executor acknowledged no turn")

    return every


@derived
def executions(history: History) -> tuple[Execution, ...]:
    """Every execution that was acknowledged, in that order."""
    log = final_log(history)
    words = words_of(history)
    found: dict[str, Execution] = {}
    for turn in history.turns:
        if 200 <= turn.code < 300 and turn.execution and turn.execution not in found:
            found[turn.execution] = Execution(
                id=turn.execution,
                session=turn.session,
                turn=turn,
                statuses=[one for one in history.statuses if one.run == turn.execution],
                log=[event for event in (log.events if log else ()) if event.run == turn.execution],
                words=words,
            )
    return tuple(found.values())


@derived
def words_of(history: History) -> dict[str, str]:
    """Raw status of an execution -> neutral word: those seen, and those that the adapter says are ends."""
    told = str(history.header.facts.get("ends", "")).split()
    return {
        **{raw: neutral for raw, _, neutral in (one.partition(":") for one in told)},
        **{one.raw: one.neutral for one in history.statuses if one.run},
    }


@derived
def final_log(history: History) -> EventList | None:
    """The log of the session as it was read at the end."""
    return next((one for one in reversed(lists(history)) if one.source == "page" and one.final and one.complete), None)


@derived
def ended_containers(history: History) -> tuple[Ended, ...]:
    """Every end of a container that the cluster told, in the order of the clock. A restart shows an end that nobody saw."""
    return _ends(history, POD)


@derived
def told_to_the_executor(history: History) -> tuple[Ended, ...]:
    """The ends of containers that answers of the cluster told the executor."""
    return _ends(history, EDGE)


@derived
def sandboxes(history: History) -> tuple[str, ...]:
    """The pods that the cluster told of, in the order in which they were made."""
    return tuple(dict.fromkeys(one.pod for one in history.pods if one.witness == POD))


def _ends(history: History, witness: str) -> tuple[Ended, ...]:
    found: list[Ended] = []
    known: dict[tuple[str, str], ContainerSeen] = {}
    for pod in history.pods:
        if pod.witness != witness:
            continue
        for name, now in pod.containers.items():
            was = known.get((pod.pod, name), ContainerSeen())
            known[pod.pod, name] = now
            if now.restarts > was.restarts and was.state != "terminated":
                reason, _, code = now.before.rpartition(" ")
                found.append(
                    _end(pod, name, reason, int(code) if code.lstrip("-").isdigit() else None, now.restarts - 1)
                )
            if now.state == "terminated" and (was.state, was.restarts) != ("terminated", now.restarts):
                found.append(_end(pod, name, now.reason, now.exit_code, now.restarts))
    return tuple(found)


def _end(pod: PodSeen, name: str, reason: str, code: int | None, restarts: int) -> Ended:
    return Ended(
        t_ns=pod.t_ns,
        pod=pod.pod,
        name=name,
        role="agent" if name == AGENT_NAME else "sidecar",
        exit_code=code,
        reason=reason,
        restarts=restarts,
        record=pod,
    )


def agent_said(history: History, *stages: str, pod: str = "") -> list[AgentSaid]:
    """What the agent told at these stages."""
    return [one for one in history.agents if one.stage in stages and (not pod or one.pod == pod)]


def got(history: History, execution: Execution) -> list[AgentSaid]:
    """When the agent got the turn of an execution."""
    return [one for one in agent_said(history, "got") if one.turn == execution.turn.key]


def finished(history: History, execution: Execution) -> AgentSaid | None:
    """The agent printed the terminal line of this turn."""
    return next((one for one in agent_said(history, "terminal") if one.turn == execution.turn.key), None)


def deaths(history: History, execution: Execution) -> list[Ended]:
    """The ends of the agent while it had this turn and had not finished it, and while the execution had not ended."""
    begun = got(history, execution)
    end = finished(history, execution)
    over = execution.ended
    return [
        one
        for one in ended_containers(history)
        if one.role == "agent"
        and any(said.pod == one.pod and said.t_ns <= one.t_ns for said in begun)
        and not (end is not None and end.pod == one.pod and end.t_ns <= one.t_ns)
        and not (over is not None and over.t_ns < one.t_ns)
    ]


def replaced(history: History, death: Ended) -> AgentSaid | None:
    """The agent of another sandbox that began after this death."""
    return next((one for one in agent_said(history, "began") if one.pod != death.pod and one.t_ns > death.t_ns), None)


def sidecar_ends(history: History, execution: Execution) -> list[Ended]:
    """Sidecars that ended before the execution did."""
    over = execution.ended
    return [one for one in ended_containers(history) if one.role == "sidecar" and not (over and over.t_ns < one.t_ns)]


@derived
def attachments(history: History) -> tuple[Exchange, ...]:
    """Each time the executor attached to an agent, in the order in which it asked; by the edge."""
    mine = (one for one in history.exchanges if one.witness == EDGE and one.path.partition("?")[0].endswith("/attach"))
    return tuple(sorted(mine, key=lambda one: one.began_ns))
