"""Nobody gets in without the key, whoever has it does, and no secret gets out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from tailproof.guarantees.verdict import Guarantee, Level, Verdict, at, excused, holds, inconclusive, violated
from tailproof.guarantees.witnesses import LOG, STREAM, TRIAL
from tailproof.history.access_records import Canary, Knock
from tailproof.history.header import Header
from tailproof.history.plan import planned_secrets, probes_access
from tailproof.history.reader import History

REFUSED = frozenset({401, 403, 1008, 4001, 4003})
"""Answers and close codes that say that the key is not the right one."""
NOT_YET = frozenset({503, 1013})
"""Answers and close codes of a server that is not initialised."""
NOT_EVEN_READ = frozenset({400, 413, 414, 431})
"""Answers to a request with a key that none can be, before anybody looks at it."""
UNREADABLE = frozenset({"long", "odd-bytes"})
LET_IN = 101
LOG_PLACE = "log"
SAID = frozenset({"event", "answer", "download", "hook"})
"""Where a secret is shown to others by the server itself."""
KEPT = frozenset({LOG_PLACE, "disk"})
"""Where it stays behind for whoever can read logs and disks."""


def key(history: History) -> Verdict:
    """No route and no stream that the server has serves whoever shows no key or a wrong one, neither before the server is initialised
    nor after, under whatever spelling of its path, also not behind a request with the right key on the same connection.

    A door is served when it answers with 2xx, or when a stream is let in and not closed for the key. What answers with anything else
    (404, 405, 422, a redirection) before it has looked at the key serves nothing, and is counted apart. Doors of which the protocol
    says that anybody may ask for them are no matter of this promise.
    """
    judged = [knock for knock in history.knocks if knock.key != "right" and not knock.open and not knock.cut]
    served = [knock for knock in judged if _served(knock)]
    if served:
        # What it serves when it has its key is worse than what it serves before.
        worst = [knock for knock in served if not knock.dormant] or served
        first = worst[0]
        state = "before it was initialised" if first.dormant else "although it needs the key"
        return violated(
            f"the server served {_door(first)} to {_who(first)}, {state} ({len(served)} of {len(judged)} requests were served)",
            signature=f"{'dormant-' if first.dormant else ''}{first.door}-served-with-{_which(worst)}",
            expected=["401 or 403, or a close with 4001"],
            seen=[f"{_door(knock)} {_who(knock)}: {knock.code}" for knock in served],
            evidence=[at(knock, f"{_door(knock)} {_who(knock)}: {knock.code}, {knock.size} bytes") for knock in served],
            served=len(served),
            asked=len(judged),
        )
    if not any(knock.door == "route" for knock in judged):
        return inconclusive("the server has no route that could be tried")
    refused = [knock for knock in judged if _refused(knock)]
    doors = {(knock.method, knock.path, knock.dormant) for knock in refused}
    return holds(
        f"{len(refused)} requests without the right key were refused at {len(doors)} doors",
        compared={"refused": len(refused), "doors": len(doors)},
        undecided=len(judged) - len(refused),
    )


def accepted(history: History) -> Verdict:
    """Whoever shows the right key in a place where the protocol takes it is let in."""
    shown = [knock for knock in history.knocks if knock.key == "right" and not knock.cut]
    turned_away = [knock for knock in shown if knock.code in REFUSED]
    if turned_away:
        first = turned_away[0]
        return violated(
            f"{_door(first)} was refused with the right key in the {first.place}: {first.code}",
            signature=f"{first.door}-refuses-key-in-{first.place}",
            expected=["not 401 or 403, no close with 4001"],
            seen=[f"{_door(knock)} {_who(knock)}: {knock.code}" for knock in turned_away],
            evidence=[at(knock, f"{_door(knock)} {_who(knock)}: {knock.code}") for knock in turned_away],
            refused=len(turned_away),
        )
    let_in = [knock for knock in shown if _served(knock)]
    places = Counter(f"{knock.door} {knock.place}" for knock in let_in)
    return holds(f"the right key opened every door it was shown at, in {len(places)} places", compared=dict(places))


def secret(history: History) -> Verdict:
    """A secret that the server was given stands in no event, answer or download, and in nothing that is posted to a webhook.

    Looked for are the secrets of the conversation, the key of the model, a secret in requests that the server must reject, and the
    server's own two keys; in events also when a tool prints them.
    """
    return _leaks(history, SAID)


def traces(history: History) -> Verdict:
    """A secret that the server was given stands neither in its log nor readable on its disk.

    Looked for are the same secrets as by `access.secret`. The session key in the log is not judged when it was shown in a query:
    whoever logs addresses logs it, which is why protocols advise against that place. Where nobody can read the server's log or disk,
    the promise is not about the trial.
    """
    excused_key = any(knock.key == "right" and knock.place == "query" for knock in history.knocks)
    return _leaks(history, KEPT, but=frozenset({("session key", LOG_PLACE)}) if excused_key else frozenset())


def _leaks(history: History, places: frozenset[str], *, but: frozenset[tuple[str, str]] = frozenset()) -> Verdict:
    planted = [one for one in history.canaries if one.stage == "planted"]
    if not planted:
        return inconclusive("no secret was given to the server")
    here = [one for one in history.canaries if one.place in places]
    seen = [one for one in here if one.stage == "seen" and (one.name, one.place) not in but]
    if seen:
        leaks = sorted(
            {(one.place, one.name): one for one in reversed(seen)}.values(), key=lambda one: (one.place, one.name)
        )
        return violated(
            "; ".join(_where(one) for one in leaks),
            signature="+".join(dict.fromkeys(f"{_kind(one)}-in-{one.place}" for one in leaks)),
            expected=["no secret"],
            seen=list(dict.fromkeys(_told(one) for one in seen)),
            evidence=[at(one, _told(one)) for one in seen],
            times_seen=len(seen),
        )
    searched = [one for one in history.canaries if one.stage == "searched"]
    if not searched:
        return inconclusive("nothing was searched")
    amounts = {f"bytes of {one.place}": one.amount for one in searched if one.place in places}
    if places == SAID:
        return holds(
            f"none of {len(planted)} secrets stands in {len(history.events)} events, or in answers, downloads and webhooks",
            compared={"secrets": len(planted), "events": len(history.events), **amounts},
        )
    if not any(amounts.values()):
        return excused(
            "nobody could read the server's log or disk",
            evidence=[at(one, f"searched: {one.amount} bytes of {one.place}") for one in searched],
        )
    return holds(
        f"none of {len(planted)} secrets stands in what the server wrote into its log and on its disk",
        compared={"secrets": len(planted), **amounts},
    )


def _served(knock: Knock) -> bool:
    return knock.code == LET_IN if knock.door == "stream" else 200 <= knock.code < 300


def _refused(knock: Knock) -> bool:
    return (
        knock.code in REFUSED
        or (knock.dormant and knock.code in NOT_YET)
        or (knock.key in UNREADABLE and knock.code in NOT_EVEN_READ)
    )


def _which(served: Sequence[Knock]) -> str:
    """The plainest of the keys that opened a door."""
    kinds = {knock.key for knock in served}
    for kind in ("none", "wrong"):
        if kind in kinds:
            return f"{kind}-key"
    return f"{min(kinds)}-key"


def _kind(seen: Canary) -> str:
    """What the secret is, without the name that the scenario gave it."""
    return "-".join(word for word in seen.name.split() if word.islower())


def _door(knock: Knock) -> str:
    return f"{knock.method} {knock.path}"


def _who(knock: Knock) -> str:
    if knock.key == "shown-before":
        return f"without a key behind a request with the right one in the {knock.place}, over one connection"
    return "without a key" if knock.key == "none" else f"with the key {knock.key} in the {knock.place}"


def _where(seen: Canary) -> str:
    """`the secret of a rejected request comes back in an answer: POST /work 422`, `the session key stands in the server's log`."""
    where, told = _SAYS[seen.place]
    return f"the {seen.name} {where}" + (f": {seen.detail}" if told and seen.detail else "")


_SAYS: Mapping[str, tuple[str, bool]] = {
    "event": ("is shown in an event", True),
    "answer": ("comes back in an answer", True),
    "download": ("is handed out in a download", True),
    "hook": ("is posted to a webhook", True),
    "log": ("stands in the server's log", False),
    "disk": ("is readable on the server's disk", True),
}
"""Place -> what a secret does there, and whether the sentence says where exactly. A line of a log is told by the evidence: it is
another one in each trial."""


def _told(seen: Canary) -> str:
    """`secret x in answer: POST /work 422: … {"input": "<secret:secret x>" …`."""
    return f"{seen.name} in " + ": ".join(filter(None, (seen.place, seen.detail, seen.around)))


def a_probe(header: Header) -> str:
    """Of a trial in which somebody tries the doors."""
    return "" if probes_access(header) else "nobody tries doors with keys in this scenario"


def secrets_given(header: Header) -> str:
    """Of a trial in which the server is given secrets to be found again."""
    return "" if planned_secrets(header) else "this scenario gives the server no secrets to look for"


GUARANTEES = (
    Guarantee(
        id="access.key",
        level=Level.MUST,
        promise="No route and no stream serves anybody without the right key, before the server is initialised or after.",
        hurts="everybody whose conversations the server keeps: strangers get in",
        judge=key,
        applies=a_probe,
        rests_on=frozenset({TRIAL}),
        judges_break_offs=True,
    ),
    Guarantee(
        id="access.accepted",
        level=Level.SHOULD,
        promise="The right key opens what it is for in every place where the protocol takes it.",
        hurts="users with the right key, who are refused",
        judge=accepted,
        applies=a_probe,
        rests_on=frozenset({TRIAL}),
    ),
    Guarantee(
        id="access.secret",
        level=Level.MUST,
        promise="A secret that the server was given shows in no event, answer, download or webhook.",
        hurts="the owner of the secret, wherever answers and events are kept or forwarded",
        judge=secret,
        applies=secrets_given,
        rests_on=frozenset({TRIAL, LOG, STREAM}),
    ),
    Guarantee(
        id="access.traces",
        level=Level.MUST,
        promise="A secret that the server was given is readable neither in its log nor on its disk.",
        hurts="the owner of the secret: whoever can read logs or disks has it",
        judge=traces,
        applies=secrets_given,
        rests_on=frozenset({TRIAL}),
    ),
)
