"""Situations drawn as data, played on a real server, confirmed and shrunk. For tests of your own: `scenarios`, and `broken` to play one."""

from tailproof.explore.alone import broken
from tailproof.explore.strategies import scenarios

__all__ = ["broken", "scenarios"]
