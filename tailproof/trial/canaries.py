"""Secrets that a server is given so that they can be found where they must not be: drawn, planted, and looked for.

What events hold is noticed by the recorder while it writes them. Here everything else is looked through: answers, downloads, what is
posted to webhooks, the server's log, its disk.
"""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tailproof.acts.access import answered
from tailproof.history.access_records import Canary
from tailproof.history.recorder import Recorder
from tailproof.incoming.limits import BODY_BYTES, SAID_CHARS
from tailproof.outgoing.masking import mark
from tailproof.protocol.access import Access, SpoiledWord
from tailproof.scenario.schema import Scenario
from tailproof.waiting import Budget

MODEL_KEY = "model key"
REJECTED: Mapping[SpoiledWord, str] = {
    "model-key": "key of a rejected request",
    "secret": "secret of a rejected request",
}
GIVEN = "user.give-secret"
"""The act that gives the conversation one more secret."""
LOG_LINES = 20_000
SEARCH_S = 15.0


def drawn(scenario: Scenario) -> dict[str, str]:
    """The canaries of one trial, by what they stand for; none where the scenario gives no secrets."""
    if not scenario.secrets:
        return {}
    later = [str(act.options.get("name", "")) for act in scenario.acts if act.kind == GIVEN]
    named = map(secret, (*scenario.secrets, *later))
    return {name: secrets.token_hex(20) for name in (MODEL_KEY, *REJECTED.values(), *named)}


def secret(name: str) -> str:
    """What the canary of a secret of the conversation is called."""
    return f"secret {name}"


class Lookout:
    """Looks for every secret of one trial, and tells its history. Safe from several threads."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._log = recorder.witness("trial")
        self._searched: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def planted(self) -> Mapping[str, str]:
        """By name."""
        return self._recorder.planted

    def plant(self, name: str, place: str) -> str:
        """The value of a canary, which is given to the server now."""
        if name not in self.planted:
            return ""
        self._log.write(Canary(stage="planted", name=name, place=place))
        return self.planted[name]

    def look(self, raw: bytes | bytearray, place: str, detail: str) -> bool:
        """Look through what the server said or wrote; whether a secret is in it."""
        if not self.planted:
            return False
        with self._lock:
            self._searched[place] += len(raw)
        found = sorted(self._recorder.names_in(bytes(raw)))
        for name in found:
            masker = self._recorder.masker
            around = _around(masker.raw(bytes(raw)), name)
            self._log.write(Canary(stage="seen", name=name, place=place, detail=masker.text(detail), around=around))
        return bool(found)

    def look_at_answers(self, access: Access | None, conversation: str, budget: Budget) -> None:
        """What shows or hands out the conversation."""
        if not self.planted or access is None:
            return
        within = budget.part(SEARCH_S)
        for what, heard in access.downloads(conversation, within):
            self.look(heard.body, "download", f"{what} {heard.code}")

    def send_spoiled(
        self, access: Access | None, conversation: str, what: SpoiledWord, budget: Budget
    ) -> Mapping[str, int]:
        """Requests that must be rejected, with a canary in them; how often which code was answered."""
        if access is None or not self.planted:
            return {}
        told: Counter[str] = Counter()
        for where, heard in access.spoiled(conversation, what, self.plant(REJECTED[what], "rejected request"), budget):
            told[answered(heard.code, heard.error)] += 1
            told["of them with the secret"] += self.look(heard.body, "answer", f"{where} {heard.code}")
        return told

    def look_at_files(self, root: Path, *, but: str) -> None:
        """Everything that the server persisted, but not the directory in which the tools work."""
        for path in sorted(root.rglob("*")) if self.planted else ():
            inside = path.relative_to(root)
            if (
                path.is_file()
                and not path.is_symlink()
                and inside.parts[0] != but
                and path.stat().st_size <= BODY_BYTES
            ):
                self.look(path.read_bytes(), "disk", str(inside))

    def look_at_log(self, log: str) -> None:
        """Look through what the server printed, or the end of it."""
        lines = log.splitlines()
        for number, line in enumerate(lines, 1):
            where = f"line {number:,} of the last {len(lines):,} of the server's output, read at the end"
            self.look(line.encode("utf-8", "replace"), "log", where)

    def end(self) -> None:
        """Say how much was searched where."""
        for place, amount in sorted(self._searched.items()):
            self._log.write(Canary(stage="searched", place=place, amount=amount))


def _around(masked: bytes, name: str) -> str:
    """What stands around the mark of a secret, so that a reader sees what it is there for; an ellipsis where there is more."""
    before, found, after = masked.partition(mark(name))
    if not found:
        return ""
    begin, rest = before[-SAID_CHARS:], after[:SAID_CHARS]
    around = b"".join((begin, found, rest)).decode("utf-8", "replace")
    return f"{'…' if begin != before else ''}{around}{'…' if rest != after else ''}"
