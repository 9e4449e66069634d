"""Names that both halves of the pytest plugin know: the options, and what judges."""

from __future__ import annotations

SUITE_SUFFIX = ".suite.yaml"
DECIDED = "tailproof"
"""What a controller hands to its workers: seed, out, supervisor. Workers parse the command line anew."""
