"""What was planned for a trial, read from the scenario in its header: what does not stand there was never meant to happen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tailproof.history.header import Header
from tailproof.history.parameters import parameter

FULL_AT_START = "disk.full-at-start"
"""The fault that kills the server and starts it again without room on its disk."""
DOWNGRADE = "process.downgrade"
"""The fault that puts the release before the server's in its place for a while."""
_REPLIES = 100_000
"""A script gives no more (`model.script.REPLIES`)."""
PASSING = frozenset({FULL_AT_START, DOWNGRADE})
"""Faults with a life in them that need not serve."""
KILLS = frozenset({"process.kill", "memory.server", FULL_AT_START})
"""Faults of which the server dies."""
STOP = "process.restart"
"""The fault that asks the server to end, and starts it again."""
GRACE_S = 10.0
"""How long it may take, unless the scenario says another time."""
FORK_BOMB = "process.fork-bomb"
"""The fault in which a tool forks until no process is left to be had."""
CLOCK = "clock.step"
"""The fault that sets the server's clock."""
MOST_HOURS = 10_000
"""It is never set by more, in either direction."""
DAMAGE = "disk.damage"
"""The fault that damages a file of a conversation while the server is stopped."""
SLOW = "disk.slow"
"""The fault that lets what is written to the server's disk wait."""
ON_OWN_DISK = frozenset({"disk.full", FULL_AT_START, "disk.read-only", SLOW})
"""Faults for which the server's data needs a filesystem of its own."""
Filesystem = Literal["", "tmpfs", "ext4"]
"""What the server's data lies on: what is there already, or a small filesystem of its own."""
RESTARTS = KILLS | {STOP, DAMAGE, DOWNGRADE}
"""Faults that end a life of the server; it is started again."""
BREAKERS = frozenset({"wire.cut", "wire.down", "network.reset_peer", "network.timeout", "network.limit_data"})
"""Faults that end a stream which is open."""
PROBE = "user.probe-access"
"""The act of somebody who tries what the server publishes with all kinds of keys."""
DELETION = "user.delete"
"""The act of another user that deletes the conversation."""
IN_A_COPY = "this is said in the copy alone"
"""What another user posts into a copy of the conversation, and nobody into the conversation itself."""
PATH = ("wire.", "network.")
"""How the names of the faults begin that are put between client and server."""
HOLDING = frozenset({"condensing", "model-called", "tool-running", "final-reply"})
"""Points at which the loop stands still until it is let go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One fault or act as the scenario asks for it."""

    id: str
    name: str
    at: str


def planned_faults(header: Header) -> tuple[Planned, ...]:
    """The faults of the scenario, in the order of the file."""
    return _planned(header, "fault")


def planned_acts(header: Header) -> tuple[Planned, ...]:
    """The acts of the scenario, in the order of the file."""
    return _planned(header, "act")


def _planned(header: Header, what: str) -> tuple[Planned, ...]:
    return tuple(
        Planned(id=str(plan.get("id", "")), name=str(plan.get(what, "")), at=str(plan.get("at", "")))
        for plan in header.plan.get(f"{what}s") or ()
    )


def filesystem(faults: Iterable[str]) -> Filesystem:
    """What the server's data has to lie on for these faults: of the two, the kernel freezes only one that has a device."""
    needed = ON_OWN_DISK.intersection(faults)
    if not needed:
        return ""
    return "ext4" if SLOW in needed else "tmpfs"


def grace_of(header: Header, fault: str) -> float:
    """How long the server has for its end when this fault stops it, in seconds."""
    options = next((plan.get("with") for plan in header.plan.get("faults") or () if plan.get("id") == fault), None)
    return float((options or {}).get("grace", GRACE_S))


def plans(header: Header, *names: str) -> bool:
    """A fault or an act of one of these kinds was planned; a name that ends in a dot stands for all that begin so."""
    return any(
        one.name == name or (name.endswith(".") and one.name.startswith(name))
        for one in (*planned_faults(header), *planned_acts(header))
        for name in names
    )


def resumes(header: Header) -> bool:
    """Somebody subscribes who has left off, or wants the whole log."""
    return any(
        act.get("act") == "user.subscribe" and (act.get("with") or {}).get("from", "now") != "now"
        for act in header.plan.get("acts") or ()
    )


LOOKS_OR_WRITES = frozenset({"status", "count", "page", "page-newest", "send"})
"""What `user.request` may ask for to look at a conversation, or to write into it."""


def looks_or_writes(header: Header) -> bool:
    """Another user looks at the conversation, subscribes to it or writes into it while the loop stands still."""
    return any(
        str(act.get("at", "")).partition(":")[0] in HOLDING and _looks_or_writes(act.get("act"), act.get("with") or {})
        for act in header.plan.get("acts") or ()
    )


def _looks_or_writes(name: object, options: Mapping[str, Any]) -> bool:
    match name:
        case "user.subscribe":
            return True
        case "user.message":
            return options.get("while_held") is None  # it waits for a request of the client, while the loop may go on
        case "user.request":
            return options.get("verb") in LOOKS_OR_WRITES
        case _:
            return False


def steps_s(header: Header, fault: str) -> int:
    """By how many seconds, whole ones, the fault with this id sets the server's clock; 0 for one that does not."""
    plan: Mapping[str, Any] = next((one for one in header.plan.get("faults") or () if one.get("id") == fault), {})
    hours = (plan.get("with") or {}).get("hours", 0) if plan.get("fault") == CLOCK else 0
    return round(float(hours) * 3600) if abs(float(hours)) <= MOST_HOURS else 0


def damages_state(header: Header) -> bool:
    """What is damaged on the disk is the state of the conversation, not an event of it."""
    return any(
        plan.get("fault") == DAMAGE and (plan.get("with") or {}).get("to") == "state"
        for plan in header.plan.get("faults") or ()
    )


def is_of_the_path(fault: str) -> bool:
    """A fault between client and server, not one of the server."""
    return fault.startswith(PATH)


def turns(header: Header) -> Iterator[Mapping[str, Any]]:
    """The turns of the script."""
    yield from header.plan.get("script") or ()


def guarantees_of(header: Header) -> list[str]:
    """Globs of the guarantees that the scenario is about; all of them where it names none."""
    named = header.plan.get("guarantees")
    globs = [glob for glob in named if isinstance(glob, str)] if isinstance(named, list) else []
    return globs or ["*"]


def number_of(turn: Mapping[str, Any], key: str, otherwise: float) -> float:
    """A number of a turn; `otherwise` where it says none, as a header may that somebody else wrote."""
    said = turn.get(key)
    return float(said) if isinstance(said, int | float) else otherwise


def calls_tools(header: Header) -> bool:
    """The script makes the model call a tool, the one that ends a run included."""
    return any(turn.get("tools") or turn.get("finish") is not None for turn in turns(header))


def leaves_tokens(header: Header) -> bool:
    """The script runs a tool that writes into the tool journal."""
    return any(call.get("journal", True) for turn in turns(header) for call in turn.get("tools") or ())


def tokens_by_call(header: Header) -> dict[str, str]:
    """Id of a tool call -> the token that its tool writes into the tool journal, and says to the model when it is done. Without ids
    that the script gives to several calls.

    The ids count the replies of the script from 0 (`model.position.call_id`), repetitions each and errors none, and the calls of
    each reply.
    """
    found: dict[str, str] = {}
    position = 0
    for number, turn in enumerate(turns(header), 1):
        if turn.get("status") is not None or turn.get("fails") is not None:
            continue
        calls = turn.get("tools") or ()
        copies = min(int(min(number_of(turn, "repeat", 1), _REPLIES)), _REPLIES - position)
        for copy in range(1, copies + 1):
            for index, call in enumerate(calls):
                shares = any(other.get("same_id") for other in calls[index : index + 2])
                if call.get("journal", True) and not shares:
                    token = call.get("token") or (f"t{number}" if len(calls) == 1 else f"t{number}-{index + 1}")
                    found[f"call-{position}-{index}"] = f"{token}.{copy}" if copies > 1 else str(token)
            position += 1
    return found


def left_behind(header: Header, how: Literal["job", "detached"]) -> frozenset[str]:
    """The tokens of the tools that leave such a process behind."""
    calls = (call for turn in turns(header) for call in turn.get("tools") or ())
    return frozenset(str(call.get("token")) for call in calls if call.get("leaves") == how)


def is_dormant(header: Header) -> bool:
    """The server was started with deferred initialisation."""
    return bool((header.plan.get("server") or {}).get("dormant"))


def asks_for_confirmation(header: Header) -> bool:
    """The agent waits for a confirmation before each action, or before each risky one."""
    return header.plan.get("confirmation") == "always" or confirms_risks(header)


def confirms_risks(header: Header) -> bool:
    """The agent waits for a confirmation before each risky action, and before no other."""
    return bool((header.plan.get("agent") or {}).get("confirms_risks"))


def lingers_s(header: Header) -> float:
    """How long the slowest guard of its agent takes that tells the tool journal of it, in seconds; 0 where there is none."""
    guards = (header.plan.get("agent") or {}).get("guards") or ()
    return max((number_of(guard, "seconds", 0) for guard in guards), default=0.0)


def harmless(header: Header) -> frozenset[str]:
    """The tokens of the tool calls that need no confirmation of an agent that waits for some."""
    calls = [call for turn in turns(header) for call in turn.get("tools") or ()] if confirms_risks(header) else []
    return frozenset(str(call.get("token")) for call in calls if call.get("risk") != "high")


def probes_access(header: Header) -> bool:
    """Somebody tries what the server publishes with all kinds of keys."""
    return any(act.get("act") == PROBE for act in header.plan.get("acts") or ())


def planned_secrets(header: Header) -> tuple[str, ...]:
    """The names of the secrets that the conversation is created with."""
    return tuple(map(str, header.plan.get("secrets") or ()))


def is_seeded(header: Header) -> bool:
    """The conversation had a long history before the client came."""
    return bool(header.plan.get("seeded"))


def children_of(header: Header, kind: Literal["conversation", "task"]) -> tuple[str, ...]:
    """The names of what its agent starts, of one kind."""
    planned: Mapping[str, Any] = header.plan.get("children") or {}
    return tuple(name for name, plan in planned.items() if plan.get("kind", "conversation") == kind)


def has_hooks(header: Header) -> bool:
    """The server posts events to a receiver of webhooks."""
    return bool((header.plan.get("server") or {}).get("hooks"))


def hooks_limit(header: Header) -> float:
    """Within how many seconds an event is with a receiver that is well: it may wait to be posted with others, or for the next
    attempt after one that failed just before."""
    told = (header.plan.get("server") or {}).get("hooks") or {}
    return parameter(header, "hooks.delivered") + sum(float(told.get(name, 0)) for name in ("flush_s", "retry_s"))


_SERVERS_NUMBERS = frozenset({"sdk", "src", "reference"})
"""The kinds of clients that are released together with the server, under the same number. Of the reference client only some variants
say that they are of a release."""
_RELEASE = re.compile(r"\d+\.\d+(\.\d+)?")


def client_tells(header: Header) -> frozenset[str]:
    """What the client of this trial reports: `held`, `callbacks`, `status`, `exit`. Histories of before this was written down
    have an SDK or the plain client, which reports nothing."""
    told = header.facts.get("client_tells")
    if told is None:
        return frozenset() if header.client == "plain" else frozenset({"held", "callbacks", "status"})
    return frozenset(str(told).split())


def skew(header: Header) -> str:
    """Why the client's lists are not judged: it is of another release than the server. Empty when it is of the same, or when
    one of the two is unknown or counts its releases in another way (a script, for one)."""
    client, server = _releases(header)
    if client == server or not of_one_numbering(header):
        return ""
    return f"the client is {client} and the server {server}: a mere skew is no lost event (see client.compatible)"


def of_one_numbering(header: Header) -> bool:
    """The releases of client and server are known, and can be compared."""
    return all(_releases(header)) and header.client.partition(":")[0] in _SERVERS_NUMBERS


def _releases(header: Header) -> tuple[str, str]:
    return _release(header.versions.get("client", "")), _release(header.versions.get("server", ""))


def _release(version: str) -> str:
    found = _RELEASE.match(version)
    return found[0] if found else ""
