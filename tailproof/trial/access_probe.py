"""Tries every route and stream that a server has without a key, with wrong ones and with the right one.

Nothing of the trial's own conversation is touched: what may change a conversation is asked for one that is made for it. How many
keys are tried is bounded, and so are the time and how many requests are under way at once.
"""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from tailproof.acts.access import answered
from tailproof.history.access_records import Key, Knock
from tailproof.history.recorder import Witness, digest_of_bytes
from tailproof.protocol.access import Access, Door, Heard, KeyPlace
from tailproof.protocol.adapter import Api
from tailproof.protocol.conversation import ConversationPlan
from tailproof.protocol.recording import TEXT_CHARS
from tailproof.waiting import Budget

AT_ONCE = 4
PROBE_S = 120.0
"""All of it together; what was not tried by then is not judged."""
LONG = 8_000
"""Characters of a key that is too long; more than a server's own limit for the whole head would tell nothing of keys."""
MALFORMED: tuple[Key, ...] = ("empty", "prefix", "longer", "long", "other-case", "odd-bytes", "other-scheme")
_CARRIES_ANYTHING: Mapping[str, KeyPlace] = {"route": "header", "stream": "query"}
"""Where bytes can be sent that no key has."""
NOWHERE = "http://127.0.0.1:9/v1"
"""The model of a conversation that never runs."""

Try = tuple[Door, Key, KeyPlace]


class AccessProbe:
    """One server. `sighted` is told of every answer, which may hold a secret that it must not hold."""

    def __init__(
        self,
        api: Api,
        log: Witness,
        *,
        workspace: str,
        sighted: Callable[[bytes | bytearray, str], object],
    ) -> None:
        self._api = api
        self._log = log
        self._workspace = workspace
        self._sighted = sighted
        self._told: Counter[str] = Counter()
        self._counting = threading.Lock()

    def knock(self, budget: Budget, *, dormant: bool = False, exhaustive: bool = False) -> Mapping[str, int]:
        """Try everything once; how many answers of which code there were, and how many doors. Raises Cancelled."""
        access = self._api.access()
        if access is None or not access.key:
            return {}
        patience = budget.part(PROBE_S)
        conversation = str(uuid.uuid4())
        if not dormant:
            self._api.create(ConversationPlan(conversation=conversation, model_url=NOWHERE, workspace=self._workspace))
        self._told.clear()
        _, doors = access.doors(conversation, workspace=self._workspace, dormant=dormant, budget=patience)
        try:
            self._try_all(access, list(tries(doors, exhaustive=exhaustive, dormant=dormant)), patience, dormant)
        finally:
            if not dormant:
                self._api.delete(conversation)
        return {"doors": len(doors), **dict(sorted(self._told.items()))}

    def _try_all(self, access: Access, wanted: Sequence[Try], budget: Budget, dormant: bool) -> None:
        def one(asked: Try) -> None:
            if not budget.cancel.is_set() and budget.left:
                self._try(access, *asked, budget, dormant=dormant)

        # What ends a conversation is asked for when everything else was answered.
        last = [asked for asked in wanted if asked[0].method == "DELETE"]
        for group in ([asked for asked in wanted if asked[0].method != "DELETE"], last):
            with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="knock") as pool:
                for done in [pool.submit(one, asked) for asked in group]:
                    done.result()

    def _try(self, access: Access, door: Door, key: Key, place: KeyPlace, budget: Budget, *, dormant: bool) -> None:
        began = time.monotonic_ns()
        if key == "shown-before":
            heard = access.knock_again(door, place, budget)
        else:
            heard = access.knock(door, shaped(key, access.key), place, budget)
        self._write(door, key, place, heard, began, dormant)
        self._sighted(heard.body, f"{door.method} {door.path}")

    def _write(self, door: Door, key: Key, place: KeyPlace, heard: Heard, began_ns: int, dormant: bool) -> None:
        with self._counting:
            self._told[answered(heard.code, heard.error)] += 1
        self._log.write(
            Knock(
                door=door.kind,
                method=door.method,
                path=door.path,
                key=key,
                place="" if key == "none" else place,
                code=heard.code,
                size=len(heard.body),
                digest=digest_of_bytes(heard.body),
                error=self._log.masker.cut(heard.error, TEXT_CHARS),
                cut=heard.cut,
                open=door.open,
                dormant=dormant,
                began_ns=began_ns,
            )
        )


def tries(doors: Sequence[Door], *, exhaustive: bool, dormant: bool) -> Iterator[Try]:
    """Every door without a key and with a wrong one in each place; malformed keys at every stream and at what is only read, and one
    of them in turn at each other route, or all of them (`exhaustive`). The right key is shown where nothing is changed by it: at what is
    read, and at all that opens (`exhaustive`; a stream may have nothing to say, and is listened to for long). What is read is asked for
    without a key in other spellings, too, and one of it once more behind the right key."""
    for number, door in enumerate(doors):
        yield door, "none", door.places[0]
        if door.open:
            continue
        for place in door.places:
            yield door, "wrong", place
            forms = MALFORMED if exhaustive or door.reads else (MALFORMED[number % len(MALFORMED)],)
            for form in forms:
                if form != "odd-bytes" or place == _CARRIES_ANYTHING[door.kind]:
                    yield door, form, place
            if not dormant and (door.reads or (exhaustive and door.opens)):
                yield door, "right", place
    if not dormant:
        read = [door for door in doors if door.kind == "route" and door.reads and not door.open]
        yield from ((other, "none", other.places[0]) for door in read for other in spellings(door))
        # Who remembers the key of a connection does so whatever is asked for: one is enough.
        yield from ((door, "shown-before", "header") for door in read[:1] if "header" in door.places)


def spellings(door: Door) -> Iterator[Door]:
    """The same path as servers and what stands before them may take it for the same: what checks keys by the path must do so, too."""
    for change in (lambda path: f"/{path}", _doubled, lambda path: f"{path}/"):
        target, mark, query = door.target.partition("?")
        yield replace(door, path=change(door.path), target=f"{change(target)}{mark}{query}")


def _doubled(path: str) -> str:
    """With two slashes behind its first part."""
    first, slash, rest = path[1:].partition("/")
    return f"/{first}/{slash}{rest}"


def shaped(form: Key, right: str) -> str | None:
    """A key of this form; None for none at all."""
    match form:
        case "none" | "shown-before":
            return None
        case "right":
            return right
        case "wrong":
            return secrets.token_hex(len(right) // 2 + 1)[: len(right)]
        case "empty":
            return ""
        case "prefix":
            return right[: len(right) // 2]
        case "longer":
            return f"{right}0"
        case "long":
            return "k" * LONG
        case "other-case":
            other = right.swapcase()
            return other if other != right else f"{right[:-1]}\u0061"
        case "odd-bytes":
            return f"\x01\x7f{right}"
        case "other-scheme":
            return f"Bearer {right}"
