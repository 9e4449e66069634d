"""A check of several pairs at a glance, in Markdown: who met whom, and each guarantee by the pairs."""

from __future__ import annotations

from collections.abc import Iterator

from tailproof.outgoing.visible import clip
from tailproof.reports.fitting import Section
from tailproof.reports.markup import code, prose, table_head, table_row
from tailproof.reports.result import PairResult, Result
from tailproof.reports.words import STANDINGS, grid, met, ranges, several, tally, where

_ITEM = 160


def of_pairs(result: Result) -> Iterator[Section]:
    """The pairs with their numbers, and each guarantee by them with the scenarios in which it does not hold. Nothing for one pair."""
    if not several(result):
        return
    yield Section(
        head=f"### Pairs\n\n{table_head(('pair', 'client', 'target', 'trials', 'verdicts'))}",
        items=[table_row((str(number), *_pair(result, pair))) for number, pair in enumerate(result.pairs, 1)],
        between="\n",
        noun="pairs",
        importance=1,
    )
    guarantees, _, cells = grid(result, met)
    yield Section(
        head=f"### Guarantees\n\n{table_head(('', *map(str, range(1, len(result.pairs) + 1)), 'where (with which pairs)'))}",
        items=[
            table_row(
                (
                    code(guarantee, cell=True),
                    *(
                        STANDINGS[kind][0] if (kind := cells.get((guarantee, met(pair)))) else ""
                        for pair in result.pairs
                    ),
                    "<br>".join(_where(result, guarantee)),
                )
            )
            for guarantee in guarantees
        ],
        foot=", ".join(f"{mark} {said}" for name, (mark, _, said) in STANDINGS.items() if name in cells.values()),
        between="\n",
        noun="guarantees",
        importance=2,
    )


def _pair(result: Result, pair: PairResult) -> Iterator[str]:
    trials = [trial for trial in result.trials if met(trial) == met(pair)]
    yield code(clip(pair.client, _ITEM), cell=True)
    yield code(clip(pair.target, _ITEM), cell=True)
    yield str(len(trials))
    failed = sum(1 for trial in trials if trial.error is not None)
    said = tally((verdict for trial in trials for verdict in trial.verdicts), fail_on=result.gate.fail_on)
    yield (
        f"**could not be built**: {prose(clip(pair.error, 300))}"
        if pair.error
        else (f"{said}, **{failed} failed**" if failed else said)
    )


def _where(result: Result, guarantee: str) -> Iterator[str]:
    for name, found in where(result, guarantee):
        places = (f"{code(clip(place, _ITEM), cell=True)} ({ranges(pairs)})" for place, pairs in found.items())
        yield f"{STANDINGS[name][2]}: {', '.join(places)}"
