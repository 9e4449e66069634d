"""Every cell that there is, listed once: that takes seconds."""

from __future__ import annotations

from tailproof.explore.cells import Space

EVERY_CELL = tuple(Space())
