"""The order in which cells are drawn."""

from __future__ import annotations

import random
from collections import Counter

from every_cell import EVERY_CELL
from hypothesis import given, settings
from hypothesis import strategies as st

from tailproof.explore.cells import Cell
from tailproof.explore.deck import UNREACHABLE, Deck

SPACE = EVERY_CELL[::7]
SOME = [cell for cell in SPACE if cell.shape in ("steps", "two-runs") and cell.act in ("nothing", "user.fork")]


def drawn(deck: Deck, trials: int) -> list[Cell]:
    found = []
    for _ in range(trials):
        found += deck.draw()
    return found


@given(st.integers(0, 1000), st.lists(st.booleans(), min_size=40, max_size=40))
@settings(max_examples=8)
def test_no_cell_is_drawn_twice_whatever_becomes_of_it(seed: int, proven: list[bool]) -> None:
    deck = Deck(SOME, seed)
    seen: Counter[Cell] = Counter()
    for fate in proven:
        for cell in deck.draw():
            seen[cell] += 1
            deck.tell(cell, proven=fate, why="" if fate else "had no effect")
    assert max(seen.values()) == 1


def test_all_of_them_are_drawn_in_the_end() -> None:
    few = SOME[::20]
    deck = Deck(few, 1)
    seen = set(drawn(deck, len(few) + 1))
    assert seen == set(few)
    assert deck.draw() == ()


def test_it_is_told_what_the_rest_goes_to() -> None:
    few = SOME[::10]
    deck = Deck(few, 1)
    assert deck.rest == (len({value for cell in few for value in cell.values}), "value")
    seen = [deck.rest[1] for _ in iter(deck.draw, ())]
    assert seen == sorted(seen, key=["value", "pair", "cell"].index)
    assert set(seen) == {"value", "pair", "cell"}
    assert deck.rest == (0, "cell")


def test_what_is_hopeless_is_not_promised() -> None:
    deck = Deck(SOME, 1)
    cell = next(one for one in SOME if one.act == "user.fork")
    for other in [one for one in SOME if one.fault == cell.fault][:UNREACHABLE]:
        deck.take([other])
        deck.tell(other, proven=False)
    never = {value for one in SOME for value in one.values if not deck.values[value]}
    assert ("fault", cell.fault) in never
    assert deck.rest == (len(never - {("fault", cell.fault)}), "value")


def test_what_nothing_left_can_bring_is_not_promised() -> None:
    lonely = Cell("process.kill/in-place", "terminal", "two-runs", "nothing")
    deck = Deck([lonely, *(cell for cell in SOME if cell.fault.startswith("wire."))], 1)
    deck.take([lonely])
    deck.tell(lonely, proven=False)
    while deck.draw():
        assert not deck.values["fault", lonely.fault]
    assert deck.rest == (0, "cell")


def test_the_seed_decides() -> None:
    assert drawn(Deck(SPACE, 7), 12) == drawn(Deck(SPACE, 7), 12)
    assert drawn(Deck(SPACE, 7), 12) != drawn(Deck(SPACE, 8), 12)


def test_values_come_first_and_then_pairs() -> None:
    deck = Deck(SPACE, 3)
    values = {value for cell in SPACE for value in cell.values}
    drawn(deck, len(values))
    assert all(deck.values[value] for value in values)
    by_chance = Deck(SPACE, 3)
    some = by_chance._left[: len(deck.drawn)]
    for cell in some:
        by_chance.take([cell])
    assert deck.covered > by_chance.covered


def test_a_value_that_few_cells_have_waits_for_no_chance() -> None:
    """It is in none of those that a draw looks at, most of the time."""
    rare = next(cell for cell in EVERY_CELL if cell.fault == "disk.damage/event-empty")
    others = [cell for cell in SPACE if cell.fault != rare.fault]
    deck = Deck([*others, rare], 0)
    drawn(deck, 60)
    assert rare in deck.drawn


def test_what_is_done_to_the_server_shares_with_a_fault_of_the_path() -> None:
    servers = [cell for cell in SPACE if not cell.fault_choice.of_the_path and cell.shape == "steps"]
    path = [cell for cell in SPACE if cell.fault_choice.of_the_path and cell.shape == "steps"]
    packs = [Deck([first, *path], seed, one_client=True) for seed, first in enumerate(servers[:40])]
    shared = [deck._shared(deck.cells[0], random.Random(1)) for deck in packs]
    assert all(len(some) <= 2 and some[-1] in servers for some in shared)
    assert any(len(some) == 2 for some in shared)


def test_what_is_never_proven_is_not_tried_for_ever() -> None:
    deck = Deck(SPACE, 5)
    tried: Counter[str] = Counter()
    for _ in range(150):
        for cell in deck.draw():
            tried[cell.fault] += 1
            deck.tell(cell, proven=cell.fault != "wire.duplicate/all", why="had no effect")
    assert 0 < tried["wire.duplicate/all"] <= UNREACHABLE


def test_who_goes_on_draws_nothing_again() -> None:
    first = Deck(SPACE, 9)
    before = drawn(first, 10)
    second = Deck(SPACE, 9)
    second.take(before)
    second.draws = first.draws
    assert not set(before) & set(drawn(second, 30))


def test_what_was_hopeless_comes_back_when_it_is_proven_after_all() -> None:
    """Three cells of one kind say nothing of it for ever: a fourth, drawn beside them, may still prove it."""
    some = [cell for cell in SPACE if cell.fault == "wire.duplicate/all" and cell.shape == "steps"][:12]
    deck = Deck(some, 5, packed=False)
    tried = [cell for _ in range(UNREACHABLE) for cell in deck.draw()]
    for cell in tried:
        deck.tell(cell, proven=False, why="had no effect")
    assert deck.draw() == ()
    late = next(cell for cell in some if cell not in tried)
    deck.tell(late, proven=True)
    left = set(drawn(deck, len(some)))
    assert left == {cell for cell in some if cell not in tried and not deck.hopeless(cell)}
    assert left


def test_a_fault_that_was_proven_is_not_blamed_for_its_act() -> None:
    cells = [cell for cell in EVERY_CELL if cell.fault == "wire.delay/2s" and cell.shape == "steps"]
    acts = {cell.act: cell for cell in cells if cell.point == "tool-running" and cell.act != "nothing"}
    deck = Deck(cells, 1, packed=False)
    tried = list(acts.values())[:UNREACHABLE]
    deck.take(tried)
    for cell in tried:
        deck.tell(cell, proven=False, why="the act had no effect", sound=["fault"])
    assert not deck.hopeless(Cell("wire.delay/2s", "tool-running", "steps"))
    for cell in tried:
        deck.tell(cell, proven=False, why="nothing had an effect")
    assert deck.hopeless(Cell("wire.delay/2s", "tool-running", "steps"))
