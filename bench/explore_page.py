"""Writes docs/explore-measured.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from statistics import fmean, median

from bench.explore_control import AGAIN, Asked
from bench.explore_control import KEPT as CONTROL
from bench.explore_live import HELD_OUT, KEPT, MOST_CONVICT, ORDERS, Explored, Pack, share_that_convicts
from bench.explore_replay import BASE, POLICIES, Recorded, ranked, replayed, wilcoxon
from bench.explore_shrink import KEPT as SHRUNK
from bench.explore_table import CONVICTED_BY, HONEST, OF_CLIENTS, ROOT, TUNING, lines
from tailproof.explore.cells import Cell
from tailproof.explore.packing import may_share

TABLE = ROOT / "docs" / "explore-measured.md"


def page(table: Recorded, replays: int) -> str:
    """The whole page."""
    return "\n".join(
        [*_head(table), *_offline(table, replays), *_masking(), *_live(), *_shrunk(), *_control(table), ""]
    )


def _head(table: Recorded) -> Iterator[str]:
    yield "# How soon an exploration convicts"
    yield ""
    yield "Written by `python -m bench.explore` from `explore.jsonl`, `explore_live.jsonl`, `explore_shrink.jsonl` and"
    yield "`explore_control.jsonl` in `bench/`. What is explored, and how, is in [explore.md](explore.md)."
    yield ""


def _offline(table: Recorded, replays: int) -> Iterator[str]:
    variants = table.variants
    never = [name for name in TUNING if name not in variants]
    yield "## Replayed"
    yield ""
    clients = sum(name in OF_CLIENTS for name in TUNING)
    asked = len(table.cells_of(next(name for name in TUNING if name in OF_CLIENTS)))
    yield f"{len(table.cells)} cells, drawn at random from all that the reference can play, were each played with"
    yield f"{len(TUNING) - clients} broken servers; {asked} of them, those that ask something of a client, with {clients} broken"
    yield f"clients, too. Every order was replayed {replays} times on that table: the mean number of trials until the first"
    yield "conviction by the variant's own guarantee. What could not be proven is played once more: by a cover when what is"
    yield "drawn brings no new value, at random behind all others. Cells that share a trial are taken to be proven there as they are"
    yield "alone. A replay ends after as many trials as there are cells. A variant"
    yield f"that no recorded cell convicts says nothing: {', '.join(f'`{name}`' for name in never) or 'there is none'}."
    yield ""
    yield f"| variant | cells that convict | {' | '.join(POLICIES)} |"
    yield f"|---|---|{'---|' * len(POLICIES)}"
    means: dict[str, list[float]] = {name: [] for name in POLICIES}
    for variant in variants:
        row = []
        for name, policy in POLICIES.items():
            means[name].append(fmean(replayed(table, policy, variant, range(replays))))
            row.append(f"{means[name][-1]:.1f}")
        often = sum((variant, cell) in table.convicts for cell in table.cells_of(variant))
        yield f"| `{variant}` | {often} | {' | '.join(row)} |"
    if not variants:
        return
    whole = {name: fmean(row) for name, row in means.items()}
    yield f"| **mean** | | {' | '.join(f'**{mean:.2f}**' for mean in whole.values())} |"
    yield f"| against {BASE} | | {' | '.join(f'{mean / whole[BASE]:.2f}' for mean in whole.values())} |"
    worst = {name: max(one / base for one, base in zip(row, means[BASE], strict=True)) for name, row in means.items()}
    yield f"| worst variant | | {' | '.join(f'{ratio:.2f}' for ratio in worst.values())} |"
    yield ""
    kept, left = whole["cover, with packing"], whole["cover, with feedback"]
    yield f"Kept: cover with packing ({kept / whole[BASE]:.2f} of {BASE})."
    if left >= whole["cover"]:
        yield ""
        yield "Left out: feedback. Three draws of five went by weight, to cells that share values with cells that had shown new"
        yield f"behaviour (`bench/explore_behaviour.py`), from the second draw on; it took {left / whole['cover']:.2f} times the trials of"
        yield "the cover without it, so `tailproof explore` does not do it. What feedback does behind the cover of the pairs cannot be"
        yield "told on a table that is smaller than such a cover."
    yield ""


def _masking() -> Iterator[str]:
    packs = [one for one in KEPT.told() if isinstance(one, Pack) and _tells(one)]
    sure = [one for one in packs if one.proven]
    yield "## Do faults that share a trial hide each other?"
    yield ""
    if not packs:
        yield "Not measured yet."
        yield ""
        return
    hidden = [one for one in packs if not one.convicts]
    yield "A cell of the path that convicts a variant alone was played with up to two others, drawn at random, each at a turn of its"
    yield f"own. Only variants that few of the recorded cells convict were taken (at most {MOST_CONVICT:.0%}): of the others nobody"
    yield f"could tell which cell did. {len(packs) - len(hidden)} of {len(packs)} trials convicted the variant all the same. All that was"
    yield f"to land was proven in {len(sure)} of them, of which {sum(one.convicts for one in sure)} convicted. What is not proven an"
    yield f"exploration plays once more, alone. Those that hid it:{'' if hidden else ' none.'}"
    yield ""
    for one in hidden:
        others = "; ".join(cell for cell in one.cells if cell != one.convicting)
        yield f"- `{one.variant}`: {one.convicting}; with {others}{'' if one.proven else ' (not all of it proven)'}"
    if hidden:
        yield ""


def _tells(one: Pack) -> bool:
    """The cells still share a trial (what does was decided anew when some of this was measured), and the convicting one alone tells."""
    return may_share(tuple(map(Cell.read, one.cells))) and share_that_convicts(one.variant) <= MOST_CONVICT


def _live() -> Iterator[str]:
    told = [one for one in KEPT.told() if isinstance(one, Explored)]
    most = max((one.most for one in told), default=0)
    runs = [one for one in told if one.most == most]
    by = {(one.variant, one.seed, one.order): one for one in runs}
    pairs = {
        variant: [
            (by[variant, seed, "random"], by[variant, seed, "drawn"])
            for seed in sorted({one.seed for one in runs})
            if all((variant, seed, order) in by for order in ORDERS)
        ]
        for variant in HELD_OUT
    }
    pairs = {variant: some for variant, some in pairs.items() if some}
    yield "## Live"
    yield ""
    if not pairs:
        yield "Not measured yet."
        yield ""
        return
    yield "Variants that are not in the table, each explored until a conviction that came back at once, or until"
    yield f"{most} trials. What could not be proven was played once more, alone, by either order: as drawn when the cells drawn"
    yield "brought no new value any more, at random behind everything else. Neither comes often within so many trials. Until a first"
    yield "measurement of these variants had shown 0.80, over seven seeds, it was played once more at once. Many share their guarantee"
    yield "with a variant of the table; nothing else was decided with them."
    yield ""
    yield "| variant | its guarantee | cells | seeds | random, trials | never | drawn, trials | never | drawn against random | A12 |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    means: list[tuple[float, float]] = []
    likely: list[float] = []
    for variant, some in pairs.items():
        chance, drawn = ([row[place] for row in some] for place in (0, 1))
        means.append((fmean(one.trials for one in chance), fmean(one.trials for one in drawn)))
        likely.append(ranked([_rank(one) for one in drawn], [_rank(one) for one in chance]))
        yield (
            f"| `{variant}` | `{CONVICTED_BY[variant]}` | {some[0][0].cells} | {len(some)} | {means[-1][0]:.1f} | {_never(chance)} "
            f"| {means[-1][1]:.1f} | {_never(drawn)} | {means[-1][1] / means[-1][0]:.2f} | {likely[-1]:.2f} |"
        )
    whole = [fmean(row[place] for row in means) for place in (0, 1)]
    thousandths = [[round(1000 * row[place]) for row in means] for place in (0, 1)]
    yield ""
    worst = max(drawn / chance for chance, drawn in means)
    yield f"Means over the {len(pairs)} variants: {whole[0]:.1f} trials at random, {whole[1]:.1f} as drawn"
    yield f"({whole[1] / whole[0]:.2f}; the goal is 0.60). Worst variant: {worst:.2f} (the goal is 1.20). A12, how likely an exploration"
    yield f"as drawn needs more trials than one at random: {fmean(likely):.2f}. Wilcoxon's signed ranks of the variants' means,"
    yield f"two-sided: p = {wilcoxon(thousandths[1], thousandths[0]):.3g}. One that never convicted counts with all its trials:"
    yield "where there are many of them, both means are too low."
    yield ""


def _rank(one: Explored) -> int:
    """Never is later than with the last trial."""
    return one.trials if one.convicted else one.most + 1


def _never(some: Sequence[Explored]) -> str:
    return str(sum(not one.convicted for one in some) or "")


def _shrunk() -> Iterator[str]:
    explored = SHRUNK.told()
    found = [finding for one in explored for finding in one.findings]
    yield "## How small findings become"
    yield ""
    if not found:
        yield "Not measured yet."
        yield ""
        return
    small = [one for one in found if one.landings <= 2 and one.turns <= 3]
    left = sum(one.open_ for one in explored)
    yield f"{len(explored)} whole explorations of the same variants, by `tailproof explore`; what shrinks a finding counts against"
    yield f"the budget, too. {len(found)} findings were confirmed and shrunk as far as 25 trials go ({left} were not when the"
    yield f"budget was spent). {len(small)} of {len(found)} have at most two faults and acts, and at most three turns. Medians:"
    yield ""
    yield "| | faults and acts | turns |"
    yield "|---|---|---|"
    yield f"| as found | {median(one.landings_before for one in found):g} | {median(one.turns_before for one in found):g} |"
    yield f"| shrunk | {median(one.landings for one in found):g} | {median(one.turns for one in found):g} |"
    yield ""
    trials = [one.trials for one in found]
    larger = "Nothing is larger." if len(small) == len(found) else "What is larger:"
    yield f"A shrink took {median(trials):g} trials (median), and at most {max(trials)}. {larger}"
    yield ""
    for spent in explored:
        for one in spent.findings:
            if one not in small:
                yield f"- `{spent.variant}`, `{one.guarantee}` {one.signature}: {one.landings} faults and acts, {one.turns} turns"
    yield ""


def _control(table: Recorded) -> Iterator[str]:
    honest = [line for line in lines() if line.variant == HONEST and not line.error]
    accused = [line for line in honest if line.violated]
    yield "## Control"
    yield ""
    yield f"The honest reference in {len(honest)} of the recorded cells: {len(accused)} violations."
    for line in accused:
        yield f"- {'; '.join(line.cells)}: {', '.join(line.violated)}"
    for (target, calm), some in groupby(CONTROL.told(), key=lambda one: (one.target, one.calm)):
        yield ""
        yield from _asked(target, calm, list(some))


def _asked(target: str, calm: bool, asked: Sequence[Asked]) -> Iterator[str]:
    told = [one for one in asked if not one.error]
    alarms = [one for one in told if one.violated]
    how = (
        "in trials like these with an act in each cell, the faults taken out"
        if calm
        else "in trials as an exploration draws them"
    )
    yield f"`{target}`, {how}: {len(told)} trials, of which {len(alarms)} accuse it."
    if alarms:
        yield f"Each of these was played {AGAIN} times more:"
        yield ""
    for one in alarms:
        came = (f"{name} {back} of {AGAIN}" for name, back in zip(one.violated, one.came_back, strict=True))
        yield f"- {'; '.join(one.cells)}: {', '.join(came)}"
