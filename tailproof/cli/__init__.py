"""The command line: `check` runs, `results` reads what was found, `commands` has the rest."""

from tailproof.cli.commands import main

__all__ = ["main"]
