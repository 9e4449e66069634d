"""`--shard K/N`: one of N parts of a check. Every scenario is in exactly one of them, whoever deals them out and where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tailproof.acts.catalogue import announced
from tailproof.incoming import BadInput
from tailproof.incoming.json import decoder
from tailproof.incoming.limits import SAID_CHARS
from tailproof.outgoing.visible import clip
from tailproof.scenario.schema import Scenario
from tailproof.trial.server_pool import may_share

_FORM = re.compile(r"([1-9]\d{0,3})/([1-9]\d{0,3})")
_START_S = 10.0
"""What a start of a server takes, roughly."""
_OF_BUDGET = 0.05
"""The share of its budget that a trial takes without a start of a server, roughly."""


class BadShard(BadInput):
    """No part of a check: wrong usage, said in one sentence."""


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """Part `number` of `of`, counted from 1."""

    number: int
    of: int

    @classmethod
    def read(cls, text: str) -> Shard:
        """`2/4`. Raises BadShard."""
        found = _FORM.fullmatch(text)
        if found is None or int(found[1]) > int(found[2]):
            raise BadShard(f"--shard {clip(text, SAID_CHARS)!r} is none: K/N, as 1/4 to 4/4")
        return cls(number=int(found[1]), of=int(found[2]))

    def names(self, costs: Mapping[str, float]) -> frozenset[str]:
        """Those that fall to this part, of all that are dealt out by their costs."""
        return dealt(costs, self.of)[self.number - 1]


def dealt(costs: Mapping[str, float], of: int) -> list[frozenset[str]]:
    """So many parts: the dearest names are dealt first, each to the part that has the least to do by then. In what order they are given
    does not matter."""
    hands: list[list[str]] = [[] for _ in range(of)]
    loads = [0.0] * of
    for name in sorted(costs, key=lambda name: (-costs[name], name)):
        # Of parts that have as much to do, the one with fewer names, then the first.
        to = min(range(of), key=lambda part: (loads[part], len(hands[part]), part))
        hands[to].append(name)
        loads[to] += costs[name]
    return [frozenset(hand) for hand in hands]


def cost(scenario: Scenario, trials: int) -> float:
    """What so many trials of it take, in rough seconds: only which of two takes longer matters. Nothing, if there are none."""
    starts = 0 if may_share(scenario) else 1
    starts += sum(announced(plan).ends_a_life for plan in scenario.faults)
    return trials * (scenario.seconds * _OF_BUDGET + starts * _START_S)


def read_deal(file: Path, shard: str) -> tuple[str, ...]:
    """The scenarios of the part `shard` (`2/4`), from the file that has those of all parts. Raises BadShard, OSError."""
    part = Shard.read(shard)
    parts = decoder(list[tuple[str, ...]]).decode(file.read_bytes())
    if len(parts) != part.of:
        raise BadShard(f"{file} has {len(parts)} parts, and not {part.of}")
    return parts[part.number - 1]
