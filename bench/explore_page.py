"""Writes docs/explore-measured.md."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean, median

from bench.explore_live import HELD_OUT, Explored, Pack, told
from bench.explore_replay import BASE, POLICIES, Recorded, ranked, replayed, wilcoxon
from bench.explore_shrink import told as shrunk_told
from bench.explore_table import CONVICTED_BY, HONEST, ROOT, TUNING, lines

TABLE = ROOT / "docs" / "explore-measured.md"


def page(table: Recorded, replays: int) -> str:
    """The whole page."""
    return "\n".join(
        [*_head(table), *_offline(table, replays), *_masking(), *_live(), *_shrunk(), *_control(table), ""]
    )


def _head(table: Recorded) -> Iterator[str]:
    yield "# How soon an exploration convicts"
    yield ""
    yield "Written by `python -m bench.explore` from `bench/explore.jsonl` and `bench/explore_live.jsonl`. What is explored, and how, is"
    yield "in [explore.md](explore.md)."
    yield ""


def _offline(table: Recorded, replays: int) -> Iterator[str]:
    variants = table.variants
    never = [name for name in TUNING if name not in variants]
    yield "## Replayed"
    yield ""
    yield f"{len(table.cells)} cells, drawn at random from all that the reference can play, were each played with {len(TUNING)} broken"
    yield f"variants of it. Every order was replayed {replays} times on that table: the mean number of trials until the first conviction by"
    yield "the variant's own guarantee. A cell that could not be proven costs two trials, as it does live. A variant that no recorded cell"
    yield f"convicts says nothing: {', '.join(f'`{name}`' for name in never) or 'there is none'}."
    yield ""
    yield f"| variant | cells that convict | {' | '.join(POLICIES)} |"
    yield f"|---|---|{'---|' * len(POLICIES)}"
    means: dict[str, list[float]] = {name: [] for name in POLICIES}
    for variant in variants:
        row = []
        for name, policy in POLICIES.items():
            means[name].append(fmean(replayed(table, policy, variant, range(replays))))
            row.append(f"{means[name][-1]:.1f}")
        often = sum((variant, cell) in table.convicts for cell in table.cells)
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
        yield "Left out: feedback. Three draws of five went to a cell that shares most values with cells that had shown new behaviour"
        yield f"(`bench/explore_behaviour.py`); it took {left / whole['cover']:.2f} times the trials of the cover without it, so"
        yield "`tailproof explore` does not do it."
    yield ""


def _masking() -> Iterator[str]:
    packs = [one for one in told() if isinstance(one, Pack)]
    sure = [one for one in packs if one.proven]
    yield "## Do faults that share a trial hide each other?"
    yield ""
    if not packs:
        yield "Not measured yet."
        yield ""
        return
    hit = sum(one.convicts for one in packs)
    sure_hits = sum(one.convicts for one in sure)
    yield f"{len(packs)} times a cell of the path that convicts a variant alone was played with up to two others, drawn at random, each"
    yield f"at a turn of its own: {hit} of {len(packs)} trials convicted the variant all the same, and {sure_hits} of the {len(sure)} in"
    yield "which all that landed was proven. Those that did not:"
    yield ""
    for one in packs:
        if not one.convicts:
            yield f"- `{one.variant}`: {one.convicting}; with {'; '.join(cell for cell in one.cells if cell != one.convicting)}"
    yield ""


def _live() -> Iterator[str]:
    runs = [one for one in told() if isinstance(one, Explored)]
    yield "## Live"
    yield ""
    yield "Variants that are not in the table, each explored until a conviction that came back at once, or until the most trials."
    yield ""
    pairs = [
        (variant, seed)
        for variant in HELD_OUT
        for seed in sorted({one.seed for one in runs})
        if len({one.order for one in runs if (one.variant, one.seed) == (variant, seed)}) == 2
    ]
    if not pairs:
        yield "Not measured yet."
        yield ""
        return
    by = {(one.variant, one.seed, one.order): one for one in runs}
    yield "| variant | its guarantee | random, trials | drawn, trials |"
    yield "|---|---|---|---|"
    for variant in dict.fromkeys(name for name, _ in pairs):
        mine = [(by[name, seed, "random"], by[name, seed, "drawn"]) for name, seed in pairs if name == variant]
        cells = [", ".join(_shown(one) for one in row) for row in zip(*mine, strict=True)]
        yield f"| `{variant}` | `{CONVICTED_BY[variant]}` | {' | '.join(cells)} |"
    chance = [by[name, seed, "random"].trials for name, seed in pairs]
    drawn = [by[name, seed, "drawn"].trials for name, seed in pairs]
    yield ""
    yield f"{len(pairs)} pairs of explorations: mean {fmean(chance):.1f} trials at random, {fmean(drawn):.1f} as drawn"
    yield f"({fmean(drawn) / fmean(chance):.2f}); median {median(chance):.1f} and {median(drawn):.1f}; A12 {ranked(drawn, chance):.2f}"
    yield f"(below 0.5: fewer trials); Wilcoxon's signed ranks, two-sided: p = {wilcoxon(drawn, chance):.3g}. `>` means never convicted."
    yield ""


def _shrunk() -> Iterator[str]:
    explored = shrunk_told()
    found = [finding for one in explored for finding in one.findings]
    yield "## How small findings become"
    yield ""
    if not found:
        yield "Not measured yet."
        yield ""
        return
    small = [one for one in found if one.landings <= 2 and one.turns <= 3]
    left = sum(one.open_ for one in explored)
    ends = f"{len(found)} findings were confirmed and shrunk to their ends ({left} were not when the budget was"
    yield f"{len(explored)} whole explorations of the same variants, by `tailproof explore`: {ends}"
    yield f"spent). {len(small)} of {len(found)} have at most two faults and acts, and at most three turns. Medians:"
    yield ""
    yield "| | faults and acts | turns |"
    yield "|---|---|---|"
    yield f"| as found | {median(one.landings_before for one in found):g} | {median(one.turns_before for one in found):g} |"
    yield f"| shrunk | {median(one.landings for one in found):g} | {median(one.turns for one in found):g} |"
    yield ""
    trials = [one.trials for one in found]
    yield f"A shrink took {median(trials):g} trials (median), and at most {max(trials)}. What is larger:"
    yield ""
    for spent in explored:
        for one in spent.findings:
            if one not in small:
                yield f"- `{spent.variant}`, `{one.guarantee}` {one.signature}: {one.landings} faults and acts, {one.turns} turns"
    yield ""


def _shown(one: Explored) -> str:
    return str(one.trials) if one.convicted else f"> {one.most}"


def _control(table: Recorded) -> Iterator[str]:
    honest = [line for line in lines() if line.variant == HONEST and not line.error]
    accused = [line for line in honest if line.violated]
    yield "## Control"
    yield ""
    yield f"The honest reference in {len(honest)} of the recorded cells: {len(accused)} violations."
    for line in accused:
        yield f"- {'; '.join(line.cells)}: {', '.join(line.violated)}"
