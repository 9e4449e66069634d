"""The parts of a log that are read once more at the end of a trial: one for each filter that the protocol has, and two
for several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from math import ceil

from tailproof.guarantees.events_filtered import MOST_EVENTS
from tailproof.history.server_records import Event, moment
from tailproof.protocol.part import Part

PAGES = 4
"""So many pages, and no more, are needed for a part: borders of pages are met, too."""


def parts_of(events: Sequence[Event], filters: Collection[str]) -> Iterator[Part]:
    """What is asked for of a log with these events. Each part lacks some of them, and its bounds are events of the log: whoever is one
    off at a bound gives one too many or too few."""
    if not 0 < len(events) <= MOST_EVENTS:
        return
    name = _commonest([event.name for event in events])
    source = _commonest([event.source for event in events])
    stamps = [event.ts for event in events]
    timed = all(moment(stamp) for stamp in stamps)
    early, late = stamps[len(stamps) // 4], stamps[-1 - len(stamps) // 4]
    wanted = [Part(name=name), Part(source=source), Part(text=_word(events))]
    if timed:
        wanted += [Part(since=late), Part(before=early), Part(source=source, since=early, before=late)]
    if timed and name:
        # The half of those that have the name: each of the two filters alone gives more.
        named = [event.ts for event in events if event.name == name]
        wanted.append(Part(name=name, since=named[len(named) // 2]))
    # The oldest may be of an earlier life of the server.
    wanted += [Part(id=events[place].id) for place in sorted({0, len(events) - 1})]
    yield from (part for part in wanted if part.said and part.said.keys() <= set(filters))


def page_size(events: Sequence[Event]) -> int:
    """With how many events of a page a part of these is read."""
    return max(1, ceil(len(events) / PAGES))


def _commonest(words: Sequence[str]) -> str:
    """The word that most events have, if not all of them have it."""
    found = [(word, times) for word, times in Counter(words).most_common() if word and times < len(words)]
    return found[0][0] if found else ""


def _word(events: Sequence[Event]) -> str:
    """A word from the middle of the first message that has one, in the other case; of a message of one word its second half."""
    for event in events:
        words = event.text.split() if event.role == "message" else []
        word = words[len(words) // 2] if words else ""
        if word.isalnum() and word.isascii():
            return (word if len(words) > 1 else word[len(word) // 2 :]).swapcase()
    return ""
